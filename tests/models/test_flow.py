"""Flows as models: exact both ways, densities that sum to 1, bits that are right, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from genarium import recipes
from genarium.contract import Attribute, Batch, Model, Noise, Spec, to_uint8
from genarium.drawing.images import as_uint8
from genarium.errors import UserError
from genarium.evaluation.images import Stored
from genarium.evaluation.scores.likelihood import likelihood
from genarium.latent import interpolate
from genarium.models.flow.bijections import Bijection, Chain, Flatten, Scale
from genarium.models.flow.couplings import CouplingNet
from genarium.models.flow.dequantization import Uniform, Variational
from genarium.models.flow.model import Flow
from genarium.models.flow.settings import Denoised, Latents
from genarium.models.row_noise import RowNoise
from genarium.report.interpolations import interpolations_of

FLOWS = ("realnvp", "glow", "spline-flow", "tarflow")
SHAPES = [(1, 1, 2), (1, 14, 14), (3, 8, 12), (5, 7, 8), (2, 16, 3)]
PLANE = Spec(1, 1, 2, ("a", "b"))


def built(name: str, spec: Spec, far: float = 0.1, seed: int = 0, **arguments: object) -> Flow:
    """A recipe's tiny model with weights away from those it starts with, in evaluation mode."""
    torch.manual_seed(seed)
    recipe = recipes.get(name)
    if name == "tarflow" and (spec.height % 4 or spec.width % 4):
        arguments = {"patch": 1, **arguments}
    model = recipe(spec, **{**recipe.tiny, **arguments})
    assert isinstance(model, Flow)
    for parameter in model.parameters():
        parameter.data += far * torch.randn_like(parameter)
    return model.eval()


def pictures(spec: Spec, n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, *spec.shape), dtype=torch.uint8, generator=generator)


# ------------------------------------------------------------------ both ways


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", FLOWS)
def test_codes_give_their_images_back(name: str, shape: tuple[int, int, int]) -> None:
    spec = Spec(*shape)
    model, images = built(name, spec, 0.05), pictures(spec, 16)
    codes = model.encode(images)
    assert codes.shape == (16, spec.dims)
    assert torch.equal(to_uint8(model.decode(codes)), images)
    middle = model.dequantization.middle(images)
    scale = 2.0 / 256  # to the scale [-1, 1]
    with torch.no_grad():
        back = model.flow.inverse(model.flow(middle)[0])
        assert (back - middle).abs().max() * scale < 1e-5
        model.double()
        exact = model.flow.inverse(model.flow(middle.double())[0])
        assert (exact - middle.double()).abs().max() * scale < 1e-10
        z = torch.randn(16, spec.dims, dtype=torch.float64)
        torch.testing.assert_close(model.flow(model.flow.inverse(z))[0], z, atol=1e-8, rtol=0)


@pytest.mark.parametrize("name", FLOWS)
def test_log_density_is_that_of_the_jacobian(name: str) -> None:
    spec = Spec(1, 4, 4)
    arguments = {"patch": 2} if name == "tarflow" else {}
    model = built(name, spec, 0.3, **arguments).double()
    t = 256 * torch.rand(2, *spec.shape, dtype=torch.float64)
    for row in t:
        z = model.flow(row[None])[0][0]
        jacobian = torch.autograd.functional.jacobian(
            lambda v: model.flow(v.view(1, *spec.shape))[0].flatten(), row.flatten()
        )
        normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum()
        wanted = normal + torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(model.log_density(row[None])[0], wanted)


@pytest.mark.parametrize("name", FLOWS)
def test_wild_weights_and_hot_latents_give_finite_samples(name: str) -> None:
    model = built(name, Spec(3, 8, 8), 0.4)
    drawn = model.sample(8, settings=Latents(temperature=20.0))
    assert bool(drawn.isfinite().all())
    assert drawn.abs().max() <= 1


@pytest.mark.parametrize("name", FLOWS)
def test_temperature_scales_the_latents(name: str) -> None:
    model = built(name, Spec(1, 8, 8))
    one, two = (
        model.prior(4, torch.Generator().manual_seed(0), settings=Latents(temperature=t))
        for t in (1.0, 2.0)
    )
    torch.testing.assert_close(two, 2 * one)
    still = model.sample(3, settings=Latents(temperature=0.0))
    torch.testing.assert_close(still[0], still[2], atol=1e-4, rtol=0)


