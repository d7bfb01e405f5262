"""Images of one domain turned into those of another, or drawn anew by a model of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run, said
from genarium.api._types import (
    AcceptChanges,
    Condition,
    Device,
    Images,
    Place,
    Run,
    Seed,
    Step,
)
from genarium.errors import UserError
from genarium.signatures import refuse_idle
from genarium.verbs import verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.runs.trained import Trained

N = 16  # test images where none are named
SHOWN = 24  # images in the grid
STRENGTH = 0.5  # of images that are drawn anew
WITHIN = "a2a"  # the direction of those: they stay in their domain


@dataclass(repr=False)
class Translations(Made):
    """Images and what they became.

    images: translations [n,C,H,W] of originals, float32 on [-1, 1]; see `Made`. originals:
    [n,C,H,W] as stored. names: of the originals. third: of the first images the targets, or the way
    back (a cycle), as third_is says, as stored; None: there is none. folders: those among what was
    given, which the names of files are relative to. strength: of images that were drawn anew, by a
    model of one domain; None: of a translator. settings: how they were sampled, where that is not
    the model's default. asked: for which class, by name.
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
    strength: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

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
        facts: dict[str, Any] = {"run": self.run}
        if self.strength is None:
            facts |= {"direction": self.direction}
        else:
            facts |= {"strength": self.strength, **self.asked}
        facts |= {"settings": dict(self.settings)} if self.settings else {}
        return {**facts, "n": len(self.images), "seed": self.seed}

    def text(self) -> str:
        done = f"translated {self.direction}"
        if self.strength is not None:
            asked = {"strength": f"{self.strength:g}", **self.asked, **self.settings}
            done = f"drawn anew ({', '.join(f'{name} {value}' for name, value in asked.items())})"
        return f"{len(self.images)} images {done} by {Path(self.run).name}"


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
    strength: Annotated[float, Ge(0), Le(1)] | None = None,
    condition: Condition | None = None,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    **sampler: Any,
) -> Translations:
    """Translate images of one domain into another, or draw them anew by a diffusion model.

    run: a run folder whose model translates, or a diffusion model's.
    images: files, folders of them, test, or test:NUMBERS (default: 16 of the test split that the
        seed draws, the classes in turn).
    direction: of a translator, from the first domain of the data to the second, or back (default:
        as trained).
    strength: of a diffusion model (SDEdit): how much noise the images get before it draws them
        anew; 0 leaves them as they are, at 1 nothing of them is left (default: 0.5).
    seed: of the random numbers (noise, dropout), and of which images are drawn.
    """
    from genarium.runs.loading import opened
    from genarium.runs.selection import named, names_of, some

    trained = opened(run, step, device, data=data, accept_changes=accept_changes, settings=sampler)
    edits = "edit" in trained.capabilities
    way = _within(trained, direction) if edits else trained.direction(direction)
    if not edits:
        about = f"{trained.path} is a {trained.recipe.name}, which translates"
        refuse_idle(
            {"strength": strength} if strength is not None else {},
            {"strength": f"{about}; strength is of diffusion models"},
        )
        if condition is not None:
            raise UserError(f"--class {condition}: {about} {way} whatever the class: leave it out")
    value = [some(trained, N, seed, way[0])] if images is None else images
    given = named(trained, value, "images", way[0])
    texts = names_of(value)
    if edits:
        strength = STRENGTH if strength is None else strength
        drawn = trained.edit(given.images, strength, seed, condition)
    else:
        drawn = trained.translate(given.images, way, seed)
    made = Translations(
        drawn,
        given.images,
        given.names,
        way,
        str(trained.path),
        seed,
        folders=tuple(text for text in texts if Path(text).is_dir()),
        strength=strength,
        settings=trained.settings.changed() if trained.settings is not None else {},
        asked=said({"class": condition}),
    )
    if not edits:
        _beside(trained, texts, made)
    return of_run(made, trained)


def _within(trained: Trained, direction: str | None) -> str:
    """The direction of images that are drawn anew. Raises UserError where one was asked for."""
    if direction is not None:
        raise UserError(
            f"--direction {direction}: {trained.path} is a {trained.recipe.name}, which draws "
            "images of its own domain anew: leave it out"
        )
    return WITHIN


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
