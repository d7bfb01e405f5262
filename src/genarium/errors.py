"""The errors that a user sees as one line."""

from __future__ import annotations


class UserError(Exception):
    """Bad input: one line that names the flag or file and the remedy. Exit status 2."""


def unwritable(out: object, error: OSError, what: str = "place") -> UserError:
    """The error of an --out that the system refuses; what: to name instead."""
    reason = (error.strerror or str(error)).lower()
    return UserError(f"--out {out} cannot be written ({reason}): name another {what}")


class RunError(Exception):
    """A run that had to stop: one line with the cause. Exit status 1."""


class Interrupted(Exception):
    """A run that was asked to stop and saved its state: exit status 128 + the signal's number."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


def unreadable() -> tuple[type[BaseException], ...]:
    """What Python's and numpy's readers raise on damaged files, found by changing their bytes.

    For `except unreadable() as error`: the modules are imported only then. MemoryError is a size
    that a damaged header claims.
    """
    import lzma
    import struct
    import tarfile
    import zipfile
    import zlib

    from safetensors import SafetensorError

    return (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        ArithmeticError,
        RuntimeError,
        MemoryError,
        SyntaxError,
        struct.error,
        zlib.error,
        lzma.LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        SafetensorError,
    )