# ------------------------------------------------------------------ densities


def on_the_plane(model: Flow, low: float, high: float, n: int) -> tuple[Tensor, float]:
    """p(t) on the middles of n×n cells of [low, high]², and a cell's area."""
    step = (high - low) / n
    kind = next(model.parameters()).dtype
    at = (low + step * (torch.arange(n, dtype=torch.float64) + 0.5)).to(kind)
    t = torch.cartesian_prod(at, at).view(-1, 1, 1, 2)
    with torch.no_grad():
        ln_p = torch.cat([model.log_density(part) for part in t.split(20_000)])
    return ln_p.view(n, n), step**2


@pytest.mark.parametrize("name", FLOWS)
def test_density_integrates_to_1_on_the_plane(name: str) -> None:
    model = built(name, PLANE, 0.15, alpha=0.0).double()  # the logit's range has ends
    ln_p, area = on_the_plane(model, -2500, 2756, 600)
    assert (ln_p.exp().sum() * area).item() == pytest.approx(1.0, abs=1e-3)


def test_density_on_a_logit_integrates_to_1_within_its_ends() -> None:
    alpha = 0.05
    model = built("realnvp", PLANE, 0.2, alpha=alpha).double()
    beyond = 256 * alpha / (1 - 2 * alpha)
    ln_p, area = on_the_plane(model, -beyond, 256 + beyond, 700)
    assert (ln_p.exp().sum() * area).item() == pytest.approx(1.0, abs=1e-3)


LEVELS = 4


@pytest.mark.parametrize("dequantization", ["uniform", "variational"])
def test_the_bound_of_levels_is_below_their_probability(dequantization: str) -> None:
    """Two pixels of four levels: with P(k) the density's integral over a cell, by a fine grid,
    E[exp(bound)] = P(k) and E[bound] <= ln P(k), whatever the noise is."""
    model = built(
        "spline-flow", PLANE, 0.3, levels=LEVELS, dequantization=dequantization, alpha=0.0
    )
    fine = 50
    ln_p, area = on_the_plane(model, 0, LEVELS, LEVELS * fine)
    mass = (ln_p.exp() * area).view(LEVELS, fine, LEVELS, fine).sum((1, 3))
    assert 0.1 < mass.sum() < 1  # the rest of the density lies beyond the levels
    levels = torch.cartesian_prod(torch.arange(LEVELS), torch.arange(LEVELS)).view(-1, 1, 1, 2)
    draws = 2000
    with torch.no_grad():
        each = (k.expand(draws, -1, -1, -1) for k in levels)
        bounds = torch.stack([model.bound(k, Noise(i, draws)) for i, k in enumerate(each)])
    wanted = mass.flatten()
    weights = bounds.exp()
    error = weights.std(1) / draws**0.5
    assert ((weights.mean(1) - wanted).abs() <= 5 * error + 1e-5).all()
    slack = wanted.log() - bounds.mean(1)
    assert slack.min() > -5 * (bounds.std(1) / draws**0.5).max()
    assert slack.max() > 1e-3  # the bound is one


def test_variational_noise_has_the_density_that_it_says() -> None:
    """q(u|k) integrates to 1: E_q[1/q(u|k)] is the volume of the bin."""
    torch.manual_seed(0)
    noise = Variational(PLANE, 4, (1, 2), width=4, couplings=4)
    for parameter in noise.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    k = torch.tensor([1, 3]).view(1, 1, 1, 2).expand(20_000, -1, -1, -1)
    t, ln_q = noise(k, Noise(0, 20_000))
    u = t - k
    assert 0 <= u.min() < 0.1
    assert 0.9 < u.max() <= 1
    assert ln_q.std() > 0.05
    inside = ((u > 0.2) & (u < 0.8)).flatten(1).all(1)
    volume = torch.where(inside, (-ln_q).exp(), torch.zeros_like(ln_q))
    assert volume.mean().item() == pytest.approx(0.36, abs=5 * volume.std().item() / 20_000**0.5)


