"""Images of one domain turned into those of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run
from genarium.api._types import AcceptChanges, Device, Images, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.runs.trained import Trained

N = 16  # test images where none are named
SHOWN = 24  # images in the grid


@dataclass(repr=False)
class Translations(Made):
    """Images and what they became.

    images: translations [n,C,H,W] of originals, float32 on [-1, 1]; see `Made`. originals:
    [n,C,H,W] as stored. names: of the originals. third: of the first images the targets, or the way
    back (a cycle), as third_is says, as stored; None: there is none. folders: those among what was
    given, which the names of files are relative to.
    """

    NAME: ClassVar[str] = "translated"
    SUFFIXES: ClassVar[tuple[str, ...]] = ("", ".png", ".npy", ".npz", ".tif", ".tiff")

    originals: Tensor
    names: list[str]
    direction: str
    run: str
    seed: int
    third: Tensor | None = None
    third_is: Literal["", "target", "cycle"] = ""
    folders: tuple[str, ...] = ()

    @property
    def image(self) -> Tensor:
        from genarium.report.records import Pairs
        from genarium.report.translations import sheet

        came, went = self.direction[0], self.domain
        originals = self.seen(self.originals[:SHOWN], came, stored=True)
        third = self.third
        if third is not None:
            third = self.seen(third, came if self.third_is == "cycle" else went, stored=True)
        made = self.seen(self.images[:SHOWN])
        return sheet([Pairs(originals, made, third, self.third_is, self.direction)])

    @property
    def domain(self) -> str:
        return self.direction[2]

    def beside(self) -> list[tuple[str, Tensor]]:
        from genarium.data.scan import GRID

        return [(GRID, self.image)]

    def stems(self, out: Path) -> list[str]:
        """Named as each is below the folder that was given.

        Raises UserError where two would have one name.
        """
        from genarium.data.scan import GRID

        taken: dict[Path, str] = {}
        stems = []
        for name in self.names:
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
            stems.append(target.with_suffix("").as_posix())
        return stems

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "direction": self.direction}
        return {**facts, "n": len(self.images), "seed": self.seed}

    def text(self) -> str:
        return f"{len(self.images)} images translated {self.direction} by {Path(self.run).name}"


@verb(
    "images",
    out="a folder: PNG files with the names of the given ones and a grid; FILE.png: the grid "
    f"alone, input | output | target or cycle; {IMAGES.partition('; a folder')[0]} (default: "
    "RUN/translated)",
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
        trained.translate(given.images, way, seed),
        given.images,
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
    from genarium.runs.selection import all_given, is_test

    back = made.direction[::-1]
    if trained.spec.paired and texts and all(is_test(text) for text in texts):
        made.third = all_given(trained, texts, "", made.direction[2]).images[:SHOWN]
        made.third_is = "target"
    elif back in trained.model.directions:
        some = trained.stored(made.images[:SHOWN], back[0])
        made.third = trained.stored(trained.translate(some, back, made.seed), back[2])
        made.third_is = "cycle"
