"""VAE-GAN: who moves by which loss, exactly; its sizes; and what it does not claim."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from genarium import contract, recipes
from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.gan.networks.resize import ResizeGenerator, default_width
from genarium.models.vae.vae_gan import VAEGAN, Encoder, vae_gan
from genarium.nn.dcgan import DCGANGenerator
from genarium.nn.distributions import reparametrize
from genarium.nn.strided import StridedEncoder

TINY = Spec(1, 16, 16)


ARCHITECTURES = pytest.mark.parametrize("architecture", ["resize", "dcgan"])


def model_of(spec: Spec = TINY, **arguments) -> VAEGAN:
    torch.manual_seed(0)
    model = vae_gan(spec, **{"latent": 3, "width": 2, "architecture": "dcgan", **arguments})
    with torch.no_grad():  # DCGAN's start is so close to 0 that the losses hardly differ
        for name, parameter in model.named_parameters():
            if not (name.startswith("encoder") and isinstance(model.encoder, StridedEncoder)):
                parameter.mul_(4)
    return model.eval()  # batch norm with fixed statistics: the parts can be written out


def batch_of(spec: Spec = TINY, n: int = 4, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, *spec.shape), dtype=torch.uint8, generator=g)
    return Batch(images, None, Noise(seed, n))


def gradients(loss: Tensor, network: torch.nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), retain_graph=True))


def turn(model: VAEGAN, phase: str) -> dict[str, Tensor]:
    return model.step(batch_of(), phase).losses


def parts(model: VAEGAN) -> dict[str, Tensor]:
    """The paper's three losses of one batch, written out with all gradients flowing."""
    batch = batch_of()
    x = batch.signed()
    q = model.infer(x)
    z = reparametrize(*q, batch.noise.normal(3))
    rebuilt, sampled = model.decoder(z), model.decoder(batch.noise.normal(3))
    features = model.discriminator.features
    prior = 0.5 * (q.mean**2 + q.log_variance.exp() - 1 - q.log_variance).sum() / 4
    likeness = 0.5 * (features(rebuilt) - features(x)).square().sum() / 4
    judge = model.discriminator
    real, fakes = judge(x), torch.stack([judge(rebuilt), judge(sampled)])
    return {
        "prior": prior,
        "likeness": likeness,
        "adversarial": softplus(-fakes).mean(1).sum(),
        "discriminator": softplus(-real).mean() + softplus(fakes).mean(1).sum(),
    }


@ARCHITECTURES
def test_the_encoder_moves_by_the_prior_and_the_features_and_never_by_the_adversarial_loss(
    architecture,
):
    model = model_of(architecture=architecture)
    ours = gradients(sum(turn(model, "encoder").values()), model.encoder)
    result = parts(model)
    theirs = gradients(result["prior"] + result["likeness"], model.encoder)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    adversarial = gradients(result["adversarial"], model.encoder)
    assert any(g.abs().max() > 1e-4 for g in adversarial), "there was something to keep out"


@ARCHITECTURES
def test_the_decoder_moves_by_gamma_times_the_features_and_by_the_adversarial_loss(architecture):
    model = model_of(gamma=0.3, architecture=architecture)
    ours = gradients(sum(turn(model, "decoder").values()), model.decoder)
    result = parts(model)
    theirs = gradients(0.3 * result["likeness"] + result["adversarial"], model.decoder)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_discriminator_moves_by_the_adversarial_loss_alone_and_never_by_the_reconstruction():
    model = model_of()
    ours = gradients(sum(turn(model, "discriminator").values()), model.discriminator)
    result = parts(model)
    theirs = gradients(result["discriminator"], model.discriminator)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    trunk = list(model.discriminator.down.parameters())
    likeness = torch.autograd.grad(result["likeness"], trunk)
    assert any(g.abs().max() > 1e-4 for g in likeness), "there was something to keep out"


@ARCHITECTURES
@pytest.mark.parametrize("phase", ["encoder", "decoder", "discriminator"])
def test_whoever_steps_the_model_no_other_player_gets_a_gradient(phase, architecture):
    model = model_of(architecture=architecture).train()
    sum(turn(model, phase).values()).backward()
    moved = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert moved == {phase}
    assert all(p.requires_grad for p in model.parameters()), "and all is as before"


def test_each_phase_trains_the_network_of_its_name():
    assert {phase.name: phase.nets for phase in model_of().phases} == {
        "discriminator": ("discriminator",),
        "encoder": ("encoder",),
        "decoder": ("decoder",),
    }


@ARCHITECTURES
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 17, 24), (4, 28, 28)])
def test_any_size_from_16_pixels_and_any_channels(shape, architecture):
    spec = Spec(*shape)
    model = model_of(spec, architecture=architecture).train()
    for phase in model.phases:
        assert torch.isfinite(sum(model.step(batch_of(spec), phase.name).losses.values()))
    model.eval()
    images = batch_of(spec).images
    assert model.sample(5).shape == (5, *shape)
    assert model.encode(images).shape == (4, 3)
    assert model.posterior(images).log_variance.shape == (4, 3)
    assert model.reconstruct(images).shape == images.shape


def test_it_has_no_likelihood_of_pixels_and_claims_none():
    able = contract.capabilities(VAEGAN)
    assert able == ("sample", "encode", "decode", "prior", "posterior", "reconstruct")
    with pytest.raises(UserError, match="--class"):
        model_of().sample(2, condition=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(UserError, match="--size 16"):
        vae_gan(Spec(1, 12, 12))


def test_the_networks_are_those_for_pictures_and_the_papers_by_name():
    """The VAE's encoder and a decoder without transposed convolutions, as wide as the size asks."""
    ours = vae_gan(Spec(3, 64, 64))
    assert isinstance(ours.encoder, StridedEncoder)
    assert isinstance(ours.decoder, ResizeGenerator)
    assert not any(isinstance(m, torch.nn.ConvTranspose2d) for m in ours.decoder.modules())
    width = ours.discriminator.down[0].convolution.out_channels
    assert width == default_width(64, 64) == 16
    before = vae_gan(Spec(3, 64, 64), architecture="dcgan")
    assert isinstance(before.encoder, Encoder)
    assert isinstance(before.decoder, DCGANGenerator)
    assert before.discriminator.down[0].convolution.out_channels == 64
    assert recipes.get("vae-gan").former == {"architecture": "dcgan"}, "runs that do not say it"
