"""Arguments that the recipes of this family share, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from torch import nn

from genarium.contract import Optim, Spec
from genarium.models import arguments as shared
from genarium.models.conditioning import Conditioning, conditioning_of
from genarium.models.diffusion.networks import transformer, unet
from genarium.models.diffusion.networks.dense import Dense
from genarium.models.diffusion.networks.embedding import FASTEST
from genarium.models.text_to_image.captions import NAME, Captions
from genarium.models.text_to_image.encoders import CharacterEncoder
from genarium.recipes import NonNegativeInt, PositiveInt, Probability, refuse, refuse_unused
from genarium.signatures import AUTO, Choice, Default, Help

DROPPED = 0.1
BLOCKS = {"unet": 1, "transformer": 6, "dense": 3}


def network_for(spec: Spec, _: Mapping[str, Any]) -> str:
    """A U-Net, but for points of the plane."""
    return "dense" if spec.planar else "unet"


def patch_for(spec: Spec, given: Mapping[str, Any]) -> int:
    """The side of the blocks of pixels that the network takes as one place, by its kind."""
    _, height, width = spec.shape
    of_kind = {"unet": unet.patch_for, "transformer": transformer.patch_for}.get(given["network"])
    return of_kind(height, width) if of_kind else 0  # a dense one has no places


def width_for(spec: Spec, given: Mapping[str, Any]) -> int:
    """Few channels where a unet's largest map is as large as the image: it costs most, and at 32
    pixels finer maps are worth more than wider ones (docs/diffusion.md has the figures)."""
    return 32 if given["network"] != "unet" or _in_blocks(spec) else 16


def refine_for(spec: Spec, given: Mapping[str, Any]) -> int:
    """Where a unet takes blocks of pixels for their number, above 48 pixels: there their grid
    would show (docs/diffusion.md has the figures)."""
    return unet.REFINED if given["network"] == "unet" and _in_blocks(spec) else 0


def _in_blocks(spec: Spec) -> bool:
    """Whether a unet takes blocks of pixels for their number, unless it is told otherwise."""
    _, height, width = spec.shape
    return unet.patch_for(height, width) > 1


Network = Annotated[
    Literal["auto", "unet", "transformer", "dense"],
    Help(
        "unet (convolutions, attention on its smallest map), transformer (on patches) or dense "
        "(fully connected, for points of the plane); auto: unet for images."
    ),
    Choice(network_for),
]
Width = Annotated[
    PositiveInt,
    Help(
        "channels of the largest map of a unet, up to four times as many on smaller ones; a "
        "transformer has 4 times, a dense net 8 times as many features; auto: 16 for a "
        "unet up to 48 pixels, else 32."
    ),
    Choice(width_for),
]
Blocks = Annotated[
    NonNegativeInt,
    Help(
        "residual blocks each way of a map below the largest (unet: 1), or layers (transformer: 6, "
        "dense: 3); 0: the number in brackets."
    ),
]
Patch = Annotated[
    NonNegativeInt,
    Help(
        "pixels a side that are made into one place of the network (unet, transformer); auto: by "
        "the size of the images, 1 up to 48 pixels for a unet, 2 up to 96, then 4."
    ),
    Choice(patch_for),
]
Refine = Annotated[
    NonNegativeInt,
    Help(
        "features of two convolutions on whole pixels behind a unet's last map, against the grid "
        "of its blocks; 0: none; auto: 16 for a unet above 48 pixels, else 0."
    ),
    Choice(refine_for),
]
ConditionName = Annotated[
    str,
    Help(
        "none, class (the labels), attributes (the factors of the data, as `shapes` has them), "
        "captions (read by an encoder that learns with the model), or the name of a vector that "
        "goes with each image."
    ),
]
Dropped = Annotated[
    Probability,
    Help("share of the images that are trained without their condition, for --guidance."),
]


Fourier = Annotated[
    bool,
    Help(
        "show the network Fourier features beside the pixels, sines and cosines of them down to a "
        "period of four grey levels, for likelihoods (unet, transformer)."
    ),
]


class Networks(TypedDict):
    """What all of them take: the network and the condition."""

    network: Annotated[Network, Default("auto")]
    width: Annotated[Width, Default(AUTO)]
    blocks: Annotated[Blocks, Default(0)]
    patch: Annotated[Patch, Default(AUTO)]
    refine: Annotated[Refine, Default(AUTO)]
    fourier: Annotated[Fourier, Default(False)]
    condition: Annotated[ConditionName, Default("none")]
    dropped: Annotated[Dropped, Default(DROPPED)]


class Common(Networks):
    """And the learning rate, where the recipe has none of its own."""

    lr: Annotated[shared.LearningRate, Default(1e-3)]


def conditioning_for(spec: Spec, given: Networks) -> Conditioning:
    """What `--condition` says; UserError where the data do not have it."""
    if given["condition"] == "none":
        refuse_unused("there is no --condition to hide", dropped=(given["dropped"], DROPPED))
        return Conditioning()
    if given["condition"] == NAME:
        refuse(
            not spec.caption_bytes,
            f"--condition {NAME}: the data have none: write them into metadata.jsonl, metadata.csv "
            "or NAME.txt beside the images (docs/text.md)",
        )
        return Captions(spec.caption_bytes, CharacterEncoder())
    return conditioning_of(spec, given["condition"])


def network_of(
    spec: Spec,
    given: Networks,
    conditioning: Conditioning,
    times: int = 1,
    fastest: float = FASTEST,
) -> nn.Module:
    """The network that the arguments describe, with `times` times, whose features have frequencies
    up to `fastest`, and the condition."""
    name = given["network"]
    blocks = given["blocks"] or BLOCKS[name]
    inputs: dict[str, Any] = {"times": times, "condition": conditioning.size, "fastest": fastest}
    if name == "unet":
        inputs["refine"] = given["refine"]
    else:
        refuse_unused("it is of --network unet", refine=(given["refine"], 0))
    if name == "dense":
        refuse_unused(
            "it is of --network unet and transformer",
            patch=(given["patch"], 0),
            fourier=(given["fourier"], False),
        )
        return Dense(spec.shape, given["width"], blocks, **inputs)
    sides = spec.shape[1:]
    refuse(
        given["patch"] > min(sides),
        f"--patch {given['patch']}: images of {sides[0]}×{sides[1]} pixels have no such blocks: "
        f"give at most {min(sides)}",
    )
    kind = unet.UNet if name == "unet" else transformer.Transformer
    inputs["fourier"] = given["fourier"]
    return kind(spec.shape, given["width"], blocks, given["patch"], **inputs)


def adam(lr: float) -> Optim:
    """Adam; its second average is shorter than usual, as the scale of gradients changes with t."""
    return Optim("adam", lr=lr, betas=(0.9, 0.99))
