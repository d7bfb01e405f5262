"""What masked convolutions may see, by exact zeros of Jacobians."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from genarium.models.autoregressive.masked import MaskedConv2d, PixelBias, colour_groups

H, W = 5, 6


def jacobian(network: nn.Module, channels: int) -> Tensor:
    """[out, H, W, in, H, W] of absolute derivatives, summed over two random images."""
    x = torch.randn(2, channels, H, W, dtype=torch.float64)
    per_image = [
        torch.autograd.functional.jacobian(lambda one: network(one[None])[0], image) for image in x
    ]
    return sum(j.abs() for j in per_image)


def seen(network: nn.Module, channels: int) -> Tensor:
    torch.manual_seed(0)
    return jacobian(network.double(), channels) != 0


@pytest.mark.parametrize("mask", ["A", "B"])
@pytest.mark.parametrize(("colours", "parts"), [(1, 1), (3, 1), (3, 2)])
@pytest.mark.parametrize(("kernel", "horizontal"), [(3, False), (5, False), (5, True), (1, False)])
def test_one_layer_sees_exactly_its_window(mask, colours, parts, kernel, horizontal):
    if mask == "A" and kernel == 1 and colours == 1:
        pytest.skip("sees nothing: refused, see test_refusals")
    width = 2 * colours * parts
    conv = MaskedConv2d(
        width,
        width,
        kernel,
        mask,
        horizontal=horizontal,
        in_colours=colours,
        out_colours=colours,
        in_parts=parts,
        out_parts=parts,
    )
    result = seen(conv, width)
    # Axes of what follows: [out, row, column, in, row seen, column seen].
    row, column = torch.arange(H), torch.arange(W)
    up = row[:, None, None, None] - row[:, None]
    left = column[:, None, None] - column
    past = (up > 0) | ((up == 0) & (left > 0))
    itself = ((up == 0) & (left == 0))[:, :, None]
    window = (left.abs() <= kernel // 2) & (up >= 0) & (up <= (0 if horizontal else kernel // 2))
    groups = colour_groups(width, colours, parts)
    before = groups < groups[:, None] if mask == "A" else groups <= groups[:, None]
    expected = past[:, :, None] | (itself & before[:, None, None, :, None, None])
    assert torch.equal(result, expected & window[:, :, None])


@pytest.mark.parametrize("mask", ["VA", "VB"])
def test_vertical_layers_see_rows_to_their_ends(mask):
    result = seen(MaskedConv2d(2, 3, 3, mask), 2).any(3).any(0)
    for r, c, s, d in itertools.product(range(H), range(W), range(H), range(W)):
        allowed = 1 <= r - s <= 1 if mask == "VA" else 0 <= r - s <= 1
        assert bool(result[r, c, s, d]) == (allowed and abs(c - d) <= 1)


def test_dilation_spreads_the_taps():
    result = seen(MaskedConv2d(1, 1, 3, dilation=2), 1)[0, :, :, 0]
    taps = {(s - 3, d - 3) for s, d in torch.nonzero(result[3, 3]).tolist()}
    assert taps == {(-2, -2), (-2, 0), (-2, 2), (0, -2), (0, 0)}


def test_colour_groups():
    assert colour_groups(6, 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert colour_groups(6, 3, parts=2).tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(ValueError, match="divide"):
        colour_groups(7, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 4}, "odd"),
        ({"mask": "C"}, "mask"),
        ({"mask": "A"}, "sees nothing"),
        ({"mask": "VA"}, "sees nothing"),
        ({"mask": "VB", "kernel_size": 3, "horizontal": True}, "horizontal"),
        ({"mask": "VB", "kernel_size": 3, "out_colours": 3}, "grouped"),
        ({"in_colours": 3, "out_colours": 1}, "colours"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaskedConv2d(3, 3, **arguments)


def test_hidden_taps_get_no_gradient_and_no_storage():
    conv = MaskedConv2d(2, 2, 3)
    assert conv.weight.shape == (2, 2, 2, 3)
    conv(torch.randn(1, 2, H, W)).square().sum().backward()
    assert torch.equal(conv.weight.grad[:, :, 1, 2], torch.zeros(2, 2))
    assert (conv.weight.grad[:, :, 1, 1] != 0).all()


def test_memory_layout_changes_nothing():
    torch.manual_seed(0)
    conv = MaskedConv2d(4, 6, 3).double()
    x = torch.randn(2, 4, H, W, dtype=torch.float64)
    torch.testing.assert_close(conv(x.to(memory_format=torch.channels_last)), conv(x))


def test_pixel_bias_is_added_to_each_pixel():
    bias = PixelBias(2, H, W)
    x = torch.randn(3, 2, H, W)
    assert torch.equal(bias(x), x)
    nn.init.normal_(bias.bias)
    torch.testing.assert_close(bias(x) - x, bias.bias.expand_as(x))
