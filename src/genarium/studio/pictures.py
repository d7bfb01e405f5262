"""Pictures that somebody dropped or drew: files of the server's, for as long as it runs."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from genarium.errors import UserError

LARGEST = 64 * 1024 * 1024
"""Bytes of one picture."""
KEPT = 64
"""Pictures that are kept, and `TOTAL` bytes of them at most; the oldest go first."""
TOTAL = 512 * 1024 * 1024


class Kept(NamedTuple):
    """A picture: its name for the page, its file, and what its owner calls it."""

    key: str
    path: Path
    name: str
    size: int


class Pictures:
    """Pictures by key; the same bytes have the same key."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="genarium-studio-"))
        self._known: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, content: bytes, name: str) -> Kept:
        """Raises UserError for a file that is empty. Whether it is a picture is the library's to
        say."""
        if not content:
            raise UserError(f"{name or 'the picture'} is empty: choose another")
        digest = hashlib.sha256(content).hexdigest()[:16]
        suffix = Path(name).suffix.lower()
        suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ".png"
        key, path = f"{digest}{suffix}", self.folder / f"{digest}{suffix}"
        with self._lock:
            self._known.pop(key, None)
            path.write_bytes(content)
            shown = re.sub(r"[^\w.() -]", "_", Path(name).name)[-80:] or "picture.png"
            self._known[key] = Kept(key, path, shown, len(content))
            while len(self._known) > KEPT or self._bytes() > TOTAL:
                _, old = self._known.popitem(last=False)
                old.path.unlink(missing_ok=True)
            return self._known[key]

    def get(self, key: str) -> Kept:
        """Raises UserError for a picture that is not there any more."""
        with self._lock:
            if key not in self._known:
                raise UserError("this picture is not here any more: drop or draw it again")
            return self._known[key]

    def _bytes(self) -> int:
        # one picture is always kept, whatever its size
        return sum(kept.size for kept in self._known.values()) if len(self._known) > 1 else 0

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder, ignore_errors=True)
