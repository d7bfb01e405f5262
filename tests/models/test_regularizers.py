"""Each regularizer in closed form, and that it acts on the player that it should."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from genarium.contract import Batch, Noise, Spec, from_uint8
from genarium.errors import UserError
from genarium.models.gan import chance
from genarium.models.gan.composition import REGULARIZERS
from genarium.models.gan.gan import GAN, Regularizer, Turn
from genarium.models.gan.networks.dense import DenseGenerator
from genarium.models.gan.objectives import (
    LeastSquares,
    NonSaturating,
    Objective,
    Relativistic,
    Wasserstein,
)
from genarium.models.gan.regularizers import (
    R1,
    DiffAugment,
    FeatureMatching,
    GradientPenalty,
    MinibatchDiscrimination,
    SpectralNorm,
    WeightClipping,
)
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator

SPEC = Spec(1, 4, 4)


class Linear(nn.Module):
    """D(x) = w·x, features x."""

    outputs = 16

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(16, 1, bias=False)

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        return self.score(features).squeeze(1)


class Quadratic(Linear):
    """D(x) = ½‖x‖²: its gradient is x."""

    def head(self, features: Tensor) -> Tensor:
        return 0.5 * features.square().sum(1) + 0 * self.score(features).squeeze(1)


def batch(seed: int = 0, n: int = 6, shape: tuple[int, int, int] = (1, 4, 4)) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, *shape), generator=generator).to(torch.uint8)
    return Batch(images, None, Noise(seed, n))


def gan_of(critic: nn.Module, *regularizers: Regularizer) -> GAN:
    torch.manual_seed(0)
    return GAN(
        SPEC, DenseGenerator(3, SPEC.shape, 8), critic, Wasserstein(), regularizers=regularizers
    )


def test_wasserstein_is_a_difference_of_means() -> None:
    real, fake = torch.tensor([1.0, 4.0]), torch.tensor([2.0, -1.0], requires_grad=True)
    objective = Wasserstein()
    assert objective.discriminator_loss(real, fake).item() == 0.5 - 2.5
    assert objective.generator_loss(None, fake).item() == -0.5
    objective.generator_loss(None, fake).backward()
    assert fake.grad.tolist() == [-0.5, -0.5]
    assert objective.output(real).tolist() == [1.0, 4.0]


# -- penalties --------------------------------------------------------------------------------


def test_gradient_penalty_of_a_linear_critic() -> None:
    """∇D = w everywhere: λ(‖w‖ - 1)², whose gradient is 2λ(‖w‖ - 1)·w/‖w‖."""
    critic = Linear()
    loss = gan_of(critic, GradientPenalty(7.0)).step(batch(), "discriminator").losses
    weight = critic.score.weight.detach()
    norm = weight.norm()
    torch.testing.assert_close(loss["gradient_penalty"], 7 * (norm - 1) ** 2)
    loss["gradient_penalty"].backward()
    torch.testing.assert_close(critic.score.weight.grad, 14 * (norm - 1) * weight / norm)


def test_gradient_penalty_is_each_images_own_between_data_and_samples() -> None:
    model = gan_of(Quadratic(), GradientPenalty(1.0))
    loss = model.step(batch(), "discriminator").losses["gradient_penalty"]
    b = batch()
    with torch.no_grad():
        fake = model.generator(b.noise.normal(3))
    mix = b.noise.uniform(1, 1, 1)
    between = mix * from_uint8(b.images) + (1 - mix) * fake
    # the share may be of either end: its law is the same
    other = (1 - mix) * from_uint8(b.images) + mix * fake
    expected = [(x.flatten(1).norm(dim=1) - 1).square().mean() for x in (between, other)]
    assert min(abs(loss - e) for e in expected) < 1e-5
    assert len(mix.unique()) == 6


def test_r1_is_the_squared_slope_at_the_data() -> None:
    linear = Linear()
    loss = gan_of(linear, R1(3.0)).step(batch(), "discriminator").losses["r1"]
    torch.testing.assert_close(loss, 1.5 * linear.score.weight.square().sum())
    loss = gan_of(Quadratic(), R1(2.0)).step(batch(), "discriminator").losses["r1"]
    expected = from_uint8(batch().images).flatten(1).square().sum(1).mean()
    torch.testing.assert_close(loss, expected)


def test_weight_clipping_holds_the_critic_only_and_after_its_own_turn() -> None:
    model = gan_of(Linear(), WeightClipping(0.01))
    before = model.discriminator.score.weight.clone()
    model.after("generator")
    assert torch.equal(model.discriminator.score.weight, before)
    model.after("discriminator")
    torch.testing.assert_close(model.discriminator.score.weight, before.clamp(-0.01, 0.01))
    assert max(p.abs().max() for p in model.generator.parameters()) > 0.01


def test_spectral_norm_brings_every_weight_to_one() -> None:
    torch.manual_seed(0)
    critic = DCGANDiscriminator((1, 16, 16), 4, norm=None)
    model = GAN(
        Spec(1, 16, 16), DCGANGenerator(3, (1, 16, 16), 2), critic, regularizers=[SpectralNorm()]
    )
    for seed in range(100):
        critic(torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(seed)))
    model.eval()
    weights = [m.weight for m in critic.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weights) == 3
    for weight in weights:
        norm = torch.linalg.matrix_norm(weight.flatten(1), 2).item()
        assert norm == pytest.approx(1.0, abs=0.02)


# -- features ---------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [True, False])
def test_feature_matching_is_the_distance_of_the_means(alone: bool) -> None:
    model = gan_of(Linear(), FeatureMatching(2.0, alone=alone))
    losses = model.step(batch(), "generator").losses
    b = batch()
    fake = model.generator(b.noise.normal(3))
    gap = from_uint8(b.images).flatten(1).mean(0) - fake.flatten(1).mean(0)
    assert losses.keys() == ({"generator"} if alone else {"generator", "feature_matching"})
    name = "generator" if alone else "feature_matching"
    torch.testing.assert_close(losses[name], 2 * gap.square().sum())
    if not alone:
        expected = -model.discriminator.head(fake.flatten(1)).mean()
        torch.testing.assert_close(losses["generator"], expected)
    assert model.step(batch(), "discriminator").losses.keys() == {"discriminator"}


def test_minibatch_discrimination_never_mixes_real_and_fake() -> None:
    torch.manual_seed(0)
    critic = DCGANDiscriminator((1, 16, 16), 4, norm=None)
    model = GAN(
        Spec(1, 16, 16),
        DCGANGenerator(3, (1, 16, 16), 2),
        critic,
        regularizers=[MinibatchDiscrimination(5, 3)],
    )

    def judged(noise: int, change: bool = False) -> tuple[Tensor, Tensor]:
        b = batch(0, shape=(1, 16, 16))
        if change:
            b.images[-1] = 255 - b.images[-1]
        b.noise = Noise(noise, 6)
        turn = model._turn(b, model.conditioning.of_batch(b))
        return turn.of_real.logits, turn.of_fake.logits

    real, fake = judged(1)
    other_real, other_fake = judged(2)
    assert torch.equal(real, other_real), "other fakes leave the real images' logits alone"
    assert not torch.equal(fake, other_fake)
    changed, same = judged(1, change=True)
    assert torch.equal(fake, same)
    assert (changed[:-1] != real[:-1]).all(), "another real image changes all of theirs"


# -- augmentation -----------------------------------------------------------------------------


def turn_of(seed: int, n: int = 40, channels: int = 1) -> tuple[Turn, Tensor]:
    torch.manual_seed(0)
    b = batch(seed, n, (channels, 16, 16))
    model = GAN(Spec(channels, 16, 16), DCGANGenerator(3, (channels, 16, 16), 2), Linear())
    return Turn(model, b, torch.empty(n, 0), torch.empty(0)), b.signed()


def test_translation_moves_whole_pixels_and_zeros_come_in() -> None:
    turn, images = turn_of(0)
    moved = DiffAugment(["translation"]).augment(images, turn)
    seen = set()
    for x, y in zip(images, moved):
        results = []
        for down in range(-2, 3):
            for right in range(-2, 3):
                rolled = torch.zeros(1, 20, 20)
                rolled[:, 2 + down : 18 + down, 2 + right : 18 + right] = x
                if torch.equal(rolled[:, 2:18, 2:18], y):
                    results.append((down, right))
        assert len(results) == 1
        seen.add(results[0])
    assert len(seen) > 12


def test_cutout_hides_half_a_side_squared_somewhere() -> None:
    turn, images = turn_of(0)
    cut = DiffAugment(["cutout"]).augment(images, turn)
    hidden = (cut == 0) & (images != 0)
    assert torch.equal(cut[~hidden], images[~hidden])
    counts = (cut == 0).flatten(1).sum(1)
    assert counts.max() <= 64 + 2
    assert counts.min() < 64, "the square may stick out"
    assert len(hidden.flatten(1).unique(dim=0)) > 20


def test_color_changes_brightness_saturation_contrast_within_the_papers_bounds() -> None:
    turn, images = turn_of(0, channels=3)
    changed = DiffAugment(["color"]).augment(images, turn)
    # brightness moves an image's mean by up to a half; the other two keep it
    shift = (changed - images).mean((1, 2, 3))
    assert shift.abs().max() <= 0.5 + 1e-5
    assert shift.std() > 0.2
    # contrast scales what is left by ½ to 1½: seen on the grey image, which saturation keeps
    grey, before = changed.mean(1), images.mean(1)
    ratio = grey.std((1, 2)) / before.std((1, 2))
    assert 0.5 - 1e-3 <= ratio.min() < 0.7
    assert 1.3 < ratio.max() <= 1.5 + 1e-3


def test_augmentation_lets_gradients_through_and_draws_anew() -> None:
    turn, images = turn_of(0)
    regularizer = DiffAugment()
    x = images.requires_grad_()
    first, second = regularizer.augment(x, turn), regularizer.augment(x, turn)
    assert not torch.equal(first, second)
    first.sum().backward()
    assert (x.grad.flatten(1).abs().sum(1) > 0).all()
    again, _ = turn_of(0)
    assert torch.equal(regularizer.augment(images, again), first)


def test_every_second_image_is_mirrored() -> None:
    turn, images = turn_of(0)
    changed = DiffAugment(["flip"]).augment(images, turn)
    mirrored = (changed == images.flip(3)).flatten(1).all(1)
    kept = (changed == images).flatten(1).all(1)
    assert (mirrored | kept).all()
    assert 0.2 < mirrored.float().mean() < 0.8


def test_a_probability_changes_that_share_of_the_images() -> None:
    turn, images = turn_of(0, n=400)
    changed = DiffAugment(["color"], probability=0.25).augment(images, turn)
    share = (changed != images).flatten(1).any(1).float().mean().item()
    assert share == pytest.approx(0.25, abs=0.07)


class Certain(Linear):
    """D(x) = `logit`, whatever x is."""

    logit = 1.0

    def head(self, features: Tensor) -> Tensor:
        return self.logit + 0 * self.score(features).squeeze(1)


def adaptive(critic: nn.Module, objective: Objective) -> tuple[GAN, DiffAugment]:
    torch.manual_seed(0)
    regularizer = DiffAugment(probability="adaptive")
    return GAN(
        SPEC, DenseGenerator(3, SPEC.shape, 8), critic, objective, regularizers=[regularizer]
    ), regularizer


def test_the_probability_follows_how_many_real_images_are_called_real() -> None:
    """Every four turns by their images over `PACE`: up where the discriminator is sure of the real
    images, down where it is not, within 0 and 1; nothing is changed at 0."""
    model, regularizer = adaptive(Certain(), NonSaturating())
    metrics = [model.step(batch(seed), "discriminator").metrics for seed in range(8)]
    step = 4 * 6 / regularizer.PACE
    assert [m["augmented"].item() for m in metrics] == pytest.approx([0.0] * 4 + [step] * 4)
    assert regularizer.state[0].item() == pytest.approx(2 * step)
    model.discriminator.logit = -1.0
    for seed in range(16):
        model.step(batch(seed), "discriminator")
    assert regularizer.state[0].item() == 0.0
    assert torch.equal(
        regularizer.augment(batch().signed(), Turn(model, batch(), None, None)), batch().signed()
    )
    assert "tricks.0.state" in model.state_dict(), "a run goes on with it"


def test_sure_is_above_the_objectives_boundary() -> None:
    """A logit of 0.4 is on the real side of 0 and on the fake side of least squares' ½."""
    critic = Certain()
    critic.logit = 0.4
    for objective, rises in ((NonSaturating(), True), (LeastSquares(), False)):
        model, regularizer = adaptive(critic, objective)
        for seed in range(4):
            model.step(batch(seed), "discriminator")
        assert (regularizer.state[0].item() > 0) == rises


