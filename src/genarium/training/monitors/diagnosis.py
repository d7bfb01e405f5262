"""A diagnosis: what is wrong with a training, how that is known, and what the theory says to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

EVENT = "diagnosis"
"""The event of its row in metrics.jsonl."""

Severity = Literal["failure", "warning", "hint"]
"""failure: go no further like this. warning: the result suffers. hint: it could be better."""


@dataclass(frozen=True)
class Kind:
    """What a diagnosis of one name always says. title: a few words. remedy: what to do, with the
    flag. source: where the theory says so. alone: the remedy of a model without a discriminator,
    where it is another, and its source."""

    title: str
    severity: Severity
    remedy: str
    source: str
    alone: tuple[str, str] | None = None


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong with a run.

    name: of `KINDS`. step: at which it was first said. evidence: in words, with the numbers.
    numbers: the same for programs; "score" and "threshold" are what decided.
    """

    name: str
    step: int
    severity: Severity
    evidence: str
    remedy: str
    source: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The diagnosis in a few words."""
        return KINDS[self.name].title

    def text(self) -> str:
        """One line: what, since when, how that is known, and the remedy."""
        return f"{self.title} (step {self.step:,}): {self.evidence}. {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, with the title."""
        return {**asdict(self), "numbers": dict(self.numbers), "title": self.title}

    def row(self) -> dict[str, Any]:
        """Its row of metrics.jsonl."""
        return {"step": self.step, "event": EVENT, **self.to_dict()}


def of_kind(
    name: str, step: int, evidence: str, numbers: Mapping[str, float], judged: bool = True
) -> Diagnosis:
    """The diagnosis `name`, with the severity, remedy and source that its kind has. judged: whether
    the model has a discriminator."""
    kind = KINDS[name]
    remedy, source = kind.remedy, kind.source
    if kind.alone is not None and not judged:
        remedy, source = kind.alone
    return Diagnosis(name, step, kind.severity, evidence, remedy, source, dict(numbers))


def said(rows: Iterable[Mapping[str, Any]]) -> list[Diagnosis]:
    """The diagnoses that a training noted, in the order of its steps, from the rows of its
    metrics.jsonl; of names that this version does not know none."""
    names = list(Diagnosis.__dataclass_fields__)
    return [
        Diagnosis(**{name: row[name] for name in names})
        for row in rows
        if row.get("event") == EVENT and row.get("name") in KINDS
    ]


OF_CODES = (
    "Draw codes as images are encoded, of a VAE by --prior mixture; of other models train on, or "
    "lower --lr",
    "Ghosh et al. 2020, From variational to deterministic autoencoders, section 4",
)
KINDS: dict[str, Kind] = {
    "data-constant": Kind(
        "the images hardly differ",
        "failure",
        "Look at them with `genarium data show`; check that the right files are read",
        "LeCun et al. 1998, Efficient BackProp, 4.3",
    ),
    "data-scale": Kind(
        "the values use a small part of their range",
        "failure",
        "Give the range that they use: --range data, or --range LOW,HIGH",
        "LeCun et al. 1998, Efficient BackProp, 4.3",
    ),
    "diverging": Kind(
        "the learning rate is too high",
        "failure",
        "Lower --lr to a tenth, or to a hundredth",
        "Bengio 2012, Practical recommendations, 3.1",
    ),
    "no-progress": Kind(
        "no more progress",
        "warning",
        "Stop here: --keep-best --patience 3 does it by itself; to learn more, use --schedule "
        "cosine or more images",
        "Prechelt 1998, Early stopping - but when?",
    ),
    "schedule-too-short": Kind(
        "it was still improving when the schedule ended",
        "hint",
        "Train anew with more --steps: the rate had fallen to its end, so `genarium resume` would "
        "begin again at a higher one",
        "Li, Yumer & Ramanan 2020, Budgeted training",
    ),
    "discriminator-saturated": Kind(
        "the discriminator is never wrong",
        "failure",
        "Weaken it: add r1 to --regularizers, or train it at the generator's rate and once a step",
        "Arjovsky & Bottou 2017, Towards principled methods, theorem 2.4",
    ),
    "discriminator-overfit": Kind(
        "the discriminator knows its training images by heart",
        "failure",
        "Add diffaugment to --regularizers, or more images",
        "Karras et al. 2020, Training GANs with limited data, section 2",
    ),
    "mode-collapse": Kind(
        "samples differ far less than the data",
        "failure",
        "Add minibatch-discrimination or r1 to --regularizers, or lower --lr",
        "Salimans et al. 2016, 3.2; Mescheder et al. 2018",
        OF_CODES,
    ),
    "repetition": Kind(
        "samples repeat each other",
        "warning",
        "Add minibatch-discrimination to --regularizers, or --packing 2",
        "Lin et al. 2018, PacGAN",
        OF_CODES,
    ),
    "oscillation": Kind(
        "samples move from one kind to another and back",
        "warning",
        "Lower --lr, keep --beta1 at 0.5 or below, and average the weights: --ema 0.999",
        "Mescheder et al. 2018; Yazıcı et al. 2019",
        ("Lower --lr, and average the weights: --ema 0.999", "Yazıcı et al. 2019"),
    ),
    "posterior-collapse": Kind(
        "the code says nothing of the image",
        "failure",
        "Give --beta 1 or less, --free-bits 0.1, or a weaker decoder",
        "Bowman et al. 2016; Kingma et al. 2016, free bits",
    ),
    "over-regularised": Kind(
        "reconstructions are blurred: the code is held too close to the prior",
        "warning",
        "Lower --beta",
        "Higgins et al. 2017; Alemi et al. 2018",
    ),
    "dead-latents": Kind(
        "many latents carry nothing",
        "hint",
        "Fewer of them do as well: lower --latent; or --free-bits 0.1",
        "Burda et al. 2016, section 5",
    ),
    "copying": Kind(
        "samples are copies of training images",
        "failure",
        "Stop earlier (--keep-best), train on more images, or make the model smaller",
        "Meehan, Chaudhuri & Dasgupta 2020",
    ),
    "batch-norm": Kind(
        "batch norm's running statistics do not fit its batches",
        "warning",
        "Use a larger --batch, or a network without batch norm",
        "Ioffe 2017, Batch renormalization",
    ),
}
"""What can be said, by name."""
