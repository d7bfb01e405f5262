"""Images of codes, of which some numbers may be set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

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

    Numbers = Mapping[int, float] | Sequence[str]
else:
    Numbers = Any

FIRST = 16  # samples where no codes are named


@dataclass(repr=False)
class Decoded(Made):
    """Codes and their images.

    images: [n,C,H,W] float32 on [-1, 1]; see `Made`. codes: [n,D]. positions: [n,D], each number of
    the codes in the unit that it is set in: as it is where the model has a prior, else in standard
    deviations about the mean of test codes.
    """

    NAME: ClassVar[str] = "decode.png"

    codes: Tensor
    positions: Tensor
    run: str

    @property
    def image(self) -> Tensor:
        from genarium.drawing.images import grid

        return grid(self.pictures)

    def to_dict(self) -> dict[str, Any]:
        n, size = self.codes.shape
        return {"run": self.run, "n": n, "dims": size}

    def text(self) -> str:
        n, size = self.codes.shape
        return f"{n} images of codes of {size} numbers by {Path(self.run).name}"


@verb("latent", out=f"FILE.png: one grid; {IMAGES} (default: RUN/decode.png)", notes=GROUP)
def decode(
    run: Run,
    codes: Group | None = None,
    *,
    set: Annotated[Numbers | None, Flag(metavar="D=X", repeat=True, raw=True)] = None,
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
) -> Decoded:
    """Turn codes into images, some of their numbers set to other values.

    run: a run folder whose model decodes.
    codes: which (default: the first 16 samples; of a model without samples test images that the
        seed draws, the classes in turn).
    set: number D of each code is X, as often as you like (without a prior in standard deviations
        about the mean of test codes); in Python {D: X}.
    seed: of the samples that numbers name, and of what is drawn.
    """
    from genarium.runs.groups import Groups
    from genarium.runs.loading import that_decodes

    trained = that_decodes(
        run, step, device, data=data, accept_changes=accept_changes, settings=sampler
    )
    named = Groups(trained, n=n, seed=seed, condition=condition, code=code, invert=invert)
    first = named.first(0, min(FIRST, n)) if codes is None else codes
    rows = named("CODES", first).rows.clone()
    named.expect_samples(sampler)
    size = rows.shape[1]
    middle, unit = named.scale(size)
    for number, value in _numbers(set, size).items():
        rows[:, number] = middle[number] + unit[number] * value
    positions = (rows - middle) / unit.clamp(min=1e-12)
    return of_run(Decoded(trained.decode(rows), rows, positions, str(trained.path)), trained)


def _numbers(given: Any, size: int) -> dict[int, float]:
    """What --set says, by the number's place in the code."""
    import math

    if given is None:
        return {}
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Mapping):
        given = dict(str(part).partition("=")[::2] for part in given)
    results = {}
    for place, value in given.items():
        said = f"--set {place}={value}"
        text = str(place).strip()
        if not text.isdecimal() or len(text) > 9 or int(text) >= size:
            raise UserError(f"{said}: say D=X, D from 0 to {size - 1}")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise UserError(f"{said}: say D=X, X a number") from None
        if not math.isfinite(number):
            raise UserError(f"{said}: give a finite number")
        results[int(text)] = number
    return results
