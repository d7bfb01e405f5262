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
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from genarium.errors import UserError

FORMAT = 1
SUM = "sha256"
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
    mask_sums: tuple[str, ...] = ()

    @property
    def by_name(self) -> dict[str, Picture]:
        """The pictures by the name of their file."""
        return {picture.name: picture for picture in self.pictures}

    @property
    def trials(self) -> int:
        """Pictures that one participant judges, practice and attention checks left out."""
        return 2 * self.shown * len(self.models)

    def to_json(self) -> str:
        """The text of study.json, which ends in a sum over all the rest."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps({**content, SUM: _sum(content)}, indent=1) + "\n"


def read(folder: Path) -> Manifest:
    """The manifest of a study's folder, checked as `_manifest` does, every picture and mask against
    its sum.

    Raises UserError where there is no study, or one whose files are damaged or missing.
    """
    path = folder / FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{folder} is no study (no {FILE}): make one with `genarium study create`"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}): restore it from a copy") from None
    try:
        if stored["format"] != FORMAT:
            raise UserError(f"{path} has format {stored['format']}: this program reads {FORMAT}")
        wanted = stored.pop(SUM, None)  # studies of earlier versions have none
        if wanted is not None and wanted != _sum(stored):
            raise UserError(f"{path} was changed since the study was made: restore it from a copy")
        manifest = _manifest(stored)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path} is no manifest of a study ({error!r}): restore it") from None
    for picture in manifest.pictures:
        _check(folder / PICTURES / picture.name, picture.sha256)
    sums = manifest.mask_sums or ("",) * len(manifest.masks)
    for name, sha256 in zip(manifest.masks, sums, strict=True):
        _check(folder / PICTURES / name, sha256)
    return manifest


def _sum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _manifest(stored: Mapping[str, Any]) -> Manifest:
    """Raises KeyError, TypeError or ValueError for what `create` does not write."""
    values = {key: _unicode(value) for key, value in stored.items() if key != "format"}
    height, width = values["size"]
    made = Manifest(
        **{
            **values,
            "size": (height, width),
            "models": tuple(StudyModel(**model) for model in values["models"]),
            "pictures": tuple(Picture(**picture) for picture in values["pictures"]),
            "masks": tuple(values["masks"]),
            "mask_sums": tuple(values.get("mask_sums", ())),
        }
    )
    for name, kind in (
        ("id", str),
        ("title", str),
        ("shown", int),
        ("checks", int),
        ("data", dict),
    ):
        if type(getattr(made, name)) is not kind:
            raise ValueError(f"{name} is {getattr(made, name)!r}")
    if made.mode not in get_args(Mode) or made.scaling not in get_args(Scaling):
        raise ValueError(f"mode is {made.mode!r}, scaling {made.scaling!r}")
    if made.mode == "timed" and not made.masks:
        raise ValueError("a timed study without masks")
    if len(made.mask_sums) not in (0, len(made.masks)):
        raise ValueError(f"{len(made.masks)} masks, {len(made.mask_sums)} sums")
    for picture in made.pictures:
        if picture.truth not in get_args(Answer) or (picture.model is None) != (
            picture.truth == "real"
        ):
            raise ValueError(f"{picture.name} is {picture.truth!r} of model {picture.model!r}")
        if picture.model is not None and picture.model not in range(len(made.models)):
            raise ValueError(f"{picture.name} is of model {picture.model!r}")
    for name in (*(picture.name for picture in made.pictures), *made.masks):
        if not re.fullmatch(r"[0-9a-f]+\.png", name):
            raise ValueError(f"no picture is called {name!r}")
    fakes = Counter(picture.model for picture in made.pictures if not picture.practice)
    if not made.models or any(fakes[m] < made.shown for m in range(len(made.models))):
        raise ValueError(f"fewer than {made.shown} pictures of a model")
    if fakes[None] < made.shown * len(made.models):
        raise ValueError("too few real pictures")
    return made


def _unicode(value: Any) -> Any:
    """A value without halves of surrogate pairs, which no page and no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_unicode(key): _unicode(each) for key, each in value.items()}
    return [_unicode(each) for each in value] if isinstance(value, list) else value


def _check(path: Path, sha256: str) -> None:
    """Raise unless the file can be read and has this sum ("": any)."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{path} cannot be read ({reason}): restore it from a copy") from None
    if sha256 and digest != sha256:
        raise UserError(f"{path} was changed since the study was made: restore it from a copy")
