"""An encoder and its decoder from the arguments that autoencoders and VAEs share."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from genarium.nn.conv import ConvDecoder, ConvEncoder
from genarium.nn.mlp import DenseDecoder, DenseEncoder
from genarium.nn.strided import StridedDecoder, StridedEncoder
from genarium.recipes import refuse_unused

WIDTH, HIDDEN = 16, 256


class Pair(NamedTuple):
    """encoder: [B,C,H,W] (and what stands beside, [B,S]) -> numbers. decoder: codes -> maps."""

    encoder: nn.Module
    decoder: nn.Module


def pair(
    net: str,
    shape: tuple[int, int, int],
    features: int,
    code: int,
    out: tuple[int, int, int],
    *,
    width: int,
    hidden: int,
    layers: int,
    activation: str,
    usual: int,
    beside: int = 0,
) -> Pair:
    """The networks of `--net net`.

    shape: (C, H, W) of the images. features: numbers that the encoder gives for each. code: numbers
    that the decoder takes. out: (C', H, W) of what it gives. beside: further numbers that the
    encoder takes of each image. usual: the recipe's default of `layers`.

    Raises UserError for an argument that does nothing in this net, and for images too small for it.
    """
    if net != "dense":
        refuse_unused("it is of --net dense alone", activation=(activation, "relu"))
    else:
        refuse_unused("it is of --net strided and conv alone", width=(width, WIDTH))
    if net == "strided":
        given = {"hidden": (hidden, HIDDEN), "layers": (layers, usual)}
        refuse_unused("it is of --net conv and dense alone", **given)
        return Pair(
            StridedEncoder(shape, features, width, beside), StridedDecoder(code, out, width)
        )
    units = (hidden,) * layers
    if net == "conv":
        return Pair(
            ConvEncoder(shape, features, width, units, beside),
            ConvDecoder(code, out, width, units),
        )
    return Pair(
        DenseEncoder(shape, features, units, activation, beside),
        DenseDecoder(code, out, units, activation),
    )
