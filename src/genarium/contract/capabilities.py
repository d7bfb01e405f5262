"""Capabilities: verbs, evaluation and reports switch their features by these.

A capability is a method, and a protocol of that one method; none is ever faked. Images that go in
are as the data are stored (`Spec.values`), those that come out are on [-1, 1].

B batch · C channels · H, W height, width · D latent size · K classes
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from genarium.contract.model import Settings
from genarium.errors import UserError

Condition = Tensor | None
"""[n] int64 class labels; [n, codes] float values of a latent code or [n, A] of the extra tensor
that the model is `conditioned_on` (NaN: drawn at random); or None for unconditional."""

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@runtime_checkable
class Samples(Protocol):
    """Can draw new images."""

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [-1, 1]; all randomness from `generator`.

        settings: of the class that the model declares as its `settings`; None: their defaults. A
        model that declares none, and one that draws in a moment, may leave out both arguments:
        `draw` gives them only where there is something to say.
        """
        ...


@runtime_checkable
class HasLogProb(Protocol):
    """Has an exact likelihood."""

    def log_prob(self, images: Tensor, condition: Condition = None) -> Tensor:
        """ln p(x), [B] nats, exact, of images [B,C,H,W] under the model's `density`."""
        ...


@runtime_checkable
class HasLevels(Protocol):
    """Says which grey levels its likelihood is of; levels: how many there are."""

    levels: int

    def quantize(self, images: Tensor) -> Tensor:
        """Stored [B,C,H,W] -> the levels 0 .. L-1 that the density is of, int64 [B,C,H,W]."""
        ...


