"""Official files from the network: several mirrors, resumable, checked by SHA-256, bounded."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

from genarium.data.cache import lock, writing
from genarium.data.progress import bar
from genarium.errors import UserError

TIMEOUT = 15  # seconds without an answer or a byte
TRIES = 3  # a mirror; only as long as each try brings something new


@dataclass(frozen=True)
class Official:
    """A file that never changes. sha256, size: of its content *without* gzip (mirrors compress
    differently); key: our short name."""

    key: str
    name: str
    sha256: str
    size: int


class Wrong(Exception):
    """Not the official content; the text says why."""


def content(file: Official, data: bytes) -> bytes:
    """The checked content of `data`, which may be gzip-compressed; `Wrong` if it is not it."""
    if data[:2] == b"\x1f\x8b":
        try:
            # bounded, so that a small bomb cannot fill the memory
            data = zlib.decompressobj(wbits=31).decompress(data, file.size + 1)
        except zlib.error as error:
            raise Wrong(f"broken gzip data ({error})") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise Wrong(f"SHA-256 {digest[:12]}... instead of {file.sha256[:12]}...")
    return data


def from_folder(file: Official, folder: Path) -> bytes:
    """The checked content of a file that the user has, compressed or not."""
    stem = file.name.removesuffix(".gz")
    for name in (file.name, stem, stem.replace("-idx", ".idx")):
        path = folder / name
        if path.is_file():
            try:
                return content(file, path.read_bytes())
            except Wrong as error:
                raise UserError(
                    f"--from {folder}: {name} is not the official file: {error}; get it again"
                ) from error
            except OSError as error:
                raise UserError(f"--from {folder}: {name}: {error.strerror}") from error
    if not folder.is_dir():
        raise UserError(f"--from {folder}: there is no such folder")
    raise UserError(f"--from {folder}: {file.name} is not in it")


def fetch(
    file: Official,
    mirrors: tuple[str, ...],
    folder: Path,
    root: Path,
    progress: bool,
    *,
    otherwise: str = "get the official files by other means and name their folder with --from DIR",
) -> bytes:
    """The checked content of a file, downloaded into `folder` (under the cache `root`) if needed.

    An unfinished download stays as `.part` and goes on from there. UserError: no mirror had it;
    `otherwise` is the remedy that it names.
    """
    path = folder / file.name
    with lock(root, f"download-{folder.name}-{file.key}"):
        with contextlib.suppress(OSError, Wrong):
            return content(file, path.read_bytes())
        with writing(root):
            folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        reason = "no mirror known"
        for mirror in mirrors:
            for _ in range(TRIES):
                before = part.stat().st_size if part.exists() else 0
                try:
                    _transfer(mirror + file.name, part, root, 2 * file.size + 1024, progress)
                    data = content(file, part.read_bytes())
                except Wrong as error:
                    # what was resumed may be another mirror's: once more from the start
                    reason = f"{mirror} gave a wrong file ({error})"
                    part.unlink(missing_ok=True)
                    if before:
                        continue
                    break
                except (OSError, http.client.HTTPException, ValueError) as error:
                    reason = f"{mirror}: {getattr(error, 'reason', None) or error}"
                    if part.exists() and part.stat().st_size > before:
                        continue
                    break
                with writing(root):
                    part.replace(path)
                return data
    raise UserError(f"{file.name} cannot be downloaded ({reason}): try again later, or {otherwise}")


def _transfer(url: str, part: Path, root: Path, limit: int, progress: bool) -> None:
    """Append to `part` what is missing of `url`; OSError or HTTPException when cut short."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "genarium"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if have and error.code == 416:  # nothing left to send: whole, or not this file
                return
            raise
    with response:
        resumed = re.match(rf"bytes {have}-", response.headers.get("Content-Range", ""))
        if not (have and response.status == 206 and resumed):
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with writing(root):
            stream = part.open("ab" if have else "wb")
        with stream, bar(url.rpartition("/")[2], total, progress, size=True) as advance:
            advance(have)
            while block := response.read(1 << 16):
                have += len(block)
                if have > limit:
                    raise Wrong(f"more than {limit} bytes")
                with writing(root):
                    stream.write(block)
                advance(len(block))
        if total and have != total:
            raise ConnectionError(f"cut short after {have} of {total} bytes")
