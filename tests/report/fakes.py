"""Runs that were never trained: tiny models with chosen capabilities, on tiny data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from genarium.contract import Spec, from_uint8
from genarium.evaluation.scores.score import Score, Scores

CODES = 3


@dataclass
class Part:
    images: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass
class Data:
    name: str
    spec: Spec
    manifest: str
    info: dict[str, Any]
    train: Part
    validation: Part
    test: Part


def data(
    name: str = "blobs",
    spec: Spec | None = None,
    counts: Sequence[int] = (24, 4, 12),
    seed: int = 0,
) -> Data:
    """Random images; `seed` decides them and the manifest."""
    spec = spec or Spec(1, 8, 8, ("a", "b"))
    generator = torch.Generator().manual_seed(seed)

    def part(count: int) -> Part:
        shape = (count, *spec.shape)
        images = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
        return Part(images, torch.arange(count) % len(spec.classes) if spec.classes else None)

    train, validation, test = (part(count) for count in counts)
    info = {"counts": dict(zip(("train", "validation", "test"), counts)), "attribution": "<nobody>"}
    return Data(name, spec, f"{seed:04d}{'0' * 60}", info, train, validation, test)


class Base(nn.Module):
    """Decodes a code to an image of one grey; says in `seen` what it was asked."""

    density = ""
    conditional = False

    directions = ("a2b",)  # the contract's default

    def __init__(self, spec: Spec):
        super().__init__()
        self.spec = spec
        self.scale = nn.Parameter(torch.ones(CODES))
        self.seen: list[Any] = []


def _sample(
    self: Any,
    n: int,
    *,
    condition: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    self.seen.append(condition)
    return torch.rand(n, *self.spec.shape, generator=generator) * 2 - 1


def _log_prob(self: Any, images: Tensor, condition: Tensor | None = None) -> Tensor:
    return -images.flatten(1).float().mean(1)


def _elbo(self: Any, images: Tensor, condition: Tensor | None = None, **_: Any) -> Tensor:
    return -images.flatten(1).float().mean(1) - 1


def _encode(self: Any, images: Tensor) -> Tensor:
    return from_uint8(images).flatten(1)[:, :CODES]


def _decode(self: Any, z: Tensor) -> Tensor:
    grey = (z * self.scale).mean(1).tanh()
    return grey.view(-1, 1, 1, 1).expand(-1, *self.spec.shape)


def _prior(self: Any, n: int, generator: torch.Generator | None = None) -> Tensor:
    return torch.randn(n, CODES, generator=generator)


def _reconstruct(self: Any, images: Tensor) -> Tensor:
    return from_uint8(images).flip(3)


def _translate(
    self: Any,
    images: Tensor,
    *,
    direction: str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    return _reconstruct(self, images)


METHODS = {
    "sample": _sample,
    "log_prob": _log_prob,
    "elbo": _elbo,
    "encode": _encode,
    "decode": _decode,
    "prior": _prior,
    "reconstruct": _reconstruct,
    "translate": _translate,
}


def model(spec: Spec, *able: str) -> Any:
    """A model that can do just this."""
    return type("Fake", (Base,), {name: METHODS[name] for name in able})(spec)


@dataclass
class FakeRecipe:
    name: str = "fake"
    paper: str = "Nobody 2020"
    doc: str = "A fake.\n\nlatent: size of the code."


@dataclass
class Run:
    """What `genarium.load` gives, as far as reports need it."""

    model: Any
    on: Data
    name: str = "run"
    taxonomy: tuple[str, ...] = ("explicit", "approximate")
    recipe: Any = field(default_factory=FakeRecipe)
    rows: Sequence[Mapping[str, Any]] = ()
    config: dict[str, Any] = field(default_factory=lambda: {"training": {"seed": 7}})
    about: dict[str, Any] = field(default_factory=dict)
    settings: Any = None

    def __post_init__(self) -> None:
        self.about = {
            "data": {"name": self.on.name, "manifest": self.on.manifest, "info": self.on.info},
            "versions": {"genarium": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
            **self.about,
        }

    @property
    def label(self) -> str:
        return self.name

    @property
    def spec(self) -> Spec:
        return self.on.spec

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(name for name in METHODS if hasattr(self.model, name))

    def history(self) -> list[Mapping[str, Any]]:
        return list(self.rows)

    def dataset(self) -> Data:
        return self.on

    def sample(self, n: int, seed: int = 0, condition: Tensor | None = None) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return self.model.sample(n, condition=condition, generator=generator)


def run(*able: str, on: Data | None = None, **settings: Any) -> Run:
    """A run of a model that can do just this."""
    on = on or data()
    return Run(model(on.spec, *able), on, **settings)


def history(steps: int = 100, every: int = 10) -> list[dict[str, Any]]:
    """A calm run's rows: loss 100/step and a constant metric."""
    return [
        {
            "step": step,
            "seconds": step / 10,
            "images": step * 32,
            "rate": 320.0,
            "losses": {"all/loss": 100 / step},
            "metrics": {"all/kl": 3.0},
        }
        for step in range(every, steps + 1, every)
    ]


CONTEXT: dict[str, Any] = {
    "extractor": {"name": "digits-cnn", "hash": "0123456789ab", "dims": 96},
    "resize": "none",
    "reference": {"split": "test", "count": 12, "sha256": "f" * 12},
    "seed": 0,
}


def scores(*rows: Score, warnings: Sequence[str] = ()) -> Scores:
    """A sheet with these rows."""
    return Scores(list(rows), CONTEXT, list(warnings))


def fid(value: float, samples: int = 1000) -> Score:
    return Score("FID (digits-cnn)", value, better="lower", note="a note", basis={"n": samples})


def bits(value: float, density: str) -> Score:
    return Score("bits/dim", value, 0.1, "lower", "bits", basis={"density": density})


def report(*able: str, **changes: Any) -> Any:
    """A collected report without scores, its fields changed."""
    from genarium.report.compare import collect

    keys = ("on", "name", "taxonomy", "recipe", "rows", "config", "about")
    settings = {key: changes.pop(key) for key in keys if key in changes}
    result = collect(run(*able, **settings), dataset=settings.get("on") or data(), n=9)
    return dataclasses.replace(result, **changes)


def noisy(steps: int, every: int, start: float, end: float, seed: int = 0) -> list[float]:
    """A falling, noisy curve, for looking at."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(steps // every, generator=generator) * 0.04
    return [
        (end + (start - end) * math.exp(-6 * i / (steps // every))) * (1 + float(noise[i]))
        for i in range(steps // every)
    ]
