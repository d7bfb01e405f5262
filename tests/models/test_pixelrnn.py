"""PixelRNN: causality, exact likelihood, and a fast sampler that equals the naive one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from genarium.contract import Batch, Spec
from genarium.errors import UserError
from genarium.models.explicit.tractable.pixelrnn import PixelRNN, diagonal_bilstm, row_lstm
from genarium.nn.lstm2d import DiagonalBiLSTM
from genarium.nn.wavefront import Given, Wavefront

RECIPES = {"row": row_lstm, "diagonal": diagonal_bilstm}
CLASSES = ("a", "b", "c")


def build(
    net: str, shape: tuple[int, int, int], *, dtype: torch.dtype = torch.float64, **arguments
) -> PixelRNN:
    """A small network with weights that make its conditionals far from uniform."""
    torch.manual_seed(0)
    sizes = {"layers": 2, "width": 12, "head": 12} | arguments
    classes = CLASSES if sizes.get("conditional") else ()
    model = RECIPES[net](Spec(*shape, classes), **sizes).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter)).mul_(2.0)
    return model.eval()


def all_images(levels: int, shape: tuple[int, int, int]) -> Tensor:
    """Every image of `levels` grey levels, as uint8 in the middle of each level."""
    found = itertools.product(range(levels), repeat=math.prod(shape))
    images = torch.tensor(list(found)).view(-1, *shape)
    return ((images * 256 + 128) // levels).to(torch.uint8)


def jacobian_of(model: PixelRNN, shape: tuple[int, int, int]) -> Tensor:
    """[prediction, input]: sum of |d output / d x|, pixels and colours in order of generation."""
    (c, h, w), levels = shape, model.levels
    x = torch.rand(c, h, w, dtype=torch.float64) * 2 - 1
    found = torch.autograd.functional.jacobian(lambda x: model.network(x[None])[0], x)
    found = found.view(c, levels, h * w, c, h * w).abs().sum(1)
    return found.permute(1, 0, 3, 2).reshape(c * h * w, c * h * w)


@pytest.mark.parametrize("net", RECIPES)
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 4)])
def test_no_prediction_sees_itself_or_what_comes_later(net, shape):
    jacobian = jacobian_of(build(net, shape, levels=3, width=24, head=24), shape)
    assert torch.equal(jacobian.triu(), torch.zeros_like(jacobian))
    # And it does see its nearest past (but for the odd pixel with all relus of the head off).
    nearest = jacobian.diagonal(-1)
    wraps = (torch.arange(1, len(jacobian)) % (shape[0] * shape[2])) == 0
    assert (nearest[~wraps] > 0).double().mean() > 0.9


@pytest.mark.parametrize("layers", [1, 2])
def test_diagonal_bilstm_sees_the_past_but_for_one_pixel(layers):
    h, w = 5, 9
    shape = (1, h, w)
    model = build("diagonal", shape, levels=2, layers=layers, width=24, head=24)
    seen = (jacobian_of(model, shape) > 0).view(h, w, h, w)
    expected = torch.ones(h * w, h * w).tril(-1).bool().view(h, w, h, w)
    # No feature at a pixel has seen the pixel itself (mask A), so the scan from the right has not
    # seen the last pixel of its newest row: the 7x7 window alone shows it, three columns far.
    for row in range(1, h):
        expected[row, : w - 4, row - 1, w - 1] = False
    assert torch.equal(seen, expected)


@pytest.mark.parametrize("layers", [1, 3])
def test_row_lstm_sees_a_triangle(layers):
    h, w, row, column = 6, 24, 5, 8
    shape = (1, h, w)
    model = build("row", shape, levels=2, layers=layers, width=24, head=24)
    seen = (jacobian_of(model, shape)[row * w + column] > 0).view(h, w)
    for up in range(1, row + 1):
        # A state opens by one column a row; the 7x7 window adds three on the right, and takes a
        # row for it. However many layers there are, the right border is that of one.
        columns = seen[row - up].nonzero().flatten()
        assert columns.max() == column + up + 2
        # On the left each layer's convolution of its input adds one.
        assert columns.min() == max(0, column - up - layers - 3)


@pytest.mark.parametrize("net", RECIPES)
@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 3), 3), ((1, 3, 2), 2), ((3, 1, 2), 2)])
@pytest.mark.parametrize("output", ["softmax", "logistics"])
def test_probabilities_of_all_images_sum_to_one(net, output, shape, levels):
    model = build(net, shape, levels=levels, output=output, components=2, dtype=torch.float32)
    with torch.inference_mode():
        log_prob = model.log_prob(all_images(levels, shape))
    assert log_prob.double().exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert log_prob.std() > 0.1


@pytest.mark.parametrize("net", RECIPES)
@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ((1, 7, 7), 2),
        ((1, 4, 11), 5),
        ((1, 9, 3), 4),
        ((1, 1, 5), 2),
        ((1, 5, 1), 2),
        ((3, 4, 6), 4),
        ((3, 5, 3), 2),
        ((3, 1, 1), 3),
    ],
)
def test_fast_samples_are_the_naive_ones(net, shape, levels):
    model = build(net, shape, levels=levels)
    fast = model.sample_levels(4, generator=torch.Generator().manual_seed(1))
    naive = model.sample_levels(4, generator=torch.Generator().manual_seed(1), naive=True)
    assert torch.equal(fast, naive)
    assert len(fast.unique()) > 1
    other = model.sample_levels(4, generator=torch.Generator().manual_seed(2))
    assert not torch.equal(fast, other)


@pytest.mark.parametrize("net", RECIPES)
def test_fast_samples_of_a_mixture_of_logistics(net):
    model = build(net, (3, 3, 4), levels=16, output="logistics", components=3)
    fast = model.sample_levels(4, generator=torch.Generator().manual_seed(1))
    naive = model.sample_levels(4, generator=torch.Generator().manual_seed(1), naive=True)
    assert torch.equal(fast, naive)
    assert len(fast.unique()) > 4


@pytest.mark.parametrize("net", RECIPES)
def test_fast_samples_in_float32(net):
    model = build(net, (1, 8, 8), levels=8, dtype=torch.float32)
    fast = model.sample_levels(32, generator=torch.Generator().manual_seed(1))
    naive = model.sample_levels(32, generator=torch.Generator().manual_seed(1), naive=True)
    assert (fast == naive).double().mean() >= 0.999


@pytest.mark.parametrize("net", RECIPES)
def test_given_pixels_are_kept_and_the_rest_is_drawn_from_them(net):
    model = build(net, (3, 4, 5), levels=4)
    levels = torch.randint(4, (6, 3, 4, 5), generator=torch.Generator().manual_seed(3))
    keep = torch.zeros(levels.shape, dtype=torch.bool)
    keep[:, :, :2] = True
    keep[:, 1, 3, 3] = True
    fast, naive = (
        model.sample_levels(
            6, given=Given(levels, keep), generator=torch.Generator().manual_seed(1), naive=naive
        )
        for naive in (False, True)
    )
    assert torch.equal(fast[keep], levels[keep])
    assert not torch.equal(fast, levels)
    assert torch.equal(fast, naive)


@pytest.mark.parametrize("net", RECIPES)
def test_samples_follow_the_likelihood(net):
    model = build(net, (1, 2, 2), levels=2, dtype=torch.float32)
    n = 20_000
    drawn = model.sample_levels(n, generator=torch.Generator().manual_seed(0), chunk=n)
    counts = torch.bincount((drawn.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16)
    with torch.inference_mode():
        expected = model.log_prob(all_images(2, (1, 2, 2))).exp()
    # Chi-squared with 15 degrees of freedom: above 44 once in ten thousand.
    assert ((counts - n * expected).square() / (n * expected)).sum() < 44


def test_steps_of_the_samplers():
    """The cost: the row scan runs with the wavefront, the diagonal one pixel by pixel."""
    fronts = {net: Wavefront(build(net, (1, 9, 20)).network, 2, 9, 20) for net in RECIPES}
    steps = {net: front.last - front.first + 1 for net, front in fronts.items()}
    assert steps == {"row": 20 + 4 * 8, "diagonal": 20 * 9}


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
@pytest.mark.parametrize("channels", [1, 3])
def test_every_parameter_gets_a_gradient(net, channels):
    model = build(net, (channels, 6, 6), levels=4, dtype=torch.float32)
    images = torch.randint(256, (2, channels, 6, 6), dtype=torch.uint8)
    model.step(Batch(images), "model").losses["bits_per_dim"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("net", RECIPES)
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 4)])
def test_conditional_samples_fast_and_naive(net, shape):
    model = build(net, shape, levels=3, conditional=True)
    labels = torch.tensor([0, 1, 2, 2, 1])
    for condition in (labels, None):
        fast, naive = (
            model.sample_levels(
                5,
                condition=condition,
                generator=torch.Generator().manual_seed(1),
                naive=naive,
                chunk=3,
            )
            for naive in (False, True)
        )
        assert torch.equal(fast, naive)
    zeros = model.sample_levels(
        5, condition=torch.zeros_like(labels), generator=torch.Generator().manual_seed(1)
    )
    drawn = model.sample_levels(5, condition=labels, generator=torch.Generator().manual_seed(1))
    assert torch.equal(zeros[0], drawn[0])
    assert not torch.equal(zeros[1:], drawn[1:])


@pytest.mark.parametrize("net", RECIPES)
def test_conditional_probabilities_sum_to_one(net):
    model = build(net, (1, 2, 3), levels=2, conditional=True)
    images = all_images(2, (1, 2, 3))
    with torch.inference_mode():
        each = [
            model.log_prob(images, torch.full((len(images),), label)).exp() for label in range(3)
        ]
        mixture = model.log_prob(images).exp()
    for found in (*each, mixture):
        assert abs(float(found.sum()) - 1) < 1e-9
    assert not torch.allclose(each[0], each[1])
    torch.testing.assert_close(mixture, torch.stack(each).mean(0))


@pytest.mark.parametrize("net", RECIPES)
def test_classes_need_labels(net):
    with pytest.raises(UserError, match="--conditional needs class labels"):
        RECIPES[net](Spec(1, 4, 4), conditional=True)


@pytest.mark.parametrize("net", RECIPES)
def test_a_few_steps_learn(net):
    torch.manual_seed(0)
    model = RECIPES[net](Spec(1, 8, 8), levels=2, layers=1, width=8, head=8)
    stripes = torch.zeros(16, 1, 8, 8, dtype=torch.uint8)
    stripes[:, :, :, ::2] = 255
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        loss = model(Batch(stripes), "model").losses["bits_per_dim"]
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    sample = model.sample(4, generator=torch.Generator().manual_seed(0))
    assert (sample == (stripes[:4] / 127.5 - 1)).float().mean() > 0.95


@pytest.mark.parametrize("net", RECIPES)
def test_paper_sizes(net):
    """Seven layers of h = 16: the LSTMs have half of the features' channels."""
    model = RECIPES[net](Spec(1, 4, 4))
    assert len(model.network.layers) == 7
    lstm = model.network.layers[0].lstm
    assert lstm.hidden == 16
    assert isinstance(lstm, DiagonalBiLSTM) == (net == "diagonal")
