"""Feature extractors by name, and the one that fits a data set.

`extractor("efficientnet-lite0")` is for pictures of any kind; `extractor("digits")` and
`extractor("fashion")` are classifiers, `extractor("stacked-digits")` looks at each channel with the
first; these ship with the package. `extractor("pixels", shape=...)` takes the pixels as they are. A
path is a folder that `genarium features train` made. `extractor("inception", weights=...)` and
`"dinov2"` are the networks of published scores, with weights that you bring; the decorator of
`extractors.own` names further ones.
"""

from __future__ import annotations

import difflib

import torch

from genarium.contract import Spec
from genarium.errors import UserError
from genarium.evaluation.extractors.dinov2 import dinov2
from genarium.evaluation.extractors.extractor import Extractor, of_channels
from genarium.evaluation.extractors.inception_weights import inception
from genarium.evaluation.extractors.own import registered
from genarium.evaluation.extractors.pixels import PIXELS, pixels
from genarium.evaluation.extractors.selftrained import is_one, selftrained
from genarium.evaluation.extractors.shipped import (
    PICTURES,
    PROXY,
    STACKED,
    pictures,
    shipped,
    stacked,
)

SHIPPED = (PICTURES, "digits", "fashion", PROXY, STACKED, PIXELS)
BROUGHT = ("inception", "dinov2")  # their weights come from the user
NAMES = (*SHIPPED, *BROUGHT)


def extractor(
    name: str,
    device: str = "cpu",
    *,
    shape: tuple[int, ...] | None = None,
    weights: str | None = None,
) -> Extractor:
    """An extractor by name: "efficientnet-lite0" (trained on ImageNet), "digits" (MNIST), "fashion"
    (Fashion-MNIST).

    The first is for pictures of any kind and has no classes. "fashion-proxy" is the third without
    its classes. "stacked-digits" is the second on each channel of an RGB image. "pixels" takes the
    pixels themselves and needs the `shape` (C, H, W) of the images. The `name` of an extractor
    ("digits-cnn") is accepted too, and the path of a folder that `genarium features train` made.

    "inception" is the network of published FIDs and Inception Scores, "dinov2" a vision
    transformer; their `weights` are a path, or an address with "#sha256=...". Any other name is
    one that `extractors.own.feature_extractor` registered.

    shape: of the images; of other channels than 1 or 3 an extractor of pictures looks at each by
    itself.

    Raises UserError for an unknown name, or weights that are missing, changed, or not asked for.
    """
    made = _named(name, device, shape, weights)
    return made if shape is None else of_channels(made, shape[0])


def _named(name: str, device: str, shape: tuple[int, ...] | None, weights: str | None) -> Extractor:
    key = name.replace("-cnn", "")
    if key in SHIPPED:
        if weights is not None:
            raise UserError(f"--weights {weights}: the extractor {name} has its own, leave it out")
        if key == PIXELS:
            if shape is None:
                raise ValueError("the extractor of pixels needs the shape of the images")
            return pixels(shape)
        if key == PICTURES:
            return pictures(device)
        return stacked(device) if key == STACKED else shipped(key, device)
    if is_one(name):
        if weights is not None:
            raise UserError(f"--weights {weights}: the folder {name} has its own, leave it out")
        return selftrained(name, device)
    if name == "inception":
        return inception(weights, device)
    if name == "dinov2":
        return dinov2(weights, device)
    return _own(name, device, weights)


def _own(name: str, device: str, weights: str | None) -> Extractor:
    extractors = registered()
    if name not in extractors:
        names = (*NAMES, *extractors)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(
            f"--extractor {name}: {hint}Known extractors: {', '.join(names)}, and folders of "
            "`genarium features train`"
        )
    made = extractors[name](weights)
    if not isinstance(made, Extractor):
        raise UserError(
            f"--extractor {name}: its function gave {type(made).__name__}, not an Extractor: "
            "let it return from_module(...)"
        )
    made.network.to(torch.device(device))
    return made


DEFAULTS = {  # by the name of a data set: its extractor, how many classes it has
    "digits": ("digits", 10),
    "mnist": ("digits", 10),
    "fashion-mnist": ("fashion", 10),
    "stacked-mnist": (STACKED, 1000),
}


def default_for(dataset: str, spec: Spec) -> str:
    """The extractor for a data set, by the data set's name.

    "digits" for the handwritten digits, "fashion" for Fashion-MNIST, "stacked-digits" for stacked
    MNIST, "pixels" for points in the plane, and for everything else "efficientnet-lite0", which
    says nothing of classes. A data set that carries such a name but another number of classes (or
    none) is not the one that is meant.
    """
    if spec.planar:
        return PIXELS
    name, classes = DEFAULTS.get(dataset, (PICTURES, 0))
    return name if len(spec.classes) in (0, classes) else PICTURES
