"""Players' turns, and the one obligation of a model: `step`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from genarium.contract.batch import Batch
from genarium.contract.spec import Spec


@dataclass(frozen=True)
class Optim:
    """One player's optimizer, with PyTorch's names for its settings."""

    name: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    momentum: float = 0.0
    eps: float = 1e-8


@dataclass(frozen=True)
class Phase:
    """One player's turn.

    nets: names of the sub-modules it updates; "" is the whole model. repeat: turns in a row a
    step (critic turns). every: take part only in each n-th step (lazy regularisation). start,
    stop: take part only in steps start <= step < stop, counted from 0; None: to the end (one
    layer after the other). A step consumes max(repeat) batches; turn j of every phase sees batch j.
    """

    name: str
    nets: tuple[str, ...] = ("",)
    optim: Optim = Optim()
    repeat: int = 1
    every: int = 1
    start: int = 0
    stop: int | None = None

    def plays(self, step: int) -> bool:
        """Whether it takes part in step `step`: a function of the number alone."""
        late = self.stop is not None and step >= self.stop
        return step >= self.start and not late and step % self.every == 0


class Step(NamedTuple):
    """What one turn gives back: scalars to minimise (their sum) and detached scalars to log."""

    losses: dict[str, Tensor]
    metrics: dict[str, Tensor]


@dataclass(frozen=True)
class Settings:
    """How a model samples: the base of what a model class declares as its `settings`.

    A subclass is a small frozen dataclass. Its fields, typed as a recipe's arguments are (checked,
    with a default that changes nothing), become flags of every verb that samples; the `name: text`
    lines of its docstring are their help, or a `NAME = Help("...")` of the module that their type
    carries, `Annotated[int, NAME]`. Those of all models are read from the source, unimported, so
    name this class itself among the bases, as the last one.
    """

    def changed(self) -> dict[str, Any]:
        """What is not at its default, by name."""
        values = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        return {name: value for name, value, default in values if value != default}

    def unused(self) -> dict[str, str]:
        """What does nothing beside the other settings, by name, and why: refused where given."""
        return {}

    def idle(self, capability: str) -> dict[str, str]:
        """What does nothing in `decode` of given codes, or in `complete`, by name, and why: refused
        where it was set for that."""
        return {}

    def __str__(self) -> str:
        """What is not at its default, as labels say it: "truncation 0.7"; "" if nothing."""
        shown = self.changed().items()
        return ", ".join(f"{n} {v:g}" if isinstance(v, float) else f"{n} {v}" for n, v in shown)


class Model(nn.Module):
    """A generative model: networks and the losses that train them.

    Subclasses set `phases` and `spec` and write `step`: no backward and no optimizer in there.
    """

    phases: tuple[Phase, ...]
    spec: Spec
    density: str = ""  # what log_prob or elbo is a density of, e.g. "256 grey levels"
    conditional: bool = False  # does `condition` (class labels) mean anything to it?
    latent_codes: int = 0  # values of a latent code that `condition` may fix; 0: it has none
    group_size: int = 1  # a process's share of a batch must be a multiple of this
    conditioned_on: str = ""  # the extra tensor of the data whose rows `condition` holds; "": none
    unpaired: tuple[str, ...] = ()  # extra tensors that it wants in an order of their own
    directions: tuple[str, ...] = ("a2b",)  # that `translate` knows; the first is its default
    gaussian_codes: bool = False  # are images encoded to what its prior draws, N(0, I)?
    settings: ClassVar[type[Settings] | None] = None  # how it can sample; None: in one way only

    def step(self, batch: Batch, phase: str) -> Step:
        """The losses of one turn of `phase` on `batch`; all randomness from `batch.noise`."""
        raise NotImplementedError

    def after(self, phase: str) -> None:
        """Called after the optimizer's step of `phase`: weight clipping and the like."""

    def forward(self, batch: Batch, phase: str) -> Step:
        return self.step(batch, phase)
