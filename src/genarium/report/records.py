"""What a report is made of: plain records of one run, filled by `gather` and shown by `page`.

Shapes: N, R, S counts · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from genarium.contract import Settings, Spec

if TYPE_CHECKING:
    from genarium.evaluation.scores.score import Scores


class Trained(Protocol):
    """What a report needs of a trained run; `genarium.load` gives one.

    label: its name in the report. config: its settings by section. about: the data, versions and
    hardware it was trained with. settings: how it samples, None for the model's own way.
    """

    @property
    def model(self) -> Any: ...
    @property
    def spec(self) -> Spec: ...
    @property
    def recipe(self) -> Any: ...
    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def settings(self) -> Settings | None: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def about(self) -> Mapping[str, Any]: ...
    @property
    def capabilities(self) -> tuple[str, ...]: ...
    @property
    def taxonomy(self) -> tuple[str, ...]: ...
    def history(self) -> Sequence[Mapping[str, Any]]: ...
    def dataset(self) -> Any: ...
    def sample(self, n: int, seed: int = 0, condition: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Data:
    """The data set that a run is reported on. counts: images by split. mixture: the Gaussians that
    its points follow, where it has points and they do. values: how the images are stored and what
    -1 and 1 stand for, "" of 8 bits on 0 to 255. legend: what pictures of them show, in words, ""
    of 8 bits in grey or RGB."""

    name: str
    manifest: str
    shape: tuple[int, int, int]
    counts: Mapping[str, int]
    attribution: str = ""
    mixture: Mapping[str, Any] | None = None
    values: str = ""
    legend: str = ""


@dataclass(frozen=True)
class Matches:
    """Images, the training image nearest to each, and how far it is.

    images, nearest: uint8 [N,C,H,W]. distances: their Euclidean distances, pixels on [0, 1].
    median: over all `count` images that were asked about, not only the ones kept here.
    """

    images: Tensor
    nearest: Tensor
    distances: tuple[float, ...]
    median: float
    count: int


@dataclass(frozen=True)
class Pairs:
    """Test images and what the model made of them, uint8 [N,C,H,W] each.

    third: what the results are to be held against, where there is anything; third_is: what that is
    ("target", "cycle"). direction: of a translation.
    """

    originals: Tensor
    made: Tensor
    third: Tensor | None = None
    third_is: str = ""
    direction: str = ""


@dataclass(frozen=True)
class Interpolations:
    """uint8 images [R,S,C,H,W]: R interpolations of S steps. ends: test images [R,2,C,H,W] or
    None."""

    images: Tensor
    kind: str  # "spherical" between draws of N(0, I) or codes like them, else "linear"
    ends: Tensor | None = None


@dataclass
class ModelReport:
    """One run as the report shows it; None is what its model cannot do."""

    name: str
    recipe: str
    summary: str
    paper: str
    taxonomy: tuple[str, ...]
    capabilities: tuple[str, ...]
    density: str
    parameters: int
    data: Data
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the sampler, if not the default
    config: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    hardware: str = ""  # of the machine that sampled
    scores: Scores | None = None
    samples: Tensor | None = None
    sampling_seconds: float | None = None  # for as many as `samples`, drawn in batches
    conditions: bool = False  # the samples take the classes in turn
    captions: tuple[str, ...] = ()  # what the rows of the samples were asked for, of the test split
    nonfinite: int = 0  # samples with a NaN or infinite pixel
    copies: Matches | None = None  # samples and their nearest training images
    baseline: Matches | None = None  # test images and theirs
    reconstructions: Pairs | None = None
    translations: tuple[Pairs, ...] | None = None  # one for each direction
    interpolations: Interpolations | None = None
