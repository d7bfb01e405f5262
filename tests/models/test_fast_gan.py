"""FastGAN: its networks by hand, its loss of reconstruction, its settings."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from genarium import recipes
from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.gan.fast_gan import fast_gan
from genarium.models.gan.networks.skip_excitation import (
    Decoder,
    Gated,
    SkipExcitation,
    SkipExcitationDiscriminator,
    SkipExcitationGenerator,
    corner,
    generator_channels,
)
from genarium.models.gan.objectives import Hinge
from genarium.models.gan.reconstruction import Reconstruction
from genarium.models.gan.regularizers import DiffAugment
from genarium.runs.building import build

SHAPES = [(1, 16, 16), (3, 31, 17), (2, 48, 64), (4, 128, 128)]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", SHAPES)
def test_networks_take_any_size_and_channels(shape: tuple[int, int, int]) -> None:
    generator = SkipExcitationGenerator(5, shape, 2)
    images = generator(torch.randn(2, 5))
    assert images.shape == (2, *shape)
    assert images.abs().max() < 1
    network = SkipExcitationDiscriminator(shape, 2)
    features = network.features(images)
    assert features.shape == (2, network.outputs)
    assert network(images).shape[0] == 2
    assert network(images).ndim == 2
    half = (shape[0], shape[1] // 2, shape[2] // 2)
    assert [tuple(x.shape[1:]) for x in network.decoded(features, 3)] == [half, half]


def test_each_logit_sees_a_part_of_the_image() -> None:
    """25 of 64 pixels: the first does not move with the bottom right corner, the last does."""
    network = SkipExcitationDiscriminator((1, 64, 64), 2).eval()
    x = torch.randn(1, 1, 64, 64)
    y = x.clone()
    y[:, :, -4:, -4:] += 1
    before, after = network(x)[0], network(y)[0]
    assert len(before) == 25
    assert before[0] == after[0]
    assert before[-1] != after[-1]


def test_widths_and_gates_are_the_papers() -> None:
    """At 256 pixels: 1024 channels at 4 pixels of width 64; 4 gates 64, 8 gates 128, 16 256."""
    assert generator_channels(7, 64) == [1024, 512, 256, 128, 128, 64, 32]
    network = SkipExcitationGenerator(8, (3, 256, 256), 2)
    maps = generator_channels(7, 2)
    gates = [(g.gate[1].in_channels, g.gate[1].out_channels) for g in network.excite]
    assert gates == [(maps[0], maps[4]), (maps[1], maps[5]), (maps[2], maps[6])]
    assert network.reach == 4


def test_a_gated_unit_is_a_times_sigmoid_b() -> None:
    layer = Gated(3, 2).eval()
    x = torch.randn(4, 3, 5, 5)
    both = layer.norm(F.conv2d(x, layer.convolution.weight, padding=1))
    torch.testing.assert_close(layer(x), both[:, :2] * torch.sigmoid(both[:, 2:]))


def test_skip_excitation_scales_channels_by_the_small_map() -> None:
    layer = SkipExcitation(3, 2)
    low, high = torch.randn(4, 3, 8, 8), torch.randn(4, 2, 16, 16)
    _, first, _, second, _ = layer.gate
    pooled = low.unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean((3, 5))
    hidden = torch.einsum("bfhw,gfhw->bg", pooled, first.weight) + first.bias
    gate = torch.sigmoid(F.silu(hidden) @ second.weight[:, :, 0, 0].T + second.bias)
    torch.testing.assert_close(layer(low, high), high * gate[:, :, None, None])
    assert gate.std() > 0


def test_skips_reach_the_large_maps() -> None:
    """Gates that are opened wide let about twice as much through."""
    network = SkipExcitationGenerator(4, (1, 64, 64), 2)
    z = torch.randn(3, 4)
    before = network(z)
    for gate in network.excite:
        torch.nn.init.zeros_(gate.gate[3].weight)
        torch.nn.init.constant_(gate.gate[3].bias, 9.0)
    assert not torch.allclose(network(z), before, atol=1e-4)


def test_corners() -> None:
    x = torch.arange(20.0).view(1, 1, 4, 5)
    expected = {0: [0, 1], 1: [3, 4], 2: [10, 11], 3: [13, 14]}
    for quarter, first in expected.items():
        assert corner(x, (2, 2), quarter)[0, 0, 0].tolist() == first


def test_decoder_doubles_up_to_the_size() -> None:
    decoder = Decoder(8, 3, (8, 8), (64, 64))
    assert [m.size for m in decoder.layers[:-2]] == [(16, 16), (32, 32), (64, 64)]
    assert decoder(torch.randn(2, 8, 8, 8)).shape == (2, 3, 64, 64)


def model_and_batch(**arguments: object) -> tuple[object, Batch]:
    spec = Spec(1, 32, 32)
    tiny = {**recipes.get("fast-gan").tiny, **arguments}
    images = torch.randint(0, 256, (4, 1, 32, 32)).to(torch.uint8)
    return build(recipes.get("fast-gan"), spec, tiny, 0), Batch(images, None, Noise(3, 4))


def test_reconstruction_is_of_what_the_discriminator_saw() -> None:
    """Without changes of the images the loss is that of the batch, by hand; it moves the decoders
    and the trunk, and is no part of the generator's turn."""
    model, batch = model_and_batch(regularizers=())
    losses = model.step(batch, "discriminator").losses
    assert losses.keys() == {"discriminator", "reconstruction"}
    noise = Noise(3, 4)
    noise.normal(4)
    quarter = int(4 * noise.shared_uniform(1).item())
    x, network = batch.signed(), model.discriminator
    whole, part = network.decoded(network.features(x), quarter)
    small = F.avg_pool2d(x, 2)
    rows = slice(16, 32) if quarter in (2, 3) else slice(0, 16)
    columns = slice(16, 32) if quarter in (1, 3) else slice(0, 16)
    expected = (whole - small).abs().mean() + (part - x[:, :, rows, columns]).abs().mean()
    torch.testing.assert_close(losses["reconstruction"], expected)
    losses["reconstruction"].backward()
    moved = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(n.startswith("stem") for n in moved)
    assert any(n.startswith("decoders.0") for n in moved)
    assert any(n.startswith("decoders.1") for n in moved)
    assert "reconstruction" not in model.step(batch, "generator").losses


