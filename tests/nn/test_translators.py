"""U-Net, PatchGAN and the residual translator: sizes, what a logit sees, what the noise does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genarium.errors import UserError
from genarium.models.translation.networks.patchgan import PATCHES, PatchGAN, least_side
from genarium.models.translation.networks.resnet import ResnetTranslator, blocks_for
from genarium.models.translation.networks.unet import UNet, depth_for
from genarium.nn.norm import InstanceNorm2d


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# ------------------------------------------------------------------------------ PatchGAN


@pytest.mark.parametrize("patch", PATCHES)
def test_a_logit_sees_a_patch_of_the_size_that_is_asked_for(patch: int) -> None:
    """By gradients: the pixels that the middle logit depends on are a square of that side."""
    side = max(32, 2 * patch + least_side(patch))
    network = PatchGAN((1, side, side), patch, width=1).double()
    for i, layer in enumerate(network.layers):
        if isinstance(layer, InstanceNorm2d):
            network.layers[i] = nn.Identity()  # its statistics see the whole map
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)
    images = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    logits = network(images)
    middle = [size // 2 for size in logits.shape[2:]]
    logits[0, 0, middle[0], middle[1]].backward()
    seen = images.grad[0, 0] != 0
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    assert int(rows.max() - rows.min()) + 1 == patch
    assert int(columns.max() - columns.min()) + 1 == patch
    assert int(seen.sum()) == patch**2


@pytest.mark.parametrize("patch", PATCHES)
def test_the_least_side_gives_one_logit_and_less_is_refused(patch: int) -> None:
    least, one = least_side(patch), 2 if patch == 1 else 1
    images = torch.rand(2, 3, least, least)
    assert PatchGAN((3, least, least), patch, width=1)(images).shape == (2, 1, one, one)
    with pytest.raises(UserError, match=rf"--patch {patch}: it needs images of {least} pixels"):
        PatchGAN((3, 64, least - 1), patch, width=1)


def test_another_patch_is_refused() -> None:
    with pytest.raises(UserError, match=r"--patch 64: .* one of 1, 16, 34, 70, 142, 286"):
        PatchGAN((3, 64, 64), 64)


def test_the_discriminator_of_the_paper() -> None:
    """C64-C128-C256-C512 and a last 4x4 convolution, on two RGB images side by side."""
    network = PatchGAN((6, 256, 256), 70)
    convolutions = [layer for layer in network.layers if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 128, 256, 512, 1]
    assert [c.stride[0] for c in convolutions] == [2, 2, 2, 1, 1]
    weights = 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    assert parameters(network) == weights + 64 + 1  # biases where no norm follows


# ---------------------------------------------------------------------------------- U-Net


def test_the_generator_of_the_paper() -> None:
    """54.4 million weights at 256 pixels: eight halvings to one pixel, channels up to 512."""
    network = UNet(3, 3, (256, 256))
    assert [c.out_channels for c in network.down] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [c.in_channels for c in network.up] == [512, 1024, 1024, 1024, 1024, 512, 256]
    assert parameters(network) == pytest.approx(54.4e6, rel=0.001)
    assert network.down[0].weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("sides", "depth"), [((64, 64), 6), ((48, 64), 4), ((24, 24), 3), ((512, 512), 8)]
)
def test_the_sides_are_halved_as_often_as_both_allow(sides: tuple[int, int], depth: int) -> None:
    assert depth_for(*sides) == depth
    if max(sides) <= 64:
        made = UNet(1, 3, sides, width=2)(torch.zeros(2, 1, *sides))
        assert made.shape == (2, 3, *sides)


@pytest.mark.parametrize(
    ("sides", "depth", "words"),
    [
        ((28, 28), 0, "multiples of 8: give --size 24 or 32"),
        ((48, 48), 5, "multiples of 32: give --size 32 or 64"),
        ((32, 20), 0, "give --size 32x16 or 32x24"),
        ((4, 4), 0, "give --size 8"),
        ((64, 64), 1, "halves the sides 2 to 10 times"),
    ],
)
def test_other_sizes_are_refused_with_the_next_ones(
    sides: tuple[int, int], depth: int, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        UNet(3, 3, sides, width=2, depth=depth)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_bottleneck_of_one_pixel_is_not_normalized_away(norm: str) -> None:
    """A norm over the single pixel of a single image gives 0 whatever the image is."""
    torch.manual_seed(0)
    network = UNet(1, 1, (16, 16), width=4, norm=norm, skips=False)
    a, b = torch.rand(2, 1, 1, 16, 16)
    assert not torch.allclose(network(a), network(b))


def test_skips_lead_past_the_bottleneck() -> None:
    torch.manual_seed(0)
    with_skips, without = (UNet(1, 1, (16, 16), width=4, skips=skips) for skips in (True, False))
    images = torch.rand(1, 1, 16, 16)
    for network in (with_skips, without):
        network.up[0].weight.data.zero_()  # nothing comes through the bottleneck
    difference = (with_skips(images) - with_skips(images.flip(3))).abs().max()
    assert difference > 1e-4
    assert torch.equal(without(images), without(images.flip(3)))


def test_dropout_is_in_three_layers_and_takes_the_numbers_it_is_given() -> None:
    torch.manual_seed(0)
    network, images, asked = UNet(1, 1, (32, 32), width=2), torch.rand(2, 1, 32, 32), []

    def kept(*shape: int) -> torch.Tensor:
        asked.append(shape)
        return torch.zeros(2, *shape)

    made = network(images, kept)
    assert asked == [(16, 2, 2), (8, 4, 4), (4, 8, 8)]
    # all are kept at twice the size, which the next norm takes away again except at the skip
    assert made.shape == (2, 1, 32, 32)
    dropped = network(images, lambda *shape: torch.ones(2, *shape))
    assert not torch.allclose(dropped, network(images))
    assert torch.equal(network(images), network(images))


def test_batch_statistics_hold_at_test_time_too() -> None:
    torch.manual_seed(0)
    network = UNet(1, 1, (16, 16), width=4, norm="batch")
    images = torch.rand(4, 1, 16, 16)
    assert torch.equal(network.train()(images), network.eval()(images))
    assert not torch.allclose(network(images)[:1], network(images[:1]))
    alone = UNet(1, 1, (16, 16), width=4)
    torch.testing.assert_close(alone(images)[:1], alone(images[:1]))


# ------------------------------------------------------------------------ residual translator


def test_the_translator_of_the_paper() -> None:
    assert (blocks_for(128, 128), blocks_for(256, 256)) == (6, 9)
    network = ResnetTranslator(3, 3, (128, 128))
    weights = 49 * 3 * 64 + 9 * (64 * 128 + 128 * 256) * 2 + 6 * 2 * 9 * 256**2 + 49 * 64 * 3 + 3
    assert parameters(network) == weights
    assert all(c.bias is None for c in (network.first, *network.down, *network.up))


@pytest.mark.parametrize("sides", [(8, 8), (12, 20), (32, 32)])
def test_it_keeps_the_sides(sides: tuple[int, int]) -> None:
    made = ResnetTranslator(1, 3, sides, width=2, blocks=1)(torch.rand(2, 1, *sides))
    assert made.shape == (2, 3, *sides)
    assert made.abs().max() <= 1


@pytest.mark.parametrize(("sides", "better"), [((30, 32), "32x32"), ((4, 4), "8x8")])
def test_sides_that_are_no_multiples_of_4_are_refused(sides: tuple[int, int], better: str) -> None:
    with pytest.raises(UserError, match=f"--size {better}"):
        ResnetTranslator(3, 3, sides, width=2)


def test_padding_is_by_reflection() -> None:
    """A constant image stays constant: nothing dark comes in at the rim."""
    torch.manual_seed(0)
    network = ResnetTranslator(1, 1, (16, 16), width=2, blocks=1)
    network.norm.eps = 1e9  # leaves the maps at 0 but for what the rim adds
    first = network.first(nn.functional.pad(torch.ones(1, 1, 16, 16), (3,) * 4, mode="reflect"))
    torch.testing.assert_close(first, first[:, :, :1, :1].expand_as(first))
    seen = []
    network.first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(torch.ones(1, 1, 16, 16))
    assert torch.equal(seen[0], torch.ones(1, 1, 22, 22))


def test_instance_norm_is_of_each_image_and_channel() -> None:
    x = torch.randn(3, 2, 5, 4) * 3 + 1
    y = InstanceNorm2d(2)(x)
    torch.testing.assert_close(y.mean((2, 3)), torch.zeros(3, 2), atol=1e-5, rtol=0)
    expected = (x - x.mean((2, 3), keepdim=True)) / (
        x.var((2, 3), keepdim=True, correction=0) + 1e-5
    ).sqrt()
    torch.testing.assert_close(y, expected)
    with pytest.raises(ValueError, match="single pixel"):
        InstanceNorm2d(2)(x[:, :, :1, :1])
