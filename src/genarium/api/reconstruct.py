"""Images beside what the model's code keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run
from genarium.api._types import AcceptChanges, Count, Device, Images, Place, Run, Seed, Step
from genarium.verbs import verb

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(repr=False)
class Reconstructions(Made):
    """Images and their reconstructions.

    images: reconstructions [n,C,H,W] of originals, float32 on [-1, 1]; see `Made`. originals:
    [n,C,H,W] as stored. mse: the mean squared error of a pixel on [0, 1]. names: of the originals,
    in their order.
    """

    NAME: ClassVar[str] = "reconstructions.png"

    originals: Tensor
    mse: float
    run: str
    mixture: Mapping[str, Any] | None = None
    names: list[str] = field(default_factory=list)

    @property
    def image(self) -> Tensor:
        from genarium.drawing.points import pairs

        originals = self.seen(self.originals, stored=True)
        return pairs(originals, self.pictures, columns=8, mixture=self.mixture)

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "n": len(self.images), "mse": self.mse}
        return {**facts, "images": self.names}

    def text(self) -> str:
        return f"{len(self.images)} reconstructions, mean squared error {self.mse:.5f} a pixel"


@verb(
    "images",
    out=f"FILE.png: original | reconstruction; {IMAGES} (default: RUN/reconstructions.png)",
)
def reconstruct(
    run: Run,
    images: Images | None = None,
    *,
    n: Count = 32,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
) -> Reconstructions:
    """Encode images and decode them again.

    images: image files, folders of them, test, test:NUMBERS or a data set (default: test).
    n: how many are drawn of a folder, a data set or test, the classes in turn; files and
        test:NUMBERS are all taken.
    seed: of which images are drawn.
    """
    from genarium.runs.loading import opened
    from genarium.runs.selection import drawn

    trained = opened(run, step, device, data=data, accept_changes=accept_changes)
    trained.can("reconstruct")
    names, originals = drawn(trained, "test" if images is None else images, "images", n, seed)
    again = trained.reconstruct(originals)
    mse = ((again - trained.spec.values.signed(originals)) / 2).square().mean().item()
    made = Reconstructions(again, originals, mse, str(trained.path), trained.mixture, names)
    return of_run(made, trained)
