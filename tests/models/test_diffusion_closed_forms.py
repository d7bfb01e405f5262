"""Diffusion where everything is known: Gaussian images and mixtures, the best guess plugged in."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genarium.contract import Batch, Noise, Optim, Spec
from genarium.errors import RunError
from genarium.models.diffusion import likelihood, solvers
from genarium.models.diffusion.model import Diffusion
from genarium.models.diffusion.paths import Exploding, Linear, beside
from genarium.models.diffusion.predictions import Velocity
from genarium.models.diffusion.times import (
    Likelihood,
    LogitNormal,
    LogNormal,
    Steps,
    TimeLaw,
    Uniform,
)
from tests.models.diffusion import PAIRS, PATHS, PREDICTIONS, Mixture, gaussian, grid25, ring8

DOUBLE = torch.float64


def at_times(path_name: str) -> Tensor:
    path = PATHS[path_name]
    shares = torch.tensor([0.02, 0.2, 0.5, 0.8, 0.98], dtype=DOUBLE)
    return (shares * 1000).round() / 1000 * path.end


@pytest.mark.parametrize(("path_name", "name"), PAIRS)
def test_one_output_is_read_as_each_quantity(path_name: str, name: str) -> None:
    path, prediction, data = PATHS[path_name], PREDICTIONS[name], gaussian()
    t = at_times(path_name)
    x_t = torch.randn(5, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    alpha, sigma = (v(t).view(-1, 1, 1, 1) for v in (path.alpha, path.sigma))
    variance = (0.4 * alpha).square() + sigma.square()
    off = x_t - 0.3 * alpha
    image, noise = 0.3 + 0.16 * alpha / variance * off, sigma / variance * off
    output = data.output(path, prediction, x_t, t)
    expected = {"image": image, "noise": noise, "velocity": path.velocity(image, noise, t)}
    for of, value in expected.items():
        read = prediction.read(path, output, x_t, t, of)  # type: ignore[arg-type]
        torch.testing.assert_close(read, value, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", PATHS)
def test_rates_are_the_derivatives_of_a_path(name: str) -> None:
    path = PATHS[name]
    t = (at_times(name) + 3e-4 * path.end).requires_grad_()  # between two steps of a chain
    for value, rate in ((path.alpha, path.alpha_rate), (path.sigma, path.sigma_rate)):
        h = 1e-6 * path.end
        slope = (value(t + h) - value(t - h)) / (2 * h)
        torch.testing.assert_close(rate(t), slope, rtol=1e-5, atol=1e-8)
    ends = torch.tensor([0.0, path.end], dtype=DOUBLE)
    assert float(path.alpha(ends)[0]) == pytest.approx(1)
    assert float(path.sigma(ends)[0]) == pytest.approx(0, abs=1e-12)
    assert bool((path.determinant(at_times(name)) > 0).all())


def test_the_chain_is_a_product_of_its_steps() -> None:
    """x_i = √(1-β_i)·x_{i-1} + √β_i·ε for each step, from the first numbers of the paper."""
    path = PATHS["discrete"]
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=DOUBLE)
    kept = torch.ones((), dtype=DOUBLE)
    for i, beta in enumerate(betas, 1):
        kept = kept * (1 - beta)
        if i in (1, 2, 500, 1000):
            t = torch.tensor(i / 1000, dtype=DOUBLE)
            assert float(path.alpha(t)) == pytest.approx(math.sqrt(kept), rel=1e-9)
            assert float(path.sigma(t)) == pytest.approx(math.sqrt(1 - kept), rel=1e-9)


@pytest.mark.parametrize(("path_name", "name"), PAIRS)
def test_samples_are_the_data(path_name: str, name: str) -> None:
    """Noise is carried to m + s·z, z the same noise with deviation 1, by ODE solvers."""
    path, prediction, data = PATHS[path_name], PREDICTIONS[name], gaussian()
    field = data.field(path, prediction)
    times = field.times(500)
    alpha, sigma = field.alpha_sigma(times[0])
    z = torch.randn(64, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    start = 0.3 * alpha + math.sqrt((0.4 * alpha) ** 2 + sigma**2) * z
    solver = solvers.dpm_solver if path_name.startswith("discrete") else solvers.heun
    torch.testing.assert_close(solver(field, start, times), 0.3 + 0.4 * z, rtol=0, atol=1e-3)


@pytest.mark.parametrize("path_name", PATHS)
def test_ancestral_samples_have_the_moments_of_the_data(path_name: str) -> None:
    path, data = PATHS[path_name], gaussian()
    field = data.field(path, PREDICTIONS["image"])
    generator = torch.Generator().manual_seed(0)

    def draw(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=generator, dtype=x.dtype)

    start = path.end * draw(torch.empty(4000, 1, 1, 2, dtype=DOUBLE))
    start = start if path_name == "exploding" else start / path.end
    end = solvers.ancestral(field, start, field.times(200), draw=draw, clip=False)
    assert float(end.mean()) == pytest.approx(0.3, abs=0.02)
    assert float(end.std()) == pytest.approx(0.4, abs=0.02)
    if path_name == "exploding":
        churned = solvers.edm(field, start, field.times(100), draw=draw, churn=40, spread=1.0)
        assert float(churned.mean()) == pytest.approx(0.3, abs=0.02)
        assert float(churned.std()) == pytest.approx(0.4, abs=0.02)


# ------------------------------------------------------------------------------------- the loss


class Known(Diffusion):
    """Images that are drawn from `data`, and the best guess, off by a share of its input."""

    def __init__(self, data: Mixture, law: TimeLaw, path_name: str, name: str):
        super().__init__(
            Spec(1, 1, 2),
            torch.nn.Identity(),
            PATHS[path_name],
            PREDICTIONS[name],
            law,
            optim=Optim(),
        )
        self.data, self.off = data, 0.0

    def ends(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.data.draw(len(batch)).float(), batch.noise.normal(1, 1, 2)

    def call(self, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        output = self.data.output(self.path, self.prediction, x_t.double(), t.double())
        return (output + self.off * beside(self.prediction.scale(self.path, t), x_t) * x_t).float()


LAWS: list[tuple[TimeLaw, str, str]] = [
    (Uniform(), "linear", "velocity"),
    (LogitNormal(), "linear", "velocity"),
    (LogitNormal(), "linear", "image"),
    (LogitNormal(), "cosine", "noise"),
    (Likelihood(0.05), "linear", "velocity"),
    (Likelihood(0.05), "cosine", "noise"),
    (Steps(), "discrete", "noise"),
    (LogNormal(data=0.4), "exploding", "preconditioned"),
]


@pytest.mark.parametrize(("law", "path_name", "name"), LAWS)
def test_the_best_guess_has_the_least_loss(law: TimeLaw, path_name: str, name: str) -> None:
    model = Known(gaussian(mean=0.0), law, path_name, name)
    batch = Batch(torch.zeros(30_000, 1, 1, 2, dtype=torch.uint8), None, Noise(0, 30_000))

    def loss(off: float) -> float:
        model.off, batch.noise = off, Noise(0, 30_000)
        (value,) = model.step(batch, "diffusion").losses.values()
        return float(value)

    below, best, above = loss(-0.1), loss(0.0), loss(0.1)
    curve = (below + above) / 2 - best
    assert curve > 0
    # the slope at the best guess, in units of the parabola through the three: the vertex's place
    assert abs((above - below) / (4 * curve)) < 0.15


@pytest.mark.parametrize("path_name", ["linear", "cosine"])
def test_the_likelihood_s_law_is_that_of_the_entropy(path_name: str) -> None:
    """Of y = x + rε: dh(y)/d ln r = 1 - E|ε̂ - ε|² a pixel (de Bruijn), so that between two ends
    h changes by ln(most/least)·(1 - loss); of Gaussian images h = ½ ln 2πe(s² + r²)."""
    law = Likelihood(least=0.02, most=50.0)
    model = Known(gaussian(mean=0.0), law, path_name, "velocity")  # s = 0.4
    batch = Batch(torch.zeros(30_000, 1, 1, 2, dtype=torch.uint8), None, Noise(0, 30_000))
    loss = float(model.step(batch, "diffusion").losses["noise"])
    first, last = (0.5 * math.log(0.4**2 + r**2) for r in (law.least, law.most))
    gained = math.log(law.most / law.least) * (1 - loss)
    assert last - first == pytest.approx(gained, abs=0.03)


@pytest.mark.parametrize("path_name", ["linear", "cosine"])
def test_the_time_of_a_ratio(path_name: str) -> None:
    path, ratio = PATHS[path_name], torch.tensor([1e-5, 0.002, 1.0, 150.0], dtype=DOUBLE)
    t = path.time_of(ratio)
    torch.testing.assert_close(path.sigma(t) / path.alpha(t), ratio, rtol=1e-9, atol=0)


def test_edm_s_network_sees_and_gives_numbers_of_variance_one() -> None:
    """For images of deviation s: c_in·x_t, and (x - c_skip·x_t)/c_out, which F is to give."""
    prediction, path, data = PREDICTIONS["preconditioned"], PATHS["exploding"], gaussian(0.0)
    for sigma in (0.02, 0.3, 5.0):
        t = torch.full((20_000,), sigma, dtype=DOUBLE)
        x = data.draw(20_000)
        noise = torch.randn(x.shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(2))
        x_t = path.mix(x, noise, t)
        a, b = (beside(w, x) for w in prediction.weights(path, t, "image"))
        assert float(((x - a * x_t) / b).std()) == pytest.approx(1, rel=0.02)
        assert float((beside(prediction.scale(path, t), x) * x_t).std()) == pytest.approx(
            1, rel=0.02
        )


def test_edm_weighs_every_level_of_noise_alike() -> None:
    """For Gaussian images of deviation s the loss is the same at each σ: that is what λ is for."""
    data, s = gaussian(mean=0.0), 0.4
    law, path = LogNormal(data=s), PATHS["exploding"]
    for sigma in (0.02, 0.3, 5.0):
        t = torch.full((20_000,), sigma, dtype=DOUBLE)
        x = data.draw(20_000)
        noise = torch.randn(x.shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(2))
        error = data.image(path, path.mix(x, noise, t), t) - x
        weighed = (law.weight(path, t) * error.square().flatten(1).mean(1)).mean()
        # E|x̂ - x|² = s²σ²/(s² + σ²), so λ times that is 1
        assert float(weighed) == pytest.approx(1.0, rel=0.03)


# ------------------------------------------------------------------------------- order of solvers


def slope(numbers: list[float], errors: list[float]) -> float:
    x, y = (torch.tensor(v, dtype=DOUBLE).log() for v in (numbers, errors))
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def way(path_name: str, start: float, stop: float) -> tuple[Tensor, Tensor]:
    """Points at time `start`, and where the exact equation takes them at `stop`."""
    path = PATHS[path_name]
    z = torch.tensor([[0.5, -1.2], [1.5, 0.2]], dtype=DOUBLE)[:, None, None]

    def at(t: float) -> Tensor:
        time = torch.tensor(t, dtype=DOUBLE)
        alpha, sigma = path.alpha(time), path.sigma(time)
        return 0.3 * alpha + ((0.4 * alpha).square() + sigma.square()).sqrt() * z

    return at(start), at(stop)


@pytest.mark.parametrize(
    ("solver", "path_name", "order"),
    [
        (solvers.euler, "linear", 1),
        (solvers.heun, "linear", 2),
        (solvers.heun, "cosine", 2),
        (solvers.ddim, "linear", 1),
        (solvers.ddim, "discrete", 1),
        (solvers.dpm_solver, "cosine", 2),
        ("edm", "exploding", 2),
    ],
)
def test_order_of_convergence(solver, path_name: str, order: int) -> None:
    first, last = (0.7, 0.3) if path_name != "exploding" else (3.0, 0.2)
    start, exact = way(path_name, first, last)
    field = gaussian().field(PATHS[path_name], PREDICTIONS["image"])
    counts, errors = [15, 30, 60, 120], []
    for n in counts:
        # the chain is asked between its steps too: its straight pieces are fine enough
        times = [first + (last - first) * i / n for i in range(n + 1)]
        if solver == "edm":
            end = solvers.edm(field, start, times, draw=torch.zeros_like, churn=0.0)
        else:
            end = solver(field, start, times)
        errors.append(float((end - exact).abs().max()))
    assert -slope([float(n) for n in counts], errors) == pytest.approx(order, abs=0.3)


def test_dormand_prince_is_of_fifth_order() -> None:
    start, exact = way("cosine", 0.9, 0.1)
    field = gaussian().field(PATHS["cosine"], PREDICTIONS["image"])

    def rate(y: Tensor, t: Tensor, rows: Tensor) -> Tensor:
        return field.velocity(y, t)

    counts, errors, rows = [8, 12, 16, 24], [], torch.arange(2)
    for n in counts:
        y, h = start, torch.full((2,), -0.8 / n, dtype=DOUBLE)
        first = rate(y, torch.full((2,), 0.9, dtype=DOUBLE), rows)
        for i in range(n):
            y, _, first = solvers.dormand_prince(rate, y, 0.9 + i * h, h, rows, first)
        errors.append(float((y - exact).abs().max()))
    assert -slope([float(n) for n in counts], errors) == pytest.approx(5, abs=0.3)


def test_dormand_prince_keeps_its_tolerance() -> None:
    start, exact = way("cosine", 1.0, 0.05)
    passes = []
    for tolerance in (1e-4, 1e-6, 1e-8):
        field = gaussian().field(PATHS["cosine"], PREDICTIONS["image"])
        end = solvers.dopri5(
            lambda y, t, rows, field=field: field.velocity(y, t), start, 1.0, 0.05, tolerance
        )
        passes.append(field.passes / len(start))
        assert 0.01 * tolerance < float((end - exact).abs().max()) < 10 * tolerance
    assert passes == sorted(passes)


def test_dormand_prince_says_when_it_cannot_arrive() -> None:
    with pytest.raises(RunError, match="did not arrive"):
        solvers.dopri5(lambda y, t, rows: y / 0.0, torch.ones(2, 3), 0.0, 1.0)


def test_a_row_of_dormand_prince_does_not_depend_on_the_others() -> None:
    data = ring8(0.1)
    field = data.field(PATHS["linear"], PREDICTIONS["velocity"])
    x = torch.randn(7, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))

    def ends(start: Tensor) -> Tensor:
        return solvers.dopri5(lambda y, t, rows: field.velocity(y, t), start, 1.0, 0.01, 1e-4)

    torch.testing.assert_close(
        ends(x), torch.cat([ends(one[None]) for one in x]), rtol=1e-9, atol=0
    )


# -------------------------------------------------------------------------------- the likelihood


@pytest.mark.parametrize(("path_name", "name"), [p for p in PAIRS if "discrete" not in p[0]])
def test_density_of_the_equation_is_that_of_gaussian_data(path_name: str, name: str) -> None:
    data = gaussian(mean=0.01)
    field = data.field(PATHS[path_name], PREDICTIONS[name])
    x = data.draw(16)
    nats = likelihood.log_density(field, x, None, 1e-7)
    # noise and images are read from a thousandth of the way on, or up to it
    near = 1e-3 if name in ("velocity", "preconditioned") or path_name == "exploding" else 5e-3
    torch.testing.assert_close(nats, data.log_density(x), rtol=0, atol=near)


@pytest.mark.parametrize("data", [ring8(0.12), grid25(0.12)], ids=["ring8", "grid25"])
def test_density_of_a_mixture_integrates_to_one_and_hutchinson_agrees(data: Mixture) -> None:
    field = data.field(Linear(), Velocity())
    x = data.draw(128)
    exact = likelihood.log_density(field, x, None, 1e-4)
    # ∫p = E_q[p/q] with q the mixture itself
    ratio = (exact - data.log_density(x)).exp()
    assert float(ratio.mean()) == pytest.approx(1, abs=1e-2)
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [
            likelihood.log_density(
                field, x, 2 * torch.randint(2, x.shape, generator=generator).double() - 1, 1e-4
            )
            for _ in range(8)
        ]
    )
    error = draws.mean(0) - exact
    spread = draws.std(0) / math.sqrt(len(draws))
    assert float(spread.max()) > 0.01, "the signs matter here"
    assert float((error.mean() / (spread.square().mean().sqrt() / math.sqrt(len(x)))).abs()) < 3


def test_density_on_a_grid_of_the_plane_sums_to_one() -> None:
    data = ring8(deviation=0.1)
    axis = torch.linspace(-1.4, 1.4, 41, dtype=DOUBLE)
    x = torch.cartesian_prod(axis, axis)[:, None, None]
    field = data.field(Linear(), Velocity())
    total = likelihood.log_density(field, x, None, 1e-3).exp().sum() * float(axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(1, abs=1e-2)


def test_evaluations_are_counted() -> None:
    from dataclasses import replace

    from genarium.models.diffusion.sampling import EDMSampler, evaluations, solve

    data, path = gaussian(), Exploding()
    x = 80 * torch.randn(3, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    for solver in ("euler", "heun", "edm", "ddim", "dpm++2m", "ancestral"):
        settings = replace(EDMSampler(steps=6), solver=solver)
        field = data.field(path, PREDICTIONS["preconditioned"])
        solve(settings, field, x, torch.randn_like)
        assert field.passes / len(x) == evaluations(settings), solver
        assert f"{evaluations(settings)} evaluations" in str(settings)
