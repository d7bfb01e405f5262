"""The fusion networks: sizes, FiLM, a condition that reaches every map, maximum pooling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from genarium.models.text_to_image.fusion import (
    FusionGenerator,
    Modulated,
    PooledDiscriminator,
    places,
)
from genarium.nn.dcgan import DCGANDiscriminator
from genarium.nn.norm import BatchNorm2d


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (28, 28), (64, 48)])
def test_they_take_any_size_and_end_where_dcgan_does(size: tuple[int, int]) -> None:
    for channels in (1, 3):
        shape = (channels, *size)
        images = FusionGenerator(5, shape, 4)(torch.randn(2, 5))
        assert images.shape == (2, *shape)
        assert images.abs().max() < 1
        network = PooledDiscriminator(shape, 4)
        assert network.features(images).shape == (2, network.outputs)
        assert network.outputs == DCGANDiscriminator(shape, 4).outputs
        assert network(images).shape == (2,)


def test_the_widths_of_the_pooled_maps() -> None:
    network = PooledDiscriminator((3, 64, 64), 8)
    widths = [(m.in_channels, m.out_channels) for m in network.maps if isinstance(m, nn.Conv2d)]
    mid = [(4, 8), (8, 8), (8, 16), (16, 16), (16, 32), (32, 32)]
    assert widths == [(3, 4), *mid, (32, 64)]
    assert sum(isinstance(m, BatchNorm2d) for m in network.maps) == 7  # none behind the first
    bare = PooledDiscriminator((3, 64, 64), 8, None)
    assert not any(isinstance(m, BatchNorm2d) for m in bare.modules())
    # a bias just where no norm would subtract it again
    biases = [m.bias is not None for m in network.maps if isinstance(m, nn.Conv2d)]
    assert biases == [True] + [False] * 7
    assert all(m.bias is not None for m in bare.maps if isinstance(m, nn.Conv2d))


def test_the_widths_of_the_generators_maps() -> None:
    network = FusionGenerator(5, (3, 64, 64), 8)
    assert network.start == (64, 4, 4)
    ups = [(s.up.in_channels, s.up.out_channels) for s in network.stages]
    assert ups == [(64, 32), (32, 16), (16, 8), (8, 4)]
    assert network.image.in_channels == 4


def test_features_are_flattened_channels_last() -> None:
    network = PooledDiscriminator((3, 16, 16), 4).eval()
    x = torch.randn(2, 3, 16, 16)
    maps = network.maps(x)
    assert maps.shape == (2, 8, 4, 4)
    assert torch.equal(network.features(x).view(2, 4, 4, 8)[:, 1, 2], maps[:, :, 1, 2])


def test_modulation_is_a_gain_and_an_offset_that_rises_along_a_direction() -> None:
    layer = Modulated(3, BatchNorm2d).eval()
    nn.init.normal_(layer.choose.weight)
    x, context = torch.randn(2, 3, 4, 5), torch.randn(2, 128)
    result = layer(x.clone(), context)
    across = math.sqrt(3) * torch.tensor([-0.8, -0.4, 0.0, 0.4, 0.8])
    down = math.sqrt(3) * torch.tensor([-0.75, -0.25, 0.25, 0.75])[:, None]
    for n in range(2):
        chosen = layer.choose.weight @ context[n] + layer.choose.bias
        for c in range(3):
            normed = layer.norm(x)[n, c]
            offset = chosen[3 + c] + chosen[6 + c] * across + chosen[9 + c] * down
            expected = ((1 + chosen[c]) * normed + offset).clamp_min(0)
            torch.testing.assert_close(result[n, c], expected)


def test_places_have_variance_one() -> None:
    across, down = places(64, 100, torch.zeros(()))
    assert across.shape == (100,)
    assert down.shape == (64, 1)
    for result in (across, down):
        assert result.mean().abs() < 1e-6
        assert result.square().mean().item() == pytest.approx(1, abs=1e-3)


def test_the_code_reaches_every_map_by_itself() -> None:
    """Without the start map's own share of the code, each modulation alone changes the image."""
    network = FusionGenerator(5, (3, 28, 28), 4)
    layers = [m for m in network.modules() if isinstance(m, Modulated)]
    assert len(layers) == 8  # maps of 3, 7, 14 and 28 pixels, two each
    network(torch.randn(16, 5))  # statistics to norm by
    network.eval()
    nn.init.zeros_(network.project.weight)
    context = torch.randn(2, 5)
    for layer in layers:
        nn.init.zeros_(layer.choose.weight)
        nn.init.ones_(layer.choose.bias)
    assert torch.equal(*network(context))
    for layer in layers:
        nn.init.normal_(layer.choose.weight)
        assert not torch.equal(*network(context))
        nn.init.zeros_(layer.choose.weight)


def test_every_parameter_of_both_learns() -> None:
    shape = (3, 20, 20)
    generator, discriminator = FusionGenerator(5, shape, 4), PooledDiscriminator(shape, 4)
    discriminator(generator(torch.randn(8, 5))).square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
