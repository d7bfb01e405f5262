"""The codes whose images are nearest to given ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt

from genarium.api._made import Made
from genarium.api._results import of_run
from genarium.api._types import AcceptChanges, Count, Device, Images, Place, Run, Seed, Step
from genarium.verbs import verb

if TYPE_CHECKING:
    from torch import Tensor


N = 16  # test images where none are named


@dataclass(repr=False)
class Inversions(Made):
    """Codes found for images.

    images: those of the codes, [n,C,H,W] float32 on [-1, 1]; see `Made`. originals: [n,C,H,W] as
    stored. codes: [n,D]. mse: the squared error a pixel of each, [n]. names: of the originals.
    """

    NAME: ClassVar[str] = "invert.png"
    SUFFIXES: ClassVar[tuple[str, ...]] = (".png",)
    FORMS: ClassVar[tuple[str, ...]] = ()

    originals: Tensor
    codes: Tensor
    mse: Tensor
    run: str
    names: list[str] = field(default_factory=list)

    @property
    def image(self) -> Tensor:
        from genarium.drawing.points import pairs

        originals = self.seen(self.originals, stored=True)
        return pairs(originals, self.pictures, columns=min(8, 2 * len(self.images)))

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        import numpy as np

        from genarium.errors import unwritable

        codes = path.with_suffix(".npz")
        written = super().write(path, overwrite)
        try:
            np.savez_compressed(codes, codes=self.codes.numpy(), mse=self.mse.numpy())
        except OSError as error:
            raise unwritable(codes, error) from None
        return [*written, codes]

    def facts(self) -> dict[str, Any]:
        entries = super().facts()
        return {**entries, "codes": str(self.saved[1])} if self.saved else entries

    def to_dict(self) -> dict[str, Any]:
        mean = self.mse.mean().item()
        facts = {"run": self.run, "n": len(self.mse), "mse": mean, "each": self.mse.tolist()}
        return {**facts, "images": self.names}

    def text(self) -> str:
        mean = self.mse.mean().item()
        return f"{len(self.mse)} inversions, mean squared error {mean:.5f} a pixel"

    def report(self) -> str:
        text = super().report()
        return f"{text}\ntheir codes: {self.saved[1]}" if self.saved else text


@verb(
    "latent",
    out="FILE.png: original | found; the codes lie beside it as FILE.npz (default: RUN/invert.png)",
)
def invert(
    run: Run,
    images: Images | None = None,
    *,
    steps: Count = 200,
    restarts: Count = 4,
    lr: Annotated[float, Gt(0)] = 0.2,
    prior_weight: Annotated[float, Ge(0)] = 1e-3,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
) -> Inversions:
    """Search the codes of given images.

    run: a run folder whose model decodes.
    images: image files, folders of them, or test:NUMBERS (default: 16 of the test split that the
        seed draws, the classes in turn).
    steps: of Adam.
    restarts: starts an image, the best is kept.
    lr: Adam's first step.
    prior_weight: of |z|²/D beside the squared error.
    seed: of the draws to start from, and of which images are drawn.
    """
    from genarium.runs.loading import that_decodes
    from genarium.runs.selection import named, some

    trained = that_decodes(run, step, device, data=data, accept_changes=accept_changes)
    names, originals = named(
        trained, some(trained, N, seed) if images is None else images, "images"
    )
    inversion = trained.invert(
        originals, steps=steps, restarts=restarts, lr=lr, prior_weight=prior_weight, seed=seed
    )
    again = trained.decode(inversion.codes)
    made = Inversions(again, originals, inversion.codes, inversion.mse, str(trained.path), names)
    return of_run(made, trained)
