"""Codes moved along a dimension, from one group towards another, or through the classes."""

from __future__ import annotations

from dataclasses import dataclass, field
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

    from genarium.runs.groups import Groups
    from genarium.runs.trained import Trained

ROWS = 6
MOST, SPREAD = 256, 32
"""Of codes of more than so many numbers (a diffusion model's are as large as an image), so many are
walked along, evenly spread over all of them."""


@dataclass(repr=False)
class Traversal(Walk):
    """Moved codes, a row each.

    images: [rows,steps,C,H,W] float32 on [-1, 1]; see `Walk`. codes: [rows,steps,D]. along: what
    they move along. positions: where they are, numbers or the names of classes. variance: how far a
    row's images are from their mean, pixels on [0, 1], by the row's name; of classes empty.
    """

    NAME: ClassVar[str] = "traverse.png"

    codes: Tensor
    along: str
    positions: list[float] | list[str]
    run: str
    variance: dict[str, float] = field(default_factory=dict)

    @property
    def effect(self) -> float:
        """How much the number moves the images, in grey levels of 255 (`genarium.latent.effect`),
        of a traversal along one dimension."""
        from genarium.latent import effect

        return effect(sum(self.variance.values()) / max(1, len(self.variance)))

    @property
    def image(self) -> Tensor:
        from genarium.drawing.images import grid

        return grid(self.pictures.flatten(0, 1), columns=self.images.shape[1], pad=1)

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"run": self.run, "along": self.along}
        if not self.variance:
            return {**facts, "values": self.positions, "rows": len(self.images)}
        facts["range"] = [self.positions[0], self.positions[-1]]
        return {**facts, "steps": len(self.positions), "variance": self.variance}

    def text(self) -> str:
        if not self.variance:
            return f"{len(self.images)} codes as {', '.join(map(str, self.positions))}"
        low, high = self.positions[0], self.positions[-1]
        return f"{len(self.images)} rows along {self.along}, {low:g} to {high:g}"

    def report(self) -> str:
        each = [row for row in self.variance if row.isdecimal()]  # a dimension a row
        if not each:
            return super().report()
        most = sorted(each, key=lambda row: -self.variance[row])[:5]
        return f"{super().report()}\ndimensions that change the image most: {', '.join(most)}"


@verb(
    "latent",
    out=f"FILE.png: a code a row; {MOVING}; {IMAGES}, row by row (default: RUN/traverse.png)",
    notes=GROUP,
)
def traverse(
    run: Run,
    *,
    dimension: Annotated[int | str | None, Flag(metavar="D", raw=True)] = None,
    toward: Annotated[tuple[Group, Group] | None, Flag(metavar=("A", "B"), raw=True)] = None,
    classes: Annotated[str | None, Flag(metavar="ATTRIBUTE", alone="class")] = None,
    start: Annotated[Group | None, Flag("--from", "GROUP", raw=True)] = None,
    range: Annotated[tuple[float, float] | None, Flag(metavar=("LOW", "HIGH"))] = None,
    steps: Annotated[int, Ge(2)] = 9,
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
) -> Traversal:
    """Move codes along a dimension or a direction.

    run: a run folder whose model decodes.
    dimension: this number of the code, a row for each code of --from; all: each in turn, of one
        code (default); of more than 256 numbers 32 of them.
    toward: instead: along the difference between the means of two groups (the paper's turn vector).
    classes: instead: every class in turn while the code stays, for a conditional model (or every
        value of the attribute that it is conditioned on).
    start: the codes to move (default: the first samples; of a model without samples test images
        that the seed draws, the classes in turn).
    range: values of the dimension (default: -3 3; without a prior in standard deviations about the
        mean of test codes), or multiples of the difference (default: -1 1).
    steps: images a row.
    seed: of the samples that numbers name, and of what is drawn.
    """
    import torch

    from genarium.runs.groups import Groups
    from genarium.runs.loading import that_decodes

    trained = that_decodes(
        run, step, device, data=data, accept_changes=accept_changes, settings=sampler
    )
    if toward and dimension is not None:
        raise UserError("--dimension and --toward exclude each other: give one of them")
    if classes and (toward or dimension is not None or range):
        raise UserError("--classes goes by itself: leave out --dimension, --toward, --range")
    named = Groups(trained, n=n, seed=seed, condition=condition, code=code, invert=invert)
    if classes:
        made = _classes(trained, named, classes, start)
        named.expect_samples(sampler)
        return of_run(made, trained)
    low, high = range or ((-1.0, 1.0) if toward else (-3.0, 3.0))
    values = torch.linspace(low, high, steps)
    codes, what, rows = _walk(named, dimension, toward, start, values)
    named.expect_samples(sampler)
    images = trained.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    kept = trained.spec.values.unit_interval(trained.stored(images))
    effect = kept.var(1, correction=0).flatten(1).mean(1).tolist()
    result = Traversal(images, codes, what, values.tolist(), str(trained.path))
    result.variance = dict(zip(rows, effect))
    return of_run(result, trained)


