"""The cases of `doctor.py`: trainings with one thing wrong, and the same with nothing wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from genarium import data, recipes
from genarium.contract import Model, Values
from genarium.data import DataOptions
from genarium.data.dataset import Dataset, Split
from genarium.runs.building import build
from genarium.runs.painting import sampler
from genarium.runs.watching import Copies, heldout_of, tensors_of
from genarium.training.monitors.fixed import MOST
from genarium.training.monitors.monitor import Monitor
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer

SHARES = {"numbers": 0.072, "samples": 0.054, "copying": 0.0}
"""Six times what a usual training spends on its readings."""
TRAIN, HELD = 2000, 500

Change = Callable[[Any], Any]


class Known:
    """Data sets that were read once. source: where the pictures are from. size: of all of them, 0:
    as each case has it."""

    def __init__(self, source: str = "digits", size: int = 0):
        self.source, self.size = source, size

    def pictures(self, size: int) -> Dataset:
        return self._read(self.size or size)

    @lru_cache  # noqa: B019 (one object for a campaign)
    def _read(self, size: int) -> Dataset:
        whole = data.load(self.source, DataOptions(size=str(size)))
        train, held = whole.train, whole.validation
        return dataclasses.replace(
            whole,
            train=some(train, range(min(TRAIN, len(train)))),
            validation=some(held, range(min(HELD, len(held)))),
        )


def some(split: Split, rows: Any) -> Split:
    """Some images of a split, with their labels."""
    rows = torch.as_tensor(list(rows))
    labels = None if split.labels is None else split.labels[rows]
    return Split(split.images[rows].clone(), labels)


@dataclass(frozen=True)
class Case:
    """One training. planted: the diagnoses that the failure deserves, any of which is right; none
    for a healthy control. arguments: of the recipe. training: of `TrainOptions`. data: a change of
    the data set. model: a change of the model. trainer: a change of the trainer. draw: what the
    samples are instead of the model's. copies: whether copies are looked for. small: the change of
    the model where it is of convolutions; colour: whether it is as `in_colour` has it. true:
    diagnoses that are right of a control: what trains for a second has not learned all.
    """

    name: str
    family: str
    recipe: str
    planted: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    size: int = 12
    data: Change | None = None
    model: Change | None = None
    after: Change | None = None
    draw: Callable[[Dataset], Callable[[Model, int], Tensor]] | None = None
    copies: bool = False
    small: Change | None = None
    colour: bool = False
    true: tuple[str, ...] = ("schedule-too-short",)

    def trainer(self, seed: int, known: Known) -> tuple[Trainer, Monitor]:
        """Everything ready to be trained."""
        dataset = known.pictures(self.size)
        if dataset.spec.channels > 1 and not self.colour:
            return in_colour(self).trainer(seed, known)
        if self.data is not None:
            dataset = self.data(dataset)
        recipe = recipes.get(self.recipe)
        model: Any = build(recipe, dataset.spec, dict(self.arguments), seed)
        if self.model is not None:
            self.model(model)
        own = {k: v for k, v in recipe.training.items() if k in ("ema", "clip")}
        settings = {"device": "cpu", "precision": "fp32", "log_every": 10, **own}
        options = TrainOptions(
            **{**settings, "checkpoint_every": 10**6, "batch": 32, **self.training, "seed": seed}
        )
        trainer = Trainer(model, tensors_of(dataset.train, dataset.spec), options)
        if self.after is not None:
            self.after(trainer)
        made = self.draw(dataset) if self.draw else sampler(dataset, seed)
        samples = callable(getattr(model, "sample", None))
        monitor = Monitor(
            heldout_of(dataset),
            (lambda model: made(model, MOST)) if samples else None,
            Copies(dataset, made) if self.copies else None,
            shares={**SHARES, "copying": 1e9} if self.copies else SHARES,
        )
        grid = (lambda model, step: made(model, MOST)) if samples else None
        trainer.attach(None, None, grid, [monitor])
        return trainer, monitor


# ------------------------------------------------------------------------------------ failures


def few(count: int) -> Change:
    """Only so many training images."""
    return lambda d: dataclasses.replace(d, train=some(d.train, range(count)))


def constant(d: Dataset) -> Dataset:
    """One image, with noise of a grey level or two."""
    generator = torch.Generator().manual_seed(0)

    def of(split: Split) -> Split:
        noise = torch.randint(0, 3, split.images.shape, generator=generator)
        return Split((split.images[:1] // 2 + noise).to(torch.uint8), split.labels)

    return dataclasses.replace(d, train=of(d.train), validation=of(d.validation))


def copied(d: Dataset) -> Dataset:
    """Five images, again and again."""
    rows = [i % 5 for i in range(len(d.train))]
    return dataclasses.replace(d, train=some(d.train, rows))


def squeezed(d: Dataset) -> Dataset:
    """16 bits whose values are the lowest 4,096, read over the whole range."""
    values = Values("uint16", (0.0,), (65535.0,))

    def of(split: Split) -> Split:
        return Split((split.images.to(torch.int32) * 16).to(torch.uint16), split.labels)

    spec = dataclasses.replace(d.spec, values=values)
    return dataclasses.replace(d, spec=spec, train=of(d.train), validation=of(d.validation))


def hot(d: Dataset) -> Dataset:
    """12 bits in 16 whose range a few broken pixels decide."""
    result = squeezed(d)
    images = result.train.images.to(torch.int32)
    images.view(-1)[::9973] = 65535
    return dataclasses.replace(result, train=Split(images.to(torch.uint16), d.train.labels))


def rates(**factors: float) -> Change:
    """Learning rates of phases times a factor."""

    def change(model: Any) -> None:
        model.phases = tuple(
            dataclasses.replace(
                phase,
                optim=dataclasses.replace(
                    phase.optim, lr=phase.optim.lr * factors.get(phase.name, 1.0)
                ),
            )
            for phase in model.phases
        )

    return change


def alone(steps: int) -> Change:
    """The generator begins so much later than the discriminator."""

    def change(model: Any) -> None:
        first, second = model.phases
        model.phases = (first, dataclasses.replace(second, start=steps))

    return change


class Dimmed(nn.Module):
    """A generator whose noise is nearly nothing: it makes one image of all of it."""

    def __init__(self, inside: Any, factor: float):
        super().__init__()
        self.inside, self.factor, self.inputs = inside, factor, inside.inputs

    def forward(self, z: Tensor) -> Tensor:
        made: Tensor = self.inside(self.factor * z)
        return made


class Rounded(nn.Module):
    """A generator that knows so many different codes only."""

    def __init__(self, inside: Any, count: int):
        super().__init__()
        self.inside, self.inputs = inside, inside.inputs
        book = torch.randn(count, inside.inputs, generator=torch.Generator().manual_seed(0))
        self.register_buffer("book", book)
        self.book: Tensor

    def forward(self, z: Tensor) -> Tensor:
        made: Tensor = self.inside(self.book[torch.cdist(z, self.book).argmin(1)])
        return made


class Muted(nn.Module):
    """An encoder most of whose latents are always the same. gaussian: means, then variances."""

    def __init__(self, inside: nn.Module, share: float, gaussian: bool):
        super().__init__()
        self.inside, self.share, self.gaussian = inside, share, gaussian

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inside(x)
        parts = y.chunk(2, 1) if self.gaussian else (y,)
        kept = round((1 - self.share) * parts[0].shape[1])
        return torch.cat([torch.cat([p[:, :kept], 0 * p[:, kept:]], 1) for p in parts], 1)


def wrapped(name: str, made: Callable[[Any], nn.Module]) -> Change:
    return lambda model: setattr(model, name, made(getattr(model, name)))


def slow_statistics(model: nn.Module) -> None:
    """Running statistics that hardly move."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1e-4