@runtime_checkable
class HasElbo(Protocol):
    """Has a lower bound on its likelihood."""

    def elbo(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """[B] nats: the k-sample importance-weighted bound on ln p(x); k=1 is the ELBO.

        A bound that such samples do not tighten, `EstimatesElbo`, is the mean of k draws.
        """
        ...


class Estimate(NamedTuple):
    """A number an image that was estimated by drawing, and its standard error, each [B] nats.

    The error is NaN where there was one draw. It is that of the draws alone, not of what else the
    method approximates.
    """

    value: Tensor
    error: Tensor

    @classmethod
    def of(cls, draws: Tensor) -> Estimate:
        """The mean of draws [k,B] of each image."""
        k = len(draws)
        error = draws.std(0) / k**0.5 if k > 1 else torch.full_like(draws[0], float("nan"))
        return cls(draws.mean(0), error)


@runtime_checkable
class EstimatesElbo(Protocol):
    """Has a bound that is a sum of so many terms that some are drawn; estimator: which, in
    words."""

    @property
    def estimator(self) -> str: ...

    def estimate_elbo(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Estimate:
        """The bound on ln p(x) of stored images [B,C,H,W], from k draws an image."""
        ...


@runtime_checkable
class EstimatesLogProb(Protocol):
    """Can estimate its likelihood; estimator: how, in words that differ where two must not be
    compared."""

    @property
    def estimator(self) -> str: ...

    def estimate_log_prob(
        self,
        images: Tensor,
        condition: Condition = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Estimate:
        """ln p(x) of uint8 images [B,C,H,W] under the model's `density`, from k draws an image."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """Turns images into codes."""

    def encode(self, images: Tensor, condition: Condition = None) -> Tensor:
        """Stored [B,C,H,W] -> codes [B,D] float32 (the mean, where the code is a distribution);
        differentiable in the weights, so that a classifier can begin with it."""
        ...


@runtime_checkable
class Decodes(Protocol):
    """Turns codes into images."""

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B,D] -> images [B,C,H,W] float32 on [-1, 1]."""
        ...


@runtime_checkable
class HasPrior(Protocol):
    """Knows where the codes that it can decode lie."""

    def prior(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        condition: Condition = None,
        settings: Settings | None = None,
    ) -> Tensor:
        """n draws from the prior of the codes, [n,D] float32.

        settings: as for `sample`, in a model that declares some: those that its codes follow.
        """
        ...


class Posterior(NamedTuple):
    """q(z|x) = N(mean, diag exp(log_variance)), each [B,D]."""

    mean: Tensor
    log_variance: Tensor


@runtime_checkable
class HasPosterior(Protocol):
    """Says how sure it is of a code, against a prior N(0, I) or one that `HasPriorRatio` tells."""

    def posterior(self, images: Tensor, condition: Condition = None) -> Posterior:
        """Stored [B,C,H,W] -> q(z|x), mean and log variance [B,D] each."""
        ...


@runtime_checkable
class HasPriorRatio(Protocol):
    """Says how its prior of codes differs from N(0, I)."""

    def log_prior_ratio(self, z: Tensor) -> Tensor:
        """Latents [B,D] as `posterior` has them -> ln p(z) − ln N(z; 0, I), [B] nats."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """Gives an image back through its code."""

    def reconstruct(self, images: Tensor, condition: Condition = None) -> Tensor:
        """Stored [B,C,H,W] -> [B,C,H,W] float32 on [-1, 1]."""
        ...


@runtime_checkable
class Completes(Protocol):
    """Draws the missing part of an image."""

    def complete(
        self,
        images: Tensor,
        keep: Tensor,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Settings | None = None,
    ) -> Tensor:
        """Stored [B,C,H,W] -> [B,C,H,W] float32 on [-1, 1]: kept where `keep` (bool, [H,W] or
        [B,1 or C,H,W]) is true, drawn elsewhere. settings: as for `sample`."""
        ...


@runtime_checkable
class Edits(Protocol):
    """Draws images anew that keep to given ones."""

    def edit(
        self,
        images: Tensor,
        strength: float,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Settings | None = None,
    ) -> Tensor:
        """Stored [B,C,H,W] -> [B,C,H,W] float32 on [-1, 1]. strength: 0 gives the images back, at 1
        nothing of them is left but their number. settings: as for `sample`."""
        ...


@runtime_checkable
class Clusters(Protocol):
    """Sorts images into groups that it found without labels."""

    def cluster(self, images: Tensor) -> Tensor:
        """Stored [B,C,H,W] -> the number of each image's group, [B] int64 from 0."""
        ...

    def memberships(self, images: Tensor) -> Tensor:
        """Stored [B,C,H,W] -> q(k|x), the probability of each group, [B,K]; `cluster` is its
        likeliest."""
        ...


TRANSLATED = 16
"""Images translated at a time: the networks of `Translates` have maps as large as the image."""


@runtime_checkable
class Translates(Protocol):
    """Turns an image of one domain into one of another; directions: that it knows."""

    directions: tuple[str, ...]

    def translate(
        self,
        images: Tensor,
        *,
        direction: str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Stored [B,C,H,W] of one domain -> [B,C,H,W] float32 on [-1, 1] of the other.

        direction: one of the model's `directions`, None for its first. What is random
        comes from `generator`.
        """
        ...


CAPABILITIES: dict[str, type] = {
    "sample": Samples,
    "log_prob": HasLogProb,
    "elbo": HasElbo,
    "estimate_log_prob": EstimatesLogProb,
    "encode": Encodes,
    "decode": Decodes,
    "prior": HasPrior,
    "posterior": HasPosterior,
    "reconstruct": Reconstructs,
    "complete": Completes,
    "edit": Edits,
    "cluster": Clusters,
    "translate": Translates,
}


Likelihood = Literal["log_prob", "elbo", "estimate_log_prob"]


def likelihood_of(can: Collection[str]) -> Likelihood | None:
    """The capability by which a model that `can` these has a likelihood: exact before a bound
    before an estimate; None where it has none."""
    kinds: tuple[Likelihood, ...] = ("log_prob", "elbo", "estimate_log_prob")
    return next((kind for kind in kinds if kind in can), None)


def capabilities(model: Any) -> tuple[str, ...]:
    """Names of what `model` (an instance or a class) can do, in the order of `CAPABILITIES`."""
    return tuple(name for name in CAPABILITIES if callable(getattr(model, name, None)))


def draw(
    model: Any,
    n: int,
    *,
    condition: Condition = None,
    generator: torch.Generator | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """`model.sample`, with the condition, the settings and the progress where there are any.

    A model that can say how far it is declares the argument `progress`.
    """
    further: dict[str, Any] = {"condition": condition, "settings": settings}
    further = {name: value for name, value in further.items() if value is not None}
    if progress is not None and "progress" in inspect.signature(model.sample).parameters:
        further["progress"] = progress
    drawn: Tensor = model.sample(n, generator=generator, **further)
    return drawn


def part_of(progress: Progress | None, start: int, rows: int, n: int) -> Progress | None:
    """Progress of images start .. start + rows - 1 of n, reported as that of all n."""
    if progress is None:
        return None
    whole = progress
    return lambda done, of: whole(start * of + rows * done, n * of)


def unconditional(condition: Condition) -> None:
    """Raise UserError for a condition, in a model that has none."""
    if condition is not None:
        raise UserError("this model was trained without classes: leave out --class")
