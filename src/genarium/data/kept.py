"""Decoded pictures between the two looks at a new folder.

The first tells the sizes of all, from which the size of the set follows; the second fits each
picture to it. Between them they lie in a file without a name in the cache folder: memory does not
grow with the set, and nothing is left of a process that is killed. What is large, or too much, is
decoded again.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import threading
import weakref
from pathlib import Path

from PIL import Image

LARGEST = 1 << 20  # bytes of a picture
MOST = 256 << 20  # bytes of all
HEAD = struct.Struct("<QQQ4sII")  # stamp, mode, width, height


class Kept:
    """Pictures of 8 bits by their file. A folder that cannot be written keeps none: no error."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.Lock()
        self._file = -1
        self._end = 0
        self._starts: dict[str, int] = {}

    def drop(self, file: str) -> None:
        """Forget a file, which is looked at anew."""
        self._starts.pop(file, None)

    def keep(self, file: str, stamp: list[int] | None, picture: Image.Image) -> None:
        """Keep the picture of a file, if there is room. Threads may do so at once.

        stamp: the file's size and times, before it was read; None where they cannot be known.
        """
        size = HEAD.size + picture.width * picture.height * len(picture.getbands())
        if size > LARGEST or stamp is None:
            return
        with self._lock:
            if not self._opened() or self._end + size > MOST:
                return
            start, self._end = self._end, self._end + size
        head = HEAD.pack(*stamp, picture.mode.encode(), *picture.size)
        with contextlib.suppress(OSError):  # a full disk
            if os.pwrite(self._file, head + picture.tobytes(), start) == size:
                self._starts[file] = start

    def take(self, file: str, stamp: list[int] | None) -> Image.Image | None:
        """The picture, as it was; None where it was not kept, or the file has another stamp now."""
        start = self._starts.get(file)
        if start is None:
            return None
        *then, mode, width, height = HEAD.unpack(os.pread(self._file, HEAD.size, start))
        if then != stamp:
            return None
        mode = mode.rstrip(b"\0").decode()
        data = os.pread(self._file, width * height * len(mode), start + HEAD.size)
        return Image.frombytes(mode, (width, height), data)

    def _opened(self) -> bool:
        if self._file < 0 and hasattr(os, "pread"):
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file, name = tempfile.mkstemp(dir=self._folder, prefix=".kept-")
                weakref.finalize(self, os.close, self._file)
                Path(name).unlink()
        return self._file >= 0
