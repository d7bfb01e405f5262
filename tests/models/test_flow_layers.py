"""Every layer of a flow: inverse, log-determinant and gradient against autograd, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genarium.models.flow import bijections as b
from genarium.models.flow.couplings import (
    ConditionalPrior,
    Coupling,
    CouplingNet,
    Split,
    channelwise,
    checkerboard,
)
from genarium.models.flow.elementwise import Affine, Both, Spline
from genarium.models.flow.transformer import CausalFlow, Patches

SHAPE = (4, 2, 2)
CONDITION = 3


def net(into: int, out: int, maps: int = 0) -> CouplingNet:
    condition = 0 if maps else CONDITION
    return CouplingNet(into, out, SHAPE[1:], width=5, blocks=1, condition=condition, maps=maps)


def coupling(function, maps: int = 0) -> Coupling:
    kept = channelwise(SHAPE[0], 4, odd=True)
    return Coupling(kept, function, net(2, 2 * function.outputs, maps))


def causal(backwards: bool) -> b.Chain:
    """Four patches of four numbers."""
    layer = CausalFlow(4, 4, width=6, layers=2, backwards=backwards, condition=CONDITION)
    return b.Chain([Patches(SHAPE, (1, 1)), layer])


LAYERS = {
    "scale": lambda: b.Scale(256),
    "logit": lambda: b.Logit(256, 0.05),
    "sigmoid": b.Sigmoid,
    "squeeze": lambda: b.Squeeze(2, 2),
    "squeeze-across": lambda: b.Squeeze(1, 2),
    "flatten": lambda: b.Flatten(SHAPE),
    "actnorm": lambda: b.ActNorm(SHAPE[0]),
    "mix": lambda: b.Mix(SHAPE[0]),
    "affine": lambda: coupling(Affine()),
    "spline": lambda: coupling(Spline(5, 2.0)),
    "both": lambda: coupling(Both(Affine(), Spline(3, 3.0))),
    "affine-of-maps": lambda: coupling(Affine(), maps=2),
    "conditional-prior": lambda: ConditionalPrior(SHAPE[0], CONDITION),
    "split": lambda: Split(SHAPE, b.Chain([b.Mix(2), b.Flatten((2, 2, 2))]), net(2, 4), Affine()),
    "causal": lambda: causal(backwards=False),
    "causal-backwards": lambda: causal(backwards=True),
    "chain": lambda: b.Chain([b.ActNorm(SHAPE[0]), b.Squeeze(2, 1), b.Mix(2 * SHAPE[0])]),
}
RANGES = {"scale": (0.0, 256.0), "logit": (0.0, 256.0)}


def made(name: str, far: float = 0.3) -> b.Bijection:
    """The layer with weights away from those it starts with, where it is nearly nothing."""
    torch.manual_seed(0)
    layer = LAYERS[name]().double()
    for parameter in layer.parameters():
        parameter.data += far * torch.randn_like(parameter)
    return layer


def inputs(name: str, n: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    low, high = RANGES.get(name, (-3.0, 3.0))
    x = torch.rand(n, *SHAPE, generator=generator, dtype=torch.float64)
    beside = (2, *SHAPE[1:]) if name == "affine-of-maps" else (CONDITION,)
    context = torch.randn(n, *beside, generator=generator, dtype=torch.float64)
    return low + (high - low) * x, context


@pytest.mark.parametrize("name", LAYERS)
def test_inverse_gives_back_what_went_in(name: str) -> None:
    layer = made(name)
    x, context = inputs(name, 50)
    z, _ = layer(x, context)
    torch.testing.assert_close(layer.inverse(z, context), x, rtol=1e-10, atol=1e-10)
    # a spline with slopes of 1e-6, which the larger weights make, loses what float32 rounds
    layer = made(name, 0.1).float()
    z, _ = layer(x.float(), context.float())
    back = layer.inverse(z, context.float())
    torch.testing.assert_close(back, x.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_log_determinant_is_that_of_the_jacobian(name: str) -> None:
    layer = made(name)
    x, context = inputs(name)
    _, logdet = layer(x, context)
    assert logdet.shape == (3,)
    for row in range(3):

        def flat(values: Tensor, row: int = row) -> Tensor:
            z, _ = layer(values.view(1, *SHAPE), context[row : row + 1])
            return z.flatten()

        jacobian = torch.autograd.functional.jacobian(flat, x[row].flatten())
        torch.testing.assert_close(logdet[row], torch.linalg.slogdet(jacobian)[1])


def test_a_layer_that_changes_nothing_is_no_test() -> None:
    """The layers above are not the identity, except those that only move numbers."""
    for name in LAYERS:
        x, context = inputs(name)
        z, logdet = made(name)(x, context)
        if "squeeze" not in name and name != "flatten":
            assert (z.flatten().sort()[0] - x.flatten().sort()[0]).abs().max() > 0.1, name
            assert logdet.abs().min() > 1e-3, name


def test_a_logit_ends_at_alpha_and_one_minus_alpha() -> None:
    ends, _ = b.Logit(256, 0.05)(torch.tensor([0.0, 128.0, 256.0], dtype=torch.float64)[None])
    torch.testing.assert_close(ends.sigmoid(), torch.tensor([[0.05, 0.5, 0.95]]).double())


def test_squeeze_puts_one_colour_of_the_checkerboard_first() -> None:
    board = (torch.arange(4)[:, None] + torch.arange(6)) % 2
    x = torch.stack([board, board + 10]).float()[None]
    z, _ = b.Squeeze(2, 2)(x)
    kept = checkerboard(8, odd=False)
    assert z.shape == (1, 8, 2, 3)
    assert set(z[:, kept].flatten().tolist()) == {0.0, 10.0}
    assert set(z[:, ~kept].flatten().tolist()) == {1.0, 11.0}


def test_channel_masks_keep_the_upper_row_of_a_block() -> None:
    rows = torch.arange(4).view(1, 1, 4, 1).expand(1, 1, 4, 6).float()
    z, _ = b.Squeeze(2, 2)(rows)
    kept = channelwise(4, 4, odd=False)
    assert set(z[:, kept].flatten().tolist()) == {0.0, 2.0}
    colours = torch.arange(2).view(1, 2, 1, 1).expand(1, 2, 4, 4).float()
    z, _ = b.Squeeze(2, 2)(colours)
    assert set(z[:, channelwise(8, 4, odd=True)].flatten().tolist()) == {1.0}


def test_activation_norm_starts_at_mean_0_and_deviation_1() -> None:
    x = 7 + 5 * torch.randn(64, 3, 4, 4) * torch.tensor([1.0, 0.01, 0.0]).view(3, 1, 1)
    layer = b.ActNorm(3)
    layer.start(x)
    z, _ = layer(x)
    assert z.mean((0, 2, 3)).abs().max() < 1e-3
    assert (z.std((0, 2, 3))[:2] - 1).abs().max() < 1e-3
    assert layer.log_scale.exp().max() <= 1.001 / b.ActNorm.LEAST  # a constant channel


# ------------------------------------------------------------------ splines


def parameters(n: int, bins: int, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return scale * torch.randn(n, 3 * bins - 1, generator=generator, dtype=torch.float64)


def test_a_splines_derivative_is_positive_and_its_tails_are_the_identity() -> None:
    spline = Spline(6, 2.0)
    given = parameters(500, 6, 4.0)
    x = torch.linspace(-5, 5, 500, dtype=torch.float64).requires_grad_()
    z, log_derivative = spline.forward(x, given)
    (slope,) = torch.autograd.grad(z.sum(), x)
    assert slope.min() > 0
    torch.testing.assert_close(log_derivative.exp(), slope)
    outside = x.abs() >= 2
    assert torch.equal(z[outside], x[outside])
    assert torch.equal(log_derivative[outside], torch.zeros(int(outside.sum())).double())
    assert z[~outside].abs().max() <= 2


def test_a_spline_of_zeros_is_the_identity() -> None:
    x = torch.linspace(-4, 4, 101, dtype=torch.float64)
    z, log_derivative = Spline(8, 3.0).forward(x, torch.zeros(101, 23, dtype=torch.float64))
    torch.testing.assert_close(z, x)
    torch.testing.assert_close(log_derivative, torch.zeros_like(x), atol=1e-12, rtol=0)


def test_a_spline_is_continuous_with_its_derivative() -> None:
    """Left and right of each knot, those at ±B among them, are the same value and slope."""
    spline, given = Spline(5, 2.0), parameters(1, 5)
    knots, _ = spline._knots(given[:, :5])
    knots = torch.cat([knots, torch.full_like(knots[:, :1], 2.0)], 1)
    below, above = (spline.forward(knots[0] + step, given.expand(6, -1)) for step in (-1e-9, 1e-9))
    for left, right in zip(below, above):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=0)


def test_splines_agree_with_the_formula_written_out() -> None:
    """Durkan et al. 2019, equation 4, by plain numbers, bin by bin."""
    import math

    bins, bound = 4, 3.0
    spline, given = Spline(bins, bound), parameters(40, bins)
    x = torch.linspace(-2.9, 2.9, 40, dtype=torch.float64)
    z, log_derivative = spline.forward(x, given)
    for at, row, value, slope in zip(*(t.tolist() for t in (x, given, z, log_derivative))):
        sizes = []
        for part in (row[:bins], row[bins : 2 * bins]):
            total = sum(math.exp(v) for v in part)
            share = [1e-3 + (1 - 1e-3 * bins) * math.exp(v) / total for v in part]
            sizes.append([2 * bound * s for s in share])
        offset = math.log(math.exp(1 - 1e-3) - 1)
        d = [1.0, *(1e-3 + math.log1p(math.exp(v + offset)) for v in row[2 * bins :]), 1.0]
        left, low, k = -bound, -bound, 0
        while at >= left + sizes[0][k] and k < bins - 1:
            left, low, k = left + sizes[0][k], low + sizes[1][k], k + 1
        xi, s = (at - left) / sizes[0][k], sizes[1][k] / sizes[0][k]
        below = s + (d[k + 1] + d[k] - 2 * s) * xi * (1 - xi)
        assert value == pytest.approx(
            low + sizes[1][k] * (s * xi**2 + d[k] * xi * (1 - xi)) / below, abs=1e-9
        )
        above = d[k + 1] * xi**2 + 2 * s * xi * (1 - xi) + d[k] * (1 - xi) ** 2
        assert slope == pytest.approx(math.log(s**2 * above / below**2), abs=1e-9)


def test_affine_scales_are_bounded() -> None:
    extreme = torch.tensor([[1e6, 0.0], [-1e6, 0.0]])
    z, s = Affine(3.0).forward(torch.ones(2), extreme)
    assert s.tolist() == [3.0, -3.0]
    assert torch.allclose(Affine(3.0).inverse(z, extreme), torch.ones(2))


# ------------------------------------------------------------------ transformers


@pytest.mark.parametrize("backwards", [False, True])
def test_a_patch_follows_the_patches_before_it_and_no_other(backwards: bool) -> None:
    torch.manual_seed(0)
    layer = CausalFlow(5, 2, width=8, layers=2, backwards=backwards).double()
    for parameter in layer.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(1, 5, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: layer(v)[0][0], x)[:, :, 0]
    follows = jacobian.abs().amax((1, 3)) > 0  # [5,5] patch of z, patch of x
    order = torch.arange(5).flip(0) if backwards else torch.arange(5)
    assert torch.equal(follows[order][:, order], torch.ones(5, 5).tril() > 0)


def test_patches_lie_row_by_row() -> None:
    x = torch.arange(4 * 6).view(1, 1, 4, 6).float()
    z, _ = Patches((1, 4, 6), (2, 3))(x)
    assert z[0, 1].tolist() == [3, 4, 5, 9, 10, 11]
    assert z[0, 2].tolist() == [12, 13, 14, 18, 19, 20]
