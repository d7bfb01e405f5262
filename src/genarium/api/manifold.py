"""A grid of images over two dimensions of the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run
from genarium.api._types import (
    GROUP,
    AcceptChanges,
    Code,
    Condition,
    Device,
    Grid,
    Group,
    Invert,
    Place,
    Run,
    Seed,
    Step,
)
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(repr=False)
class Plane(Made):
    """A square of images over two dimensions of the code.

    images: [side,side,C,H,W] float32 on [-1, 1], the largest values of the second number in the
    first row; see `Made`. positions: the values of either number, quantiles of the normal
    distribution.
    """

    NAME: ClassVar[str] = "manifold.png"

    dimensions: tuple[int, int]
    positions: list[float]
    run: str

    @property
    def image(self) -> Tensor:
        from genarium.drawing.images import grid

        return grid(self.pictures.flatten(0, 1), columns=len(self.images), pad=0)

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "dimensions": [*self.dimensions], "side": len(self.images)}
        return {**facts, "values": self.positions}

    def text(self) -> str:
        side, (across, up) = len(self.images), self.dimensions
        return f"{side}x{side} codes over numbers {across} (across) and {up} (up)"


@verb(
    "latent",
    out=f"FILE.png: the square; {IMAGES}, row by row (default: RUN/manifold.png)",
    notes=GROUP,
)
def manifold(
    run: Run,
    *,
    dimensions: Annotated[
        tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0)]], Flag(metavar=("ACROSS", "UP"))
    ] = (0, 1),
    start: Annotated[Group | None, Flag("--from", "GROUP", raw=True)] = None,
    side: Annotated[int, Ge(2)] = 20,
    n: Grid = 64,
    seed: Seed = 0,
    condition: Condition | None = None,
    code: Code | None = None,
    invert: Invert = False,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    **sampler: Any,
) -> Plane:
    """Draw a grid of images over two dimensions of the code.

    run: a run folder whose model decodes.
    dimensions: two of the code (default: 0 1).
    start: the code whose other dimensions stay (default: the first sample; of a model without
        samples a test image that the seed draws).
    side: images a side.
    seed: of the samples that numbers name, and of what is drawn.
    """
    from genarium.latent import quantiles
    from genarium.runs.groups import Groups
    from genarium.runs.loading import that_decodes

    trained = that_decodes(
        run, step, device, data=data, accept_changes=accept_changes, settings=sampler
    )
    named = Groups(trained, n=n, seed=seed, condition=condition, code=code, invert=invert)
    first = named("--from", named.first(0, 1) if start is None else start).rows[:1]
    named.expect_samples(sampler)
    size = first.shape[1]
    across, up = dimensions
    if size < 2 or max(across, up) >= size or across == up:
        raise UserError(
            f"--dimensions {across} {up}: name two different numbers of a code of {size} (0 to "
            f"{size - 1})"
        )
    middle, unit = named.scale(size)
    z = quantiles(side)
    codes = first.repeat(side**2, 1)
    # the first row is the top: large values of the second number
    codes[:, across] = middle[across] + unit[across] * z.repeat(side)
    codes[:, up] = middle[up] + unit[up] * z.flip(0).repeat_interleave(side)
    images = trained.decode(codes).unflatten(0, (side, side))
    return of_run(Plane(images, (across, up), z.tolist(), str(trained.path)), trained)
