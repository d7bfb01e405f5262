"""Mean flow: the identity of its target, its times, one evaluation."""

from __future__ import annotations

import pytest
import torch

from genarium import recipes
from genarium.contract import Batch, Noise
from genarium.errors import UserError
from genarium.models.diffusion import solvers
from tests.models.diffusion import PATHS, PREDICTIONS, built, gaussian, known_average

DOUBLE = torch.float64


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
    with pytest.raises(UserError, match=r"tangent pair: --different 0 trains no averages"):
        built("mean-flow", different=0.0, tangent="pair")
    built("mean-flow", different=0.0, **recipes.get("mean-flow").former)  # an old run


def test_one_evaluation_carries_noise_to_images() -> None:
    model = known_average()
    z = torch.randn(8, 1, 1, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    for steps in (1, 3):
        settings = model.settings(steps=steps)
        made = model.carried(z, None, settings, torch.zeros_like, solvers.silent)
        torch.testing.assert_close(made, 0.4 * z)


def test_a_compiled_network_keeps_its_derivative() -> None:
    model = built("mean-flow", patch=2)
    x, v = torch.randn(2, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    t, r = torch.tensor([0.9, 0.5, 0.4]), torch.tensor([0.1, 0.3, 0.4])
    plain = model.target(x, v, r, t, None)
    assert not torch.equal(plain[:2], v[:2])
    model.network.compile(backend="eager")
    torch.testing.assert_close(model.target(x, v, r, t, None), plain)


def test_the_times_of_earlier_runs_had_faster_features() -> None:
    """A derivative by the time multiplies each feature by its frequency."""

    def fastest(name: str, **arguments: object) -> float:
        return float(built(name, **arguments).network.embedding.rates.max())

    assert fastest("mean-flow") == pytest.approx(8)
    former = recipes.get("mean-flow").former["frequency"]
    others = {fastest(name) for name in ("flow-matching", "ddpm", "edm")}
    assert others == {fastest("mean-flow", frequency=former)}
