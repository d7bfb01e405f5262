"""Adversarial training: losses in closed form, turns that touch their own player, DCGAN's rules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from genarium.contract import Batch, Noise, Spec, capabilities, from_uint8
from genarium.errors import UserError
from genarium.models.conditioning import Conditioning
from genarium.models.gan.dcgan import dcgan
from genarium.models.gan.gan import GAN, Judged, Regularizer, Turn
from genarium.models.gan.objectives import (
    OBJECTIVES,
    LeastSquares,
    Minimax,
    NonSaturating,
    Objective,
    Relativistic,
)
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator, map_sizes

REAL = torch.tensor([2.0, -1.0, 0.0])
FAKE = torch.tensor([1.0, -3.0, 0.5])


def ln_sigmoid(x: float) -> float:
    return -math.log(1 + math.exp(-x))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


# -- objectives -------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", [Minimax, NonSaturating])
@pytest.mark.parametrize("s", [0.0, 0.1])
def test_cross_entropy_discriminator(objective: type[Minimax], s: float) -> None:
    expected = -mean([(1 - s) * ln_sigmoid(x) + s * ln_sigmoid(-x) for x in REAL.tolist()])
    expected -= mean([ln_sigmoid(-x) for x in FAKE.tolist()])
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    loss = objective(s).discriminator_loss(real, fake)
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    # dL/dl = (σ(l) - target) / B: the real target is 1 - s, the fake one stays 0.
    torch.testing.assert_close(real.grad, (torch.sigmoid(REAL) - (1 - s)) / 3)
    torch.testing.assert_close(fake.grad, torch.sigmoid(FAKE) / 3)


def test_generators_of_adversarial_training() -> None:
    def loss_and_gradient(objective: Objective) -> tuple[float, Tensor]:
        fake = FAKE.clone().requires_grad_()
        loss = objective.generator_loss(None, fake)
        loss.backward()
        assert fake.grad is not None
        return loss.item(), fake.grad * 3

    value, gradient = loss_and_gradient(Minimax(0.1))
    assert value == pytest.approx(mean([ln_sigmoid(-x) for x in FAKE.tolist()]), rel=1e-6)
    torch.testing.assert_close(gradient, -torch.sigmoid(FAKE))
    value, gradient = loss_and_gradient(NonSaturating(0.1))
    assert value == pytest.approx(-mean([ln_sigmoid(x) for x in FAKE.tolist()]), rel=1e-6)
    torch.testing.assert_close(gradient, -torch.sigmoid(-FAKE))
    value, gradient = loss_and_gradient(LeastSquares(0.1))
    assert value == pytest.approx(mean([0.5 * (x - 1) ** 2 for x in FAKE.tolist()]), rel=1e-6)
    torch.testing.assert_close(gradient, FAKE - 1)


def test_relativistic_players_move_one_difference() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    differences = [r - f for r, f in zip(REAL.tolist(), FAKE.tolist())]
    loss = Relativistic().discriminator_loss(real, fake)
    assert loss.item() == pytest.approx(-mean([ln_sigmoid(d) for d in differences]), rel=1e-6)
    loss.backward()
    # dL_D/dl_r = -σ(l_f - l_r) / B, and the opposite for the fake image beside it
    torch.testing.assert_close(real.grad, -torch.sigmoid(FAKE - REAL) / 3)
    torch.testing.assert_close(fake.grad, torch.sigmoid(FAKE - REAL) / 3)

    fake = FAKE.clone().requires_grad_()
    loss = Relativistic().generator_loss(REAL, fake)
    assert loss.item() == pytest.approx(-mean([ln_sigmoid(-d) for d in differences]), rel=1e-6)
    loss.backward()
    torch.testing.assert_close(fake.grad, -torch.sigmoid(REAL - FAKE) / 3)


def test_least_squares_discriminator_smooths_the_real_side_only() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    loss = LeastSquares(0.25).discriminator_loss(real, fake)
    expected = mean([0.5 * (x - 0.75) ** 2 for x in REAL.tolist()])
    expected += mean([0.5 * x**2 for x in FAKE.tolist()])
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    torch.testing.assert_close(real.grad, (REAL - 0.75) / 3)
    torch.testing.assert_close(fake.grad, FAKE / 3)


def test_logits_far_out_give_finite_losses_and_gradients() -> None:
    far = torch.tensor([-1e4, 1e4], requires_grad=True)
    for objective in (Minimax(), NonSaturating(), LeastSquares()):
        loss = objective.discriminator_loss(far, far) + objective.generator_loss(None, far)
        (gradient,) = torch.autograd.grad(loss, far)
        assert loss.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("s", [-0.1, 0.5, math.nan])
@pytest.mark.parametrize("objective", [Minimax, NonSaturating, LeastSquares])
def test_smoothing_out_of_range_names_the_flag(objective: type, s: float) -> None:
    with pytest.raises(UserError, match="--smoothing"):
        objective(s)


# -- the networks -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (28, 28), (48, 64), (33, 16), (64, 64)])
def test_any_size_and_channels_come_out_exact(size: tuple[int, int]) -> None:
    for channels in (1, 3, 5):
        shape = (channels, *size)
        images = DCGANGenerator(5, shape, 2)(torch.randn(2, 5))
        assert images.shape == (2, *shape)
        assert images.abs().max() <= 1
        discriminator = DCGANDiscriminator(shape, 2)
        assert discriminator.features(images).shape == (2, discriminator.outputs)
        assert discriminator(images).shape == (2,)
    assert 3 <= min(map_sizes(*size)[-1]) <= 5


def test_too_small_images_name_the_flag() -> None:
    with pytest.raises(UserError, match="--size"):
        dcgan(Spec(1, 15, 40))


def test_the_papers_widths_at_64() -> None:
    assert map_sizes(64, 64)[-1] == (4, 4)
    network = DCGANDiscriminator((3, 64, 64), 4)
    widths = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [4, 8, 16, 32]


def test_the_papers_rules() -> None:
    generator, discriminator = DCGANGenerator(9, (3, 32, 32), 4), DCGANDiscriminator((3, 32, 32), 4)
    for network in (generator, discriminator):
        kinds = [type(m).__name__ for m in network.modules()]
        assert not any("Pool" in kind or "Dropout" in kind for kind in kinds)
        assert (
            sum("BatchNorm" in kind for kind in kinds) == {generator: 3, discriminator: 2}[network]
        )
    assert isinstance(discriminator.down[0].norm, nn.Identity)
    # Where a norm follows, a bias has nothing to do.
    for block in (*generator.up, *discriminator.down[1:]):
        assert block.convolution.bias is None


def test_start_values() -> None:
    torch.manual_seed(0)
    network = DCGANGenerator(64, (3, 32, 32), 16)
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert abs(module.weight.mean().item()) < 2e-3, name
        elif isinstance(module, nn.BatchNorm2d):
            assert 0.005 < (module.weight - 1).std().item() < 0.04, name
            assert not module.bias.any(), name
    assert not network.bias.any()


def test_the_last_layer_is_the_transposed_convolution() -> None:
    """Its weights put into PyTorch's own layer give the same images."""
    for side in (28, 29):
        network = DCGANGenerator(4, (2, side, side), 3)
        reference = nn.ConvTranspose2d(3, 2, 4, 2, 1, output_padding=side % 2, bias=False)
        x = torch.randn(2, 3, 14, 14)
        basis = torch.zeros(1, 3, 4, 4)
        for i in range(3):  # the response to one pixel, far from the rim, is the kernel
            basis.zero_()[0, i, 1, 1] = 1
            shown = network.image.convolution(basis)
            shown = nn.functional.pixel_shuffle(shown, 2)[:, :, 1:, 1:]
            reference.weight.data[i] = shown[0, :, 1:5, 1:5].detach()
        torch.testing.assert_close(network.image(x), reference(x))


