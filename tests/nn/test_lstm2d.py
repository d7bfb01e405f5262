"""The scans against one cell a pixel, in the order of the pixels: the same states and gradients."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genarium.models.autoregressive.lstm2d import DiagonalBiLSTM, RowLSTM, lstm_cell

SHAPES = [(5, 4), (3, 6), (4, 4), (1, 5), (5, 1), (1, 1)]


def cell(gates: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """The paper's equation (3), [B,4h] and [B,h]."""
    o, f, i, g = gates.chunk(4, dim=1)
    after = f.sigmoid() * before + i.sigmoid() * g.tanh()
    return o.sigmoid() * after.tanh(), after


def row_by_pixel(layer: RowLSTM, x: Tensor) -> Tensor:
    """`RowLSTM`, a pixel at a time: [B,channels,H,W] -> [B,h,H,W]."""
    (batch, _, height, width), into = x.shape, layer.input
    kernel = into.masked_weight()[:, :, 0]  # [4h, channels, (c - 1, c)]
    h_start, c_start = (start.expand(batch, -1) for start in layer.start)
    done: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for r, k in itertools.product(range(height), range(width)):
        gates = into.bias + x[:, :, r, k] @ kernel[:, :, 1].T
        if k > 0:
            gates = gates + x[:, :, r, k - 1] @ kernel[:, :, 0].T
        for tap, column in enumerate((k - 1, k, k + 1)):
            if 0 <= column < width:
                seen = h_start if r == 0 else done[r - 1, column][0]
                gates = gates + seen @ layer.state[tap]
        done[r, k] = cell(gates, c_start if r == 0 else done[r - 1, k][1])
    return torch.stack([h for h, _ in done.values()], -1).unflatten(2, (height, width))


def diagonal_by_pixel(layer: DiagonalBiLSTM, x: Tensor) -> Tensor:
    """`DiagonalBiLSTM`, a pixel at a time: [B,channels,H,W] -> [B,h,H,W]."""
    (batch, _, height, width), into = x.shape, layer.input
    kernels = into.masked_weight()[:, :, 0, 0].chunk(2)
    out = x.new_zeros(batch, layer.hidden, height, width)
    for scan, (kernel, bias) in enumerate(zip(kernels, into.bias.chunk(2), strict=True)):
        back = 1 if scan else -1  # where the pixel before lies
        h_start, c_start = (start.expand(batch, -1) for start in layer.start[scan])
        above, beside = layer.state[scan]
        done: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        for r in range(height):
            for k in range(width) if scan == 0 else reversed(range(width)):
                nothing = h_start, c_start
                up = done.get((r - 1, k), nothing)[0]
                side, before = done.get((r, k + back), nothing)
                gates = bias + x[:, :, r, k] @ kernel.T + up @ above + side @ beside
                done[r, k] = cell(gates, before)
        places = itertools.product(range(height), range(width))
        states = torch.stack([done[place][0] for place in places], -1)
        states = states.unflatten(2, (height, width))
        out = out + (F.pad(states, (0, 0, 1, 0))[:, :, :-1] if scan else states)
    return out


LAYERS = [(RowLSTM, row_by_pixel), (DiagonalBiLSTM, diagonal_by_pixel)]


def maps(layer: torch.nn.Module, x: Tensor) -> Tensor:
    """The layer on [B,channels,H,W] -> [B,h,H,W]."""
    return layer(x.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)


def randomised(layer: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


@pytest.mark.parametrize(("scan", "reference"), LAYERS)
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("size", SHAPES)
def test_states_and_gradients_are_those_of_one_cell_a_pixel(scan, reference, colours, size):
    torch.manual_seed(0)
    layer = randomised(scan(6, 3, colours=colours).double())
    x = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, *size, dtype=torch.float64)
    result, expected = maps(layer, x), reference(layer, x)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)
    wanted = [x, *layer.parameters()]
    mine = torch.autograd.grad((result * weights).sum(), wanted)
    theirs = torch.autograd.grad((expected * weights).sum(), wanted)
    names = ["x", *(name for name, _ in layer.named_parameters())]
    for name, a, b in zip(names, mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10, msg=name)
        assert b.abs().sum() > 0 or size == (1, 1), name


def test_cell_is_the_equation():
    gates, before = torch.randn(5, 12, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    for result, expected in zip(lstm_cell(gates, before), cell(gates, before), strict=True):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-14)


def seen_by(layer: torch.nn.Module, size: tuple[int, int], pixel: tuple[int, int]) -> Tensor:
    """[H,W] bool: the input's pixels on which the layer's output at `pixel` depends."""
    x = torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
    maps(layer, x)[0, :, pixel[0], pixel[1]].sum().backward()
    return x.grad[0].abs().sum(0) > 0


def test_context_of_a_row_lstm_is_a_triangle():
    torch.manual_seed(0)
    seen = seen_by(RowLSTM(2, 2).double(), (5, 11), (4, 5))
    for r, k in itertools.product(range(5), range(11)):
        up = 4 - r
        # The state opens by a column a row; the input adds the pixel on the left.
        assert seen[r, k] == (5 - up - 1 <= k <= 5 + up), (r, k)


def test_context_of_a_diagonal_bilstm_is_the_whole_past():
    torch.manual_seed(0)
    layer = DiagonalBiLSTM(2, 2).double()
    for row, column in [(3, 2), (3, 0), (2, 5), (0, 3)]:
        seen = seen_by(layer, (4, 6), (row, column)).flatten()
        past = torch.arange(24) <= row * 6 + column
        assert torch.equal(seen, past)
