"""Sampling of the diffusion family: completion, edits, shifted steps, half precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genarium.contract import Spec
from genarium.errors import UserError
from genarium.models.diffusion import solvers
from genarium.models.diffusion.completion import repaint
from genarium.models.diffusion.sampling import FlowSampler, last_part, shifted
from tests.conftest import tiny_dataset, tiny_spec
from tests.models.diffusion import PATHS, PREDICTIONS, built, gaussian, known_average


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
