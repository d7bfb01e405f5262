"""Files that a kill, a full disk or a flipped bit cannot change unnoticed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

MARK = re.compile(rb"# sha256: ([0-9a-f]{64})\n*\Z")
"""The last line of a text whose checksum it holds: a comment in YAML."""


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, content: str) -> None:
    """Put `content` in the place of a file: a kill leaves the old or the new one, always whole.

    Raises OSError when the disk does not take it; the old file is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync(path.parent)


def marked(text: str) -> str:
    """`text` and a last line that holds its SHA-256."""
    return f"{text}# sha256: {hashlib.sha256(text.encode()).hexdigest()}\n"


def changed(content: bytes) -> bool:
    """Is this a text with a checksum that does not match? (One without is taken as it is.)"""
    match = MARK.search(content)
    if match is None:
        return False
    return hashlib.sha256(content[: match.start()]).hexdigest() != match[1].decode()


def intact(content: bytes) -> bool:
    """Is this a text with a checksum that matches?"""
    return MARK.search(content) is not None and not changed(content)
