"""What every family shares: batches, players' turns, one obligation, and the capabilities.

Training is a game of one or more players. A `Phase` is one player's turn: which sub-modules it
updates, how often, and with which optimizer. The trainer drives any game through `Model.step`;
it never names a model. What else a model can do (sample, give a likelihood, encode ...) it says
by having the method: the capabilities below are runtime-checkable protocols of one method each,
and no capability is ever faked.

Shapes used throughout
    B batch · C channels (1 or 3) · H, W height, width · D latent size · K classes · L grey levels
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from genarium.errors import UserError

# ---------------------------------------------------------------------------------------------
# What a model is told about the data


class Attribute(NamedTuple):
    """A column of the attributes that a data set knows of each image.

    values: the names of its values, which the column numbers from 0; empty: a number.
    """

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """What the data look like; the first argument of every recipe.

    channels: 1 (grey) or 3 (RGB). height, width: pixels. classes: the class names, in label
    order; empty when the data carry no labels. attributes: the columns of `extra["factors"]`.
    vectors: names and lengths of the other float vectors in `extra`. binarized: "static" where
    every pixel is 0 or 255 by a fixed draw, "dynamic" where grey pixels are to be drawn anew at
    each use (`--binarize`), else "". second: (C, H, W) of the images of a second domain, which are
    `extra["b"]`; None: there is one domain. paired: whether row i of both belongs together.
    caption_bytes: T of the rows `extra["captions"]` [N,K,T] of UTF-8 bytes (see
    `genarium.data.text`); 0 where the data carry no captions.
    """

    channels: int
    height: int
    width: int
    classes: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    vectors: tuple[tuple[str, int], ...] = ()
    binarized: str = ""
    second: tuple[int, int, int] | None = None
    paired: bool = False
    caption_bytes: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (self.channels, self.height, self.width)

    @property
    def dims(self) -> int:
        """C·H·W, the number of dimensions that bits per dimension divides by."""
        return self.channels * self.height * self.width

    @property
    def planar(self) -> bool:
        """Whether an image is a point of the plane: one row of two grey pixels, x and y."""
        return self.shape == (1, 1, 2)

    def domain(self, name: str) -> tuple[int, int, int]:
        """(C, H, W) of the images of domain "a" (the first, `shape`) or "b" (the second)."""
        if name == "a" or self.second is None:
            return self.shape
        return self.second


# ---------------------------------------------------------------------------------------------
# Noise and batches


class Noise:
    """Random numbers of one turn, the same however many processes share the batch.

    Every draw is made for the *global* batch from a generator seeded by (seed, step, phase,
    turn), and each process keeps its own rows. So a run on two processes sees the numbers of a
    run on one, and a resumed run the numbers of an unbroken one. A model's `step` takes all its
    randomness from here (`batch.noise`), never from torch's global generator.

    rows: this process's rows of the global batch. total: the size of the global batch.
    """

    def __init__(
        self,
        seed: int,
        total: int,
        rows: slice | None = None,
        device: torch.device | str = "cpu",
    ):
        # Drawn on the CPU and moved: a CPU generator gives the same numbers for every device.
        self.generator = torch.Generator().manual_seed(seed)
        self.total = total
        self.rows = rows if rows is not None else slice(0, total)
        self.device = torch.device(device)

    def _mine(self, full: Tensor) -> Tensor:
        return full[self.rows].to(self.device, non_blocking=True)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal draws, [B, *shape] float32."""
        return self._mine(torch.randn(self.total, *shape, generator=self.generator))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform draws on [0, 1), [B, *shape] float32."""
        return self._mine(torch.rand(self.total, *shape, generator=self.generator))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform integers 0 .. high-1, [B, *shape] int64."""
        return self._mine(torch.randint(high, (self.total, *shape), generator=self.generator))

    def shared_normal(self, *shape: int) -> Tensor:
        """Standard normal draws that every process sees alike (no batch axis), float32."""
        return torch.randn(*shape, generator=self.generator).to(self.device)

    def shared_uniform(self, *shape: int) -> Tensor:
        """Uniform draws on [0, 1) that every process sees alike (no batch axis), float32."""
        return torch.rand(*shape, generator=self.generator).to(self.device)


