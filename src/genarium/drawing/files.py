"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from genarium.errors import RunError, UserError


def write(path: Path, data: bytes) -> Path:
    """Write `data` beside `path`, then rename: whoever opens `path` sees the old or the new file.

    Missing parent folders are made. A full disk raises RunError, any other refusal UserError;
    the file that was there stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(f"no space left to write {path}: free some and try again") from error
        raise UserError(
            f"cannot write {path} ({error.strerror}): choose another place with --out"
        ) from error
    return path
