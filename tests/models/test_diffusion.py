"""Models of the diffusion family: conditions, codes, bounds, pairs."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import genarium
from genarium import recipes
from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.evaluation.images import Stored
from genarium.evaluation.scores.model import reconstruction
from genarium.models.diffusion import pairing
from genarium.models.diffusion.ddpm import DDPM, log_between
from genarium.models.diffusion.model import Diffusion
from genarium.models.diffusion.networks.dense import Dense
from genarium.models.diffusion.paths import Discrete
from genarium.models.diffusion.sampling import FlowSampler
from genarium.models.diffusion.times import Steps
from genarium.models.row_noise import RowNoise
from tests.conftest import tiny_dataset
from tests.models.diffusion import PATHS, PREDICTIONS, built, gaussian

DOUBLE = torch.float64


# --------------------------------------------------------------------------- conditions and codes


def test_guidance_mixes_what_was_was_given_and_not() -> None:
    model = built("flow-matching", condition="class")
    x, t = torch.randn(3, 1, 16, 16), 0.4
    y = torch.eye(2)[[0, 1, 0]]
    known, without = (model.field(given).velocity(x, t) for given in (y, torch.zeros_like(y)))
    assert not torch.allclose(known, without)
    for w in (0.0, 1.0, 3.0):
        guided = model.field(y, w).velocity(x, t)
        torch.testing.assert_close(guided, without + w * (known - without), rtol=1e-4, atol=1e-5)
    field = model.field(y, 3.0)
    field.velocity(x, t)
    with pytest.raises(UserError, match=r"--guidance 2.*without a condition"):
        built("flow-matching").sample(1, settings=FlowSampler(guidance=2.0))


def test_the_condition_is_hidden_in_its_share() -> None:
    model = built("flow-matching", condition="class", dropped=0.1)
    batch = Batch(
        torch.zeros(4000, 1, 16, 16, dtype=torch.uint8), torch.ones(4000).long(), Noise(0, 4000)
    )
    y = model.condition_of(batch)
    hidden = (y == 0).all(1)
    assert float(hidden.float().mean()) == pytest.approx(0.1, abs=0.02)
    assert bool((y[~hidden] == torch.tensor([0.0, 1.0])).all())


def test_captions_are_a_condition(tmp_path: Path) -> None:
    run = genarium.train(
        "flow-matching",
        tiny_dataset(),
        out=tmp_path / "run",
        steps=2,
        batch=8,
        condition="captions",
        width=4,
    )
    dark, light = (run.sample(2, text=text, seed=1) for text in ("a dark one", "a light one"))
    assert dark.shape == (2, 1, 16, 16)
    assert not torch.equal(dark, light)
    y = run.model.conditioning.draw(2, run.text("a dark one", 2), None)
    assert y.shape == (2, run.model.conditioning.size)
    moved = [p for n, p in run.model.named_parameters() if "encoder" in n]
    assert moved, "the encoder is part of the model"
    with pytest.raises(
        UserError, match=r"--condition captions: the data have none.*metadata.jsonl"
    ):
        built("flow-matching", Spec(1, 16, 16), condition="captions")


def test_codes_are_images_and_back() -> None:
    """A linear network has an exact flow; here a stirred one, with many steps."""
    model = built("flow-matching")
    images = tiny_dataset().test.images[:2]
    many = FlowSampler(steps=40)
    again = model.reconstruct(images, settings=many)
    coarse = model.reconstruct(images, settings=FlowSampler(steps=2))
    x = images.float() / 127.5 - 1
    error, worse = ((r - x).abs().max() for r in (again, coarse))
    assert float(error) < 0.01
    assert 10 * error < worse


@pytest.mark.parametrize("solver", ["euler", "heun", "ddim", "dpm++2m", "dopri5"])
def test_a_code_is_found_by_the_solver_that_is_asked_for(solver: str) -> None:
    """Of Gaussian images it is (x - m)/s; and twice the steps bring a solver of order two nearer
    fourfold."""
    model = KnownFlow(
        Spec(1, 1, 2), Dense((1, 1, 2), 1), PATHS["linear"], PREDICTIONS["velocity"], Steps()
    )
    images = torch.tensor([[[[100, 160]]], [[[60, 200]]]], dtype=torch.uint8)
    z = (images.double().flatten(1) / 127.5 - 1 - 0.1) / 0.4
    steps = [{}] if solver == "dopri5" else [{"steps": n} for n in (24, 48)]
    off = []
    for one in steps:
        code = model.encode(images, settings=FlowSampler(solver=solver, **one))  # type: ignore[arg-type]
        off.append(float((code - z).abs().max()))
    assert off[-1] < {"euler": 0.06, "ddim": 0.06, "dpm++2m": 0.02}.get(solver, 3e-3), off
    if solver != "dopri5":
        assert (off[0] / off[1] > 3) == (solver in ("heun", "dpm++2m")), off


def test_the_error_of_a_reconstruction_says_by_which_solver() -> None:
    context = {"batch": 2, "heldout": {"split": "test", "count": 2, "sha256": "abc"}}
    images = Stored(tiny_dataset().test.images[:2])
    mse, _ = reconstruction(built("flow-matching"), images, context, lambda *_: None)
    assert "by the model's own sampler (heun, 19 evaluations)" in mse.note


def test_samplers_that_draw_have_no_codes() -> None:
    model, random = built("flow-matching"), FlowSampler(solver="ancestral")
    images = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    for call in (
        lambda: model.encode(images, settings=random),
        lambda: model.decode(model.prior(1), settings=random),
    ):
        with pytest.raises(UserError, match="--solver ancestral: it draws noise"):
            call()
    with pytest.raises(UserError, match="--solver ancestral: it draws noise"):
        built("flow-matching").prior(2, settings=FlowSampler(solver="ancestral"))
    with pytest.raises(UserError, match="--steps 2000: the chain has 1000"):
        PATHS["discrete"].grid(2000)


def test_pairs_and_conditions_exclude_each_other() -> None:
    with pytest.raises(UserError, match="--pairing optimal"):
        built("flow-matching", condition="class", pairing="optimal")
    with pytest.raises(UserError, match=r"--dropped 0.3"):
        built("flow-matching", dropped=0.3)


# ------------------------------------------------------------------------------------ the bound


class KnownChain(DDPM):
    """DDPM whose guess is the best one for Gaussian images."""

    def call(self, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        data = gaussian(0.1, 0.4, x_t[0].numel())
        return data.output(self.path, self.prediction, x_t.double(), t.double()).to(x_t)


class KnownFlow(Diffusion):
    """A diffusion of any path whose guess is the best one for Gaussian images."""

    call = KnownChain.call


def known_chain(
    count: int = 1000,
    schedule: str = "cosine",
    variance: str = "smaller",
    kind: type[KnownChain] = KnownChain,
) -> KnownChain:
    path = Discrete(count, schedule)
    return kind(
        Spec(1, 1, 2),
        Dense((1, 1, 2), 1),
        path,
        PREDICTIONS["noise"],
        Steps(),
        dequantized=False,
        variance=variance,
    )


@pytest.mark.parametrize("variance", ["smaller", "larger"])
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_bound_of_gaussian_images(schedule: str, variance: str) -> None:
    """The sum over all steps in closed form, and that it lies just under the true value."""
    model = known_chain(schedule=schedule, variance=variance)
    early = torch.tensor(1e-3, dtype=DOUBLE)
    levels = torch.tensor([[100, 160], [30, 200], [128, 129]], dtype=torch.uint8)
    images = levels[:, None, None]
    x = levels.double() / 127.5 - 1
    step = torch.arange(2, 1001)
    alpha, sigma = (v(step.double() / 1000) for v in (model.path.alpha, model.path.sigma))
    of_x_t = (0.4 * alpha).square() + sigma.square()
    # E|ε̂ - ε|², ε̂ = σ(x_t - αm)/of_x_t
    off = (sigma * alpha / of_x_t)[:, None, None] * (x - 0.1)
    left = ((0.4 * alpha).square() / of_x_t)[:, None, None]
    kl = model.weight(step)[:, None, None] * (off.square() + left.square())
    if variance == "larger":
        before = torch.cat([model.path.sigma(early)[None], sigma[:-1]])
        rho = (sigma / before).square()[:, None, None]
        kl = kl / rho + 0.5 * (rho.log() + 1 / rho - 1)
    kl = kl.sum(0)
    last = model._last(x.view(3, 1, 1, 2))
    # the first term by quadrature over ε
    a1, s1 = model.path.alpha(early), model.path.sigma(early)
    eps = torch.linspace(-8, 8, 4001, dtype=DOUBLE)[:, None, None]
    p = torch.exp(-0.5 * eps.square()) / math.sqrt(2 * math.pi) * float(eps[1] - eps[0])
    x1 = a1 * x + s1 * eps
    mean = 0.1 + 0.16 * a1 / ((0.4 * a1) ** 2 + s1**2) * (x1 - 0.1 * a1)
    half = 1 / 255
    first = (p * log_between((x - mean - half) / s1, (x - mean + half) / s1)).sum(0)
    bound = (first - kl).sum(1) - last
    truth = log_between((x - 0.1 - half) / 0.4, (x - 0.1 + half) / 0.4).sum(1)
    # of the model's own probability; that of the data is another one by a little
    assert bool((bound < truth + 0.01).all())
    # of images that are uncertain at each step the larger variance is right, the smaller costs
    # ½Σ(1/(i-1) - ln i/(i-1)) = γ/2 nats a pixel and more
    loss = float((truth - bound).max()) / 2
    assert loss < 0.05 if variance == "larger" else 0.28 < loss < 0.6
    generator = torch.Generator().manual_seed(0)
    draws = model.elbo(images.repeat(400, 1, 1, 1), generator=generator).view(400, 3)
    error = draws.std(0) / math.sqrt(len(draws))
    assert bool(((draws.mean(0) - bound).abs() < 4 * error).all())
    assert float(error.max()) < 0.2


def test_terms_of_the_bound_are_drawn_with_their_probability() -> None:
    model = known_chain(60)
    steps, share = model._drawn(
        RowNoise(2000, torch.Generator().manual_seed(0), torch.device("cpu"))
    )
    # Σ_i f(i) from the draws, for any f
    for f in (lambda i: torch.ones_like(i), lambda i: i):
        drawn = (f(steps.double()) / share).mean()
        assert float(drawn) == pytest.approx(float(f(torch.arange(2, 60).double()).sum()), rel=0.03)


def test_differences_of_normal_tails_do_not_cancel() -> None:
    low = torch.tensor([-40.0, 3.0, -0.1, 30.0, -math.inf], dtype=DOUBLE)
    high = torch.tensor([-39.0, 3.1, 0.1, math.inf, 1.0], dtype=DOUBLE)
    middle = torch.special.ndtr(high[1:3]) - torch.special.ndtr(low[1:3])
    result = log_between(low, high)
    assert bool(result.isfinite().all())
    torch.testing.assert_close(result[1:3], middle.log(), rtol=1e-9, atol=0)
    torch.testing.assert_close(log_between(-high, -low), result)
    # Φ(-x) = φ(x)/x·(1 - 1/x² + 3/x⁴ - ...), of which Φ(-40) is no part in 10¹⁷
    x = 39.0
    tail = -x * x / 2 - math.log(x * math.sqrt(2 * math.pi)) + math.log1p(-1 / x**2 + 3 / x**4)
    assert float(result[0]) == pytest.approx(tail, rel=1e-9)


class Ignorant(KnownChain):
    """A chain that has learnt nothing: it guesses no noise at all."""

    def call(self, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        return torch.zeros_like(x_t)


@pytest.mark.parametrize(("count", "schedule"), [(1000, "cosine"), (50, "linear")])
def test_the_bound_of_a_chain_that_knows_nothing(count: int, schedule: str) -> None:
    """All T terms in closed form, E|ε|² = D; the steps that weigh most are not left to chance."""
    model = known_chain(count, schedule, kind=Ignorant)
    x = torch.tensor([[100, 160]], dtype=torch.uint8)[:, None, None].expand(400, -1, -1, -1)
    step = torch.arange(2, count + 1)
    signed = model.pixels(x)
    random = RowNoise(4000, torch.Generator().manual_seed(1), x.device)
    first = model._first(model.field(None), signed[:1].expand(4000, -1, -1, -1), random)
    truth = first.mean() - model._last(signed[:1]) - 2 * model.weight(step).sum()
    value, error = model.estimate_elbo(x, k=4, generator=torch.Generator().manual_seed(0))
    total = value.std() / math.sqrt(len(value))
    assert abs(float(value.mean() - truth)) < 4 * float(total)
    # of the last step |ε|² alone is left to chance, of the others which of them are drawn
    most = 0.6 * float(2 * model.weight(step).max()) if schedule == "cosine" else 5.0
    assert float(value.std()) < most
    # the standard error of the draws of an image is what its values spread by
    spread = error.square().mean().sqrt()
    assert float(spread) == pytest.approx(float(value.std()), rel=0.15)
    assert value.dtype == torch.float64


def test_the_error_of_a_bound_is_said(tmp_path: Path) -> None:
    tiny = recipes.get("ddpm").tiny
    run = genarium.train("ddpm", tiny_dataset(), out=tmp_path / "run", steps=2, batch=8, **tiny)
    several, one = genarium.score(run, "test:0-1", k=3), genarium.score(run, "test:0-1")
    how = "lower bound on ln p(x) (both ends of the chain and 16 of the 48 steps between"
    assert f"{how}, 3 draws an image) of 2 images, 256 grey levels" in several.text()
    assert several.text().count(" ± ") == 2
    assert "±" not in one.text()
    assert several.errors is not None
    assert bool((several.errors > 0).all())
    scores = genarium.evaluate(run, n=8, metrics="sharpness", extractor="pixels")
    bound = scores.get("bits/dim (upper bound)")
    assert bound.note.startswith("from the ELBO by both ends of the chain and 16 of the 48 steps")


# ---------------------------------------------------------------------------------------- pairs


def test_assignment_is_the_best_of_all() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        cost = draw.integers(0, 9, (6, 6)).astype(float)  # with ties
        chosen = pairing.assignment(cost)
        assert sorted(chosen) == list(range(6))
        best = min(sum(cost[i, p[i]] for i in range(6)) for p in itertools.permutations(range(6)))
        assert cost[np.arange(6), chosen].sum() == best


def test_assignment_agrees_with_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    cost = np.random.default_rng(1).normal(size=(60, 60))
    rows, columns = optimize.linear_sum_assignment(cost)
    assert list(pairing.assignment(cost)) == list(columns[np.argsort(rows)])


def test_paired_noise_is_the_same_noise_nearer_by() -> None:
    images = torch.randn(32, 1, 4, 4)
    noise = torch.randn(32, 1, 4, 4)
    paired = pairing.optimal(images, noise, slice(0, 32))
    assert torch.equal(
        paired.flatten(1).sum(1).sort().values, noise.flatten(1).sum(1).sort().values
    )
    near, far = ((images - e).square().sum() for e in (paired, noise))
    assert near < 0.95 * far
