"""Keep part of images and draw the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run, said
from genarium.api._types import (
    AcceptChanges,
    Condition,
    Count,
    Device,
    Images,
    Place,
    Run,
    Seed,
    Step,
)
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from genarium.contract import Spec

N = 16  # test images where none are named


@dataclass(repr=False)
class Completions(Made):
    """Completed images.

    images: the completions, [n,draws,C,H,W] float32 on [-1, 1]; see `Made`. originals: [n,C,H,W] as
    stored. keep: what stayed, bool [H,W] or [n,1 or C,H,W]. names: of the originals. settings: how
    they were drawn, where that is not the model's own way. asked: for which class, by name.
    """

    NAME: ClassVar[str] = "completions.png"

    originals: Tensor
    keep: Tensor
    run: str
    kept: str
    names: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> Tensor:
        import torch

        from genarium.drawing.images import grid

        whole = self.about.signed(self.originals)
        part = torch.where(self.keep, whole, torch.zeros(()))  # grey where something is missing
        rows = torch.cat([whole[:, None], part[:, None], self.images], 1)
        return grid(self.seen(rows.flatten(0, 1)), columns=rows.shape[1])

    def to_dict(self) -> dict[str, Any]:
        n, draws = self.images.shape[:2]
        facts = {"run": self.run, "n": n, "draws": draws, "keep": self.kept, "images": self.names}
        facts |= self.asked
        return {**facts, "settings": dict(self.settings)} if self.settings else facts

    def text(self) -> str:
        how = "".join(
            f", {name} {value}" for name, value in {**self.asked, **self.settings}.items()
        )
        return f"{len(self.images)} images, {self.images.shape[1]} completions each{how}"


@verb(
    "images",
    out=f"FILE.png: original | kept | completions; {IMAGES}, the completions of an image one after "
    "another (default: RUN/completions.png)",
)
def complete(
    run: Run,
    images: Images | None = None,
    *,
    keep: Annotated[Any, Flag(metavar="top|left|MASK.png", raw=True)] = "top",
    draws: Count = 4,
    seed: Seed = 0,
    condition: Condition | None = None,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    **sampler: Any,
) -> Completions:
    """Keep part of images and draw the rest.

    images: image files, folders of them, or test:NUMBERS (default: 16 of the test split that the
        seed draws, the classes in turn).
    keep: what stays: the upper or left half, or where a mask of the images' size is white (in
        Python also bool [H,W] or [n,1 or C,H,W]).
    draws: different completions of each image.
    seed: of the completions, and of which images are drawn.
    """
    from genarium.runs.loading import opened
    from genarium.runs.sampling import expect_used
    from genarium.runs.selection import named, some

    trained = opened(run, step, device, data=data, accept_changes=accept_changes, settings=sampler)
    trained.can("complete")
    expect_used(trained, sampler, "complete")
    mask = _mask(keep, trained.spec) if isinstance(keep, str | Path) else keep
    names, originals = named(
        trained, some(trained, N, seed) if images is None else images, "images"
    )
    each = mask.repeat_interleave(draws, 0) if mask.ndim == 4 and len(mask) > 1 else mask
    drawn = trained.complete(originals.repeat_interleave(draws, 0), each, seed, condition)
    kept = str(keep) if isinstance(keep, str | Path) else "a mask"
    drawn = drawn.unflatten(0, (len(originals), draws))
    used = trained.settings.changed() if trained.settings is not None else {}
    place = str(trained.path)
    made = Completions(drawn, originals, mask, place, kept, names, used, said({"class": condition}))
    return of_run(made, trained)


def _mask(text: str | Path, spec: Spec) -> Tensor:
    """What --keep says, bool [H,W]."""
    import torch

    from genarium.data.decode import Bad, decode, flatten, read_bytes
    from genarium.data.resize import to_chw

    keep = torch.zeros(spec.height, spec.width, dtype=torch.bool)
    if text == "top":
        keep[: spec.height // 2] = True
        return keep
    if text == "left":
        keep[:, : spec.width // 2] = True
        return keep
    path = Path(text)
    if not path.is_file():
        raise UserError(f"--keep {text}: give top, left, or a mask file that exists")
    try:
        image, _ = decode(read_bytes(path))
    except Bad as bad:
        raise UserError(f"--keep {text}: {bad}: give another mask") from None
    if image.size != (spec.width, spec.height):
        size = f"{image.size[1]}x{image.size[0]}"
        raise UserError(
            f"--keep {text}: the mask is {size}, the model's images {spec.height}x{spec.width}: "
            "give one of their size"
        )
    return torch.from_numpy(to_chw(flatten(image, (0, 0, 0), 1))[0] >= 128)
