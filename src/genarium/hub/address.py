"""Names of runs that others share: hf://OWNER/NAME@REVISION, zoo:NAME. Needs no package."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from genarium.errors import UserError

BEGINS = re.compile(r"hf:/{0,2}")
"""A `Path` of such a name has one slash, and of nothing else none."""
PART = r"[A-Za-z0-9][\w.-]*"
FORM = re.compile(rf"(?P<owner>{PART})/(?P<name>{PART})(?:@(?P<revision>{PART}(?:/{PART})*))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
ZOO = re.compile(r"zoo:/{0,2}")


@dataclass(frozen=True)
class Address:
    """A run on a hub. revision: a commit, a tag or a branch; None where none is named."""

    owner: str
    name: str
    revision: str | None = None

    @property
    def repository(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def pinned(self) -> bool:
        """Whether it names a commit, which cannot change."""
        return self.revision is not None and COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str) -> Address:
        return Address(self.owner, self.name, revision)

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Zoo:
    """A run of the zoo, by its name in the catalogue (`genarium.zoo`)."""

    name: str

    def __str__(self) -> str:
        return f"zoo:{self.name}"


Shared = Address | Zoo
"""What stands for a run that is not a folder of the user's. `name`: what it is called in tables."""


def of(value: object) -> Shared | None:
    """The address that a text or path is; None for what does not begin as one.

    Raises UserError for one that is not of the form.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
    if not isinstance(text, str):
        return None
    begin = ZOO.match(text)
    if begin is not None:
        name = text[begin.end() :]
        if not re.fullmatch(PART, name):
            raise UserError(f"{text}: name a run of the zoo as zoo:NAME; `genarium zoo list`")
        return Zoo(name)
    begin = BEGINS.match(text)
    if begin is None:
        return None
    match = FORM.fullmatch(text[begin.end() :])
    if match is None:
        raise UserError(f"{text}: name a run of the Hub as hf://OWNER/NAME@REVISION")
    return Address(**match.groupdict())


def repository(text: str, flag: str) -> Address:
    """OWNER/NAME as an address. Raises UserError, which names the flag, for anything else."""
    match = FORM.fullmatch(text)
    if match is None or match["revision"]:
        raise UserError(f"{flag} {text}: name the repository as OWNER/NAME")
    return Address(match["owner"], match["name"])


def home(run: object) -> Path | None:
    """Where results of a shared run go unasked: a folder of its name, here. None for others."""
    where = of(run)
    return Path(where.name) if where else None