class Quantile(Bijection):
    """t on [0, L] -> the normal quantile of t/L: a flow whose density is uniform."""

    def __init__(self, levels: int):
        super().__init__()
        self.levels = levels
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z = torch.special.ndtri(x.double() / self.levels)
        slope = 0.5 * (z.square() + math.log(2 * math.pi)) - math.log(self.levels)
        return z, slope.flatten(1).sum(1)


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_a_uniform_density_has_log2_of_the_levels_in_bits(levels: int) -> None:
    spec = Spec(3, 4, 4)
    model = Flow(spec, Chain([Quantile(levels), Flatten(spec.shape)]), Uniform(levels))
    images = pictures(spec, 6)
    loss = model.eval().step(Batch(images, None, Noise(0, 6)), "flow").losses["bits_per_dim"]
    assert loss.item() == pytest.approx(math.log2(levels), abs=1e-4)
    bits = -model.log_prob(images) / (spec.dims * math.log(2))
    assert bits.tolist() == pytest.approx([math.log2(levels)] * 6, abs=1e-4)
    assert "uniformly dequantized" in model.density
    assert "lower bound" in model.density


def test_a_gaussian_of_levels_has_the_bits_of_its_formula() -> None:
    """t ~ N(128, 128²) a pixel: what a flow of the first layer alone says."""
    spec = Spec(1, 2, 2)
    model = Flow(spec, Chain([Scale(256), Flatten(spec.shape)]), Uniform(256))
    images = torch.tensor([0, 100, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    t = images.double() + RowNoise.of_images(images).uniform(1, 2, 2)
    wanted = -0.5 * ((t - 128) / 128).square() - math.log(128 * math.sqrt(2 * math.pi))
    assert model.log_prob(images).item() == pytest.approx(wanted.sum().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("spline-flow", {}, "uniformly dequantized 8-bit levels (lower bound for the levels)"),
        ("glow", {"levels": 32}, "uniformly dequantized 32 levels, floor(x·32/256) (lower bound"),
        ("realnvp", {"dequantization": "variational"}, "variationally dequantized 8-bit levels"),
        ("tarflow", {"noise": 0.1}, "a density of noisy images, no bound for the levels"),
    ],
)
def test_scores_say_what_the_bits_are_of(
    name: str, arguments: dict[str, object], words: str
) -> None:
    spec = Spec(1, 8, 8)
    model, images = built(name, spec, **arguments), pictures(spec, 6)
    context = {"seed": 0, "batch": 4, "heldout": {"split": "test", "count": 6, "sha256": ""}}
    rows = likelihood(model, Stored(images), context, lambda *_: None)
    assert [row.name for row in rows] == ["bits/dim"]  # no bytes of a code: a flow gives no code
    assert words in rows[0].note
    assert words in rows[0].basis["density"]


@pytest.mark.parametrize("dequantization", ["uniform", "variational"])
def test_log_prob_belongs_to_the_image_alone(dequantization: str) -> None:
    spec = Spec(1, 8, 8)
    model, images = built("glow", spec, dequantization=dequantization), pictures(spec, 5)
    together = model.log_prob(images)
    torch.manual_seed(7)
    alone = torch.cat([model.log_prob(image[None]) for image in images.flip(0)]).flip(0)
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-3)


# ------------------------------------------------------------------ conditions


@pytest.mark.parametrize("name", FLOWS)
def test_classes_change_what_is_said_and_drawn(name: str) -> None:
    spec = Spec(1, 8, 8, ("a", "b", "c"))
    model, images = built(name, spec, condition="class"), pictures(spec, 4)
    assert model.conditional
    each = [model.log_prob(images, torch.full((4,), y)) for y in range(3)]
    assert (each[0] - each[1]).abs().min() > 1e-3
    mixture = torch.stack(each).logsumexp(0) - math.log(3)
    torch.testing.assert_close(model.log_prob(images), mixture, rtol=1e-5, atol=1e-3)
    labels = torch.tensor([0, 1, 2, 1])
    codes = model.encode(images, labels)
    assert codes.shape == (4, spec.dims + 3)
    assert codes[:, spec.dims :].argmax(1).tolist() == labels.tolist()
    assert torch.equal(to_uint8(model.decode(codes)), images)
    assert torch.equal(model.encode(images)[:, spec.dims :].argmax(1), model.classify(images))
    other = torch.cat([codes[:, : spec.dims], codes[:, spec.dims :].roll(1, 1)], 1)
    assert not torch.equal(to_uint8(model.decode(other)), images)
    drawn = model.prior(5, torch.Generator().manual_seed(0), condition=torch.full((5,), 2))
    assert drawn[:, spec.dims :].argmax(1).tolist() == [2] * 5


