"""The types of the verbs' arguments: what a flag is called, what it takes, its help, said once.

No torch in here: help texts need none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt, Le

from genarium.verbs import Flag, Help

GROUP = """how to name codes (GROUP; in Python also codes [n,D] and pictures):
  3,17 or 0-7         samples by their number in the grid of `genarium sample RUN -n N --seed S`
  test:3,17           images of the test split of the run's data
  PATH                an image file, a folder of them, or the .npz of `genarium invert`
  class:7             the mean of a class, by its name or number
  colour:red, x:low   the mean of a factor's value (low, high: its lowest, highest third)
  class:star+colour:red   of images with both; class:!star: of images without it"""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from genarium.data import Dataset
    from genarium.data.given import Given
    from genarium.evaluation.extractors import extractor
    from genarium.recipes import Recipe
    from genarium.runs import conditions, trained
    from genarium.runs.groups import Group as Codes

    Run: TypeAlias = trained.Trained | str | os.PathLike[str]
    Runs: TypeAlias = Sequence[Run] | Run
    Named: TypeAlias = str | os.PathLike[str]
    RecipeName: TypeAlias = str | Recipe
    Source: TypeAlias = Dataset | Given | str | os.PathLike[str]
    Images: TypeAlias = trained.Images
    Pictures: TypeAlias = Dataset | trained.Images
    Data: TypeAlias = Dataset | str | os.PathLike[str]
    Place: TypeAlias = Dataset | str | os.PathLike[str]
    Condition: TypeAlias = conditions.Condition
    Group: TypeAlias = str | Tensor | Codes
    Extractor: TypeAlias = str | os.PathLike[str] | extractor.Extractor
else:
    Run = Annotated[
        Any,
        Flag(metavar="RUN", raw=True),
        Help("a run folder, zoo:NAME, or hf://OWNER/NAME@COMMIT"),
    ]
    Runs = Annotated[
        Any,
        Flag(metavar="RUN", raw=True, repeat=True),
        Help("run folders, zoo:NAME, or hf://OWNER/NAME@COMMIT"),
    ]
    Named = Annotated[Any, Flag(raw=True)]
    RecipeName = Annotated[Any, Flag(metavar="RECIPE", raw=True)]
    Source = Annotated[Any, Flag("--data", "DATA", raw=True)]
    Images = Annotated[
        Any,
        Flag(metavar="IMAGES", raw=True, repeat=True),
        Help("image files, folders of them, test, test:NUMBERS, or a data set"),
    ]
    Pictures = Annotated[
        Any,
        Flag(metavar="DATA", raw=True, repeat=True),
        Help(
            "a folder of images or a data set, read as the run's were, or some images: files, "
            "test:NUMBERS (default: the run's own data)"
        ),
    ]
    Data = Annotated[
        Any,
        Flag(metavar="DATA", raw=True),
        Help("a folder of images or a data set, read as the run's were (default: the run's own)"),
    ]
    Place = Annotated[
        Any,
        Flag(metavar="PLACE", raw=True),
        Help(
            "where the run's own data are now, if they were moved (default: where they were at "
            "training); they are known by their content"
        ),
    ]
    Condition = Annotated[
        Any,
        Flag("--class", metavar="NAME", raw=True),
        Help("of this class (name or number), or with attributes, as shape:star+colour:red"),
    ]
    Group = Annotated[Any, Flag(metavar="GROUP", raw=True)]
    Extractor = Annotated[
        Any,
        Flag(metavar="NAME", raw=True),
        Help(
            "whose features FID uses: efficientnet-lite0, digits, fashion, pixels, inception, "
            "dinov2, your own, or a folder of `features train`"
        ),
    ]

Count: TypeAlias = Annotated[int, Gt(0)]
Seed: TypeAlias = Annotated[
    int, Ge(0), Le(2**63 - 1), Help("of all that is drawn: the same seed, the same result")
]
Step: TypeAlias = Annotated[
    Annotated[int, Ge(0)] | Literal["best", "last"],
    Flag(metavar="N"),
    Help(
        "the checkpoint of this step, or best or last (default: the best where training kept it, "
        "with --keep-best, else the last)"
    ),
]
Device: TypeAlias = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], Help("auto takes a GPU where there is one")
]
AcceptChanges: TypeAlias = Annotated[
    bool, Help("go on although the run's data changed since training")
]
Grid: TypeAlias = Annotated[
    int, Gt(0), Help("samples in the grid that numbers refer to, as for `sample`")
]
Code: TypeAlias = Annotated[str, Help("samples with this latent code, as for `sample`")]
Invert: TypeAlias = Annotated[
    bool, Help("search the codes of images, for a model that does not encode")
]
HeldAgainst: TypeAlias = Annotated[
    Literal["test", "train+test", "folds"],
    Help(
        "what samples are held against (default: test): the test split; train+test, one reference "
        "of both; or folds, the mean over parts of both, each as large as the test split. Copying "
        "is judged by unseen images in any case"
    ),
]
DataSource: TypeAlias = Annotated[
    Named, Flag(metavar="DATA", raw=True), Help("a built-in data set or a folder")
]
StudyFolder: TypeAlias = Annotated[
    Named, Flag(metavar="FOLDER", raw=True), Help("a folder that `study create` made")
]
Weights: TypeAlias = Annotated[
    str,
    Flag(metavar="PATH"),
    Help("weights of inception or dinov2: a file, or an address with #sha256=DIGEST"),
]
