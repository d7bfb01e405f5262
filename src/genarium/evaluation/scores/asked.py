"""The share of a conditional model's samples that have the class that was asked for.

It is the classifier that says what class a sample has, so the share is at most about as good as it
is on real images, which stands beside it as the reference.
"""

from __future__ import annotations

from torch import Tensor

from genarium.evaluation.scores.measured import Measured, Metric
from genarium.evaluation.scores.score import Score, wilson


def asked_class(samples: Measured, reference: Measured) -> Score | None:
    """Share of the samples that the extractor's classifier names as they were asked for.

    None where nothing was asked for, or the extractor is no classifier.
    """
    right = _right(samples)
    if right is None:
        return None
    share = right.mean().item()
    real = _right(reference)
    return Score(
        "asked class",
        share,
        (share * (1 - share) / len(right)) ** 0.5,
        better="higher",
        unit="share",
        note=f"the class asked for, by {samples.extractor.name}",
        reference=None if real is None else real.mean().item(),
        interval=wilson(share, len(right)),
    )


def _right(measured: Measured) -> Tensor | None:
    """Whether the classifier gives each image its class, [N] float64."""
    labels = measured.labels
    if labels is None or not len(labels) or not measured.extractor.classes:
        return None
    return (measured.logits.argmax(dim=1) == labels.cpu()).double()


ASKED = Metric(asked_class, needs=("logits",), name="asked-class", unseen=True)
