"""The codes in the plane: the pictures themselves where there is room, framed by class."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from genarium import extras
from genarium.api._results import Picture, of_run
from genarium.api._types import AcceptChanges, Device, Pictures, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.drawing.maps import Panel


LEAST = 4


@dataclass(repr=False)
class Map(Picture):
    """Codes in the plane.

    panels: each with its title and places [N,2]. codes: [N,D]. labels: [N] or None. classes: names
    in label order. method: "pca", "tsne" or "both". names, images: of what was encoded, [N,C,H,W]
    as stored; no images: points are drawn.
    """

    NAME: ClassVar[str] = "map.png"

    panels: list[Panel]
    codes: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    run: str
    data: str
    method: str
    names: list[str] = field(default_factory=list)
    images: Tensor | None = None

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
        places = {panel.title: panel.places.tolist() for panel in self.panels}
        return {**facts, "method": self.method, "names": self.names, "places": places}

    def text(self) -> str:
        return f"map of {len(self.codes):,} codes ({', '.join(p.title for p in self.panels)})"

    def _repr_png_(self) -> bytes:
        from genarium.drawing.images import for_the_eye
        from genarium.drawing.maps import png

        images = self.images
        if images is not None:
            images = for_the_eye(images, self.spec, stored=True)
        return png(self.panels, self.labels, self.classes, images)


@verb("features", out="FILE.png: a panel a method (default: RUN/map.png)")
def map(
    run: Run,
    source: Pictures | None = None,
    *,
    method: Literal["pca", "tsne", "both"] = "both",
    n: Annotated[int, Ge(4)] = 2000,
    perplexity: Annotated[float | None, Ge(1), Flag(metavar="X")] = None,
    dots: bool = False,
    seed: Seed = 0,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
) -> Map:
    """Draw the pictures in the plane, where their codes lie.

    run: a run folder whose model encodes.
    method: principal components, t-SNE, or one beside the other.
    n: how many are drawn of the test split or of a folder, the classes in turn; files and
        test:NUMBERS are all taken.
    perplexity: neighbours that t-SNE minds (default: 30; of fewer than 92 images a third of them).
    dots: points only, without the pictures.
    seed: of which images are drawn, and of t-SNE.
    progress: show on stderr how far reading is.
    """
    from genarium.drawing.maps import Panel
    from genarium.features import project
    from genarium.runs.encoding import that_encodes
    from genarium.runs.listing import picked
    from genarium.runs.selection import lists_of, names_of

    extras.expect("features", "`genarium map`")
    trained = that_encodes(run, source, step, device, data=data, accept_changes=accept_changes)
    value = "test" if source is None else source
    dataset = picked(lists_of(trained, value, "images"), n, seed)
    images = dataset.images
    if len(images) < LEAST:
        raise UserError(f"there are {len(images)} images: a map needs {LEAST} or more")
    wanted = ("pca", "tsne") if method == "both" else (method,)
    if perplexity is None:
        perplexity = min(30.0, (len(images) - 1) / 3)
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
            panels.append(Panel(f"t-SNE, perplexity {perplexity:.3g}", places))
    name = trained.dataset(bool(progress)).name if source is None else " ".join(names_of(source))
    made = Map(
        panels,
        codes,
        dataset.labels,
        dataset.classes,
        str(trained.path),
        name or getattr(source, "name", "given images"),
        method,
        dataset.names,
        None if dots or trained.spec.planar else images,
    )
    return of_run(made, trained)