@dataclass
class Batch:
    """Images as they are stored (uint8), and what goes with them.

    Models ask for the view they need: `signed()`, `unit()`, `levels(n)` or `bits()`.

    images: [B,C,H,W] uint8. labels: [B] int64 or None. noise: this turn's random numbers.
    extra: further aligned tensors of a data set (a caption's tokens, a paired image), by name.
    """

    images: Tensor
    labels: Tensor | None = None
    noise: Noise = field(default_factory=lambda: Noise(0, 1))
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _expect_uint8(self.images, "Batch: images")

    def __len__(self) -> int:
        return self.images.shape[0]

    def signed(self) -> Tensor:
        """Pixels on [-1, 1]: x/127.5 - 1, [B,C,H,W] float32 (memory layout of `images`)."""
        return self.images.to(torch.float32).div_(127.5).sub_(1.0)

    def unit(self) -> Tensor:
        """Pixels on [0, 1]: x/255, [B,C,H,W] float32."""
        return self.images.to(torch.float32).div_(255.0)

    def levels(self, n: int = 256) -> Tensor:
        """Grey levels 0 .. n-1, [B,C,H,W] int64: floor(x·n/256)."""
        return quantize(self.images, n)

    def bits(self) -> Tensor:
        """Dynamic binarization: a fresh Bernoulli(x/255) draw a pixel, [B,C,H,W] of 0.0 or 1.0."""
        return (self.noise.uniform(*self.images.shape[1:]) < self.unit()).to(torch.float32)


def quantize(images: Tensor, levels: int) -> Tensor:
    """uint8 -> grey levels 0 .. levels-1 (int64): floor(x·levels/256)."""
    _expect_uint8(images, "quantize")
    return (images.to(torch.int64) * levels) >> 8


def _expect_uint8(images: Tensor, where: str) -> None:
    """What holds floats, or levels, would come out as another picture without a word."""
    if images.dtype != torch.uint8:
        raise UserError(f"{where}: {images.dtype}: give uint8 images".replace("torch.", ""))


def dequantize(levels: Tensor, n: int) -> Tensor:
    """Grey levels 0 .. n-1 -> floats on [-1, 1], evenly spaced, the end levels on the end points:
    what a network is told of a level. An image of levels is `from_levels`."""
    return levels.to(torch.float32) * (2.0 / (n - 1)) - 1.0