def by_class(period: int) -> Change:
    """Minibatches of one class, each for so many steps."""

    def change(trainer: Trainer) -> None:
        labels = trainer.data.labels
        assert labels is not None
        groups = [(labels == k).nonzero()[:, 0] for k in range(int(labels.max()) + 1)]
        size = trainer.batch

        def rows(number: int) -> Tensor:
            mine = groups[number // period % len(groups)]
            return mine[(torch.arange(size) + number * size) % len(mine)]

        trainer.batches.order.rows = rows  # type: ignore[method-assign]

    return change


def one_class(trainer: Trainer) -> None:
    """Minibatches of the first class alone."""
    by_class(10**9)(trainer)


def memory(noise: float) -> Callable[[Dataset], Callable[[Model, int], Tensor]]:
    """A sampler that gives training images, with a little noise."""

    def made(dataset: Dataset) -> Callable[[Model, int], Tensor]:
        images = dataset.spec.values.signed(dataset.train.images)

        def draw(model: Model, n: int) -> Tensor:
            generator = torch.Generator().manual_seed(n)
            rows = torch.randint(len(images), (n,), generator=generator)
            drawn = images[rows]
            noisy = drawn + noise * torch.randn(drawn.shape, generator=generator)
            return noisy.clamp(-1, 1)

        return draw

    return made


# ------------------------------------------------------------------------------------ cases

GAN = {"latent": 16, "width": 128, "lr": 5e-4}
DCGAN = {"latent": 16, "width": 4, "lr": 1e-3, "regularizers": ()}
VAE = {"latent": 8, "net": "dense", "hidden": 256, "layers": 2, "lr": 3e-3, "prior": "fixed"}
CONV = {"latent": 8, "width": 8}
AE = {"latent": 8, "net": "dense", "hidden": 128, "lr": 1e-3}
FLOW = {"network": "dense", "width": 64, "lr": 1e-3}


def gan(
    name: str, *planted: str, steps: int = 350, model: Change | None = None, **more: Any
) -> Case:
    """Two time scales (Heusel et al. 2017): with the same rate for both, so small a discriminator
    is no match for the generator in so few steps."""
    arguments = {**GAN, **more.pop("arguments", {})}

    def changed(made: Any) -> None:
        rates(discriminator=8.0)(made)
        if model is not None:
            model(made)

    training = {"steps": steps}
    made = Case(name, "gan", "gan", planted, arguments, training, model=changed, **more)
    return dataclasses.replace(made, small=model)


def in_colour(case: Case) -> Case:
    """The same for colour pictures. A GAN is one of convolutions, since of dense layers it makes
    one picture, healthy or not (`genarium train gan` says so); a VAE has the prior that the recipe
    has, since codes of such pictures lie far outside of N(0, I); and what is planted is as strong
    as it must be to spoil anything: there are more nats to a picture."""
    arguments, training, change = {**case.arguments}, {**case.training}, case.model
    if case.family == "gan":
        own = {key: value for key, value in arguments.items() if key == "objective"}
        arguments = {**DCGAN, "architecture": "dcgan", **own}
        training["steps"] = min(200, training["steps"])
        change = case.small
        if "discriminator-saturated" in case.planted:
            change = both(rates(discriminator=8.0), case.small)
    if case.family == "vae":
        del arguments["prior"]
        if "beta" in arguments:
            arguments["beta"] *= 20
    return dataclasses.replace(
        case, arguments=arguments, training=training, model=change, colour=True
    )


def both(first: Change, second: Change | None) -> Change:
    def change(model: Any) -> None:
        first(model)
        if second is not None:
            second(model)

    return change


def vae(name: str, *planted: str, steps: int = 300, training: Any = None, **more: Any) -> Case:
    arguments = {**VAE, **more.pop("arguments", {})}
    training = {"steps": steps, **(training or {})}
    return Case(name, "vae", "vae", planted, arguments, training, **more)


def autoencoder(
    name: str, *planted: str, steps: int = 250, training: Any = None, **more: Any
) -> Case:
    training = {"steps": steps, **(training or {})}
    return Case(name, "autoencoder", "autoencoder", planted, AE, training, **more)


def dcgan(name: str, *planted: str, steps: int = 120, **more: Any) -> Case:
    return Case(name, "dcgan", "dcgan", planted, DCGAN, {"steps": steps}, 16, **more)


def conv(name: str, *planted: str, steps: int = 150, **more: Any) -> Case:
    return Case(name, "vae, convolutions", "vae", planted, CONV, {"steps": steps}, 16, **more)


LOST = ("posterior-collapse", "over-regularised")
CASES = (
    gan("gan"),
    vae("vae"),
    autoencoder("autoencoder"),
    dcgan("dcgan"),
    gan("gan, hinge", arguments={"objective": "hinge"}),
    vae("vae, cosine", training={"schedule": "cosine"}),
    vae("vae, looked at for copies", steps=150, training={"log_every": 50}, copies=True),
    gan("gan, discriminator trained alone before", "discriminator-saturated",
        model=alone(120), arguments={"objective": "minimax"}, steps=200),
    gan("gan, least squares", "discriminator-saturated",  # eight times the rate is too much for it
        arguments={"objective": "least-squares"}),
    gan("gan, generator's rate / 30", "discriminator-saturated",
        model=rates(generator=1 / 30), steps=200),
    gan("gan, rate x30", "diverging", model=rates(discriminator=4.0, generator=30.0), steps=150),
    vae("vae, rate x30", "diverging", model=rates(vae=30.0), steps=150),
    autoencoder("autoencoder, rate x30", "diverging", model=rates(autoencoder=30.0), steps=150),
    vae("vae, beta x100", *LOST, arguments={"beta": 100.0}, steps=250),
    vae("vae, beta x5", *LOST, arguments={"beta": 5.0}),
    gan("gan, 60 images", "discriminator-overfit", data=few(60)),
    gan("gan, a class after the other", "oscillation", "mode-collapse", after=by_class(25)),
    gan("gan, one class", "mode-collapse", after=one_class, steps=250),
    gan("gan, no noise", "mode-collapse", "repetition",
        model=wrapped("generator", lambda g: Dimmed(g, 0.02)), steps=250),
    gan("gan, 6 codes", "repetition", "mode-collapse",
        model=wrapped("generator", lambda g: Rounded(g, 6)), steps=250),
    gan("gan, no updates of the generator", "no-progress", model=rates(generator=0.0), steps=150),
    vae("vae, 40 images", "no-progress", data=few(40), steps=500),
    autoencoder("autoencoder, 40 images", "no-progress", data=few(40), steps=500),
    vae("vae, 3/4 of the latents zeroed", "dead-latents",
        model=wrapped("encoder", lambda e: Muted(e, 0.75, True)), steps=400),
    autoencoder("autoencoder, 3/4 of the code zeroed", "dead-latents",
                model=wrapped("encoder", lambda e: Muted(e, 0.75, False)), steps=600),
    vae("vae, 60 steps", "schedule-too-short", steps=60,
        training={"schedule": "cosine", "log_every": 5}),
    autoencoder("autoencoder, 60 steps", "schedule-too-short", steps=60,
                training={"schedule": "linear", "log_every": 5}),
    vae("vae, constant images", "data-constant", data=constant, steps=60),
    autoencoder("autoencoder, five images", "data-constant", data=copied, steps=60),
    autoencoder("autoencoder, 12 bits read as 16", "data-scale", data=squeezed, steps=60),
    gan("gan, a few broken pixels", "data-scale", data=hot, steps=60),
    dcgan("dcgan, slow statistics", "batch-norm", model=slow_statistics),
    conv("vae, slow statistics", "batch-norm", model=slow_statistics, steps=400),
    vae("vae, copies", "copying", draw=memory(0.05), steps=120, copies=True,
        training={"log_every": 40}),
    conv("vae, convolutions"),
    dcgan("dcgan, 60 images", "discriminator-overfit", data=few(60), steps=200),
    autoencoder("autoencoder, 900 steps", steps=900, training={"schedule": "linear"}, true=()),
    Case("flow matching", "diffusion", "flow-matching", (), FLOW, {"steps": 250, "batch": 64}),
)  # fmt: skip


def case_named(name: str) -> Case:
    return next(case for case in CASES if case.name == name)
