"""A study's folder, and the manifest that says which picture is what.

study/
    study.json       the manifest: models, data, settings, and the truth about each picture
    pictures/        PNG files with random names; nothing about them tells real from generated
    answers.sqlite   participants, what each is shown, and their answers

The page gets names of pictures and nothing else from the manifest. No torch in here: serving a
study starts at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from genarium.errors import UserError

FORMAT = 1
FILE, PICTURES, ANSWERS = "study.json", "pictures", "answers.sqlite"

Mode = Literal["untimed", "timed"]
Answer = Literal["real", "fake"]
Scaling = Literal["pixelated", "smooth"]


@dataclass(frozen=True)
class Picture:
    """One picture file and the truth about it.

    truth: "real" or "fake" (generated). model: index into `Manifest.models`, None for real ones.
    row: its number among the samples of the run, or in the test split. practice: shown in the
    practice round only. sha256: of the file.
    """

    name: str
    truth: Answer
    model: int | None
    row: int
    practice: bool
    sha256: str


@dataclass(frozen=True)
class StudyModel:
    """A model under study: where its pictures are from."""

    name: str
    recipe: str
    step: int


@dataclass(frozen=True)
class Manifest:
    """All that `create` decided.

    id: random, the same in the database, so that the two belong together. size: (height, width)
    of every picture in pixels. shown: fakes of each model that one participant sees, among as
    many real pictures. masks: pictures of noise that follow each picture in the timed mode.
    """

    id: str
    title: str
    mode: Mode
    seed: int
    size: tuple[int, int]
    scaling: Scaling
    shown: int
    checks: int
    data: Mapping[str, Any]
    models: tuple[StudyModel, ...]
    pictures: tuple[Picture, ...]
    masks: tuple[str, ...] = ()

    @property
    def by_name(self) -> dict[str, Picture]:
        """The pictures by the name of their file."""
        return {picture.name: picture for picture in self.pictures}

    @property
    def trials(self) -> int:
        """Pictures that one participant judges, practice and attention checks left out."""
        return 2 * self.shown * len(self.models)

    def to_json(self) -> str:
        """The text of study.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def read(folder: Path) -> Manifest:
    """The manifest of a study's folder, every picture checked against its sum.

    Raises UserError where there is no study, or one whose files are damaged or missing.
    """
    path = folder / FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{folder} is no study (no {FILE}): make one with `genarium study create`"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): restore it from a copy") from None
    try:
        if stored["format"] != FORMAT:
            raise UserError(f"{path} has format {stored['format']}: this program reads {FORMAT}")
        manifest = _manifest(stored)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no manifest of a study ({error!r}): restore it") from None
    for picture in manifest.pictures:
        _check(folder / PICTURES / picture.name, picture.sha256)
    return manifest


def _manifest(stored: Mapping[str, Any]) -> Manifest:
    values = {key: value for key, value in stored.items() if key != "format"}
    height, width = values["size"]
    return Manifest(
        **{
            **values,
            "size": (height, width),
            "models": tuple(StudyModel(**model) for model in values["models"]),
            "pictures": tuple(Picture(**picture) for picture in values["pictures"]),
            "masks": tuple(values["masks"]),
        }
    )


def _check(path: Path, sha256: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{path} cannot be read ({reason}): restore it from a copy") from None
    if found != sha256:
        raise UserError(f"{path} was changed since the study was made: restore it from a copy")