# -- training ---------------------------------------------------------------------------------

SPEC = Spec(1, 16, 16, ("a", "b"))


def tiny(**arguments: object) -> GAN:
    torch.manual_seed(0)
    return dcgan(SPEC, latent=3, width=2, **{"regularizers": (), **arguments})  # type: ignore[arg-type]


def batch(seed: int = 0, n: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 1, 16, 16), generator=generator).to(torch.uint8)
    return Batch(images, torch.arange(n) % 2, Noise(seed, n))


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_a_turn_leaves_gradients_on_its_own_player_only(phase: str) -> None:
    """Even where nobody froze the other one, and everything learns again afterwards."""
    model = tiny()
    sum(model.step(batch(), phase).losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad
        assert (parameter.grad is not None) == name.startswith(phase), name


def test_the_losses_are_the_objectives_of_separate_passes() -> None:
    for objective in (NonSaturating(0.1), LeastSquares()):
        torch.manual_seed(0)
        generator, discriminator = (
            DCGANGenerator(3, SPEC.shape, 2),
            DCGANDiscriminator(SPEC.shape, 2),
        )
        model = GAN(SPEC, generator, discriminator, objective)
        b = batch()
        z = batch().noise.normal(3)
        fake = generator(z)
        real_logits, fake_logits = discriminator(from_uint8(b.images)), discriminator(fake)
        result = model.step(b, "discriminator")
        expected = objective.discriminator_loss(real_logits, fake_logits)
        torch.testing.assert_close(result.losses["discriminator"], expected)
        read = objective.output(real_logits).mean()
        torch.testing.assert_close(result.metrics["d_real"], read.detach())
        result = model.step(batch(), "generator")
        torch.testing.assert_close(
            result.losses["generator"], objective.generator_loss(None, fake_logits)
        )


def test_critic_steps_and_optimizers_become_phases() -> None:
    model = tiny(lr=3e-4, beta1=0.3)
    assert [p.name for p in model.phases] == ["discriminator", "generator"]
    assert all(p.optim.lr == 3e-4 and p.optim.betas == (0.3, 0.999) for p in model.phases)
    many = GAN(SPEC, model.generator, model.discriminator, critic_steps=5)
    assert [p.repeat for p in many.phases] == [5, 1]


def test_capabilities_are_those_of_an_implicit_model() -> None:
    assert capabilities(tiny()) == ("sample", "decode", "prior")


def test_samples_come_from_the_generator_alone_and_from_running_statistics() -> None:
    model = tiny()
    for phase in ("discriminator", "generator"):
        model.step(batch(), phase)
    model.eval()
    draw = lambda seed, n=4: model.sample(n, generator=torch.Generator().manual_seed(seed))  # noqa: E731
    first = draw(1)
    assert first.shape == (4, 1, 16, 16)
    assert not first.requires_grad
    torch.manual_seed(99)
    assert torch.equal(first, draw(1))
    assert not torch.equal(first, draw(2))
    # An image does not depend on its neighbours in the batch.
    codes = model.prior(4, torch.Generator().manual_seed(1))
    torch.testing.assert_close(model.decode(codes[:1]), first[:1], atol=1e-6, rtol=0)
    assert torch.equal(model.decode(codes), first)
    assert draw(1, 300).shape[0] == 300


def test_decoding_is_differentiable_in_the_code() -> None:
    z = torch.randn(2, 3, requires_grad=True)
    tiny().eval().decode(z).sum().backward()
    assert z.grad is not None
    assert z.grad.abs().sum() > 0


def test_asking_an_unconditional_model_for_a_class_names_the_flag() -> None:
    with pytest.raises(UserError, match="--class"):
        tiny().sample(2, condition=torch.tensor([0, 1]))


# -- the other axes ---------------------------------------------------------------------------


class Label(Conditioning):
    """The label as one number to the generator and as a map to the discriminator."""

    size, channels = 1, 1

    def of_batch(self, batch: Batch) -> Tensor:
        assert batch.labels is not None
        return batch.labels.float().unsqueeze(1)

    def draw(self, n: int, condition: Tensor | None, generator: torch.Generator | None) -> Tensor:
        if condition is None:
            condition = torch.randint(2, (n,), generator=generator)
        return condition.float().unsqueeze(1)

    def join(self, images: Tensor, code: Tensor) -> Tensor:
        return torch.cat([images, code.view(-1, 1, 1, 1).expand(-1, 1, *images.shape[2:])], 1)


class Reader(Label):
    """One that also reads the code back from the discriminator's features."""

    def __init__(self, features: int):
        super().__init__()
        self.read = nn.Linear(features, 1)

    def losses(self, turn: Turn) -> dict[str, Tensor]:
        return {"information": (self.read(turn.of_fake.features) - turn.code).square().mean()}


def test_a_condition_reaches_both_networks() -> None:
    torch.manual_seed(0)
    code = Label()
    generator = DCGANGenerator(3 + code.size, SPEC.shape, 2)
    discriminator = DCGANDiscriminator((1 + code.channels, 16, 16), 2)
    model = GAN(SPEC, generator, discriminator, conditioning=code)
    assert model.latent == 3
    for phase in ("discriminator", "generator"):
        other = batch()
        other.labels = 1 - other.labels
        losses = [model.step(b, phase).losses[phase] for b in (batch(), other)]
        assert losses[0] != losses[1]
    model.eval()
    z = [
        model.sample(3, condition=c * torch.ones(3), generator=torch.Generator().manual_seed(0))
        for c in (0, 1)
    ]
    assert not torch.equal(z[0], z[1])
    assert model.prior(5).shape == (5, 4)


def test_an_information_loss_reaches_the_trunk_and_the_generator() -> None:
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator((2, 16, 16), 2)
    reader = Reader(discriminator.outputs)
    model = GAN(SPEC, DCGANGenerator(4, SPEC.shape, 2), discriminator, conditioning=reader)
    assert model.phases[0].nets == ("discriminator", "conditioning")
    model.step(batch(), "discriminator").losses["information"].backward()
    assert reader.read.weight.grad is not None
    assert discriminator.down[0].convolution.weight.grad is not None
    assert all(p.grad is None for p in model.generator.parameters())
    model.zero_grad()
    model.step(batch(), "generator").losses["information"].backward()
    assert reader.read.weight.grad is None
    assert all(p.grad is not None for p in model.generator.parameters())


class Penalty(Regularizer):
    """R1 on real images, a feature loss that replaces the generator's, clipping afterwards."""

    def augment(self, images: Tensor, turn: Turn) -> Tensor:
        return images * turn.batch.noise.uniform(1, 1, 1)

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        real = turn.real.requires_grad_()
        (slope,) = torch.autograd.grad(turn.judge(real).logits.sum(), real, create_graph=True)
        return {"penalty": slope.square().sum((1, 2, 3)).mean()}

    def generator_losses(self, turn: Turn) -> dict[str, Tensor]:
        gap = turn.of_real.features.mean(0) - turn.of_fake.features.mean(0)
        return {"generator": gap.square().mean()}

    @torch.no_grad()
    def after(self, gan: GAN, phase: str) -> None:
        for parameter in getattr(gan, phase).parameters():
            parameter.clamp_(-0.01, 0.01)


def test_regularizers_add_losses_replace_the_objective_and_act_afterwards() -> None:
    model = tiny()
    model.tricks.append(Penalty())
    losses = model.step(batch(), "discriminator").losses
    assert losses.keys() == {"discriminator", "penalty"}
    losses["penalty"].backward()  # a gradient of a gradient, through batch norm
    assert model.discriminator.down[0].convolution.weight.grad.abs().sum() > 0
    plain = tiny().step(batch(), "generator").losses
    replaced = model.step(batch(), "generator").losses
    assert replaced.keys() == plain.keys() == {"generator"}
    assert not torch.equal(plain["generator"], replaced["generator"])
    model.after("discriminator")
    assert max(p.abs().max() for p in model.discriminator.parameters()) <= 0.01
    assert max(p.abs().max() for p in model.generator.parameters()) > 0.5


@pytest.mark.parametrize("kind", OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_the_generators_turn_judges_real_images_only_for_who_asks(
    kind: type[Objective], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = tiny(), []
    model.objective = kind()
    judge = Turn.judge

    def kept(turn: Turn, images: Tensor) -> Judged:
        seen.append(judge(turn, images))
        return seen[-1]

    monkeypatch.setattr(Turn, "judge", kept)
    (loss,) = model.step(batch(), "generator").losses.values()
    assert len(seen) == 1 + kind.sees_real
    real = seen[0].logits if kind.sees_real else None
    torch.testing.assert_close(loss, model.objective.generator_loss(real, seen[-1].logits))
    loss.backward()
    assert all(p.grad is None for p in model.discriminator.parameters())
    assert any(bool((p.grad != 0).any()) for p in model.generator.parameters())