def from_levels(levels: Tensor, n: int) -> Tensor:
    """Grey levels 0 .. n-1 -> an image on [-1, 1] whose 8 bits have these levels, n <= 256:

        quantize(to_uint8(from_levels(levels, n)), n) == levels

    That is `dequantize`, but where its rounding to 8 bits leaves the level's bin, which is the grey
    values ceil(256·k/n) .. ceil(256·(k+1)/n) - 1 of level k, the bin's nearest one.
    """
    every = torch.arange(n, device=levels.device)
    even = dequantize(every, n)
    grey = to_uint8(even).to(torch.int64)
    least, most = -((-256 * every) // n), -((-256 * (every + 1)) // n) - 1
    held = torch.minimum(torch.maximum(grey, least), most)
    return torch.where(grey == held, even, from_uint8(held.to(torch.uint8)))[levels]


def to_uint8(x: Tensor) -> Tensor:
    """Floats on [-1, 1] -> uint8 0 .. 255 (clamped, rounded): the inverse of `Batch.signed`.

    Raises UserError for other types, which would be scaled twice.
    """
    if not x.is_floating_point():
        raise UserError(f"to_uint8: {x.dtype}: give floats on [-1, 1]".replace("torch.", ""))
    return x.detach().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def from_uint8(images: Tensor) -> Tensor:
    """uint8 -> floats on [-1, 1]: x/127.5 - 1. Raises UserError for other types."""
    _expect_uint8(images, "from_uint8")
    return images.to(torch.float32) / 127.5 - 1.0


# ---------------------------------------------------------------------------------------------
# The game


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


class Model(nn.Module):
    """A generative model: networks plus the game that trains them.

    Subclasses set `phases` and `spec` and write `step`: no backward and no optimizer in there.
    """

    phases: tuple[Phase, ...]
    spec: Spec
    density: str = ""  # what log_prob or elbo is a density of, e.g. "256 grey levels"
    conditional: bool = False  # does `condition` (class labels) mean anything to it?
    codes: int = 0  # how many values of a learned code `condition` may fix; 0: it has none
    pack: int = 1  # a process's share of a batch must be a multiple of this
    told: str = ""  # the extra tensor of the data whose rows `condition` holds; "": none
    unaligned: tuple[str, ...] = ()  # extra tensors that it wants in an order of their own
    directions: tuple[str, ...] = ("a2b",)  # that `translate` knows; the first is its default

    def step(self, batch: Batch, phase: str) -> Step:
        """The losses of one turn of `phase` on `batch`; all randomness from `batch.noise`."""
        raise NotImplementedError

    def after(self, phase: str) -> None:
        """Called after the optimizer's step of `phase`: weight clipping and the like."""

    def forward(self, batch: Batch, phase: str) -> Step:
        return self.step(batch, phase)


# ---------------------------------------------------------------------------------------------
# Capabilities: verbs, evaluation and reports switch their features by these

Condition = Tensor | None
"""[n] int64 class labels; [n, codes] float values of a learned code or [n, A] of the extra tensor
that the model is `told` (NaN leaves one to chance); or None for unconditional."""


@runtime_checkable
class Samples(Protocol):
    """Can draw new images."""

    def sample(
        self, n: int, *, condition: Condition = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [-1, 1]; all randomness from `generator`."""
        ...


@runtime_checkable
class HasLogProb(Protocol):
    """Has an exact likelihood."""

    def log_prob(self, images: Tensor, condition: Condition = None) -> Tensor:
        """ln p(x), [B] nats, exact, of uint8 images [B,C,H,W] under the model's `density`."""
        ...


@runtime_checkable
class HasLevels(Protocol):
    """Says which grey levels its likelihood is of; levels: how many there are."""

    levels: int

    def quantize(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> the levels 0 .. L-1 that the density is of, int64 [B,C,H,W]."""
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
        """[B] nats: the k-sample importance-weighted bound on ln p(x); k=1 is the ELBO."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """Turns images into codes."""

    def encode(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> codes [B,D] float32 (the mean, where the code is a distribution);
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

    def prior(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws from the prior of the codes, [n,D] float32."""
        ...


class Posterior(NamedTuple):
    """q(z|x) = N(mean, diag exp(log_variance)), each [B,D]."""

    mean: Tensor
    log_variance: Tensor


@runtime_checkable
class HasPosterior(Protocol):
    """Says how sure it is of a code, against a prior N(0, I)."""

    def posterior(self, images: Tensor) -> Posterior:
        """uint8 [B,C,H,W] -> q(z|x), mean and log variance [B,D] each."""
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """Gives an image back through its code."""

    def reconstruct(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> [B,C,H,W] float32 on [-1, 1]."""
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
    ) -> Tensor:
        """uint8 [B,C,H,W] -> [B,C,H,W] float32 on [-1, 1]: kept where `keep` (bool, [H,W] or
        [B,1 or C,H,W]) is true, drawn elsewhere."""
        ...


@runtime_checkable
class Clusters(Protocol):
    """Sorts images into groups that it found without labels."""

    def cluster(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> the number of each image's group, [B] int64 from 0."""
        ...

    def memberships(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> q(k|x), the probability of each group, [B,K]; `cluster` is its
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
        """uint8 [B,C,H,W] of one domain -> [B,C,H,W] float32 on [-1, 1] of the other.

        direction: one of the model's `directions`, None for its first. What is left to chance
        comes from `generator`.
        """
        ...


CAPABILITIES: dict[str, type] = {
    "sample": Samples,
    "log_prob": HasLogProb,
    "elbo": HasElbo,
    "encode": Encodes,
    "decode": Decodes,
    "prior": HasPrior,
    "posterior": HasPosterior,
    "reconstruct": Reconstructs,
    "complete": Completes,
    "cluster": Clusters,
    "translate": Translates,
}


def capabilities(model: Any) -> tuple[str, ...]:
    """Names of what `model` (an instance or a class) can do, in the order of `CAPABILITIES`."""
    return tuple(name for name in CAPABILITIES if callable(getattr(model, name, None)))
