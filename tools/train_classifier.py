"""Train the classifiers that ship with genarium.evaluation.extractors, from the official idx files.

    python tools/train_classifier.py digits  --from DIR_OF_MNIST
    python tools/train_classifier.py fashion --from DIR_OF_FASHION_MNIST

DIR holds train-images-idx3-ubyte.gz and its three siblings; each is checked by the SHA-256 of its
unpacked content (archives packed anew differ in their gzip headers only). Training sees the
training split alone, for a fixed number of epochs; the test split is read once, at the end, to
score the exported file. No label smoothing: the probabilities are used as probabilities.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional as F

from genarium.evaluation.extractors.classifier import SIDE, Classifier, fold
from genarium.evaluation.extractors.shipped import WEIGHTS

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SETS: dict[str, dict[str, Any]] = {
    "digits": {
        "data": "MNIST",
        "classes": list("0123456789"),
        "sha256": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        "augmentation": {"degrees": 10.0, "scale": 0.1, "shift": 2.0, "flip": False},
    },
    "fashion": {
        "data": "Fashion-MNIST",
        "classes": [
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
        "sha256": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        "augmentation": {"degrees": 0.0, "scale": 0.05, "shift": 1.5, "flip": True},
    },
}


def read_idx(path: Path, sha256: str) -> Tensor:
    """An idx file of bytes as a uint8 tensor, refused unless its content has this SHA-256."""
    content = gzip.decompress(path.read_bytes())
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise SystemExit(f"{path}: SHA-256 of the content is {digest}, expected {sha256}")
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, 4).astype(int)
    body = np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    return torch.from_numpy(body.copy())


def augment(
    x: Tensor,
    generator: torch.Generator,
    *,
    degrees: float,
    scale: float,
    shift: float,
    flip: bool,
) -> Tensor:
    """Random rotation, scale, shift (pixels) and mirror image of [B,1,28,28] on [0, 1]."""

    def symmetric(bound: float) -> Tensor:
        return (torch.rand(len(x), generator=generator) * 2 - 1) * bound

    angle = symmetric(math.radians(degrees))
    size = 1 + symmetric(scale)
    mirror = torch.ones(len(x))
    if flip:
        mirror = torch.randint(2, (len(x),), generator=generator) * 2.0 - 1
    cos, sin = angle.cos() * size, angle.sin() * size
    offset = 2 * shift / SIDE  # the grid spans [-1, 1]
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, symmetric(offset)], 1),
            torch.stack([sin * mirror, cos, symmetric(offset)], 1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def train(
    images: Tensor, labels: Tensor, *, epochs: int, seed: int, augmentation: dict[str, Any]
) -> Classifier:
    """AdamW under one warm-up and cosine cycle; the average of the weights comes back."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    batch, peak = 128, 4e-3
    steps = epochs * (len(images) // batch)
    model = Classifier(folded=False).to(memory_format=torch.channels_last)
    average = deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05, fused=True)
    step, start = 0, time.monotonic()
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for rows in order.split(batch):
            if len(rows) < batch:
                continue
            progress = step / steps
            warm = min(1.0, progress / 0.15)
            rate = peak * warm * 0.5 * (1 + math.cos(math.pi * max(0.0, progress - 0.15) / 0.85))
            for group in optimizer.param_groups:
                group["lr"] = rate
            x = augment(images[rows].unsqueeze(1) / 255.0, generator, **augmentation)
            loss = F.cross_entropy(
                model(x.contiguous(memory_format=torch.channels_last))[1], labels[rows].long()
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            total += loss.item()
            decay = min(0.995, step / (step + 10))
            with torch.no_grad():
                for mean, now in zip(average.state_dict().values(), model.state_dict().values()):
                    if mean.dtype.is_floating_point:
                        mean.lerp_(now, 1 - decay)
        seconds = time.monotonic() - start
        loss_mean = total / (len(images) // batch)
        print(f"epoch {epoch + 1}/{epochs}  loss {loss_mean:.4f}  {seconds:.0f} s", flush=True)
    return average.eval()


@torch.inference_mode()
def score(model: Classifier, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy and calibration on a split."""
    logits = torch.cat([model(x.unsqueeze(1) / 255.0)[1] for x in images.split(500)])
    probability, guess = logits.softmax(1).max(1)
    right = (guess == labels).double()
    gap = 0.0
    for low in torch.arange(0, 1, 0.1):
        inside = (probability > low) & (probability <= low + 0.1)
        if inside.any():
            gap += abs((probability[inside].double() - right[inside]).sum().item())
    sure = probability >= 0.9
    return {
        "accuracy": right.mean().item(),
        "cross_entropy_nats": F.cross_entropy(logits, labels.long()).item(),
        "calibration_error": gap / len(labels),
        "share_with_probability_0.9": sure.double().mean().item(),
        "accuracy_where_probability_0.9": right[sure].mean().item(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", choices=SETS)
    parser.add_argument("--from", dest="folder", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, default=WEIGHTS, metavar="DIR")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    chosen = SETS[arguments.name]
    images, labels, test_images, test_labels = (
        read_idx(arguments.folder / f"{file}.gz", sha256)
        for file, sha256 in zip(FILES, chosen["sha256"])
    )
    model = train(
        images,
        labels,
        epochs=arguments.epochs,
        seed=arguments.seed,
        augmentation=chosen["augmentation"],
    )

    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"{arguments.name}.safetensors"
    weights = {k: v.half().contiguous() for k, v in fold(model).state_dict().items()}
    path.write_bytes(save(weights))
    # Score what ships: the folded, half-precision file as a reader will load it.
    shipped = Classifier()
    shipped.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    card = {
        "name": arguments.name,
        "architecture": "genarium.evaluation.extractors.classifier.Classifier",
        "parameters": sum(v.numel() for v in weights.values()),
        "classes": chosen["classes"],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "trained_on": f"{chosen['data']}, training split, {len(images)} images",
        "tested_on": f"{chosen['data']}, test split, {len(test_images)} images",
        "test": {
            k: round(v, 5) for k, v in score(shipped.eval(), test_images, test_labels).items()
        },
        "data_sha256": dict(zip(FILES, chosen["sha256"])),
        "command": f"python tools/train_classifier.py {arguments.name} --from DIR "
        f"--epochs {arguments.epochs} --seed {arguments.seed} --threads {arguments.threads}",
        "torch": torch.__version__,
    }
    (arguments.out / f"{arguments.name}.json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps(card["test"], indent=2))


if __name__ == "__main__":
    main()
