"""`genarium translate RUN [IMAGES...]`: images of one domain turned into those of another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.cli.given import add_data, open_run
from genarium.cli.parser import positive, seed
from genarium.errors import UserError, unwritable

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.runs.trained import Trained

FIRST = 16  # test images where none are named
SHOWN = 24  # images in the grid


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model translates")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        nargs="*",
        help="files, folders of them, test, or test:NUMBERS (default: the first 16 test images)",
    )
    parser.add_argument(
        "--direction",
        choices=("a2b", "b2a"),
        help="from the first kind of the run's data to the second, or back (default: as trained)",
    )
    parser.add_argument("--seed", type=seed, default=0, help="of what is left to chance (dropout)")
    add_data(parser)
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument(
        "--out",
        metavar="PATH",
        help="a folder: PNG files with the names of the given ones and a grid; FILE.png: the grid "
        "alone, input | output | target or cycle; FILE.npz: an array (default: RUN/translated)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the pictures that an earlier call wrote into the folder --out",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.data.scan import GRID
    from genarium.drawing import folder
    from genarium.drawing.images import as_uint8
    from genarium.drawing.write import write_images
    from genarium.runs.selection import all_given

    out = Path(found.out) if found.out else None
    if out is not None and out.suffix.lower() not in ("", ".png", ".npz"):
        raise UserError(f"--out {out}: name a folder, or end it in .png or .npz")
    trained = open_run(found)
    direction = trained.direction(found.direction)
    out = out or trained.path / "translated"
    folder.check(out, found.overwrite)
    texts = found.images or [_first(trained, direction[0])]
    given = all_given(trained, texts, "", direction[0])
    made = as_uint8(trained.translate(given.images, direction, found.seed))
    shown = _grid(trained, texts, given.images, made, direction, found.seed)
    if out.suffix.lower() == ".png":
        _save(out, shown, out)
    elif out.suffix.lower() == ".npz":
        write_images(made, out)
    else:
        pictures = [*_files(texts, given.names, made, out), (GRID, shown)]
        folder.save(out, pictures, found.overwrite)
    if found.json:
        facts = {"run": str(trained.path), "direction": direction, "n": len(made)}
        show.as_json({**facts, "seed": found.seed, "out": str(out)})
    else:
        print(f"{len(made)} images translated {direction} by {trained.name}: {out}")
    return 0


def _first(trained: Trained, domain: str) -> str:
    """The first test images, by name."""
    count = len(trained.dataset().test.domain(domain))
    if not count:
        raise UserError(f"{trained.path}: the test split holds no images: name some")
    return f"test:0-{min(FIRST, count) - 1}"


def _grid(
    trained: Trained,
    texts: Sequence[str],
    images: Tensor,
    made: Tensor,
    direction: str,
    seed: int,
) -> Tensor:
    """The first images as a picture: input | output, with the target or the way back."""
    from genarium.drawing.images import as_uint8
    from genarium.report.records import Pairs
    from genarium.report.translations import sheet
    from genarium.runs.selection import all_given

    third, third_is = None, ""
    if trained.spec.paired and all(text.partition(":")[0] == "test" for text in texts):
        third = all_given(trained, texts, "", direction[2]).images[:SHOWN]
        third_is = "target"
    elif direction[::-1] in trained.model.directions:
        third = as_uint8(trained.translate(made[:SHOWN], direction[::-1], seed))
        third_is = "cycle"
    return sheet([Pairs(images[:SHOWN], made[:SHOWN], third, third_is, direction)])


def _files(
    texts: Sequence[str], names: Sequence[str], made: Tensor, out: Path
) -> list[tuple[str, Tensor]]:
    """(name, image) of each, named as it is below the folder that was given.

    Raises UserError where two would have one name.
    """
    from genarium.data.scan import GRID

    folders = [Path(text) for text in texts if Path(text).is_dir()]
    taken: dict[Path, str] = {}
    pictures = []
    for name, image in zip(names, made, strict=True):
        path = Path(name.replace(":", "-")) if not Path(name).exists() else Path(name)
        inside = next((f for f in folders if path.is_relative_to(f)), path.parent)
        target = path.relative_to(inside).with_suffix(".png")
        if target == Path(GRID):
            target = Path("grid-1.png")  # grid.png is all of them
        if target in taken:
            raise UserError(
                f"{name} and {taken[target]} would both be {out / target}: translate them one by "
                "one, each with its --out"
            )
        taken[target] = name
        pictures.append((target.as_posix(), image))
    return pictures


def _save(path: Path, image: Tensor, out: Path) -> None:
    from genarium.drawing.images import save_png

    try:
        save_png(path, image)
    except OSError as error:
        raise unwritable(out, error) from None
