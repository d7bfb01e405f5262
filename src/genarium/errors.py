"""The errors that a user sees as one line."""

from __future__ import annotations

import errno


class UserError(Exception):
    """Bad input: one line that names the flag or file and the remedy. Exit status 2."""


def unwritable(out: object, error: OSError, what: str = "place") -> UserError:
    """The error of an --out that the system refuses; what: to name instead."""
    reason = (error.strerror or str(error)).lower()
    return UserError(f"--out {out} cannot be written ({reason}): name another {what}")


class RunError(Exception):
    """A run that had to stop: one line with the cause. Exit status 1."""

    status = 1


class PeerGone(RunError):
    """A process that stopped because another of its run is gone, which alone knows the cause.

    Its exit status tells whoever started them so: `EX_TEMPFAIL` of sysexits.h.
    """

    status = 75

    def __init__(self) -> None:
        super().__init__(
            "another process of this run ended or cannot be reached; its own message says why: "
            "go on with `genarium resume`, in as many processes"
        )


class Interrupted(Exception):
    """A run that was asked to stop and saved its state: exit status 128 + the signal's number."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


# ------------------------------------------------------------------ the last net of the command

NAMES = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP)
"""What the system says of a name that it will not look up, wherever it was looked up."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the system says where nothing more can be written: to a file, to stdout."""

ADVICE = (
    "out of memory: ask for less at a time (a smaller --batch, -n or --size, a narrower network)"
)

_NO_MEMORY = (
    "allocate memory",  # torch on the CPU
    "not enough memory",
    "out of memory",  # torch on a GPU
    "Storage size calculation overflowed",  # torch: more bytes than 64 bits can count
    "integer multiplication overflow",
    "Overflow when unpacking long",
    "array is too big",  # numpy: the same
    "Maximum allowed dimension exceeded",
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had: Python's, numpy's, torch's.

    torch raises a RuntimeError, which says other things too, so its words decide.
    """
    if isinstance(error, MemoryError):
        return True
    kinds = (RuntimeError, ValueError)
    return isinstance(error, kinds) and any(words in str(error) for words in _NO_MEMORY)


def unusable(error: OSError) -> UserError:
    """The error of a name that the system refuses (see `NAMES`)."""
    name = str(error.filename)
    if len(name) > 80:
        name = f"{name[:60]}... ({len(name)} characters)"
    reason = (error.strerror or str(error)).lower()
    return UserError(f"{name} cannot be used ({reason}): name another file or folder")


def one_line(text: str) -> str:
    """A message fit for one line: line ends, control characters, halves of surrogate pairs as
    escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def unreadable() -> tuple[type[BaseException], ...]:
    """What Python's and numpy's readers raise on damaged files, found by changing their bytes.

    For `except unreadable() as error`: the modules are imported only then. MemoryError is a size
    that a damaged header claims.
    """
    import lzma
    import struct
    import tarfile
    import tokenize
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
        tokenize.TokenError,  # of numpy, which reads an array's header as Python's
        struct.error,
        zlib.error,
        lzma.LZMAError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        SafetensorError,
    )