def _walk(
    named: Groups, dimension: int | str | None, toward: Any, start: Any, values: Tensor
) -> tuple[Tensor, str, list[str]]:
    """Codes [R,S,D], what they run along, and the name of each row."""
    import torch

    from genarium.latent import traverse as moved
    from genarium.latent import turn_vector

    one = not toward and dimension in (None, "all")
    count = 1 if one else min(ROWS, named.n) if named.samples else ROWS
    first = named("--from", named.first(0, count) if start is None else start)
    if toward:
        a, b = (named("--toward", group) for group in toward)
        names = [group if isinstance(group, str) else "given codes" for group in toward]
        codes = moved(first.rows, turn_vector(a.codes, b.codes), values)
        return codes, f"{names[0]} to {names[1]}", _names(codes)
    size = first.codes.shape[1]
    middle, unit = named.scale(size)
    if one:
        # the columns of a category are not traversed
        some = list(getattr(named.trained.model, "continuous_columns", range(size)))
        if len(some) > MOST:
            some = [some[(2 * k + 1) * len(some) // (2 * SPREAD)] for k in range(SPREAD)]
        each = [moved(first.rows[:1], d, middle[d] + unit[d] * values) for d in some]
        what = "every dimension" if len(some) == size else f"{len(some)} of {size:,} dimensions"
        return torch.cat(each), what, [str(d) for d in some]
    text = str(dimension)
    if not text.isdecimal() or int(text) >= size:
        raise UserError(f"--dimension {text}: say 0 to {size - 1}, or all")
    d = int(text)
    codes = moved(first.rows, d, middle[d] + unit[d] * values)
    return codes, f"dimension {d}", _names(codes)


def _classes(trained: Trained, named: Groups, classes: str, start: Any) -> Traversal:
    """A row a code, a column a class: what the code says beside the class."""
    import torch

    names = trained.spec.classes if trained.model.conditional else ()
    ask = "{}"
    if trained.model.conditioned_on:
        values = {column.name: column.values for column in trained.spec.attributes}
        names, ask = values.get(classes, ()), f"{classes}:{{}}"
        if not names:
            some = ", ".join(name for name, of in values.items() if of)
            raise UserError(f"--classes {classes}: choose {some or 'no run but another'}")
    count = min(ROWS, named.n) if named.samples else ROWS
    first = named("--from", named.first(0, count) if start is None else start).rows
    if not names:
        raise UserError(f"--classes: {trained.path} is not conditional: leave --classes away")
    codes = torch.stack([trained.relabelled(first, ask.format(name)) for name in names], 1)
    images = trained.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return Traversal(images, codes, classes, list(names), str(trained.path))


def _names(codes: Tensor) -> list[str]:
    return [f"row {number}" for number, _ in enumerate(codes)]
