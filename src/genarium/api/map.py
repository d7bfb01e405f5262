"""The codes in the plane, coloured by class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from genarium.api._results import Picture, of_run
from genarium.api._types import AcceptChanges, Data, Device, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.drawing.maps import Panel


@dataclass(repr=False)
class Map(Picture):
    """Codes in the plane.

    panels: each with its title and places [N,2]. codes: [N,D]. labels: [N] or None. classes: names
    in label order. method: "pca", "tsne" or "both".
    """

    NAME: ClassVar[str] = "map.png"

    panels: list[Panel]
    codes: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    run: str
    data: str
    method: str

    @property
    def image(self) -> Tensor:
        import io

        import numpy as np
        import torch
        from PIL import Image

        with Image.open(io.BytesIO(self._repr_png_())) as opened:
            return torch.from_numpy(np.array(opened.convert("RGB"))).permute(2, 0, 1)

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.drawing.files import write

        return [write(path, self._repr_png_())]

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "data": self.data, "images": len(self.codes)}
        return {**facts, "method": self.method}

    def text(self) -> str:
        return f"map of {len(self.codes):,} codes ({', '.join(p.title for p in self.panels)})"

    def _repr_png_(self) -> bytes:
        from genarium.drawing.maps import png

        return png(self.panels, self.labels, self.classes)


@verb("features", out="FILE.png: a panel a method (default: RUN/map.png)")
def map(
    run: Run,
    source: Data | None = None,
    *,
    method: Literal["pca", "tsne", "both"] = "both",
    n: Annotated[int, Ge(4)] = 2000,
    perplexity: Annotated[float, Ge(1), Flag(metavar="X")] = 30.0,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
) -> Map:
    """Draw the codes in the plane, coloured by class.

    run: a run folder whose model encodes.
    method: principal components, t-SNE, or one beside the other.
    n: test images, at most.
    perplexity: of t-SNE, about how many neighbours count.
    seed: of t-SNE.
    progress: show on stderr how far reading is.
    """
    from genarium.drawing.maps import Panel
    from genarium.features import project
    from genarium.runs.encoding import that_encodes
    from genarium.runs.selection import dataset_for

    trained = that_encodes(run, source, step, device, data=data, accept_changes=accept_changes)
    dataset = dataset_for(trained, source, progress=bool(progress))
    images, labels = dataset.test.images[:n], dataset.test.labels
    if not len(images):
        raise UserError(f"{dataset.name}: the test split holds no images: give more of them")
    wanted = ("pca", "tsne") if method == "both" else (method,)
    if "tsne" in wanted and len(images) <= 3 * perplexity:
        raise UserError(
            f"--perplexity {perplexity:g}: t-SNE needs more than three times as many images, "
            f"there are {len(images)}: lower it, or take --method pca"
        )
    codes = trained.encode(images)
    panels = []
    for each in wanted:
        if each == "pca" and codes.shape[1] == 2:
            panels.append(Panel("the code itself", project(codes, "none"), ("z0", "z1")))
        elif each == "pca":
            axes = ("first component", "second component")
            panels.append(Panel("principal components", project(codes), axes))
        else:
            places = project(codes, "tsne", seed=seed, perplexity=perplexity)
            panels.append(Panel(f"t-SNE, perplexity {perplexity:g}", places))
    known = None if labels is None else labels[:n]
    made = Map(panels, codes, known, dataset.spec.classes, str(trained.path), dataset.name, method)
    return of_run(made, trained)
