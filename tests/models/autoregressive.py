"""Small autoregressive models of every architecture and head, and what their tests share."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from genarium.contract import EIGHT_BIT, Spec, Values
from genarium.models.autoregressive.autoregressive import Autoregressive
from genarium.models.autoregressive.compression import HEAD, compress, decompress
from genarium.models.autoregressive.pixelcnn import pixelcnn
from genarium.models.autoregressive.pixelrnn import diagonal_bilstm, row_lstm

CNN = {"blocks": 2, "width": 6, "head": 6}
RNN = {"layers": 2, "width": 12, "head": 12}
ARCHITECTURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (pixelcnn, {**CNN, "net": "plain", "dilation": 1}),
    "dilated": (pixelcnn, {**CNN, "net": "plain", "dilation": 2}),
    "gated": (pixelcnn, {**CNN, "net": "gated"}),
    "row-lstm": (row_lstm, RNN),
    "diagonal-bilstm": (diagonal_bilstm, RNN),
}
HEADS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "logistics": {"output": "logistics", "components": 2},
}
CLASSES = ("a", "b", "c")

every_architecture = pytest.mark.parametrize("net", ARCHITECTURES)
every_head = pytest.mark.parametrize("head", HEADS)
conditional_or_not = pytest.mark.parametrize(
    "conditional", [False, True], ids=["unconditional", "conditional"]
)


def build(
    net: str,
    shape: tuple[int, int, int],
    head: str = "softmax",
    *,
    dtype: torch.dtype = torch.float64,
    binarized: str = "",
    features: int = 0,
    values: Values = EIGHT_BIT,
    **arguments: Any,
) -> Autoregressive:
    """A small network with weights that make its conditionals far from uniform.

    features: width and head of the network, if not the smallest.
    """
    torch.manual_seed(0)
    recipe, sizes = ARCHITECTURES[net]
    wide = {"width": features, "head": features} if features else {}
    settings = {**sizes, **HEADS[head], **wide, **arguments}
    classes = CLASSES if settings.get("conditional") else ()
    spec = Spec(*shape, classes, binarized=binarized, values=values)
    model: Autoregressive = recipe(spec, **settings).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter)).mul_(2.0)
    return model.eval()


def all_images(levels: int, shape: tuple[int, int, int]) -> Tensor:
    """Every image of `levels` grey levels, as uint8 in the middle of each level."""
    result = itertools.product(range(levels), repeat=math.prod(shape))
    images = torch.tensor(list(result)).view(-1, *shape)
    return ((images * 256 + 128) // levels).to(torch.uint8)


def jacobian_of(model: Autoregressive, label: int | None = None) -> Tensor:
    """[prediction, input]: sum of |d output / d x| over a prediction's outputs.

    Rows and columns are pixels and colours in the order of generation.
    """
    (c, h, w), outputs = model.spec.shape, model.head.outputs
    x = torch.rand(c, h, w, dtype=torch.float64) * 2 - 1
    labels = None if label is None else torch.tensor([label])
    result = torch.autograd.functional.jacobian(
        lambda x: model.network(x[None], None, labels)[0], x
    )
    assert isinstance(result, Tensor)
    result = result.view(c, outputs, h * w, c, h * w).abs().sum(1)
    return result.permute(1, 0, 3, 2).reshape(c * h * w, c * h * w)


def drawn(model: Autoregressive, n: int = 4, seed: int = 1, **arguments: Any) -> Tensor:
    """`sample_levels` with a generator of this seed."""
    generator = torch.Generator().manual_seed(seed)
    return model.sample_levels(n, generator=generator, **arguments)


def images_of(model: Autoregressive, n: int, seed: int = 1) -> Tensor:
    """Samples of the model as uint8: what it codes best."""
    levels = drawn(model, n, seed)
    return ((levels * 256 + 128) // model.levels).to(torch.uint8)


def assert_comes_back(model: Autoregressive, images: Tensor) -> None:
    """Images that fill two parts of a file, and unlikely ones, come back; the first at the length
    that the likelihood says."""
    data = compress(model, images)
    assert torch.equal(decompress(model, data), model.quantize(images))
    unlikely = torch.randint(256, (2, *model.spec.shape), dtype=torch.uint8)
    assert torch.equal(decompress(model, compress(model, unlikely)), model.quantize(unlikely))
    bits = -model.log_prob(images).sum().item() / math.log(2)
    # Beside the ideal length: the head, and of each of the two parts a size and the last state.
    assert -1 <= 8 * (len(data) - HEAD.size) - bits <= 2 * 8 * (4 + 8) + 0.001 * bits


def assert_alike_but_for_noise(model: Autoregressive, levels: Tensor, reference: Tensor) -> None:
    """Sums in another order differ in their last bits: only noise beside an edge may tell."""
    assert (levels == reference).double().mean() >= 0.999
    differs = (levels != reference).permute(0, 2, 3, 1).flatten(1)
    margin = noise_margin(model, reference)
    for image in differs.any(1).nonzero().flatten():
        # Later pixels follow from the first.
        assert margin[image, differs[image].int().argmax()] < 1e-5


def noise_margin(model: Autoregressive, levels: Tensor, seed: int = 1) -> Tensor:
    """How far the noise of `drawn` was from the nearest edge of a level, [N,H·W·C] in order.

    levels: [N,C,H,W], the images given which each pixel's distribution is taken.
    """
    n, (c, h, w) = len(levels), model.spec.shape
    noise = torch.rand(n, c, h, w, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        outputs = model.network(model._embed(levels), None, None).permute(0, 2, 3, 1)
        outputs = outputs.reshape(-1, model.head.outputs).double()
        values = torch.arange(model.levels)
        chances = torch.stack(
            [model.head.log_prob(outputs, v.expand(len(outputs))) for v in values]
        )
    edges = chances.exp().cumsum(0)[:-1]
    result = (edges - noise.permute(0, 2, 3, 1).flatten()).abs().amin(0)
    return result.view(n, h * w * c)
