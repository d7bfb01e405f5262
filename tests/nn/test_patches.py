"""Convolutions over patches against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from genarium.nn import patches as module
from genarium.nn.patches import (
    Conv2d,
    ConvTranspose2d,
    down,
    kernel,
    overlaid,
    patches,
    pays,
    sides,
    up,
)

SIZES = [(2, 2), (4, 4), (5, 7), (8, 6), (3, 9)]


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size counts as one that pays."""
    monkeypatch.setattr(module, "pays", lambda *_: True)


def channels_last(*shape: int) -> Tensor:
    x = torch.randn(*shape, dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_the_maps_are_adjoint(size: tuple[int, int], stride: int) -> None:
    if stride == 1 and min(size) < 3:
        size = (3, 3)
    x = torch.randn(2, *size, 3, dtype=torch.float64)
    seen = patches(x, stride)
    h, w = sides(*size, stride)
    assert seen.shape == (2 * h * w, 48)
    rows = torch.randn_like(seen)
    torch.testing.assert_close((seen * rows).sum(), (x * overlaid(rows, *size, stride)).sum())
    weight, y = torch.randn(5, 48).double(), torch.randn(2, h, w, 5).double()
    product = (down(x, weight, stride) * y).sum()
    torch.testing.assert_close(product, (x * up(y, weight, *size, stride)).sum())
    torch.testing.assert_close(product, (weight * kernel(x, y, stride)).sum())


@pytest.mark.parametrize("together", [0, 1000], ids=["phases", "overlaid"])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_both_orders(
    stride: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOGETHER", together)
    x = torch.randn(2, 5, 4, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 32, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, *sides(5, 4, stride), 3, dtype=torch.float64, requires_grad=True)
    for function, at in (
        (lambda x, weight: down(x, weight, stride), (x, weight)),
        (lambda y, weight: up(y, weight, 5, 4, stride), (y, weight)),
        (lambda x, y: kernel(x, y, stride), (x, y)),
    ):
        assert torch.autograd.gradcheck(function, at)
        assert torch.autograd.gradgradcheck(function, at)


def layers(kind: str, stride: int, bias: bool, odd: int = 0) -> tuple[nn.Module, nn.Module]:
    """One of ours and PyTorch's own with the same weights."""
    arguments = (3, 5, 4, stride, 1)
    if kind == "down":
        ours, theirs = Conv2d(*arguments, bias=bias), nn.Conv2d(*arguments, bias=bias)
    else:
        ours = ConvTranspose2d(*arguments, output_padding=odd, bias=bias)
        theirs = nn.ConvTranspose2d(*arguments, output_padding=odd, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    both = (ours.double(), theirs.double())
    return tuple(layer.to(memory_format=torch.channels_last) for layer in both)  # type: ignore[return-value, call-overload]


CASES = [
    (kind, stride, bias, odd)
    for kind in ("down", "up")
    for stride in (1, 2)
    for bias in (False, True)
    for odd in ((0, 1) if kind == "up" and stride == 2 else (0,))
]


@pytest.mark.parametrize("together", [0, 1000], ids=["phases", "overlaid"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "stride", "bias", "odd"), CASES)
def test_layers_equal_pytorchs(
    kind: str,
    stride: int,
    bias: bool,
    odd: int,
    size: tuple[int, int],
    together: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TOGETHER", together)
    if kind == "down" and stride == 1 and min(size) < 3:
        size = (3, 3)
    torch.manual_seed(0)
    ours, theirs = layers(kind, stride, bias, odd)
    x = channels_last(2, 3, *size)
    results = []
    for layer in (ours, theirs):
        at = x.clone(memory_format=torch.channels_last).requires_grad_()
        y = layer(at)
        (first,) = torch.autograd.grad(y.sin().sum(), at, create_graph=True)
        first.square().sum().backward()  # a penalty: gradients of gradients
        results.append([y, first, at.grad, *(p.grad for p in layer.parameters())])
    assert results[0][0].is_contiguous(memory_format=torch.channels_last)
    for mine, other in zip(*results):
        torch.testing.assert_close(mine, other)


def test_what_is_taken_over_patches_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(module, "patches", lambda x, stride: calls.append(x) or patches(x, stride))
    x = channels_last(2, 3, 8, 8)
    down = Conv2d(3, 5, 4, 2, 1).double()
    down(x)
    assert len(calls) == 1
    down(torch.randn(2, 3, 8, 8, dtype=torch.float64))  # channels first
    down(channels_last(3, 8, 8, 1).squeeze(3))  # an image without a batch
    for other in (
        Conv2d(3, 5, 3, 2, 1),
        Conv2d(3, 5, 4, 2, 0),
        Conv2d(3, 3, 4, 2, 1, groups=3),
        Conv2d(3, 5, 4, 2, 1, dilation=2),
        Conv2d(3, 5, 4, 2, 1, padding_mode="reflect"),
    ):
        other.double()(x)
    assert len(calls) == 1


def test_products_are_for_small_maps_of_many_channels() -> None:
    bf16, fp32 = torch.bfloat16, torch.float32
    assert pays(64, 128, 128, bf16)
    assert not pays(64, 128, 128, fp32)
    assert pays(16, 128, 128, fp32)
    assert pays(256, 1, 256, fp32)
    assert not pays(256, 128, 128, bf16)
    assert not pays(16, 128, 3, bf16)


def test_bf16_is_as_near_to_the_truth_as_pytorchs() -> None:
    torch.manual_seed(0)
    ours, theirs = layers("down", 2, True)
    x = channels_last(4, 3, 8, 8)
    truth = theirs(x)
    errors = []
    for layer in (ours.float(), theirs.float()):
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x.float())
        assert y.dtype == torch.bfloat16
        errors.append((y.double() - truth).square().mean().sqrt().item())
    assert errors[0] < 1.5 * errors[1]
