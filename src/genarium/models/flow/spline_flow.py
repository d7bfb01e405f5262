"""Spline flows: couplings that apply monotone rational-quadratic splines, at several resolutions.

Durkan, Bekasov, Murray & Papamakarios 2019, Neural Spline Flows.
"""

from __future__ import annotations

from typing import Annotated, Unpack

from annotated_types import Ge, Le

from genarium.contract import Spec
from genarium.models.flow.arguments import Couplings, Networks
from genarium.models.flow.elementwise import Affine, Both, Spline
from genarium.models.flow.model import Flow
from genarium.models.flow.multiscale import build, mixed
from genarium.recipes import PositiveFloat, recipe


@recipe(
    family="explicit/tractable/change of variables",
    tiny={"width": 4, "blocks": 1, "couplings": 2, "scales": 2, "bins": 4},
    paper="Durkan et al. 2019, Neural Spline Flows",
    batch=64,
    steps=3000,
    training={"ema": 0.999, "clip": 1.0},
)
def spline_flow(
    spec: Spec,
    *,
    couplings: Couplings = 4,
    bins: Annotated[int, Ge(2), Le(64)] = 8,
    bound: PositiveFloat = 3.0,
    **networks: Unpack[Networks],
) -> Flow:
    """Spline flow: monotone splines in couplings; the flow to start with.

    bins: of a spline.
    bound: the splines' ends, beyond which they change nothing, in deviations.
    """
    function = Both(Affine(), Spline(bins, bound))
    return build(spec, networks, function, lambda p: mixed(p, couplings))
