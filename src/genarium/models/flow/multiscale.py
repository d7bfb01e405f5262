"""Flows of several resolutions: what RealNVP, Glow and spline flows have in common.

levels -> x on [-1, 1] or its logit -> [squeeze -> couplings -> split] .. squeeze -> couplings
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from genarium.contract import Optim, Spec
from genarium.errors import UserError
from genarium.models.conditioning import Conditioning, conditioning_of
from genarium.models.flow.arguments import Networks
from genarium.models.flow.bijections import (
    ActNorm,
    Bijection,
    Chain,
    Flatten,
    Logit,
    Mix,
    Scale,
    Squeeze,
)
from genarium.models.flow.couplings import (
    ConditionalPrior,
    Coupling,
    CouplingNet,
    Shape,
    Split,
    checkerboard,
)
from genarium.models.flow.dequantization import Dequantization, Uniform, Variational
from genarium.models.flow.elementwise import Affine, Elementwise
from genarium.models.flow.model import Flow
from genarium.recipes import refuse

NOISE_COUPLINGS = 4
"""Couplings of the flow that draws the noise of variational dequantization."""


class Parts:
    """Makes the couplings of a flow, with the networks that the arguments ask for.

    function: what a coupling applies.
    """

    def __init__(self, networks: Networks, condition: int, function: Elementwise):
        self.networks, self.condition, self.function = networks, condition, function

    def net(self, into: int, out: int, size: tuple[int, int]) -> CouplingNet:
        """A network [B,into,H,W] -> [B,out,H,W] that sees the condition."""
        width, blocks = self.networks["width"], self.networks["blocks"]
        return CouplingNet(into, out, size, width=width, blocks=blocks, condition=self.condition)

    def coupling(self, kept: Tensor, shape: Shape) -> Coupling:
        """A coupling of maps [C,H,W] that keeps the channels which `kept` marks."""
        into = int(kept.sum())
        out = (shape[0] - into) * self.function.outputs
        return Coupling(kept, self.function, self.net(into, out, shape[1:]))

    def split(self, shape: Shape, coarser: Bijection) -> Split:
        """Half of the channels is done, the rest goes to `coarser`."""
        c, prior = shape[0], Affine()
        network = self.net(c - c // 2, c // 2 * prior.outputs, shape[1:])
        return Split(shape, coarser, network, prior)


Steps = Callable[[Shape, tuple[int, int], bool], Iterator[Bijection]]
"""The layers of one resolution: (shape, block of the squeeze before it, whether it is the last)."""


def block_of(height: int, width: int) -> tuple[int, int]:
    """By how much a squeeze divides the sides: 2 where a side is even."""
    return 2 - height % 2, 2 - width % 2


def network(spec: Spec, scales: int, parts: Parts, steps: Steps) -> Chain:
    """Squeeze, `steps`, and split, `scales` times or as often as the sides can be halved."""

    def further(shape: Shape, left: int) -> Chain:
        c, h, w = shape
        f, g = block_of(h, w)
        shape = (c * f * g, h // f, w // g)
        last = left == 1 or block_of(*shape[1:]) == (1, 1)
        layers: list[Bijection] = [Squeeze(f, g), *steps(shape, (f, g), last)]
        if not last:
            coarser = further((shape[0] - shape[0] // 2, *shape[1:]), left - 1)
            return Chain([*layers, parts.split(shape, coarser)])
        if parts.condition:
            layers.append(ConditionalPrior(shape[0], parts.condition))
        return Chain([*layers, Flatten(shape)])

    return further(spec.shape, scales)


def mixed(parts: Parts, couplings: int) -> Steps:
    """`couplings` at each resolution, before each an activation norm and an invertible 1×1."""

    def steps(shape: Shape, block: tuple[int, int], last: bool) -> Iterator[Bijection]:
        c = shape[0]
        for _ in range(couplings):
            yield ActNorm(c)
            yield Mix(c)
            yield parts.coupling(checkerboard(c, False), shape)

    return steps


def scaled(levels: int, alpha: float) -> Bijection:
    """The first layer: levels on [0, L] as numbers about 0."""
    return Logit(levels, alpha) if alpha else Scale(levels)


def conditioning(spec: Spec, name: str) -> Conditioning:
    """What `--condition NAME` asks for."""
    return Conditioning() if name in ("none", "") else conditioning_of(spec, name)


def expect_levels(spec: Spec) -> None:
    """Raise UserError for binarized data: a flow is of grey levels."""
    refuse(
        bool(spec.binarized),
        f"--binarize {spec.binarized} makes the images black and white, a flow is of grey levels: "
        "leave --binarize out",
    )


def build(
    spec: Spec,
    networks: Networks,
    function: Elementwise,
    steps: Callable[[Parts], Steps],
) -> Flow:
    """A flow of several resolutions from the arguments that the recipes share.

    Raises UserError for binarized data and for sides that cannot be halved.
    """
    expect_levels(spec)
    block = block_of(spec.height, spec.width)
    if block == (1, 1):
        raise UserError(
            f"images of {spec.height}x{spec.width}: a flow takes 2x2 pixels together and neither "
            "side is even: choose another --size, such as "
            f"{spec.height + 1}x{spec.width + 1}"
        )
    levels = networks["levels"] or spec.values.likelihood_levels()
    given = conditioning(spec, networks["condition"])
    parts = Parts(networks, given.size, function)
    dequantization: Dequantization = Uniform(levels, spec.values)
    if networks["dequantization"] == "variational":
        dequantization = Variational(spec, levels, block, networks["width"], NOISE_COUPLINGS)
    chain = network(spec, networks["scales"], parts, steps(parts))
    return Flow(
        spec,
        Chain([scaled(levels, networks["alpha"]), *chain.layers]),
        dequantization,
        conditioning=given,
        optim=Optim(lr=networks["lr"]),
    )