def test_reconstruction_follows_the_changed_image() -> None:
    model, batch = model_and_batch(regularizers=("diffaugment:cutout",))
    seen: list[Tensor] = []
    inner = model.discriminator.decoded

    def decoded(features: Tensor, quarter: int) -> tuple[Tensor, Tensor]:
        whole, part = inner(features, quarter)
        seen.append(whole)
        return torch.zeros_like(whole), torch.zeros_like(part)

    model.discriminator.decoded = decoded
    plain = model_and_batch(regularizers=())[0]
    plain.discriminator.decoded = decoded
    less = model.step(batch, "discriminator").losses["reconstruction"]
    full = plain.step(Batch(batch.images, None, Noise(3, 4)), "discriminator").losses
    assert less < 0.95 * full["reconstruction"], "what is cut out is zero in the target too"


def test_hinge_loss_by_hand() -> None:
    real, fake = torch.tensor([[2.0, 0.5]]), torch.tensor([[-3.0, 0.25]], requires_grad=True)
    objective = Hinge()
    assert objective.discriminator_loss(real, fake).item() == (0 + 0.5) / 2 + (0 + 1.25) / 2
    assert objective.generator_loss(None, fake).item() == -(-3 + 0.25) / 2


def test_parts_and_defaults() -> None:
    """The table of docs/adversarial.md."""
    defaults = fast_gan.defaults()
    assert defaults["latent"] == 256
    assert defaults["lr"] == 2e-4
    assert defaults["beta1"] == 0.5
    assert defaults["reconstruction"] == 1.0
    assert fast_gan.training["ema"] == 0.999
    model = build(fast_gan, Spec(3, 32, 32), {"width": 1}, 0)
    assert type(model.objective) is Hinge
    kinds = {type(regularizer): regularizer for regularizer in model.tricks}
    assert kinds.keys() == {DiffAugment, Reconstruction}
    assert kinds[DiffAugment].policies == ("color", "translation", "cutout")


def test_too_small_is_refused() -> None:
    with pytest.raises(UserError, match="--size 16"):
        build(fast_gan, Spec(1, 12, 12), {}, 0)


def test_a_layer_for_whole_images_is_refused() -> None:
    with pytest.raises(UserError, match=r"minibatch-discrimination: .*judges parts of an image"):
        build(fast_gan, Spec(1, 32, 32), {"regularizers": ("minibatch-discrimination:3:2",)}, 0)
