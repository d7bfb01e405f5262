"""The adversarial layers: maxout, residual nets, minibatch discrimination, virtual batch norm."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genarium.models.gan.networks.dense import DenseDiscriminator, DenseGenerator, Maxout
from genarium.models.gan.networks.minibatch import MinibatchScore
from genarium.models.gan.networks.packing import Packed
from genarium.models.gan.networks.residual import ResidualDiscriminator, ResidualGenerator
from genarium.models.gan.networks.virtual_batch_norm import VirtualBatchNorm2d, WithReference
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_maxout_takes_the_largest_piece() -> None:
    layer, x = Maxout(3, 4, pieces=5), torch.randn(6, 3)
    weight, bias = layer.linear.weight.detach().view(4, 5, 3), layer.linear.bias.detach().view(4, 5)
    for row, result in zip(x, layer(x).detach()):
        expected = [max(float(w @ row + b) for w, b in zip(weight[u], bias[u])) for u in range(4)]
        torch.testing.assert_close(result, torch.tensor(expected))


@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 5, 7)])
def test_dense_networks_take_any_shape(shape: tuple[int, int, int]) -> None:
    images = DenseGenerator(4, shape, 8)(torch.randn(5, 4))
    assert images.shape == (5, *shape)
    assert images.abs().max() < 1
    network = DenseDiscriminator(shape, 6, pieces=2)
    assert network.features(images).shape == (5, network.outputs)
    assert network(images).shape == (5,)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (28, 28), (64, 48)])
def test_residual_networks_take_any_size(size: tuple[int, int]) -> None:
    for channels in (1, 3):
        shape = (channels, *size)
        images = ResidualGenerator(5, shape, 2)(torch.randn(2, 5))
        assert images.shape == (2, *shape)
        assert images.abs().max() <= 1
        network = ResidualDiscriminator(shape, 2)
        assert network.features(images).shape == (2, network.outputs)
        assert network(images).shape == (2,)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert ResidualDiscriminator((1, 64, 64), 4).outputs == 32


def test_a_residual_block_is_its_branches_sum() -> None:
    """With the second convolution silenced only the resized shortcut is left."""
    block = ResidualGenerator(5, (1, 32, 32), 2).up[0]
    nn.init.zeros_(block.second.weight)
    x = torch.randn(2, block.first.in_channels, 4, 4)
    expected = block.shortcut(x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(block(x), expected)


# -- minibatch discrimination -----------------------------------------------------------------


def test_closeness_is_the_papers_sum_over_the_others() -> None:
    layer, f = MinibatchScore(6, kernels=3, size=2).double(), torch.randn(5, 6).double()
    m = (f @ layer.project.weight.T).view(5, 3, 2)
    for i in range(5):
        for b in range(3):
            others = [j for j in range(5) if j != i]
            expected = sum(torch.exp(-(m[i, b] - m[j, b]).abs().sum()) for j in others)
            torch.testing.assert_close(layer.closeness(f)[i, b], expected, rtol=1e-5, atol=1e-6)


def test_an_image_is_not_close_to_itself_and_copies_count() -> None:
    layer = MinibatchScore(6, kernels=3)
    one = torch.randn(1, 6)
    assert torch.equal(layer.closeness(one), torch.zeros(1, 3))
    torch.testing.assert_close(layer.closeness(one.expand(4, -1)), torch.full((4, 3), 3.0))


def test_the_score_reads_features_and_closeness() -> None:
    layer, f = MinibatchScore(6, kernels=3), torch.randn(5, 6)
    expected = layer.score(torch.cat([f, layer.closeness(f)], 1))
    torch.testing.assert_close(layer(f), expected)
    together, alone = layer(f), torch.cat([layer(row[None]) for row in f])
    assert not torch.allclose(together, alone)


# -- virtual batch norm -----------------------------------------------------------------------


def test_the_blend_is_the_papers() -> None:
    layer = VirtualBatchNorm2d(3, reference=4).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = (torch.randn(6, 3, 5, 2) * 2 + 3).double()
    reference, scale, shift = x[:4], layer.weight.view(3, 1, 1), layer.bias.view(3, 1, 1)
    mean, square = reference.mean((0, 2, 3)), reference.square().mean((0, 2, 3))
    result = layer(x)
    for row, y in zip(x[4:], result[4:]):
        mu = row.mean((1, 2)) / 5 + mean * 4 / 5
        variance = row.square().mean((1, 2)) / 5 + square * 4 / 5 - mu**2
        expected = (row - mu.view(3, 1, 1)) / (variance.view(3, 1, 1) + layer.eps).sqrt()
        torch.testing.assert_close(y, expected * scale + shift)
    own = (result[:4] - shift) / scale
    torch.testing.assert_close(own.mean((0, 2, 3)).abs().max().item(), 0.0, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        own.var((0, 2, 3), correction=0), torch.ones(3).double(), rtol=1e-4, atol=1e-4
    )


def reference_generator() -> WithReference:
    return WithReference(4, 6, lambda norm: DCGANGenerator(4, (1, 16, 16), 3, norm))


def test_an_image_does_not_depend_on_its_neighbours() -> None:
    network, z = reference_generator().train(), torch.randn(3, 4)
    alone = torch.cat([network(row[None]) for row in z])
    torch.testing.assert_close(network(z), alone, atol=1e-6, rtol=1e-5)
    plain = DCGANGenerator(4, (1, 16, 16), 3).train()
    assert not torch.allclose(plain(z)[:1], plain(z[:2])[:1], atol=1e-4), "batch norm does"


def test_the_reference_is_fixed_but_goes_through_the_live_weights() -> None:
    network, z = reference_generator(), torch.randn(3, 4)
    assert torch.equal(network(z), network(z))
    assert "codes" in network.state_dict()
    # Where the reference were frozen statistics, a gain on the input would not be undone.
    before = network(z)
    with torch.no_grad():
        network.network.project.weight.mul_(3.0)
    torch.testing.assert_close(network(z), before, atol=2e-3, rtol=0)
    codes = network.codes.clone().requires_grad_()
    network.codes = codes
    network(z).sum().backward()
    assert codes.grad is not None
    assert codes.grad.abs().sum() > 0


# -- packing ----------------------------------------------------------------------------------


def test_a_pack_is_judged_as_one_image_of_more_channels() -> None:
    network = Packed((1, 16, 16), 3, lambda shape: DCGANDiscriminator(shape, 2)).eval()
    images = torch.randn(6, 1, 16, 16)
    packs = torch.stack([images[0:3, 0], images[3:6, 0]])
    torch.testing.assert_close(network(images), network.network(packs))
    assert network(images).shape == (2,)
    with pytest.raises(ValueError, match=r"4 images .* groups of 3"):
        network(images[:4])
