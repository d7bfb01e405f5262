"""The training image that each sample, or each given image, is most alike to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from genarium.api._results import Picture, of_run
from genarium.api._types import (
    AcceptChanges,
    Condition,
    Count,
    Device,
    Images,
    Place,
    Run,
    Seed,
    Step,
)
from genarium.errors import UserError
from genarium.verbs import verb

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(repr=False)
class Nearest(Picture):
    """Images and their nearest training images.

    looked_at, neighbours: uint8 pictures [n,1 or 3,H,W], the images and, for each, the nearest
    training image. rows: [n], which of the training split those are. distances: [n], as
    `genarium.evaluation.diagnostics.lookalikes` measures them: 0 (the same but for a small shift,
    brightness and contrast) to 2. typical: the median of the same between real images and the
    nearest other. names: of the images. verdict, evidence: whether the model copies; "" where the
    images are not its own.
    """

    NAME: ClassVar[str] = "nearest.png"

    looked_at: Tensor
    neighbours: Tensor
    rows: list[int]
    distances: list[float]
    typical: float
    names: list[str]
    run: str
    verdict: str = ""
    evidence: str = ""
    detected: bool = field(default=False)

    @property
    def image(self) -> Tensor:
        from genarium.drawing.points import pairs

        return pairs(self.looked_at, self.neighbours, columns=min(8, 2 * len(self.neighbours)))

    def to_dict(self) -> dict[str, Any]:
        each = zip(self.names, self.rows, self.distances)
        pairs = [{"image": n, "train": r, "distance": d} for n, r, d in each]
        facts = {"run": self.run, "typical": self.typical, "pairs": pairs}
        if not self.verdict:
            return facts
        return {**facts, "copies": self.detected, "verdict": self.verdict}

    def text(self) -> str:
        closest = min(range(len(self.distances)), key=self.distances.__getitem__)
        lines = [
            f"{len(self.rows)} images, each beside its nearest training image; the closest is "
            f"{self.names[closest]} at {self.distances[closest]:.3f} (real images to the nearest "
            f"other: {self.typical:.3f} in the middle)"
        ]
        return "\n".join(lines + ([f"{self.verdict}: {self.evidence}"] if self.verdict else []))

    def report(self) -> str:
        return f"{self.text()}\nsaved: {self.saved[0]}" if self.saved else self.text()


@verb(
    "measures",
    out="FILE.png: image | nearest training image (default: RUN/nearest.png)",
)
def nearest(
    run: Run,
    images: Images | None = None,
    *,
    n: Count = 64,
    seed: Seed = 0,
    condition: Condition | None = None,
    code: str | None = None,
    text: str | None = None,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    **sampler: Any,
) -> Nearest:
    """Find the training image that each sample is most alike to, and say whether the model copies.

    run: a run folder; its data are needed.
    images: look at these instead of samples: image files, folders of them, or test:NUMBERS.
    n: how many samples.
    code: samples with this latent code, as for `sample`.
    text: samples of this caption, as for `sample`.
    seed: of the samples.
    """
    from genarium.drawing.images import for_the_eye
    from genarium.evaluation.diagnostics.findings import copying_finding
    from genarium.runs import selection
    from genarium.runs.loading import of_images, opened

    trained = of_images(
        opened(run, step, device, data=data, accept_changes=accept_changes, settings=sampler)
    )
    asked = {"--class": condition, "--code": code, "--text": text}
    given = [flag for flag, value in asked.items() if value is not None]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: give one of them")
    if images is not None:
        if given or sampler:
            flag = given[0] if given else "--" + next(iter(sampler)).replace("_", "-")
            raise UserError(f"{flag}: is of samples, and images were given: leave one of them out")
        trained.dataset()
        names, given_images = selection.named(trained, images, "images")
        pixels = selection.pictures(trained, given_images, "images")
    else:
        trained.can("sample")
        originals = trained.originals
        wanted = condition if code is None else trained.code(code, n)
        pixels = trained.stored(trained.sample(n, seed, wanted, text=text))
        names = [str(row) for row in range(n)]
    originals = trained.originals
    compared = trained.spec.values.pictures(pixels)
    index, distances = originals.nearest_trained(compared)
    train = trained.dataset().train.images[index]
    made = Nearest(
        for_the_eye(pixels, trained.spec, stored=True),
        for_the_eye(train, trained.spec, stored=True),
        index.tolist(),
        distances.tolist(),
        float(originals.real.distance[:, 0].median()),
        names,
        str(trained.path),
    )
    if images is None:
        finding = copying_finding(compared, originals)
        made.verdict, made.evidence, made.detected = (
            finding.text,
            finding.evidence,
            finding.detected,
        )
    return of_run(made, trained)