def test_what_compares_logits_has_no_sure_images() -> None:
    with pytest.raises(UserError, match="adaptive: it asks how many real images are called real"):
        adaptive(Linear(), Relativistic())


@pytest.mark.parametrize("width", [4, 16, 64])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_a_discriminator_without_norm_starts_with_something_to_say(size: int, width: int) -> None:
    """The paper's start, made for batch norm, leaves logits of 0.002 and small gradients: with R1
    and augmented images the discriminator stayed at chance for 700 steps."""
    torch.manual_seed(0)
    critic = DCGANDiscriminator((3, size, size), width, norm=None)
    images = (2 * torch.rand(16, 3, 1, 1) - 1) * torch.ones(16, 3, size, size)
    with torch.no_grad():
        assert critic(images).std() > 0.1


def test_a_discriminator_that_a_penalty_holds_at_chance_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once, after `TURNS` turns; not of one that tells, nor without a penalty."""
    monkeypatch.setattr(chance, "TURNS", 3)

    def turns(critic: nn.Module, *regularizers: Regularizer) -> list[str]:
        torch.manual_seed(0)
        generator = DenseGenerator(3, SPEC.shape, 8)
        model = GAN(SPEC, generator, critic, NonSaturating(), regularizers=regularizers)
        with warnings.catch_warnings(record=True) as result:
            warnings.simplefilter("always")
            for seed in range(9):
                model.step(batch(seed), "discriminator")
        return [str(warning.message) for warning in result]

    (said,) = turns(Certain(), R1(), DiffAugment())
    assert "--regularizers r1,diffaugment: D(real) - D(fake) is 0.000 over the last 3 turns" in said
    assert turns(Certain()) == []
    watch = chance.AtChance("r1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(9):
            watch.see(torch.tensor(0.6), torch.tensor(0.5))


def test_unknown_policy_is_named() -> None:
    with pytest.raises(UserError, match=r"DiffAugment 'colour'.*color"):
        DiffAugment(["colour"])


def test_two_processes_augment_their_rows_as_one_would() -> None:
    whole, images = turn_of(3, n=8)
    full = DiffAugment().augment(images, whole)
    half, _ = turn_of(3, n=8)
    half.batch.noise = Noise(3, 8, slice(4, 8))
    torch.testing.assert_close(DiffAugment().augment(images[4:], half), full[4:])


@pytest.mark.parametrize("name", sorted(REGULARIZERS))
def test_every_regularizer_by_name_trains(name: str) -> None:
    from tests.conftest import make_trainer, tiny_dataset

    trainer = make_trainer("gan", tiny_dataset(), arguments={"regularizers": (name,), "width": 10})
    assert len(trainer.model.tricks) == 1
    trainer.fit()
    assert all(bool(p.isfinite().all()) for p in trainer.model.parameters())


# -- packs ------------------------------------------------------------------------------------


class PackLinear(Linear):
    """D(X) = ¼·Σ of all 32 values of a pack of two images: its slope is ¼√32 = √2."""

    group_size, outputs = 2, 32

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(32, 1, bias=False)
        nn.init.constant_(self.score.weight, 0.25)

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1).unflatten(0, (-1, 2)).flatten(1)


class PackQuadratic(PackLinear):
    """D(X) = ½‖X‖²: its gradient is the pack itself."""

    def head(self, features: Tensor) -> Tensor:
        return 0.5 * features.square().sum(1) + 0 * self.score(features).squeeze(1)


def test_penalties_of_a_pack_are_of_the_whole_packs_gradient() -> None:
    losses = gan_of(PackLinear(), GradientPenalty(10.0)).step(batch(), "discriminator").losses
    assert losses["gradient_penalty"].item() == pytest.approx(10 * (2**0.5 - 1) ** 2, rel=1e-4)
    losses = gan_of(PackLinear(), R1(2.0)).step(batch(), "discriminator").losses
    assert losses["r1"].item() == pytest.approx(2.0, rel=1e-5)


def test_a_pack_is_mixed_as_one() -> None:
    """One α for all images of a pack: at x̂ = αX + (1-α)G, ‖∇D‖ is the pack's length."""
    model = gan_of(PackQuadratic(), GradientPenalty(1.0))
    loss = model.step(batch(), "discriminator").losses["gradient_penalty"]
    b = batch()
    with torch.no_grad():
        fake = model.generator(b.noise.normal(3))
    mix = b.noise.uniform(1, 1, 1)[::2].repeat_interleave(2, 0)
    between = mix * from_uint8(b.images) + (1 - mix) * fake
    norms = between.flatten(1).unflatten(0, (-1, 2)).flatten(1).norm(dim=1)
    torch.testing.assert_close(loss, (norms - 1).square().mean())
