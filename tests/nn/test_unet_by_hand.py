"""The U-Net of pix2pix: where it normalises, and what dropout does to the numbers it keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from genarium.models.translation.networks.unet import UNet


def test_the_first_and_the_innermost_layer_have_no_norm() -> None:
    """Isola et al. 2017, appendix 6.1.1: not the first; one pixel has nothing to normalise."""
    network = UNet(3, 1, (32, 32), width=2)
    plain = [isinstance(norm, nn.Identity) for norm in network.down_norms]
    assert plain == [True, False, False, False, True]
    assert [layer.bias is not None for layer in network.down] == plain
    assert not any(isinstance(norm, nn.Identity) for norm in network.up_norms)


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 2.0), (0.49, 2.0), (0.51, 0.0)])
def test_dropout_halves_and_doubles_in_three_layers(drawn: float, factor: float) -> None:
    """A number is kept with probability one half, and then doubled, so its mean stays."""
    torch.manual_seed(0)
    network = UNet(3, 1, (32, 32), width=2)
    made: dict[str, Tensor] = {}
    for number, (norm, up) in enumerate(zip(network.up_norms, [*network.up[1:], network.image])):
        norm.register_forward_hook(
            lambda _, __, y, number=number: made.update({f"made {number}": y.detach()})
        )
        up.register_forward_pre_hook(
            lambda _, given, number=number: made.update({f"seen {number}": given[0].detach()})
        )
    network(torch.randn(2, 3, 32, 32), lambda *shape: torch.full((2, *shape), drawn))
    for number in range(4):
        y, seen = made[f"made {number}"], made[f"seen {number}"]
        wanted = y * (factor if number < 3 else 1.0)
        torch.testing.assert_close(seen[:, : y.shape[1]], wanted.relu())
