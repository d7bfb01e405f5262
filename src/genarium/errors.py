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
