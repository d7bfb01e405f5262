"""Interpolations between codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge

from genarium.api._made import IMAGES, MOVING, Walk
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

ROWS = 6


@dataclass(repr=False)
class Interpolation(Walk):
    """Interpolations between codes, a row each.

    images: [rows,steps,C,H,W] float32 on [-1, 1]; see `Walk`. codes: [rows,steps,D]. kind:
    spherical or linear. ends: the images whose codes a row begins and ends with, [rows,2,C,H,W] as
    stored, where they were given.
    """

    NAME: ClassVar[str] = "interpolate.png"

    codes: Tensor
    kind: str
    ends: Tensor | None
    run: str
    names: tuple[str, str]

    @property
    def image(self) -> Tensor:
        from genarium.report.pictures import interpolation_grid
        from genarium.report.records import Interpolations

        ends = None if self.ends is None else self.seen(self.ends, stored=True)
        return interpolation_grid(Interpolations(self.pictures, self.kind, ends))

    def to_dict(self) -> dict[str, Any]:
        rows, steps = self.images.shape[:2]
        start, end = self.names
        facts = {"run": self.run, "from": start, "to": end, "kind": self.kind}
        return {**facts, "rows": rows, "steps": steps}

    def text(self) -> str:
        rows, steps = self.images.shape[:2]
        ends = f"{self.names[0]} to {self.names[1]}"
        return f"{rows} {self.kind} interpolations of {steps} steps, {ends}"


@verb(
    "latent",
    out=f"FILE.png: an interpolation a row; {MOVING}; {IMAGES}, row by row (default: "
    "RUN/interpolate.png)",
    notes=GROUP,
)
def interpolate(
    run: Run,
    *,
    start: Annotated[Group | None, Flag("--from", "GROUP", raw=True)] = None,
    end: Annotated[Group | None, Flag("--to", "GROUP", raw=True)] = None,
    steps: Annotated[int, Ge(2)] = 10,
    linear: bool = False,
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
) -> Interpolation:
    """Interpolate between codes.

    run: a run folder whose model decodes.
    start: where the interpolations begin.
    end: where they end, as many or one (default: 6 between samples; of a model without samples
        between test images that the seed draws, the classes in turn).
    steps: images a row, ends included.
    linear: straight lines (default: spherical between samples, and between images whose codes are
        noise too, as those of diffusion models and flows).
    seed: of the samples that numbers name, and of what is drawn.
    """
    import torch

    from genarium.latent import interpolate as between
    from genarium.runs.groups import Groups
    from genarium.runs.loading import that_decodes

    trained = that_decodes(
        run, step, device, data=data, accept_changes=accept_changes, settings=sampler
    )
    if (start is None) != (end is None):
        given, missing = ("--from", "--to") if end is None else ("--to", "--from")
        raise UserError(f"{given} {_name(end if start is None else start)}: give {missing} as well")
    named = Groups(trained, n=n, seed=seed, condition=condition, code=code, invert=invert)
    if start is None or end is None:
        if n < 2:
            raise UserError(f"-n {n}: an interpolation needs two samples")
        rows = min(ROWS, n // 2)
        start, end = named.first(0, rows), named.first(rows, rows)
    first, last = named("--from", start), named("--to", end)
    named.expect_samples(sampler)
    a, b = first.rows, last.rows
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise UserError(
            f"--from {_name(start)} has {len(a)} codes, --to {_name(end)} has {len(b)}: "
            "name as many, or one"
        )
    rows = max(len(a), len(b))
    around = named.samples or trained.model.gaussian_codes
    kind = "spherical" if around and not linear else "linear"
    codes = between(
        a.expand(rows, -1),
        b.expand(rows, -1),
        steps,
        "linear" if kind == "linear" else "spherical",
        noise=trained.noise,
    )
    images = trained.decode(codes.flatten(0, 1)).unflatten(0, (rows, steps))
    ends = None
    if not (first.average or last.average or first.originals is None or last.originals is None):
        both = (x.expand(rows, -1, -1, -1) for x in (first.originals, last.originals))
        ends = torch.stack([*both], 1)
    names = (_name(start), _name(end))
    return of_run(Interpolation(images, codes, kind, ends, str(trained.path), names), trained)


def _name(group: Any) -> str:
    return group if isinstance(group, str) else "given codes"