def test_ways_between_images_stay_as_far_from_0_as_their_ends() -> None:
    spec = Spec(1, 8, 8, ("a", "b", "c"))
    model, images = built("glow", spec, condition="class"), pictures(spec, 4)
    shown = interpolations_of(model, ["encode", "decode"], images, seed=0)
    assert shown.kind == "spherical"
    codes = model.encode(images)
    halfway = interpolate(codes[:2], codes[2:], 3, noise=spec.dims)[:, 1]  # the class goes straight
    assert torch.equal(as_uint8(model.decode(halfway)), shown.images[:, 4])


@pytest.mark.parametrize("name", FLOWS)
def test_attributes_are_conditions_too(name: str) -> None:
    columns = (Attribute("shape", ("round", "square")), Attribute("size"))
    spec = Spec(1, 8, 8, attributes=columns)
    recipe = recipes.get(name)
    model = recipe(spec, **{**recipe.tiny, "condition": "attributes"}).train()
    rows = torch.tensor([[0.0, 0.3], [1.0, -2.0]]).repeat(4, 1)
    images = pictures(spec, 8)
    model.step(Batch(images, None, Noise(0, 8), {"factors": rows}), "flow")
    assert model.conditioned_on == "factors"
    assert "given factors" in model.density
    model.eval()
    codes = model.encode(images, rows)
    given = torch.tensor([[1.0, 0.0, 0.3], [0.0, 1.0, -2.0]]).repeat(4, 1)
    torch.testing.assert_close(codes[:, spec.dims :], given)
    assert model.log_prob(images, rows).shape == (8,)
    assert bool(model.log_prob(images).isfinite().all())
    asked = torch.tensor([[1.0, math.nan]]).expand(3, -1)
    assert model.prior(3, condition=asked)[:, spec.dims + 1].tolist() == [1.0] * 3


# ------------------------------------------------------------------ the start


