"""ln p(x) of MNIST's test images under a VAE and an IWAE, in nats, static and dynamic binarization.

    python benchmarks/mnist_nats_vae.py vae dynamic --from ../shared/data/mnist --epochs 300
    python benchmarks/mnist_nats_vae.py iwae dynamic --from ../shared/data/mnist --epochs 15 --after
    python benchmarks/mnist_nats_vae.py table

The network of Burda, Grosse & Salakhutdinov 2016: 784-200-200-z50, tanh, the decoder its mirror
image. Theirs trains 3,280 epochs in batches of 20 with Adam at 1e-3, falling in eight stages to
1e-4; here the batches are of 100 (a step of 20 images costs nearly as much as one of 100 on a CPU),
the learning rate 2e-3 (theirs times about the square root of 5), falling as a cosine, and the
epochs what the hour allows. 55,000 training images; 5,000 of the official 60,000 are held out.

An epoch of IWAE-50 costs what 17 of the VAE do. `--after` starts it from the weights of the VAE
that lies in --out (the paper does that too, table 2: 84.88 against 84.78 from scratch), so an hour
holds both trainings, and the time reported is that of both.

Scored by importance sampling with k = 5,000 draws an image, of the official test images in their
order, `--images` of them. Everything resumes: called again, a run goes on where it stood, exactly.
Run folders and scores lie in --out, NAME.json beside each run.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import genarium
from genarium.errors import UserError
from genarium.models.vae.iwae import iwae
from genarium.models.vae.model import VAE
from genarium.recipes import PositiveFloat, PositiveInt, recipe
from genarium.training import allocator
from genarium.training.order import derive

NETWORK: dict[str, Any] = {
    "net": "dense",
    "activation": "tanh",
    "layers": 2,
    "hidden": 200,
    "latent": 50,
    "prior": "fixed",
    "lr": 2e-3,
}
TRAINING: dict[str, Any] = {
    "batch": 100,
    "ema": 0.0,
    "schedule": "cosine",
    "checkpoint_every": 2000,
    "sample_every": 10**9,
    "log_every": 550,
    "keep": 1,
    "device": "cpu",
}
PAPER = {
    ("vae", "dynamic"): 86.76,
    ("iwae", "dynamic"): 84.78,
    ("iwae", "static"): 86.82,
}
CHUNK = 50  # images scored between two notes of the state


@recipe(tiny={}, batch=100, steps=1000)
def iwae_after(
    spec: genarium.Spec, *, start: str = "", samples: PositiveInt = 50, lr: PositiveFloat = 1e-3
) -> VAE:
    """IWAE that starts from a VAE's weights: the nets are the same, the bound is tighter.

    start: run folder of the VAE.
    samples: draws of the code an image.
    lr: learning rate of Adam.
    """
    model = iwae(spec, **{**NETWORK, "samples": samples, "lr": lr})
    model.load_state_dict(genarium.load(start).model.state_dict())
    return model


def vae_of(result: Any) -> Path:
    """The run folder of the VAE that an IWAE starts from with --after."""
    return Path(result.out, f"vae-{result.binarization}")


def train(result: Any, folder: Path) -> genarium.Trained:
    """The run, trained to its number of epochs; goes on with what is there."""
    if folder.exists():
        return genarium.resume(folder, progress=not result.quiet, epochs=result.epochs)
    extra: dict[str, Any] = dict(NETWORK)
    if result.model == "iwae":
        extra["samples"] = result.samples
    if result.after:
        extra = {"start": str(vae_of(result).resolve()), "samples": result.samples}
    static = {"binarize": "static"} if result.binarization == "static" else {}
    return genarium.train(
        "iwae-after" if result.after else result.model,
        "mnist",
        out=folder,
        progress=not result.quiet,
        epochs=result.epochs,
        seed=result.seed,
        from_dir=result.from_dir,
        **extra,
        **static,
        **TRAINING,
    )


def score(trained: genarium.Trained, images: Tensor, k: int, file: Path) -> list[float]:
    """ln p(x) of each image, k draws; what `file` holds of this step already is not done again."""
    state: dict[str, Any] = {"step": trained.step, "k": k, "nats": []}
    if file.exists():
        stored = json.loads(file.read_text())
        if (stored["step"], stored["k"]) == (trained.step, k):
            state = stored
    nats: list[float] = state["nats"]
    while len(nats) < len(images):
        start = len(nats)
        generator = torch.Generator().manual_seed(derive(0, "nats", start))
        part = images[start : start + CHUNK]
        nats += trained.model.elbo(part, k=k, generator=generator).tolist()  # type: ignore[operator]
        file.write_text(json.dumps(state))
    return nats[: len(images)]


def run(args: Any) -> None:
    """Train, score, and write the result."""
    allocator.keep_memory()
    torch.set_num_threads(args.threads or torch.get_num_threads())
    name = f"{args.model}{args.samples if args.model == 'iwae' else ''}-{args.binarization}"
    before = {"epochs": 0.0, "seconds": 0.0}
    if args.after:
        if args.model != "iwae":
            raise UserError("--after is for iwae, which starts from the VAE in --out")
        last = [row for row in genarium.load(vae_of(args)).history() if "losses" in row][-1]
        before = {"epochs": last["epoch"], "seconds": last["seconds"]}
        name += "-after"
    args.out.mkdir(parents=True, exist_ok=True)
    trained = train(args, args.out / name)
    images = trained.dataset().test.images[: args.images]
    start = time.monotonic()
    elbo = trained.score(images).double()
    nats = torch.tensor(score(trained, images, args.k, args.out / f"{name}.nats.json"))
    last = [row for row in trained.history() if "losses" in row][-1]
    result = {
        "model": args.model,
        "samples": args.samples if args.model == "iwae" else 1,
        "binarization": args.binarization,
        "density": trained.model.density,
        "nats": -nats.double().mean().item(),
        "standard_error": nats.double().std().item() / len(nats) ** 0.5,
        "elbo": -elbo.mean().item(),
        "images": len(images),
        "k": args.k,
        "epochs": last["epoch"],
        "epochs_before": before["epochs"],
        "minutes": (last["seconds"] + before["seconds"]) / 60,
        "scoring_minutes": (time.monotonic() - start) / 60,
        "threads": torch.get_num_threads(),
        "paper": PAPER.get((args.model, args.binarization)),
    }
    (args.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def table(out: Path) -> str:
    """The results in `out` as Markdown: a row a model, a column a binarization."""
    results = [json.loads(p.read_text()) for p in sorted(out.glob("*.json"))]
    results = [r for r in results if "density" in r]
    if not results:
        raise UserError(f"--out {out}: no results yet: train first")
    rows = [
        "| model | binarization | -ln p(x), nats | paper | -ELBO | images, k | epochs, minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in sorted(results, key=lambda r: (r["binarization"], r["model"] == "iwae", r["samples"])):
        name = "VAE" if r["model"] == "vae" else f"IWAE-{r['samples']}"
        epochs = f"{r['epochs']:.0f}"
        if r["epochs_before"]:
            name, epochs = f"{name} after the VAE", f"{r['epochs_before']:.0f} + {epochs}"
        rows.append(
            f"| {name} | {r['binarization']} | {r['nats']:.2f} ± {r['standard_error']:.2f} | "
            f"{r['paper'] or '—'} | {r['elbo']:.2f} | {r['images']:,}, {r['k']:,} | "
            f"{epochs}, {r['minutes']:.0f} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=("vae", "iwae", "table"))
    parser.add_argument("binarization", nargs="?", choices=("dynamic", "static"), default="dynamic")
    parser.add_argument("--from", dest="from_dir", help="folder of MNIST's four official files")
    parser.add_argument("--epochs", type=float, default=60)
    parser.add_argument("--samples", type=int, default=50, help="of the IWAE (default: 50)")
    parser.add_argument("--after", action="store_true", help="start from the VAE of --out")
    parser.add_argument("--images", type=int, default=10_000, help="test images scored")
    parser.add_argument("--k", type=int, default=5000, help="draws an image (default: 5000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/mnist-nats"))
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    args = parser.parse_args()
    os.environ["GENARIUM_PATH"] = str(Path(__file__).parent)  # where `iwae-after` is found
    if args.model == "table":
        print(table(args.out))
    else:
        run(args)


if __name__ == "__main__":
    main()
