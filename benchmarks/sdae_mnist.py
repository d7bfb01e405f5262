"""Stacked denoising autoencoder on MNIST: test error after fine-tuning, and without pretraining.

    python benchmarks/sdae_mnist.py --from DIR

DIR holds the four official MNIST files. Three tied logistic layers of 1,000 units learn one after
the other from damaged images without labels; then a softmax is put on top and everything is
fine-tuned on all 60,000 labels. The same network from scratch gets the same labels in the same
order, the same optimizer and the same number of steps. Nothing is chosen by looking at the test
images: no early stopping, one learning rate.

Vincent et al. 2010, table 3, report 1.28 % with pretraining (their layer sizes, rates and noise
were chosen on validation images, and fine-tuning ran until the validation error stopped falling).
The defaults here are sized for a CPU: some 10 minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

import genarium
from genarium import data, recipes
from genarium.features import finetune
from genarium.runs.building import build


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from", dest="source", required=True, help="folder of the MNIST files")
    parser.add_argument("--hidden", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--amount", type=float, default=0.25, help="share of values masked")
    parser.add_argument("--layer-epochs", type=float, default=5, help="of each layer's pretraining")
    parser.add_argument("--epochs", type=float, default=10, help="of fine-tuning")
    parser.add_argument("--lr", type=float, default=1e-3, help="of pretraining")
    parser.add_argument("--tune-lr", type=float, default=5e-4, help="of fine-tuning")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="default: torch's own choice")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or torch.get_num_threads())

    mnist = data.load("mnist", data.DataOptions(from_dir=options.source))
    # nothing is chosen, so the validation images are training images as well
    images = torch.cat([mnist.train.images, mnist.validation.images])
    labels = torch.cat([mnist.train.labels, mnist.validation.labels])
    arguments = {
        "hidden": options.hidden,
        "layers": options.layers,
        "layer_steps": round(options.layer_epochs * len(mnist.train) / options.batch),
        "amount": options.amount,
        "lr": options.lr,
    }
    steps = arguments["layer_steps"] * options.layers
    recipe = recipes.get("stacked-autoencoder")
    pretrained, scratch, start = [], [], time.process_time()
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = genarium.train(
                recipe,
                mnist,
                out=Path(folder) / "run",
                steps=steps,
                batch=options.batch,
                seed=seed,
                device="cpu",
                precision="fp32",
                checkpoint_every=steps,
                **arguments,
            )
        print(f"seed {seed}: pretrained, {time.process_time() - start:.0f} CPU s", flush=True)
        for row in run.history():
            if row.get("step", 1) % arguments["layer_steps"] == 0:
                print(f"  step {row['step']}: {row['losses']}", flush=True)
        result = finetune(
            run.model,
            lambda seed: build(recipe, mnist.spec, arguments, seed),
            (images, labels),
            (mnist.test.images, mnist.test.labels),
            seeds=(seed,),
            steps=round(options.epochs * len(images) / options.batch),
            batch=options.batch,
            lr=options.tune_lr,
            progress=lambda line: print(
                f"  {line} ({time.process_time() - start:.0f} CPU s)", flush=True
            ),
        )
        pretrained += result.pretrained
        scratch += result.scratch
    facts = {
        "pretrained_error": pretrained,
        "scratch_error": scratch,
        "paper_error": 0.0128,
        "settings": {k: v for k, v in vars(options).items() if k not in ("source", "json")},
        "cpu_seconds": round(time.process_time() - start),
    }
    print(json.dumps(facts, default=str))
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
