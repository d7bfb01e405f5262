"""Reflection of channels-last maps against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from genarium.models.translation.networks.reflection import reflect


def channels_last(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("by", [1, 3])
def test_equals_pytorchs(by: int, dtype: torch.dtype) -> None:
    x = channels_last(3, 5, 4, 7, dtype=dtype)
    result = reflect(x, by)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(result, functional.pad(x, (by,) * 4, mode="reflect"))


@pytest.mark.parametrize("by", [1, 3])
def test_gradient_equals_pytorchs_and_has_one_itself(by: int) -> None:
    x = channels_last(2, 2, 4, 5)
    weight = torch.randn(2, 2, 4 + 2 * by, 5 + 2 * by, dtype=torch.float64)
    gradients = []
    for pad in (reflect, lambda x, by: functional.pad(x, (by,) * 4, mode="reflect")):
        at = x.clone(memory_format=torch.channels_last).requires_grad_()
        (pad(at, by) * weight).sum().backward()
        gradients.append(at.grad)
    torch.testing.assert_close(*gradients)
    at = x.requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: reflect(x, by).sin(), at)


def test_channels_first_maps_are_pytorchs() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(reflect(x, 2), functional.pad(x, (2,) * 4, mode="reflect"))
