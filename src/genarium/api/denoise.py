"""What a denoising autoencoder makes of damaged images."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from genarium.api._made import IMAGES, Made
from genarium.api._results import of_run
from genarium.api._types import AcceptChanges, Count, Device, Images, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.contract import Values

KINDS = ("gaussian", "masking", "salt-and-pepper")


@dataclass(repr=False)
class Denoised(Made):
    """Damaged images and what the model made of them.

    images: denoised, [n,C,H,W] float32 on [-1, 1]; see `Made`. damaged: [n,C,H,W] as stored. clean:
    the images before the damage, as stored, None where they came damaged. errors: mse and psnr (in
    dB) of "damaged" and "denoised" against the clean ones. names: of the images, in their order.
    """

    NAME: ClassVar[str] = "denoised.png"

    damaged: Tensor
    clean: Tensor | None
    run: str
    errors: dict[str, dict[str, float | None]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    @property
    def image(self) -> Tensor:
        import torch

        from genarium.drawing.images import grid

        given = [part for part in (self.clean, self.damaged) if part is not None]
        rows = [*(self.seen(part, stored=True) for part in given), self.pictures]
        shown = torch.stack(rows, 1).flatten(0, 1)
        columns = max(1, 12 // len(rows)) * len(rows)
        return grid(shown, columns=min(columns, len(shown)))

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "n": len(self.images), **self.errors}
        return {**facts, "images": self.names}

    def text(self) -> str:
        words = ""
        if self.errors:
            before, after = (self.errors[k]["psnr"] or math.inf for k in ("damaged", "denoised"))
            words = f", {before:.1f} dB before and {after:.1f} dB after"
        return f"{len(self.images)} images denoised{words}"


@verb(
    "images",
    out=f"FILE.png: (clean |) damaged | denoised; {IMAGES} (default: RUN/denoised.png)",
)
def denoise(
    run: Run,
    images: Images | None = None,
    *,
    noise: Annotated[str | None, Flag(metavar="KIND:AMOUNT")] = None,
    n: Count = 16,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
) -> Denoised:
    """Denoise damaged images.

    images: damaged images: files, folders of them, test, or test:NUMBERS (default: clean ones of
        the test split, damaged as in training).
    noise: damage the images first: gaussian, masking or salt-and-pepper, as masking:0.3.
    n: how many are drawn of a folder, a data set or test, the classes in turn; files and
        test:NUMBERS are all taken.
    seed: of which images are drawn, and of the damage.
    """
    from genarium.runs.loading import of_images, opened
    from genarium.runs.selection import drawn

    damage = None if noise is None else _noise(noise)
    trained = opened(run, step, device, data=data, accept_changes=accept_changes)
    trained.can("reconstruct")
    of_images(trained)
    if damage is None and images is None:
        damage = getattr(trained.model, "corruption", None)
        if damage is None:
            raise UserError(
                f"{trained.path} was not trained on damaged images: name some, or say how to "
                "damage clean ones, as --noise masking:0.3"
            )
    names, given = drawn(trained, "test" if images is None else images, "images", n, seed)
    values = trained.spec.values
    damaged = given if damage is None else _damaged(given, damage, seed, values)
    cleaned = trained.reconstruct(damaged)
    clean = None if damage is None else given
    made = Denoised(cleaned, damaged, clean, str(trained.path), names=names)
    if clean is not None:
        made.errors = {
            "damaged": _error(damaged, clean, values),
            "denoised": _error(trained.stored(cleaned), clean, values),
        }
    return of_run(made, trained)


def _error(images: Tensor, clean: Tensor, values: Values) -> dict[str, float | None]:
    mse = ((values.signed(images) - values.signed(clean)) / 2).square().mean().item()
    return {"mse": mse, "psnr": -10 * math.log10(mse) if mse else None}


def _noise(text: str) -> Any:
    """A corruption by KIND:AMOUNT."""
    from genarium.models.autoencoder.denoising import corruption_of

    kind, _, amount = text.partition(":")
    try:
        size = float(amount)
    except ValueError:
        size = math.nan
    if kind not in KINDS or not math.isfinite(size) or size < 0:
        raise UserError(f"--noise {text}: say one of {', '.join(KINDS)} and how much, masking:0.3")
    if kind != "gaussian" and size > 1:
        raise UserError(f"--noise {text}: a share of the pixels is at most 1")
    return corruption_of(kind, size)


def _damaged(images: Tensor, noise: Any, seed: int, values: Values) -> Tensor:
    """Images damaged, as they would be stored."""
    from genarium.contract import Noise
    from genarium.training.order import derive

    draws = Noise(derive(seed, "denoise"), len(images))
    return values.stored(noise(values.unit_interval(images), draws) * 2.0 - 1.0)