@pytest.mark.parametrize("name", ["realnvp", "glow", "spline-flow"])
def test_activation_norm_starts_once_at_the_first_batch(name: str) -> None:
    spec = Spec(1, 8, 8)
    recipe = recipes.get(name)
    model = recipe(spec, **recipe.tiny).train()
    assert not model.started
    model.step(Batch(pictures(spec, 32), None, Noise(0, 32)), "flow")
    assert model.started
    begun = {k: v.clone() for k, v in model.state_dict().items()}
    again = recipe(spec, **recipe.tiny).train()
    again.load_state_dict(begun)
    again.step(Batch(255 - pictures(spec, 32, 1) // 3, None, Noise(1, 32)), "flow")
    assert all(torch.equal(v, begun[k]) for k, v in again.state_dict().items())


# ------------------------------------------------------------------ noise and denoising


def test_denoising_is_a_step_along_the_score() -> None:
    """At its start a TarFlow says x ~ N(0, 1): the score is -x, so x becomes x·(1 - σ²)."""
    spec = Spec(1, 4, 4)
    recipe = recipes.get("tarflow")
    model = recipe(spec, **{**recipe.tiny, "patch": 2, "noise": 0.3}).eval()
    noisy, clean = (
        model.sample(
            8,
            generator=torch.Generator().manual_seed(0),
            settings=Denoised(temperature=0.2, denoise=denoise),
        )
        for denoise in (False, True)
    )
    # an image is a level's middle, (t - 1/2)·2/255 - 1, on a grid that is 256/255 as wide
    torch.testing.assert_close(clean, noisy * (1 - 0.3**2), atol=1e-5, rtol=1e-5)
    with torch.inference_mode():
        model.sample(2, settings=Denoised(denoise=True))
    assert "Gaussian noise of 0.3" in model.density
    assert "no bound" in model.density


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("name", "spec", "arguments", "reason"),
    [
        ("glow", Spec(1, 7, 9), {}, "7x9: .*neither side is even: choose another --size"),
        ("realnvp", Spec(1, 8, 8, binarized="static"), {}, "--binarize static .* grey levels"),
        ("tarflow", Spec(1, 8, 8, binarized="dynamic"), {}, "--binarize dynamic"),
        ("tarflow", Spec(1, 30, 30), {}, "--patch 4: it does not divide the height of 30x30.*3"),
        ("tarflow", Spec(3, 64, 64), {"patch": 5}, "choose 1 or 2 or 4 or 8 or 16 or 32, or"),
        ("tarflow", Spec(1, 1, 1), {"patch": 1}, "one patch"),
        ("spline-flow", Spec(1, 8, 8), {"condition": "class"}, "--condition class"),
        ("spline-flow", Spec(1, 8, 8, ("a", "b")), {"condition": "age"}, "have class"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    name: str, spec: Spec, arguments: dict[str, object], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        recipes.get(name)(spec, **arguments)


def test_no_condition_is_called_none_as_in_diffusion() -> None:
    for name in ("none", ""):  # empty in runs of before
        assert not built("glow", Spec(1, 8, 8, ("a", "b")), condition=name).conditional
    defaults = {recipes.get(name).defaults()["condition"] for name in (*FLOWS, "flow-matching")}
    assert defaults == {"none"}


def test_denoising_without_noise_is_refused() -> None:
    model = built("tarflow", Spec(1, 8, 8))
    with pytest.raises(UserError, match="--denoise: this model was trained without --noise"):
        model.sample(1, settings=Denoised(denoise=True))


# ------------------------------------------------------------------ an oracle, where there is one


def test_splines_and_mixes_agree_with_zuko() -> None:
    zuko = pytest.importorskip("zuko")
    from genarium.models.flow.bijections import Mix
    from genarium.models.flow.elementwise import Spline

    torch.manual_seed(0)
    spline, given = Spline(6, 3.0), torch.randn(200, 17).double()
    x = 4 * torch.randn(200).double()
    theirs = zuko.transforms.MonotonicRQSTransform(
        given[:, :6], given[:, 6:12], given[:, 12:], bound=3.0
    )
    ends = torch.full((200, 1), 3.0).double()
    theirs.horizontal = torch.cat([spline._knots(given[:, :6])[0], ends], 1)
    theirs.vertical = torch.cat([spline._knots(given[:, 6:12])[0], ends], 1)
    offset = math.log(math.expm1(1 - 1e-3))
    inner = 1e-3 + torch.nn.functional.softplus(given[:, 12:] + offset)
    theirs.derivatives = torch.nn.functional.pad(inner, (1, 1), value=1.0)
    z, log_derivative = spline.forward(x, given)
    wanted, ladj = theirs.call_and_ladj(x)
    torch.testing.assert_close(z, wanted)
    torch.testing.assert_close(log_derivative, ladj)
    torch.testing.assert_close(spline.inverse(wanted, given), x)

    mix = Mix(5).double()
    mix.order.copy_(torch.arange(5))
    lower, upper = mix._factors()
    scale = upper.diagonal()
    packed = (lower * scale).tril() + (upper / scale[:, None]).triu(1)
    theirs = zuko.transforms.LULinearTransform(packed)
    z, logdet = mix(x.view(40, 5, 1, 1))
    wanted, ladj = theirs.call_and_ladj(x.view(40, 5))
    torch.testing.assert_close(z[:, :, 0, 0], wanted)
    torch.testing.assert_close(logdet, ladj)


def test_a_network_begins_at_zero() -> None:
    net = CouplingNet(2, 3, (4, 4), width=4, blocks=1)
    assert torch.equal(net(torch.randn(2, 2, 4, 4)), torch.zeros(2, 3, 4, 4))


def test_every_flow_is_a_flow() -> None:
    flows = {n for n, e in recipes.catalogue().items() if "change of variables" in e.taxonomy}
    assert flows == set(FLOWS)
    assert all(issubclass(recipes.get(n).returns(), Model) for n in flows)
