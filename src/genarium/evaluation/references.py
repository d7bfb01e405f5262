"""What samples are held against: the test split, or more real images where it holds few.

    test         the test split, which no model was trained on
    train+test   both together, as one reference: as many samples, so less bias and less error
    folds        both together, cut into k parts of the size of the test split. Each part is held
                 against new samples, as many; the score is the mean of the k, so its bias is that
                 of the test split, its error is seen in the k values, and it falls with √k

Training images as a reference flatter a model that repeats them. So scores that must see that
(copying, repeats, missing classes, FLD) are held against the test split in any case, and so are
likelihood and reconstruction.

Shapes: N images · k folds
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from genarium.contract import Model
from genarium.contract.modes import evaluation_mode
from genarium.errors import UserError
from genarium.evaluation.draws import Draws
from genarium.evaluation.evaluate import evaluate_images
from genarium.evaluation.extractors.extractor import Extractor
from genarium.evaluation.images import Drawn, Stored, thinned
from genarium.evaluation.scores.heldout import Progress
from genarium.evaluation.scores.measured import Metric
from genarium.evaluation.scores.score import Score, Scores, Undefined, student

if TYPE_CHECKING:
    from genarium.data import Dataset

Kind = Literal["test", "train+test", "folds"]
MOST, FEWEST = 10, 3
"""Folds: more cost more samples; fewer say too little of the error."""


def check(kind: str, dataset: Any, n: int) -> None:
    """Raise UserError for an unknown kind, and for too few images for folds."""
    if kind not in get_args(Kind):
        raise UserError(f"--reference {kind}: choose {', '.join(get_args(Kind))}")
    if kind == "folds" and len(folds(dataset, n)) < FEWEST:
        total, size = len(dataset.train) + len(dataset.test), min(n, len(dataset.test))
        raise UserError(
            f"--reference folds: {total:,} images make no {FEWEST} folds of {size:,}: lower -n, or "
            "say --reference train+test"
        )


def folds(dataset: Dataset, n: int) -> list[Tensor]:
    """Disjoint parts of the train and test splits by number (those of the test split behind those
    of the train split), each of min(n, test images); at most `MOST`, the same every time."""
    total, size = len(dataset.train) + len(dataset.test), min(n, len(dataset.test))
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
    count = min(MOST, total // size) if size else 0
    return [part.sort().values for part in order[: count * size].split(size)] if count else []


def rows_of(dataset: Dataset, rows: Tensor) -> Tensor:
    """Images of the train and test splits by number, [N,C,H,W] as stored."""
    known = len(dataset.train)
    of_test = rows >= known
    both = [dataset.train.images[rows[~of_test]], dataset.test.images[rows[of_test] - known]]
    place = torch.cat([(~of_test).nonzero()[:, 0], of_test.nonzero()[:, 0]]).argsort()
    return torch.cat(both)[place]


def sample_scores(
    model: Model,
    kind: str,
    dataset: Dataset,
    *,
    extractor: Extractor,
    metrics: Sequence[Metric],
    draws: Draws,
    n: int,
    progress: Progress | None = None,
) -> Scores:
    """The scores of a model's samples against more than the test split; other rows are not here.

    kind: "train+test" or "folds". metrics: those that may be held against training images. draws:
    the samples, in their order. n: samples, and images of the reference (of each fold), at most.
    """
    total = len(dataset.train) + len(dataset.test)
    if kind == "folds":
        parts = folds(dataset, n)
    else:
        some = thinned(total, n)
        parts = [torch.arange(total) if some is None else some]

    def draw(count: int) -> Tensor:
        drawn = draws.draw(count)
        if not bool(torch.isfinite(drawn).all()):
            raise Undefined("samples hold pixels that are not finite")
        return drawn

    results: list[Scores] = []
    with evaluation_mode(model), torch.inference_mode():
        for rows in parts:
            try:
                scores = evaluate_images(
                    Drawn(draw, len(rows)),
                    Stored(rows_of(dataset, rows), values=dataset.spec.values),
                    extractor=extractor,
                    split="train+test",
                    metrics=metrics,
                    settings=draws.settings,
                    progress=progress,
                )
            except Undefined as reason:
                return Scores([], {}, [f"left out the scores of samples: {reason}"])
            results.append(scores)
    if kind == "folds":
        return combined(results)
    if total < n:
        results[0].warnings.append(
            f"-n {n}: only {total} train and test images, so as many of each"
        )
    return results[0]


def combined(parts: Sequence[Scores]) -> Scores:
    """The scores of k folds as one table: the mean of each score that all of them have.

    The error is s/√k, with s the deviation between the folds; `shared` holds what each fold adds,
    so the difference of two models is judged by its own deviation between the same folds.
    """
    first, count = parts[0], len(parts)
    rows = []
    for row in first.rows:
        own = [result for part in parts if (result := part.get(row.name)) is not None]
        if len(own) == count:
            rows.append(_mean(own, count))
    references = [part.context["reference"] for part in parts]
    split = f"{count} folds of train+test"
    together = hashlib.sha256("".join(r["sha256"] for r in references).encode()).hexdigest()[:12]
    images = sum(r["count"] for r in references)
    reference = {"split": split, "count": images, "sha256": together}
    basis = {
        "samples": sum(part.context["samples"] for part in parts),
        "reference split": split,
        "reference images": images,
        "reference SHA-256": together,
    }
    context = {**first.context, "reference": reference, "samples": basis["samples"]}
    if all("classes" in part.context for part in parts):
        known = [part.context["classes"] for part in parts]
        context["classes"] = {
            "names": known[0]["names"],
            **{
                side: [sum(counts) for counts in zip(*(k[side] for k in known))]
                for side in ("samples", "reference")
            },
        }
    warnings = list(dict.fromkeys(text for part in parts for text in part.warnings))
    rows = [replace(row, basis={**row.basis, **basis}) for row in rows]
    return Scores(rows, context, warnings)


def _mean(own: Sequence[Score], count: int) -> Score:
    """The mean of one score over the folds. Where all agree its interval is that of a fold."""
    values = torch.tensor([row.value for row in own], dtype=torch.float64)
    mean = values.mean().item()
    shared: Tensor | None = (values - mean) / (count * (count - 1)) ** 0.5
    std: float | None = (values.std() / count**0.5).item()
    freedom: int | None = count - 1
    errors = [row.std for row in own if row.std is not None]
    known = [row.interval for row in own if row.interval is not None]
    ends = student(mean, std, count)
    if std == 0:  # folds that agree know of no error
        std, shared, freedom, ends = None, None, None, None
        if len(errors) == len(known) == count:
            std = sum(error**2 for error in errors) ** 0.5 / count
            low, high = torch.tensor(known, dtype=torch.float64).mean(0).tolist()
            ends = (low, high)
    elif ends is not None:
        low = min((interval[0] for interval in known), default=-1.0)
        top = 1.0 if own[0].unit == "share" else float("inf")
        ends = (max(0.0, ends[0]) if low >= 0 else ends[0], min(top, ends[1]))
    real = [row.reference for row in own if row.reference is not None]
    return replace(
        own[0],
        value=mean,
        std=std,
        note=f"{own[0].note}; mean of {count} such folds",
        reference=sum(real) / count if len(real) == count else None,
        interval=ends,
        shared=shared,
        freedom=freedom,
    )
