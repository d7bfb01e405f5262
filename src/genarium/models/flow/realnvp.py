"""RealNVP: affine couplings on checkerboards and on channels, at several resolutions.

Dinh, Sohl-Dickstein & Bengio 2017, Density estimation using Real NVP. Different here: activation
normalization in place of batch norm between couplings, so that a density does not depend on the
images beside; checkerboard couplings work on the squeezed map, whose first half of channels is one
colour of the board, at a quarter of the cost; scales are bounded (`elementwise.Affine`); the
logit's α is .001, where the paper has .05.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from genarium.contract import Spec
from genarium.models.flow.arguments import Couplings, Networks
from genarium.models.flow.bijections import ActNorm, Bijection
from genarium.models.flow.couplings import Shape, channelwise, checkerboard
from genarium.models.flow.elementwise import Affine
from genarium.models.flow.model import Flow
from genarium.models.flow.multiscale import Parts, Steps, build
from genarium.recipes import recipe


def checkered(parts: Parts, couplings: int) -> Steps:
    """At each resolution `couplings` on the checkerboard, before a split as many on channels."""

    def steps(shape: Shape, block: tuple[int, int], last: bool) -> Iterator[Bijection]:
        c, area = shape[0], block[0] * block[1]
        for number in range(couplings):
            yield ActNorm(c)
            yield parts.coupling(checkerboard(c, number % 2 == 1), shape)
        for number in range(0 if last else couplings):
            yield ActNorm(c)
            yield parts.coupling(channelwise(c, area, number % 2 == 1), shape)

    return steps


@recipe(
    family="explicit/tractable/change of variables",
    tiny={"width": 4, "blocks": 1, "couplings": 2, "scales": 2},
    paper="Dinh, Sohl-Dickstein & Bengio 2017",
    batch=64,
    steps=3000,
    training={"ema": 0.999, "clip": 1.0},
)
def realnvp(
    spec: Spec,
    *,
    couplings: Couplings = 4,
    **networks: Unpack[Networks],
) -> Flow:
    """RealNVP: affine couplings on checkerboards and channels; exact density, exact codes.

    couplings: on the checkerboard at each resolution, and as many on channels before each split.
    """
    return build(spec, networks, Affine(), lambda p: checkered(p, couplings))
