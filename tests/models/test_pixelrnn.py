"""What is PixelRNN's own: its context, states and steps. See also test_autoregressive.py."""

from __future__ import annotations

import pytest
import torch

from genarium.contract import Spec
from genarium.models.autoregressive.lstm2d import DiagonalBiLSTM
from genarium.models.autoregressive.pixelrnn import diagonal_bilstm, row_lstm
from genarium.models.autoregressive.wavefront import Wavefront
from tests.models.autoregressive import build, jacobian_of

RECIPES = {"row-lstm": row_lstm, "diagonal-bilstm": diagonal_bilstm}


@pytest.mark.parametrize("layers", [1, 2])
def test_diagonal_bilstm_sees_the_past_but_for_one_pixel(layers):
    h, w = 5, 9
    model = build("diagonal-bilstm", (1, h, w), levels=2, layers=layers, features=24)
    seen = (jacobian_of(model) > 0).view(h, w, h, w)
    expected = torch.ones(h * w, h * w).tril(-1).bool().view(h, w, h, w)
    # No feature at a pixel has seen the pixel itself (mask A), so the scan from the right has not
    # seen the last pixel of its newest row: the 7x7 window alone shows it, three columns far.
    for row in range(1, h):
        expected[row, : w - 4, row - 1, w - 1] = False
    assert torch.equal(seen, expected)


@pytest.mark.parametrize("layers", [1, 3])
def test_row_lstm_sees_a_triangle(layers):
    h, w, row, column = 6, 24, 5, 8
    model = build("row-lstm", (1, h, w), levels=2, layers=layers, features=24)
    seen = (jacobian_of(model)[row * w + column] > 0).view(h, w)
    for up in range(1, row + 1):
        # A state opens by one column a row; the 7x7 window adds three on the right, and takes a
        # row for it. However many layers there are, the right border is that of one.
        columns = seen[row - up].nonzero().flatten()
        assert columns.max() == column + up + 2
        # On the left each layer's convolution of its input adds one.
        assert columns.min() == max(0, column - up - layers - 3)


def test_steps_of_the_samplers():
    """The cost: the row scan runs with the wavefront, the diagonal one pixel by pixel."""
    fronts = {net: Wavefront(build(net, (1, 9, 20)).network, 2, 9, 20) for net in RECIPES}
    steps = {net: front.last - front.first + 1 for net, front in fronts.items()}
    assert steps == {"row-lstm": 20 + 4 * 8, "diagonal-bilstm": 20 * 9}


@pytest.mark.parametrize("net", RECIPES)
def test_initial_states_are_learned(net):
    model = build(net, (1, 4, 5), levels=4, layers=1, dtype=torch.float32)
    images = torch.randint(256, (2, 1, 4, 5), dtype=torch.uint8)
    before = model.log_prob(images)
    (-before.mean()).backward()
    start = model.network.layers[0].lstm.start
    # Hidden state and cell, of each scan.
    assert (start.grad.flatten(0, -2).abs().sum(-1) > 0).all()
    with torch.no_grad():
        start.add_(1.0)
    assert not torch.allclose(model.log_prob(images), before)


@pytest.mark.parametrize("net", RECIPES)
def test_paper_sizes(net):
    """Seven layers of h = 16: the LSTMs have half of the features' channels."""
    model = RECIPES[net](Spec(1, 4, 4))
    assert len(model.network.layers) == 7
    lstm = model.network.layers[0].lstm
    assert lstm.hidden == 16
    assert isinstance(lstm, DiagonalBiLSTM) == (net == "diagonal-bilstm")
