"""What has been learnt about the files of a folder, remembered by size and time of change.

Decoding every file costs seconds to minutes, so the facts are kept in the cache folder. A file
whose size, modification time or status-change time differs is read again; so is one that was
touched within two seconds of the index being written, as clocks are not finer than that on some
disks. The facts, not the times, go into the manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image

from genarium.data.cache import root
from genarium.data.decode import Facts, read_bytes, strict
from genarium.data.files.wide import Content, Reading, content, inspect
from genarium.data.kept import Kept
from genarium.data.options import DataOptions
from genarium.data.progress import bar
from genarium.data.scan import ScannedFile, uncollected

FORMAT = 4
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
RACY = 2_000_000_000  # nanoseconds
TRIAL = 16
QUICK = 600e-6  # seconds
BLOCK = 256  # items in flight: bounds memory, and the wait after Ctrl-C

A = TypeVar("A")
B = TypeVar("B")


def parallel(function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """function(item) for each item, in order, on several threads (decoders release the GIL).

    Where an item takes less than `QUICK`, which the first ones tell, one thread does them all: most
    of such a time is Python's, and threads that wait for one another take twice as long.
    """
    items = list(items)
    with strict():
        begin = time.perf_counter()
        first = [function(item) for item in items[:TRIAL]]
        quick = time.perf_counter() - begin < QUICK * len(first)
        yield from first
        if quick:
            yield from map(function, items[TRIAL:])
            return
        with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
            for start in range(TRIAL, len(items), BLOCK):
                yield from pool.map(function, items[start : start + BLOCK])


class Index:
    """The facts of the files below one folder.

    reading: how the files are read. bytes: a file -> its bytes; default: all that lies at its path.
    """

    def __init__(
        self,
        folder: Path,
        options: DataOptions,
        reading: Reading | None = None,
        bytes: Callable[[ScannedFile], bytes] | None = None,
    ):
        self.reading = reading = reading or Reading(options.eight_bit)
        self.bytes = bytes or (lambda file: read_bytes(file.path))
        self.root = root(options)
        self.kept = Kept(self.root)
        self.strip = 0 if folder == Path() else len(str(folder))
        place = os.fsencode(folder.resolve()) + reading.key.encode()
        key = hashlib.sha256(place).hexdigest()
        self.path = self.root / "index" / f"{key[:32]}.json"
        self.saved_ns = 0
        self.known: dict[str, Any] = {}
        self.changed = False
        with contextlib.suppress(*DAMAGED), uncollected():
            total, _, text = self.path.read_bytes().partition(b"\n")
            stored = json.loads(text) if int(total, 16) == zlib.crc32(text) else {}
            if stored.get("format") == FORMAT:
                self.saved_ns, self.known = int(stored["saved_ns"]), dict(stored["files"])

    def look(self, file: ScannedFile) -> Facts:
        """The facts of a file, read now; `content` may give what was decoded for them."""

        stamp = _stamp(file.file)

        def keep(made: Content) -> None:
            if isinstance(made.image, Image.Image):
                self.kept.keep(file.file, stamp, made.image)

        self.kept.drop(file.file)
        return inspect(lambda: self.bytes(file), file.name, self.reading, keep)

    def content(self, file: ScannedFile, sha256: str) -> Content | None:
        """What is in a file whose bytes have this sum; None if they have not. Raises `Bad`.

        Of a picture that was looked at just now the picture alone, unless the file was touched.
        """
        picture = self.kept.take(file.file, _stamp(file.file))
        if picture is not None:
            return Content(picture)
        data = self.bytes(file)
        made = content(data, file.name, self.reading)
        return made if hashlib.sha256(data).hexdigest() == sha256 else None

    def facts(self, files: Sequence[ScannedFile], progress: bool) -> list[Facts]:
        """The facts of each file, read only where they are not known."""
        with uncollected():
            stamps = [_stamp(f.file) for f in files]
            facts = [self._recall(f, stamp) for f, stamp in zip(files, stamps, strict=True)]
        unknown = [i for i, fact in enumerate(facts) if fact is None]
        with bar("reading images", len(unknown), progress) as advance:
            results = parallel(lambda i: self.look(files[i]), unknown)
            for i, fact in zip(unknown, results, strict=True):
                facts[i] = fact
                advance(1)
        complete = [fact for fact in facts if fact is not None]
        self.changed = bool(unknown) or len(files) != len(self.known)
        if self.changed:
            self.known = {
                self._key(file): [*(stamp or ()), *fact]
                for file, stamp, fact in zip(files, stamps, complete, strict=True)
                if fact.sha256  # what could not be read may be readable next time
            }
        return complete

    def _recall(self, file: ScannedFile, stamp: list[int] | None) -> Facts | None:
        try:  # not `suppress`, which costs more than what it guards
            stored = self.known[self._key(file)]
            if stamp is not None and stored[:3] == stamp and stamp[2] < self.saved_ns - RACY:
                fact = Facts(*stored[3:])
                return (
                    fact if fact.full is None else fact._replace(full=(fact.full[0], fact.full[1]))
                )
        except (KeyError, TypeError, ValueError):
            pass
        return None

    def _key(self, file: ScannedFile) -> str:
        return file.file[self.strip :]

    def save(self) -> None:
        """Write the index; called only when the data are found to be good.

        It only saves time, so a cache folder that cannot be written (a shared, read-only one) is
        no error here.
        """
        if not self.changed:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for left in self.path.parent.glob(f"{self.path.stem}.*.tmp"):
                left.unlink()  # of a killed process; one that lives saves at its next reading
            temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
            # the clock of the disk, not of this machine
            temporary.write_text("")
            now = temporary.stat().st_mtime_ns
            text = json.dumps({"format": FORMAT, "saved_ns": now, "files": self.known}).encode()
            temporary.write_bytes(b"%08x\n%s" % (zlib.crc32(text), text))
            temporary.replace(self.path)


class Memory:
    """What is known of one file whose reading takes long, as long as its stamp stays.

    stamp: [bytes, time of change, time of the status's change] of each file that counts; None where
    one cannot be looked at, so that nothing is remembered. how: it is read, in JSON-able words.
    """

    def __init__(self, path: Path, options: DataOptions, stamp: list[Any], how: Any):
        key = json.dumps([FORMAT, os.fsdecode(os.fsencode(path.resolve())), how]).encode()
        self.path = root(options) / "index" / f"{hashlib.sha256(key).hexdigest()[:32]}.json"
        self.stamp = stamp

    def recall(self) -> dict[str, Any] | None:
        """What was saved, if the file is still what it was then."""
        with contextlib.suppress(*DAMAGED):
            total, _, text = self.path.read_bytes().partition(b"\n")
            stored = json.loads(text) if int(total, 16) == zlib.crc32(text) else {}
            latest = max(mark[2] for mark in self.stamp if mark)
            if stored["stamp"] == self.stamp and latest < int(stored["saved_ns"]) - RACY:
                return dict(stored["known"])
        return None

    def save(self, known: dict[str, Any]) -> None:
        """Remember; it only saves time, so a cache folder that cannot be written is no error."""
        if self.stamp[0] is None:
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_text("")
            now = temporary.stat().st_mtime_ns  # the clock of the disk, not of this machine
            content = {"stamp": self.stamp, "saved_ns": now, "known": known}
            text = json.dumps(content).encode()
            temporary.write_bytes(b"%08x\n%s" % (zlib.crc32(text), text))
            temporary.replace(self.path)


def _stamp(file: str) -> list[int] | None:
    try:
        status = os.stat(file.partition("\0")[0])  # noqa: PTH116 -- a Path costs more than the look-up
    except OSError:
        return None
    changed = status.st_ctime_ns if os.name == "posix" else status.st_mtime_ns
    return [status.st_size, status.st_mtime_ns, changed]
