"""Single pictures in a folder of their own: never among other files, and known again later.

    out/
        .genarium.json   the names of the pictures, and the SHA-256 of each
        000000.png ...   the pictures

A folder that holds something is left alone. Pictures that an earlier call wrote, and that are as it
left them, are replaced where the user says so; no other file is ever removed. The list also tells
`data` that such a folder below the user's pictures is none of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor

from genarium.data.scan import LITTER, OUTPUT
from genarium.drawing.files import write
from genarium.drawing.images import png_bytes
from genarium.errors import UserError, unreadable, unwritable

FORMAT = 1


def check(out: Path, overwrite: bool) -> None:
    """Whether pictures may be written to `out`: called before they are made.

    Raises UserError for a folder that holds something else than an earlier call's pictures, or
    those without `overwrite`; and for `overwrite` with a single file, which is replaced anyway.
    """
    if out.suffix:
        if overwrite:
            raise UserError(
                f"--overwrite is for a folder of pictures; {out} is one file, which is replaced "
                "anyway: leave it out"
            )
        return
    try:
        if out.exists() and not out.is_dir():
            raise UserError(f"--out {out} is a file: name a folder, or give it an ending")
        there = set(_files(out))
        known = _listed(out) if there else {}
        foreign = sorted(
            name for name in there if name not in known or not _same(out / name, known[name])
        )
    except OSError as error:
        raise unwritable(out, error) from None
    if foreign:
        raise UserError(
            f"--out {out} holds files that are not pictures of an earlier call ({foreign[0]}"
            f"{f' and {len(foreign) - 1} more' if len(foreign) > 1 else ''}): name a new folder"
        )
    if there and not overwrite:
        raise UserError(
            f"--out {out} holds {len(there)} pictures of an earlier call: name a new folder, or "
            "replace them with --overwrite"
        )


def save(
    out: Path, pictures: Iterable[tuple[str, Tensor | bytes]], overwrite: bool = False
) -> None:
    """Write (name below the folder, image [C,H,W]) as PNG files, or bytes as they are. Raises
    UserError as `check`."""
    check(out, overwrite)
    pictures = list(pictures)
    _clear(out)
    sums: dict[str, str] = dict.fromkeys((name for name, _ in pictures), "")
    _list(out, sums)  # first, so that what a killed call leaves is known too
    for name, image in pictures:
        content = image if isinstance(image, bytes) else png_bytes(image)
        write(out / name, content)
        sums[name] = hashlib.sha256(content).hexdigest()
    _list(out, sums)


def _files(folder: Path) -> Iterator[str]:
    """The names of all that is below a folder and is no folder, hidden files left out."""
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in (*files, *links):
            if not name.startswith(".") and name.lower() not in LITTER:
                yield (inside / name).as_posix()


def _listed(folder: Path) -> dict[str, str]:
    try:
        stored = json.loads((folder / OUTPUT).read_text(encoding="utf-8"))
        return {str(name): str(total) for name, total in stored["files"].items()}
    except unreadable():
        return {}


def _same(path: Path, total: str) -> bool:
    """Whether a file is as it was written; total: "" where the call was killed before it knew."""
    if path.is_symlink():
        return False
    return not total or hashlib.sha256(path.read_bytes()).hexdigest() == total


def _clear(out: Path) -> None:
    """Remove the pictures that the list names, and the folders that this empties."""
    try:
        for name in _listed(out):
            path = out / name
            if (
                path.is_file()
                and not path.is_symlink()
                and path.resolve().is_relative_to(out.resolve())
            ):
                path.unlink()
        inside = sorted((Path(place) for place, _, _ in os.walk(out)), reverse=True)
        for folder in inside:
            if folder != out and not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise unwritable(out, error) from None


def _list(out: Path, sums: dict[str, str]) -> None:
    text = json.dumps({"format": FORMAT, "files": sums}, indent=0)
    write(out / OUTPUT, text.encode("utf-8"))
