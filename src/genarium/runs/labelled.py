"""Images and samples that carry a label: a class, or the value of a factor of the data."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from genarium.data.choice import fair
from genarium.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.data import Dataset
    from genarium.runs.trained import Trained

DRAWN = 2000  # samples drawn to find those of a class
MOST = 1000  # members of a group, which is averaged
SURE = 0.9  # the probability at which a sample counts as of a class, as in the scores


def images(trained: Trained, dataset: Dataset, where: str, text: str, seed: int = 0) -> Tensor:
    """Training images [n,C,H,W] with the labels "class:7", "colour:red", "class:star+x:low".

    "class:!7" are those without it. Of more than `MOST` as many are drawn by `seed`.
    low and high are the lowest and the highest third of a factor that is a number.
    """
    keep = None
    for part in re.split(r"\+(?=[^:+]+:)", text):
        name, _, value = part.partition(":")
        mask = _mask(trained, dataset, where, name, value.removeprefix("!"))
        mask = ~mask if value.startswith("!") else mask
        keep = mask if keep is None else keep & mask
    assert keep is not None
    result = keep.nonzero()[:, 0]
    if not len(result):
        raise UserError(f"{where}: none of {len(keep):,} training images is one")
    return dataset.train.images[result[fair(len(result), MOST, seed)].sort().values]


def _mask(trained: Trained, dataset: Dataset, where: str, name: str, value: str) -> Tensor:
    """Which of the training images carry one label, bool [n]."""
    train = dataset.train
    if name == "class":
        if train.labels is None:
            raise UserError(f"{where}: the data of {trained.path} have no labels")
        return train.labels == choose(where, value, trained.spec.classes)
    facts = dataset.info.get("factors", {})
    names = list(facts.get("names", ()))
    if name not in names:
        known = ", ".join(["class", *names])
        raise UserError(f"{where}: {name!r} is not a label of the data: choose {known}")
    column = train.extra["factors"][:, names.index(name)]
    values = facts.get(name, ())
    if values and all(isinstance(entry, str) for entry in values):
        return column == choose(where, value, tuple(values))
    if value not in ("low", "high"):
        raise UserError(f"{where}: {name} is a number: say {name}:low or {name}:high")
    third = column.float().quantile(1 / 3 if value == "low" else 2 / 3)
    return column <= third if value == "low" else column >= third


def samples(trained: Trained, seed: int, where: str, text: str) -> Tensor:
    """Codes [n,D] of samples of "class:7": asked for where the model is conditioned on classes,
    else recognised by the shipped classifier of the run's data."""
    kind, _, value = text.partition(":")
    if kind != "class" or "prior" not in trained.capabilities:
        raise UserError(f"{where}: {trained.path} does not encode, so only class:NAME is known")
    if trained.model.conditional:
        number = choose(where, value, trained.spec.classes)
        return trained.codes(MOST, seed, number)
    names, codes, shown = recognised(trained, seed)
    result = codes[shown == choose(where, value, names)][:MOST]
    if not len(result):
        raise UserError(f"{where}: none of {DRAWN:,} samples is recognised as one")
    return result


@lru_cache(maxsize=1)  # the groups of one command look at the same samples
def recognised(trained: Trained, seed: int) -> tuple[tuple[str, ...], Tensor, Tensor]:
    """Class names, codes [n,D] of samples, and what the classifier is sure they show [n]."""
    from genarium.contract import to_uint8
    from genarium.evaluation.extractors import by_name as features

    name = trained.about["data"]["name"]
    judge = features.extractor(features.default_for(name, trained.spec))
    if not judge.classes:
        raise UserError(
            f"class:NAME: no classifier here knows the classes of {name}, and {trained.path} is "
            "not conditioned on them: name samples by number"
        )
    codes = trained.codes(DRAWN, seed)
    sure, label = judge(to_uint8(trained.decode(codes))).logits.softmax(1).max(1)
    known = sure >= SURE
    return judge.classes, codes[known], label[known]


def choose(where: str, value: str, names: tuple[str, ...]) -> int:
    """The place of a name, or of a number, among `names`."""
    if value in names:
        return names.index(value)
    if value.isdecimal() and int(value) < len(names):
        return int(value)
    raise UserError(f"{where}: choose one of {', '.join(names)}")
