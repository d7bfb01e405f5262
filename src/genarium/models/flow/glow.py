"""Glow: steps of activation norm, invertible 1×1 convolution and affine coupling.

Kingma & Dhariwal 2018, Glow: Generative Flow with Invertible 1x1 Convolutions.
"""

from __future__ import annotations

from typing import Unpack

from genarium.contract import Spec
from genarium.models.flow.arguments import Couplings, Networks
from genarium.models.flow.elementwise import Affine
from genarium.models.flow.model import Flow
from genarium.models.flow.multiscale import build, mixed
from genarium.recipes import recipe


@recipe(
    family="explicit/tractable/change of variables",
    tiny={"width": 4, "blocks": 1, "couplings": 2, "scales": 2},
    paper="Kingma & Dhariwal 2018",
    batch=64,
    steps=3000,
    training={"ema": 0.999, "clip": 1.0},
)
def glow(
    spec: Spec,
    *,
    couplings: Couplings = 8,
    **networks: Unpack[Networks],
) -> Flow:
    """Glow: channels mixed by invertible 1x1 convolutions, affine couplings.

    couplings: steps of activation norm, 1x1 convolution and coupling at each resolution.
    """
    return build(spec, networks, Affine(), lambda p: mixed(p, couplings))
