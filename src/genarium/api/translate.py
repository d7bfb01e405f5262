"""Images of one domain turned into those of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from genarium.api._results import Picture, of_run
from genarium.api._types import AcceptChanges, Device, Images, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.runs.trained import Trained

N = 16  # test images where none are named
SHOWN = 24  # images in the grid


@dataclass(repr=False)
class Translations(Picture):
    """Images and what they became.

    originals: uint8 [n,C,H,W]. images: their translations, float32 on [-1, 1]. names: of the
    originals. third: of the first images the targets, or the way back (a cycle), as third_is says;
    uint8, or None. folders: those among what was given, which the names of files are relative to.
    """

    NAME: ClassVar[str] = "translated"
    SUFFIXES: ClassVar[tuple[str, ...]] = ("", ".png", ".npz")

    originals: Tensor
    images: Tensor
    names: list[str]
    direction: str
    run: str
    seed: int
    third: Tensor | None = None
    third_is: Literal["", "target", "cycle"] = ""
    folders: tuple[str, ...] = ()

    @property
    def image(self) -> Tensor:
        from genarium.drawing.images import as_uint8
        from genarium.report.records import Pairs
        from genarium.report.translations import sheet

        made = as_uint8(self.images[:SHOWN])
        return sheet(
            [Pairs(self.originals[:SHOWN], made, self.third, self.third_is, self.direction)]
        )

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.data.scan import GRID
        from genarium.drawing import folder
        from genarium.drawing.write import write_images

        if path.suffix.lower() == ".png":
            return super().write(path, overwrite)
        if path.suffix.lower() == ".npz":
            write_images(self.images, path)
        else:
            folder.save(path, [*self._files(path), (GRID, self.image)], overwrite)
        return [path]

    def _files(self, out: Path) -> list[tuple[str, Tensor]]:
        """(name, image) of each, named as it is below the folder that was given.

        Raises UserError where two would have one name.
        """
        from genarium.data.scan import GRID
        from genarium.drawing.images import as_uint8

        taken: dict[Path, str] = {}
        pictures = []
        for name, image in zip(self.names, as_uint8(self.images), strict=True):
            path = Path(name.replace(":", "-")) if not Path(name).exists() else Path(name)
            inside = (Path(f) for f in self.folders if path.is_relative_to(f))
            target = path.relative_to(next(inside, path.parent)).with_suffix(".png")
            if target == Path(GRID):
                target = Path("grid-1.png")  # grid.png is all of them
            if target in taken:
                raise UserError(
                    f"{name} and {taken[target]} would both be {out / target}: translate them one "
                    "by one, each with its --out"
                )
            taken[target] = name
            pictures.append((target.as_posix(), image))
        return pictures

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "direction": self.direction}
        return {**facts, "n": len(self.images), "seed": self.seed}

    def text(self) -> str:
        return f"{len(self.images)} images translated {self.direction} by {Path(self.run).name}"


@verb(
    "images",
    out="a folder: PNG files with the names of the given ones and a grid; FILE.png: the grid "
    "alone, input | output | target or cycle; FILE.npz: an array (default: RUN/translated)",
)
def translate(
    run: Run,
    images: Images | None = None,
    *,
    direction: Literal["a2b", "b2a"] | None = None,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
) -> Translations:
    """Translate images of one domain into another.

    run: a run folder whose model translates.
    images: files, folders of them, test, or test:NUMBERS (default: 16 of the test split that the
        seed draws, the classes in turn).
    direction: from the first domain of the data to the second, or back (default: as trained).
    seed: of the random numbers (dropout), and of which images are drawn.
    """
    from genarium.runs.loading import opened
    from genarium.runs.selection import named, names_of, some

    trained = opened(run, step, device, data=data, accept_changes=accept_changes)
    way = trained.direction(direction)
    value = [some(trained, N, seed, way[0])] if images is None else images
    given = named(trained, value, "images", way[0])
    texts = names_of(value)
    made = Translations(
        given.images,
        trained.translate(given.images, way, seed),
        given.names,
        way,
        str(trained.path),
        seed,
        folders=tuple(text for text in texts if Path(text).is_dir()),
    )
    _beside(trained, texts, made)
    return of_run(made, trained)


def _beside(trained: Trained, texts: list[str], made: Translations) -> None:
    """Add what the first translations are to be held against: the target, or the way back."""
    from genarium.drawing.images import as_uint8
    from genarium.runs.selection import all_given, is_test

    back = made.direction[::-1]
    if trained.spec.paired and texts and all(is_test(text) for text in texts):
        made.third = all_given(trained, texts, "", made.direction[2]).images[:SHOWN]
        made.third_is = "target"
    elif back in trained.model.directions:
        some = as_uint8(made.images[:SHOWN])
        made.third = as_uint8(trained.translate(some, back, made.seed))
        made.third_is = "cycle"
