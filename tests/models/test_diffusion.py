"""Models of the diffusion family: conditions, codes, bounds, completion, mean flow, pairs."""

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
from genarium.models.diffusion import pairing, solvers
from genarium.models.diffusion.completion import repaint
from genarium.models.diffusion.ddpm import DDPM, log_between
from genarium.models.diffusion.mean_flow import MeanFlow
from genarium.models.diffusion.model import Diffusion
from genarium.models.diffusion.networks.dense import Dense
from genarium.models.diffusion.paths import Discrete
from genarium.models.diffusion.sampling import FlowSampler, last_part, shifted
from genarium.models.diffusion.times import Steps
from genarium.models.row_noise import RowNoise
from tests.conftest import tiny_dataset, tiny_spec
from tests.models.diffusion import PATHS, PREDICTIONS, gaussian

DOUBLE = torch.float64


def built(name: str, spec: Spec | None = None, **arguments: object):
    """A model of a recipe at its tiny size, its zero-initialised layers stirred."""
    recipe = recipes.get(name)
    torch.manual_seed(0)
    model = recipe(spec or tiny_spec(), **{**recipe.tiny, **arguments})
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return model.eval()


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


# ------------------------------------------------------------------------------------ mean flow


class KnownAverage(MeanFlow):
    """x ~ N(0, s²): the flow is x_t = x_1·d(t), d² = (s(1 - t))² + t², and u follows from it."""

    S = 0.4

    def deviation(self, t: Tensor) -> Tensor:
        return ((self.S * (1 - t)).square() + t.square()).sqrt()

    def average(self, x_t: Tensor, r: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        ratio = self.deviation(r) / self.deviation(t)
        slope = (t - self.S**2 * (1 - t)) / self.deviation(t).square()
        unequal = (t - r).abs() > 1e-9
        safe = torch.where(unequal, t - r, torch.ones_like(t))
        return torch.where(unequal, (1 - ratio) / safe, slope).view(-1, 1, 1, 1) * x_t


def known_average() -> KnownAverage:
    return KnownAverage(Spec(1, 1, 2), Dense((1, 1, 2), 1, times=2))


def test_average_velocity_of_a_linear_equation_meets_its_identity() -> None:
    """u = v - (t - r)·du/dt with the marginal velocity, for the closed form of u."""
    model = known_average()
    t = torch.tensor([0.9, 0.5, 1.0, 0.4], dtype=DOUBLE)
    r = torch.tensor([0.1, 0.3, 0.0, 0.4], dtype=DOUBLE)
    x = torch.randn(4, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    v = model.average(x, t, t, None)
    torch.testing.assert_close(
        v, gaussian(0.0).field(PATHS["linear"], PREDICTIONS["velocity"]).velocity(x, t)
    )
    torch.testing.assert_close(model.target(x, v, r, t, None), model.average(x, r, t, None))
    assert not torch.allclose(v[0], model.average(x, r, t, None)[0], rtol=0.1)


@pytest.mark.parametrize("learned", [True, False])
def test_what_a_pair_adds_to_the_target(learned: bool) -> None:
    """A pair's velocity differs from the mean by d: the target by d, or, where the derivative is
    taken along it too, by d times the Jacobian of the way, here d(r)/d(t)."""
    model = known_average()
    model.learned_tangent = learned
    t, r = torch.tensor([0.9], dtype=DOUBLE), torch.tensor([0.1], dtype=DOUBLE)
    x, d = torch.randn(2, 1, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    found = model.target(x, model.average(x, t, t, None) + d, r, t, None)
    ratio = 1.0 if learned else float(model.deviation(r) / model.deviation(t))
    torch.testing.assert_close(found - model.average(x, r, t, None), ratio * d)


def test_a_share_of_the_averages_reaches_back_to_the_image() -> None:
    images = torch.zeros(20_000, 1, 1, 2, dtype=torch.uint8)
    batch = Batch(images, None, Noise(0, 20_000))
    model = known_average()
    model.different, model.whole = 0.4, 0.5
    r, t = model.two_times(batch)
    whole, part = (r == 0) & (t > 0), (r > 0) & (r < t)
    assert float(whole.double().mean()) == pytest.approx(0.2, abs=0.01)
    assert float(part.double().mean()) == pytest.approx(0.2, abs=0.01)
    # density 2t: mean 2/3, and a tenth of it above 0.95, where the others hardly come
    assert float(t[whole].mean()) == pytest.approx(2 / 3, abs=0.01)
    assert float((t[whole] > 0.95).double().mean()) == pytest.approx(1 - 0.95**2, abs=0.01)
    assert float((t[part] > 0.95).double().mean()) < 0.01
    model.whole = 0.0
    r, t = model.two_times(Batch(images, None, Noise(0, 20_000)))
    assert not (r == 0).any()
    assert recipes.get("mean-flow").former["whole"] == 0.0, "runs that do not say it"
    with pytest.raises(UserError, match=r"whole.*--different 0 trains no averages"):
        built("mean-flow", different=0.0, whole=0.2)


def test_one_evaluation_carries_noise_to_images() -> None:
    model = known_average()
    z = torch.randn(8, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    for steps in (1, 3):
        settings = model.settings(steps=steps)
        made = model.carried(z, None, settings, torch.zeros_like, solvers.silent)
        torch.testing.assert_close(made, 0.4 * z)


# ------------------------------------------------------------------------- pairs and completion


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


def test_completion_keeps_what_is_known_and_draws_the_rest_of_the_data() -> None:
    """Two pixels that are nearly equal in the data: the one that is drawn follows the other."""
    data = gaussian(0.0, 0.3, 1)

    def output(x_t: Tensor, t: Tensor, rows: Tensor | None) -> Tensor:
        # x = (a, a) with a ~ N(0, .3²): their mean is all there is to know
        mean = x_t.mean(3, keepdim=True)
        alpha, sigma = 1 - t.view(-1, 1, 1, 1), t.view(-1, 1, 1, 1)
        image = 0.09 * alpha / (0.09 * alpha.square() + sigma.square() / 2) * mean
        return (x_t - image) / sigma  # the velocity of the linear path

    field = solvers.Field(PATHS["linear"], PREDICTIONS["velocity"], output)
    generator = torch.Generator().manual_seed(0)
    known = data.draw(400).expand(-1, -1, -1, 2).clone()
    keep = torch.zeros_like(known, dtype=torch.bool)
    keep[..., 0] = True

    def draw(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=like.dtype)

    made = repaint(field, known, keep, field.times(16), draw=draw)
    assert torch.equal(made[..., 0], known[..., 0])
    left = (made[..., 1] - known[..., 0]).std() / known[..., 0].std()
    once = repaint(field, known, keep, field.times(16), draw=draw, repeats=1)
    worse = (once[..., 1] - known[..., 0]).std() / known[..., 0].std()
    assert float(left) < 0.31 < float(worse)


EDITED = {"flow-matching": "ancestral", "ddpm": "ddim", "edm": "edm", "mean-flow": None}


@pytest.mark.parametrize(("name", "solver"), EDITED.items())
def test_an_edit_lies_between_the_image_and_a_sample(name: str, solver: str | None) -> None:
    """Strength 0 gives the picture back, 1 is a sample of the same noise, between it moves away."""
    spec = Spec(3, 64, 64) if name == "flow-matching" else tiny_spec()
    model = built(name, spec)
    images = torch.randint(256, (2, *spec.shape), dtype=torch.uint8)
    settings = model.settings(steps=4, **({"solver": solver} if solver else {}))

    def edited(strength: float) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return model.edit(images, strength, generator=generator, settings=settings)

    x = images.float() / 127.5 - 1
    assert torch.equal(edited(0.0), x)
    sample = model.sample(2, generator=torch.Generator().manual_seed(3), settings=settings)
    assert torch.equal(edited(1.0), sample)
    off = [float((edited(s) - x).square().mean()) for s in (0.0, 0.3, 0.6, 0.85)]
    assert off == sorted(set(off))


def test_an_edit_in_closed_form() -> None:
    """Of Gaussian images the noised image is carried back by a factor, in any number of steps."""
    model = known_average()
    images = torch.tensor([[[[100, 160]]], [[[120, 90]]]], dtype=torch.uint8)
    noise = torch.randn(2, 2, generator=torch.Generator().manual_seed(5)).view(2, 1, 1, 2)
    for strength in (0.25, 0.4, 0.9):
        t = torch.tensor(strength)
        x_t = (1 - t) * (images.float() / 127.5 - 1) + t * noise
        for steps in (1, 4):
            settings = model.settings(steps=steps)
            generator = torch.Generator().manual_seed(5)
            made = model.edit(images, strength, generator=generator, settings=settings)
            torch.testing.assert_close(made, model.S / model.deviation(t) * x_t)


def test_nothing_is_solved_at_strength_0() -> None:
    """Also where the solver does not begin at time 0 itself."""
    model = built("flow-matching", prediction="image")
    images = tiny_dataset().test.images[:2]
    settings = FlowSampler(solver="dopri5")
    assert torch.equal(model.edit(images, 0.0, settings=settings), model.pixels(images))


def test_an_edit_takes_its_share_of_the_steps() -> None:
    field = gaussian().field(PATHS["linear"], PREDICTIONS["velocity"])
    assert last_part(field, 10, 1.0) == field.times(10)
    assert last_part(field, 10, 0.0) == [0.0]
    assert last_part(field, 10, 0.3) == field.times(10)[7:]
    assert last_part(field, 4, 0.6) == pytest.approx([0.6, 0.5, 0.25, 0.0])


def test_a_shift_multiplies_noise_over_image_between_the_ends() -> None:
    path = PATHS["linear"]
    field = gaussian().field(path, PREDICTIONS["velocity"])
    times = field.times(8)
    assert shifted(field, times, FlowSampler()) == times
    for s in (0.4, 3.0):
        bent = shifted(field, times, FlowSampler(shift=s))
        assert (bent[0], bent[-1], len(bent)) == (times[0], 0.0, 9)
        ratios = [b / (1 - b) / (t / (1 - t)) for t, b in zip(times[1:-1], bent[1:-1], strict=True)]
        assert ratios == pytest.approx([s] * 7)
    # of a part of the way too, which begins where it did
    part = shifted(field, last_part(field, 10, 0.5), FlowSampler(shift=2.0))
    assert part == pytest.approx([0.5, *(0.5 * 2 * u / (1 + u) for u in (0.8, 0.6, 0.4, 0.2)), 0.0])
    # nor is the network asked nearer to the image than it can be
    near = gaussian().field(path, PREDICTIONS["image"])
    near.nearest = 0.05
    close = shifted(near, near.times(200), FlowSampler(shift=0.05))
    assert close[-2:] == [0.05, 0.0]
    assert len({*close}) == len(close) < 201  # a step of no length has no slope
    assert near.times(1000).count(0.05) == 1


def test_shifted_steps_lead_to_the_same_images() -> None:
    """Another grid of the same equation: with many steps, the same end, and the code back."""
    model = built("flow-matching")
    z = model.prior(2, torch.Generator().manual_seed(0))
    grids = ((60, 1.0), (60, 3.0), (3, 3.0))
    with torch.no_grad():
        even, bent, few = (model.decode(z, settings=FlowSampler(n, shift=s)) for n, s in grids)
    near, far = (float((even - other).abs().max()) for other in (bent, few))
    assert 10 * near < far
    images = tiny_dataset().test.images[:2]
    again = model.reconstruct(images, settings=FlowSampler(60, shift=3.0))
    assert float((again - model.pixels(images)).abs().max()) < 0.02


def test_the_shift_is_said_and_refused_where_it_does_nothing() -> None:
    assert str(FlowSampler(shift=2.5)) == "heun, 19 evaluations, shift 2.5"
    assert "shift" not in str(FlowSampler())
    model = built("flow-matching")
    keep = torch.ones(1, 16, 16, dtype=torch.bool)
    images = tiny_dataset().test.images[:1]
    for solver in ("heun", "ancestral"):
        settings = FlowSampler(solver=solver, shift=2.0)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=r"--shift 2.0: images are completed by ancestral"):
            model.complete(images, keep, settings=settings)


def test_images_are_drawn_also_where_times_meet() -> None:
    model = built("flow-matching", prediction="image")
    generator = torch.Generator().manual_seed(0)
    settings = FlowSampler(steps=200, solver="dpm++2m", shift=0.05)
    assert model.sample(1, generator=generator, settings=settings).isfinite().all()


@pytest.mark.parametrize("name", ["flow-matching", "ddpm", "edm", "mean-flow"])
def test_half_precision_is_of_the_network_alone(name: str) -> None:
    model = built(name)
    seen: list[torch.dtype] = []
    model.network.first.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    images = {}
    for precision in ("fp32", "bf16"):
        settings = model.settings(steps=3, precision=precision)
        assert ("bf16" in str(settings)) == (precision == "bf16")
        images[precision] = model.sample(
            4, generator=torch.Generator().manual_seed(0), settings=settings
        )
    half, full = images["bf16"], images["fp32"]
    assert {*seen} == {torch.bfloat16, torch.float32}
    assert half.dtype == torch.float32
    # numbers of 8 bits would all be their own roundings
    assert not torch.equal(half, half.bfloat16().float())
    assert 0 < (half - full).abs().mean() < 0.02


def test_models_complete() -> None:
    images = tiny_dataset().test.images[:3]
    keep = torch.zeros(16, 16, dtype=torch.bool)
    keep[:8] = True
    for name in ("flow-matching", "ddpm", "edm", "mean-flow"):
        model = built(name)
        made = model.complete(
            images,
            keep,
            generator=torch.Generator().manual_seed(0),
            settings=model.settings(steps=2),
        )
        torch.testing.assert_close(made[:, :, :8], images[:, :, :8].float() / 127.5 - 1)
        assert made.shape == images.shape
    model = built("edm")
    for other in ({"solver": "euler"}, {"tolerance": 0.1}, {"churn": 5.0}):
        with pytest.raises(UserError, match="steps: --steps, --guidance and --precision only"):
            model.complete(images, keep, settings=model.settings(**other))
