"""The Inception network with its weights, from either of the two files that hold them.

- a safetensors file with the key names of the ports to PyTorch;
- `classify_image_graph_def.pb` of TensorFlow's archive, the source of all ports.

Both give the same tensors, so the same hash and the same scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from genarium.data import pretrained
from genarium.errors import UserError
from genarium.evaluation.extractors import graphdef
from genarium.evaluation.extractors.extractor import Extractor, from_module
from genarium.evaluation.extractors.inception import (
    FEATURES,
    OUTPUTS,
    RESIZE,
    Inception,
    prepare,
    scopes,
)
from genarium.evaluation.extractors.inception_folded import fold

NORM = {  # ours -> TensorFlow's
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def from_graph(constants: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The frozen graph's constants under our names; what it lacks is left out.

    TensorFlow stores a convolution as [height, width, in, out], the last layer as [in, out].
    """
    weights: dict[str, Tensor] = {}
    names: dict[str, tuple[str, tuple[int, ...]]] = {
        "fc.weight": ("softmax/weights", (1, 0)),
        "fc.bias": ("softmax/biases", (0,)),
    }
    for ours, scope in scopes():
        names[f"{ours}.conv.weight"] = (f"{scope}/conv2d_params", (3, 2, 0, 1))
        for key, name in NORM.items():
            names[f"{ours}.bn.{key}"] = (f"{scope}/batchnorm/{name}", (0,))
    for ours, (name, order) in names.items():
        if name in constants and constants[name].ndim == len(order):
            weights[ours] = constants[name].permute(order).contiguous()
    return weights


def read(path: Path) -> dict[str, Tensor]:
    """The state of an `Inception` from a .safetensors file or TensorFlow's .pb."""
    start = pretrained.first_bytes(path)
    if start[:2] == b"\x1f\x8b":
        raise UserError(
            f"--weights {path}: unpack the archive first, the weights are the file "
            "classify_image_graph_def.pb in it"
        )
    if path.suffix.lower() == ".pb":
        return from_graph(graphdef.constants(path))
    return pretrained.read(path)


def inception(weights: str | None, device: str = "cpu") -> Extractor:
    """The extractor "inception" with the weights that `--weights` names.

    Raises UserError without weights, or if they are not those of this network.
    """
    if weights is None:
        raise UserError(
            "--extractor inception: needs the weights of the network: add --weights PATH; "
            "docs/evaluation.md says where they are"
        )
    path = pretrained.locate(weights)
    network = Inception()
    pretrained.fit(network, read(path), path)
    place = torch.device(device)
    made = from_module(
        network,
        name="inception",
        dims=FEATURES,
        prepare=prepare,
        resize=RESIZE,
        batch=16 if place.type == "cpu" else 128,
    )
    return replace(
        made,
        network=fold(network).to(place),
        outputs=OUTPUTS,
        soft_classes=OUTPUTS,
        caveat="features of photographs (ImageNet)",
        colours=True,
    )
