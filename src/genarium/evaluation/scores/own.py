"""Metrics of a user's own by name: decorated functions, in files of a folder of GENARIUM_PATH too.

    from genarium.evaluation.scores.own import metric

    @metric("mean-distance", needs=("pool",), better="lower", unit="in features")
    def mean_distance(samples, reference):
        return (samples.pool.mean(0) - reference.pool.mean(0)).norm()

`--metrics mean-distance` and `--metrics all` then have a row of this name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from torch import Tensor

from genarium.errors import UserError
from genarium.evaluation.scores.measured import Measured, Metric
from genarium.evaluation.scores.score import Score
from genarium.plugins import Registry

Function = Callable[[Measured, Measured], Score | Tensor | float | None]
F = TypeVar("F", bound=Function)

NEEDS = ("pool", "logits", "train")

_known: Registry[Metric] = Registry("metric")


def metric(
    name: str,
    *,
    needs: tuple[str, ...] = ("pool",),
    better: Literal["higher", "lower"] | None = None,
    unit: str = "",
    per_image: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    least: int = 1,
) -> Callable[[F], F]:
    """Decorator that makes a row of the table of a function `(samples, reference) -> number`.

    name: in `--metrics` and in the table. needs: what it reads of images: "pool" [N,D] and "logits"
    [N,K], features of the extractor; "train" for those of the training images (`reference.train`);
    () for none. per_image: functions uint8 [N,C,H,W] -> [N] whose results it finds in `per_image`.
    better, unit: of the score. least: the shortest side of images that it can judge.

    The function may read `labels` and `conditions` of both sets too, which are None where they are
    not known. It gives a number, a whole `Score` (with an interval, a note), or None where there is
    nothing to say; it raises `Undefined` with the reason where it has no value.

    Raises UserError for a need that there is not.
    """
    wrong = [need for need in needs if need not in NEEDS]
    if wrong or not name or "," in name:
        raise UserError(
            f"metric {name!r}: a name without commas, and needs of {', '.join(NEEDS)}"
            + (f", not {', '.join(wrong)}" if wrong else "")
        )

    def wrap(function: F) -> F:
        def score(samples: Measured, reference: Measured) -> Score | None:
            value = function(samples, reference)
            if value is None or isinstance(value, Score):
                return value
            return Score(name, float(value), better=better, unit=unit)

        made = Metric(
            score,
            dict(per_image or {}),
            on_features=bool({"pool", "logits"} & {*needs}),
            least=least,
            needs=needs,
            name=name,
        )
        _known.add(name, made, function)
        return function

    return wrap


def registered() -> dict[str, Metric]:
    """Every metric under the decorator by name, those of GENARIUM_PATH included."""
    return _known.all()
