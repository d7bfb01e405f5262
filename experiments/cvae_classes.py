"""A conditional VAE draws the class asked for, and keeps the handwriting when it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import evaluating, generator_of, load, make, score, sheet, trainer_of

from genarium.contract import to_uint8
from genarium.evaluation.extractors.by_name import extractor


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    size: int = 28
    latent: int = 8
    width: int = 16
    hidden: int = 256
    layers: int = 1
    beta: float = 2.0  # simpler codes than the ELBO's: nearer the prior that samples come from
    lr: float = 2e-3
    ema: float = 0.99
    batch: int = 128
    steps: int = 3000
    samples: int = 2000


def measure(seed: int, s: Settings) -> Measured:
    data = load("digits", s.size)
    model = make(
        "cvae",
        data.spec,
        seed,
        net="conv",
        latent=s.latent,
        width=s.width,
        hidden=s.hidden,
        layers=s.layers,
        beta=s.beta,
        lr=s.lr,
    )
    trainer = trainer_of(
        model,
        "digits",
        seed,
        size=s.size,
        steps=s.steps,
        batch=s.batch,
        ema=s.ema,
        schedule="cosine",
    )
    trainer.fit()
    asked = torch.arange(s.samples) % 10
    test = data.test
    with trainer.sampling_weights(), evaluating(model):
        drawn = to_uint8(
            model.sample(s.samples, condition=asked, generator=generator_of(seed, "samples"))
        )
        result = model.classify(test.images[: s.samples])
        codes = model.encode(test.images[:8])[:, : s.latent]
        labels = torch.eye(10).repeat(8, 1)
        changed = to_uint8(model.decode(torch.cat([codes.repeat_interleave(10, 0), labels], 1)))
    shown = extractor("digits")(drawn).logits.argmax(1)
    numbers = {
        "asked_class": (shown == asked).double().mean().item(),
        "classified": (result == test.labels[: s.samples]).double().mean().item(),
        "fid": score(drawn)["fid"],
    }
    return Measured(
        numbers,
        {
            "confusion": [
                [int(((asked == a) & (shown == b)).sum()) for b in range(10)] for a in range(10)
            ]
        },
        {"changed": torch.cat([test.images[:8][:, None], changed.unflatten(0, (8, 10))], 1)},
    )


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2)
    seed, first = next(iter(measured.items()))
    left.imshow(sheet(first.images["changed"].flatten(0, 1), 11), cmap="gray")
    left.set_axis_off()
    left.set_title(f"seed {seed}: a test image, then its code as each class")
    shown = right.imshow(first.curves["confusion"], cmap="Blues")
    right.set_xlabel("class that the classifier sees")
    right.set_ylabel("class asked for")
    right.set_xticks(range(10))
    right.set_yticks(range(10))
    figure.colorbar(shown, ax=right, label="samples")


CLAIM = Claim(
    name="cvae_classes",
    title="A conditional VAE draws the class asked for",
    paper="Sohn et al. 2015",
    setup="`cvae --beta 2` on digits (12,000 images); the classifier that ships with the package "
    "names the class of each sample.",
    criteria=(
        Criterion(
            "At least 97 % of a conditional VAE's samples have the class that was asked for",
            (Bound("asked_class", at_least=0.97),),
        ),
        Criterion(
            "Its bounds ln p(x|y) name the class of at least 95 % of the test images",
            (Bound("classified", at_least=0.95),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(width=2, latent=2, hidden=8, steps=2, batch=8, samples=100),
)

if __name__ == "__main__":
    CLAIM.main()
