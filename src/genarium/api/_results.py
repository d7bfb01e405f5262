"""What verbs give back: objects that can be saved, read by a program, and looked at."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from genarium.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.contract import Spec
    from genarium.runs.trained import Trained


@dataclass(repr=False)
class Result:
    """A verb's result. Its text is what the command prints, its dict what `--json` prints.

    home: the folder that it is saved in where nobody says another place. saved: what was written.
    spec: of the run's images, where it is of a run.
    """

    NAME: ClassVar[str] = ""
    """The file's name in `home`; none for a result that is not saved unasked."""
    SUFFIXES: ClassVar[tuple[str, ...]] = ()
    """Endings that `save` takes; the first is named in errors. "" stands for a folder."""
    FORMS: ClassVar[tuple[str, ...]] = ()
    """What files may hold, of a result that is kept in several ways; see `genarium.api._made`."""

    home: Path = field(init=False, default_factory=Path, compare=False)
    saved: list[Path] = field(init=False, default_factory=list, compare=False)
    spec: Spec = field(init=False, compare=False)

    def text(self) -> str:
        """What it is, for people; a line, or a table."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Its numbers, ready for JSON."""
        raise NotImplementedError

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        """Write the files; gives those that were written. overwrite: of a folder of pictures."""
        raise NotImplementedError

    @classmethod
    def check(cls, out: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """`out` as a path, before anything is computed.

        Raises UserError for an ending that `save` does not know, and for a folder that holds
        something else than the pictures of an earlier call, or those without `overwrite`.
        """
        from genarium.runs import inputs

        path = inputs.path(out, "--out")
        if path.suffix.lower() not in cls.SUFFIXES:
            raise UserError(f"--out {out}: {_endings(cls.SUFFIXES)}")
        if "" in cls.SUFFIXES:
            from genarium.drawing import folder

            folder.check(path, overwrite)
        return path

    def save(self, out: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> Path:
        """Write it to `out`, or to its place in the run folder; gives the path.

        overwrite: replace the pictures that an earlier call wrote into the folder `out`. Raises
        UserError for an ending that it does not know and for a place that refuses.
        """
        path = self.check(self.home / self.NAME if out is None else out, overwrite)
        self.saved = self.write(path, overwrite)
        return path

    def facts(self) -> Any:
        """`to_dict()`, and where it was saved."""
        places = {"out": str(self.saved[0])} if self.saved else {}
        return {**self.to_dict(), **places}

    def report(self) -> str:
        """`text()`, and where it was saved."""
        return f"{self.text()}: {self.saved[0]}" if self.saved else self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text())}</pre>"


@dataclass(repr=False)
class Picture(Result):
    """A result that is one picture. `image` is uint8 [C,H,W]."""

    SUFFIXES: ClassVar[tuple[str, ...]] = (".png",)

    @property
    def image(self) -> Tensor:
        """The picture, uint8 [C,H,W]."""
        raise NotImplementedError

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.drawing.images import save_png

        return [save_png(path, self.image)]

    def caption(self) -> str:
        """What stands below it in a notebook."""
        return self.text()

    def _repr_png_(self) -> bytes:
        from genarium.drawing.images import png_bytes

        return png_bytes(self.image)

    def _repr_html_(self) -> str:
        from genarium.drawing.inline import figure

        return figure(self.image, self.caption(), self.text())


@dataclass(repr=False)
class Figures(Result):
    """A result that is numbers: a table for people, a JSON file when saved."""

    SUFFIXES: ClassVar[tuple[str, ...]] = (".json",)

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.drawing.files import write

        return [write(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())]

    def report(self) -> str:
        return f"{self.text()}\nsaved: {self.saved[0]}" if self.saved else self.text()


def _endings(suffixes: tuple[str, ...]) -> str:
    """What --out may be: "end it in .png or .npz, or name a folder"."""
    *most, last = [s for s in suffixes if s]
    end = f"end it in {', '.join(most)} or {last}" if most else f"end it in {last}"
    if "" not in suffixes:
        return end
    return f"name a folder, or {end}" if suffixes[0] == "" else f"{end}, or name a folder"


def of_run(result: Any, run: Trained) -> Any:
    """`result`, whose place is the folder of `run`, and whose images are of its kind."""
    result.home, result.spec = run.folder.home, run.spec
    return result


def home_of(run: str | os.PathLike[str]) -> Path:
    """Where results of a run go unasked: its folder, or for one of the Hub a folder of its name."""
    from genarium.hub import address

    return address.home(run) or Path(run)


def aligned(entries: dict[str, Any], indent: str = "") -> str:
    """A JSON-able dict as aligned lines; long values are cut."""
    width, lines = max((len(str(key)) for key in entries), default=0), []
    for key, value in entries.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{key}", aligned(value, indent + "  ")]
            continue
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        if value in ({}, [], ()):
            text = "none"
        short = text if len(text) <= 300 else text[:297] + "..."
        lines.append(f"{indent}{key:<{width}}  {short}")
    return "\n".join(lines)


def said(asked: Mapping[str, object]) -> dict[str, str | int]:
    """What was asked for in a word or a number, as a result repeats it; not lists and tensors."""
    return {name: value for name, value in asked.items() if isinstance(value, str | int)}
