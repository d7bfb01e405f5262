"""Regularizers by name with their settings: what `--regularizers` says.

    NAME, NAME:VALUE or NAME:VALUE:VALUE       r1   r1:10   minibatch-discrimination:50:3

A setting that is left out has the default of the regularizer's class.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator

from genarium.errors import UserError
from genarium.models.gan.gan import Regularizer
from genarium.models.gan.regularizers import (
    R1,
    DiffAugment,
    FeatureMatching,
    GradientPenalty,
    MinibatchDiscrimination,
    SpectralNorm,
    WeightClipping,
)
from genarium.nn.augmentation import KINDS


class Setting(NamedTuple):
    """One setting of a regularizer. name: the argument of its class. read: its text as a value;
    raises ValueError. wanted: what errors and the documentation call such a text. default: as a
    text."""

    name: str
    read: Callable[[str], Any]
    wanted: str
    default: str


class Named(NamedTuple):
    """A regularizer's class and its settings in the order in which they are written."""

    make: Callable[..., Regularizer]
    settings: tuple[Setting, ...] = ()


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _policies(text: str) -> tuple[str, ...]:
    names = tuple(text.split("+"))
    if len({*names}) < len(names) or not {*names} <= {*KINDS}:
        raise ValueError
    return names


def _probability(text: str) -> float | str:
    if text == "adaptive":
        return text
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError
    return value


def _alone(text: str) -> bool:
    return {"alone": True, "beside": False}[text]


def _weight(default: str) -> Setting:
    return Setting("weight", _above_zero, "a number above 0", default)


REGULARIZERS: dict[str, Named] = {
    "diffaugment": Named(
        DiffAugment,
        (
            Setting(
                "policies",
                _policies,
                f"some of {'+'.join(KINDS)}, each once",
                "color+translation+cutout",
            ),
            Setting("probability", _probability, "a number above 0 and up to 1, or adaptive", "1"),
        ),
    ),
    "feature-matching": Named(
        FeatureMatching, (_weight("1"), Setting("alone", _alone, "alone or beside", "alone"))
    ),
    "gradient-penalty": Named(GradientPenalty, (_weight("10"),)),
    "minibatch-discrimination": Named(
        MinibatchDiscrimination,
        (
            Setting("kernels", _count, "a whole number above 0", "100"),
            Setting("size", _count, "a whole number above 0", "5"),
        ),
    ),
    "r1": Named(R1, (_weight("1"),)),
    "spectral-norm": Named(SpectralNorm),
    "weight-clipping": Named(
        WeightClipping, (Setting("limit", _above_zero, "a number above 0", "0.01"),)
    ),
}


def _read(text: str) -> tuple[Named, dict[str, Any], list[str]]:
    """The regularizer that a text names, its settings as values and as texts."""
    name, *given = text.split(":")
    if name not in REGULARIZERS:
        near = difflib.get_close_matches(name, REGULARIZERS, n=1)
        known = f"choose {', '.join(map(repr, sorted(REGULARIZERS)))}"
        raise UserError(f"--regularizers {text}: {f'did you mean {near[0]}?' if near else known}")
    entry = REGULARIZERS[name]
    if len(given) > len(entry.settings):
        some = ":".join(setting.name.upper() for setting in entry.settings)
        takes = f"write {name}:{some}" if some else "it has no setting"
        raise UserError(f"--regularizers {text}: {takes}")
    values: dict[str, Any] = {}
    texts = [setting.default for setting in entry.settings]
    for number, (setting, value) in enumerate(zip(entry.settings, given)):
        try:
            values[setting.name] = setting.read(value)
        except (ValueError, KeyError):
            raise UserError(
                f"--regularizers {text}: {setting.name} {value!r}: give {setting.wanted}"
            ) from None
        texts[number] = value
    return entry, values, texts


def written_out(text: str) -> str:
    """A regularizer's name with all of its settings, as a run keeps it. UserError if unknown."""
    _, _, texts = _read(text)
    return ":".join([text.split(":")[0], *texts])


RegularizerName = Annotated[str, AfterValidator(written_out)]
"""A value of `--regularizers`."""


def regularizers_of(names: Sequence[RegularizerName]) -> list[Regularizer]:
    """The regularizers of these names."""
    results = []
    for name in names:
        named, values, _ = _read(name)
        results.append(named.make(**values))
    return results


def mixes_images(names: Sequence[RegularizerName]) -> bool:
    """Whether the discriminator may use batch norm: not under a penalty of an image's gradient."""
    return not any(regularizer.own_gradient for regularizer in regularizers_of(names))
