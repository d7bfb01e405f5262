"""New images from a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run, said
from genarium.api._types import Condition, Count, Device, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

N, EACH = 64, 8  # images, and of each caption


@dataclass(repr=False)
class Samples(Made):
    """New images.

    images: [n,C,H,W] float32 on [-1, 1]; see `Made` for their values and pictures. captions: what
    they were asked to show, rows of n. asked: the class, the attributes or the code that they were
    asked for, by the argument's name; labels of their own an image are not repeated here. settings:
    how they were sampled, where that is not the model's own way.
    """

    NAME: ClassVar[str] = "samples.png"

    run: str
    seed: int
    captions: tuple[str, ...] = ()
    columns: int | None = None
    mixture: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> Tensor:
        from genarium.drawing.points import sheet

        return sheet(self.pictures, self.columns, mixture=self.mixture)

    def to_dict(self) -> dict[str, Any]:
        text = list(self.captions) or None
        entries = {"run": self.run, "n": len(self.images), "seed": self.seed, "text": text}
        entries |= self.asked
        return {**entries, "settings": dict(self.settings)} if self.settings else entries

    def text(self) -> str:
        asked = {**self.asked, "seed": self.seed, **self.settings}
        how = [f"{name} {value}" for name, value in asked.items()]
        return f"{len(self.images)} samples of {Path(self.run).name} ({', '.join(how)})"

    def report(self) -> str:
        rows = [f"row {i}: {caption}" for i, caption in enumerate(self.captions, 1)]
        return "\n".join([super().report(), *rows])


@verb(
    "images",
    out=f"FILE.png: one grid (points of the plane: a plot); {IMAGES} (default: RUN/samples.png)",
)
def sample(
    run: Run,
    *,
    n: Count | None = None,
    seed: Seed = 0,
    condition: Condition | None = None,
    code: str | None = None,
    text: Annotated[str | Sequence[str] | None, Flag("--text", "CAPTION", repeat=True)] = None,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
    **sampler: Any,
) -> Samples:
    """Draw new images from a trained model.

    run: a run folder; the data are not needed.
    n: how many (default: 64; of each caption 8).
    code: with this latent code: 3,0.5,* is category 3, continuous 0.5, the rest drawn at random.
    text: n images of this caption; once or several times, a row each.
    """
    from genarium.runs.loading import opened

    flags = {"--class": condition, "--code": code, "--text": text}
    given = [flag for flag, value in flags.items() if value is not None]
    if len(given) > 1:
        count = "two" if len(given) == 2 else "three"
        raise UserError(f"{' and '.join(given)}: give one of the {count}")
    trained = opened(run, step, device, settings=sampler)
    captions = (text,) if isinstance(text, str) else tuple(text or ())
    many = n or (EACH if captions else N)
    wanted = condition if code is None else trained.code(code, many)
    images = trained.sample(many, seed, wanted, text=captions or None, progress=progress)
    columns = many if captions else None
    used = trained.settings.changed() if trained.settings is not None else {}
    plain = said({"class": condition, "code": code})
    made = Samples(images, str(trained.path), seed, captions, columns, trained.mixture, used, plain)
    return of_run(made, trained)
