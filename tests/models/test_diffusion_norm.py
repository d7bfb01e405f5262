"""Group norm of the diffusion networks: its way for bf16 on a CPU against float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from genarium.models.diffusion.networks.norm import GROUPS, GroupNorm, norm, wide


def slopes(layer: GroupNorm, kind: torch.dtype, values: list[Tensor], back: Tensor) -> list[Tensor]:
    """Output and the gradients of inputs and parameters, in float64."""
    layer.zero_grad()
    given = [v.detach().to(kind).requires_grad_() for v in values]
    out = layer(*given)
    out.backward(back.to(out.dtype))
    parameters = [layer.weight.grad, layer.bias.grad]
    grads = [*(v.grad for v in given), *parameters]
    return [out.detach().double(), *(g.double() for g in grads if g is not None)]


@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize(("channels", "side"), [(32, 14), (64, 5), (12, 9), (4, 8)])
def test_norm_in_bf16_is_that_of_float64(channels: int, side: int, modulated: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    layer = norm(channels)
    with torch.no_grad():
        layer.weight.copy_(1 + 0.3 * normal(channels))
        layer.bias.copy_(0.3 * normal(channels))
    x = (2 * normal(6, channels, side, side) + normal(6, channels, 1, 1)).bfloat16()
    x = x.to(memory_format=torch.channels_last)
    values = [x, *(normal(6, channels).bfloat16() for _ in range(2 * modulated))]
    back = normal(*x.shape).bfloat16()
    got = slopes(layer, torch.bfloat16, values, back)
    exact = slopes(layer.double(), torch.float64, values, back)
    assert len(got) == len(exact) == 4 + 2 * modulated
    for mine, right in zip(got, exact, strict=True):
        assert (mine - right).norm() < 0.006 * right.norm()  # bf16 has steps of 0.004 to 0.008


def test_norm_in_bf16_keeps_the_order_of_its_maps_and_has_no_second_derivative() -> None:
    layer = norm(32)
    x = torch.randn(2, 32, 9, 9).bfloat16().to(memory_format=torch.channels_last).requires_grad_()
    out = layer(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    (slope,) = torch.autograd.grad(out.float().square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.float().sum().backward()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_a_number_for_each_channel_goes_with_it_in_either_order(
    kind: torch.dtype, order: torch.memory_format
) -> None:
    x = torch.randn(3, 8, 5, 7).to(kind).to(memory_format=order)
    v = torch.randn(3, 8)
    for cut in (x, x[:, :, 1:4, 2:6]):
        for shaped in (v, v.view(3, 4, 2)):
            out = cut * wide(shaped, cut)
            assert torch.equal(out, cut * v.to(kind)[:, :, None, None])
        assert out.is_contiguous(memory_format=order)
    rows = wide(v, x).shape[3]
    assert rows == (7 if order is torch.channels_last else 1)  # long loops


def test_constant_maps_in_bf16_have_no_rate_below_that_of_epsilon() -> None:
    """E[x²] - E[x]² of rounded sums may be below 0 where all is alike."""
    layer = GroupNorm(1, 4)
    out = layer(torch.full((2, 4, 9, 9), 3.3).bfloat16())
    assert torch.isfinite(out).all()
    assert out.abs().max() < 3.3 * 0.01 / layer.eps**0.5


def test_other_types_take_the_kernel_of_pytorch() -> None:
    layer = norm(16)
    assert layer.num_groups == min(GROUPS, 4)
    for kind in (torch.float32, torch.float64):
        x = torch.randn(2, 16, 4, 4, dtype=kind)
        expected = functional.group_norm(x, 4, layer.weight.to(kind), layer.bias.to(kind))
        assert torch.equal(layer.to(kind)(x), expected)
