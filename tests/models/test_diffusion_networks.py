"""The networks of the diffusion family: shapes, sizes, what they see, derivatives."""

from __future__ import annotations

import functools
import math

import pytest
import torch

import genarium
from genarium import recipes
from genarium.contract import Noise, Spec, Values
from genarium.errors import UserError
from genarium.models.diffusion.networks.dense import Dense
from genarium.models.diffusion.networks.embedding import Pixels
from genarium.models.diffusion.networks.transformer import Transformer
from genarium.models.diffusion.networks.unet import Refinement, UNet, levels_of, patch_for
from genarium.models.diffusion.paths import Linear
from genarium.models.diffusion.times import Likelihood
from tests.conftest import tiny_dataset, tiny_spec

DOUBLE = torch.float64


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (2, 13, 22), (5, 9, 9), (1, 1, 2)])
@pytest.mark.parametrize("kind", [UNet, Transformer, functools.partial(UNet, refine=3)])
def test_networks_take_any_shape(kind: type[torch.nn.Module], shape: tuple[int, int, int]) -> None:
    network = kind(shape, 4, 1, times=2, condition=3)
    for last in (network.last,):  # type: ignore[attr-defined]
        torch.nn.init.normal_(last.weight)
    x, y = torch.randn(3, *shape), torch.randn(3, 3)
    out = network(x, torch.rand(3, 2), y)
    assert out.shape == x.shape
    alone = torch.cat([network(x[i : i + 1], torch.zeros(1, 2), y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(x, torch.zeros(3, 2), y), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [UNet, Transformer])
def test_sides_are_continued_at_the_end_where_they_are_cut(kind: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    network = kind((1, 9, 6), 4, 1, 4)
    torch.nn.init.normal_(network.last.weight)  # type: ignore[attr-defined]
    x, t = torch.randn(2, 1, 9, 6), torch.rand(2, 1)
    whole = network(torch.nn.functional.pad(x, (0, 2, 0, 3), mode="replicate"), t)
    assert whole.shape == (2, 1, 12, 8)
    torch.testing.assert_close(network(x, t), whole[:, :, :9, :6])


@pytest.mark.parametrize("kind", [UNet, Transformer])
def test_networks_see_a_grey_level(kind: type[torch.nn.Module]) -> None:
    """Half a level of 256, which hardly moves a pixel, moves its Fourier features by a lot."""
    grey = torch.full((1, 3, 9, 13), -1.0)
    show = Pixels(3, fourier=True)
    shown, moved = (show(x) for x in (grey, grey + 1 / 255))
    assert shown.shape == (1, show.channels, 9, 13)
    assert torch.equal(shown[:, :3], grey)
    assert float((moved - shown).abs().amax()) > 0.5
    torch.manual_seed(0)
    plain, fine = (kind((3, 9, 13), 4, 1, fourier=f) for f in (False, True))
    for network in (plain, fine):
        torch.nn.init.normal_(network.last.weight)  # type: ignore[attr-defined]
    times = torch.zeros(1, 1)
    with torch.no_grad():
        ends = [(net(grey, times), net(grey + 1 / 255, times)) for net in (plain, fine)]
    steps = [float((end - start).norm()) for start, end in ends]
    assert steps[1] > 10 * steps[0]


def test_the_likelihood_s_smallest_noise_is_of_a_grey_level() -> None:
    recipe, spec = recipes.get("flow-matching"), tiny_spec()
    law = recipe(spec, times="likelihood").law
    assert law.least == pytest.approx(0.25 * 2 / 255)
    floats = tiny_spec(values=Values("float32", (0.0,), (1.0,)))
    assert recipe(floats, times="likelihood").law == Likelihood()
    ratio = law.times(Linear(), Noise(0, 1000))
    ratio = ratio / (1 - ratio)
    assert float(ratio.min()) == pytest.approx(law.least, rel=0.02)
    share = float((ratio < math.sqrt(law.least * law.most)).float().mean())
    assert share == pytest.approx(0.5, abs=0.002)  # uniform in ln σ/α
    with pytest.raises(UserError, match=r"fourier.* unet and transformer"):
        recipe(spec, network="dense", fourier=True)


def test_sizes_of_a_unet() -> None:
    sides = (8, 16, 28, 32, 48, 64, 96, 128, 256)
    assert [patch_for(n, n) for n in sides] == [1, 1, 1, 1, 1, 2, 2, 4, 4]
    assert [levels_of(n, n) for n in sides[:5]] == [2, 2, 3, 3, 4]
    for spec, size in ((Spec(1, 28, 28), 0.48e6), (Spec(3, 64, 64), 1.9e6)):
        model = recipes.get("flow-matching")(spec)
        assert sum(p.numel() for p in model.parameters()) == pytest.approx(size, rel=0.1)


def test_sizes_go_with_the_kind_of_network() -> None:
    recipe, spec = recipes.get("flow-matching"), Spec(3, 64, 64)
    sizes = {"unet": ((1, 16), (2, 32)), "transformer": ((6, 32), (8, 32)), "dense": 2 * ((0, 32),)}
    for name, expected in sizes.items():
        for side, (patch, width) in zip((48, 64), expected, strict=True):
            chosen = recipe.chosen(Spec(1, side, side), {"network": name})
            refine = 16 if (name, side) == ("unet", 64) else 0
            assert chosen == {"patch": patch, "width": width, "refine": refine}
        recipe(spec, network=name)
    assert recipe.chosen(spec, {"patch": 0, "width": 8, "refine": 0}) == {"network": "unet"}
    assert recipe(spec, patch=0).network.patch == 2  # runs of earlier versions say 0
    with pytest.raises(UserError, match=r"--patch 65: images of 64×64 pixels .* at most 64"):
        recipe(spec, patch=65)
    with pytest.raises(UserError, match="patch 'x': give a whole number, or auto"):
        genarium.train("flow-matching", tiny_dataset(), patch="x")


FINE = [functools.partial(kind, fourier=True) for kind in (UNet, Transformer)]
REFINED = functools.partial(UNet, patch=2, refine=3)


@pytest.mark.parametrize("kind", [UNet, Transformer, Dense, *FINE, REFINED])
def test_derivative_forward_is_that_of_the_network(kind: type[torch.nn.Module]) -> None:
    """What mean-flow takes: the Jacobian-vector product against finite differences."""
    from torch.autograd.forward_ad import make_dual, unpack_dual

    from genarium.models.diffusion.networks.embedding import forward_mode

    torch.manual_seed(0)
    network = kind((1, 8, 8), 4, 1, times=2).double()
    network = network.to(memory_format=torch.channels_last)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x, t, v = (torch.randn(s, dtype=DOUBLE) for s in ((2, 1, 8, 8), (2, 2), (2, 1, 8, 8)))
    x = x.to(memory_format=torch.channels_last)
    with torch.no_grad(), forward_mode():
        moving = network(make_dual(x, v), make_dual(t, torch.ones_like(t)))
        rate = unpack_dual(moving).tangent
    h = 1e-6
    with torch.no_grad():
        slope = (network(x + h * v, t + h) - network(x - h * v, t - h)) / (2 * h)
    torch.testing.assert_close(rate, slope, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------------------- the refinement


def test_a_refinement_begins_as_nothing_and_sees_over_the_edge_of_a_block() -> None:
    """Pixels 7 and 8 are of two blocks: only with a refinement does what is given at the one move
    the other, where nothing else of the network does."""
    x, times = torch.randn(2, 3, 16, 16), torch.rand(2, 1)
    plain, refined = (UNet((3, 16, 16), 4, 1, 4, refine=n) for n in (0, 5))
    refined.load_state_dict(plain.state_dict(), strict=False)
    for network in (plain, refined):
        torch.nn.init.zeros_(network.last.weight)
        torch.nn.init.normal_(network.last.bias, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain(x, times), refined(x, times), rtol=0, atol=0)
    assert refined.refinement is not None
    torch.nn.init.normal_(refined.refinement.second.weight)
    moved = x.clone()
    moved[:, :, 7, 7] += 1
    plain_moves, moves = ((net(moved, times) - net(x, times)).abs() for net in (plain, refined))
    assert not plain_moves.any()
    assert bool((moves[:, :, 5:10, 5:10].amax(1) > 0).all())
    assert not moves[:, :, :5].any()
    assert not moves[..., 10:].any()


def test_a_refinement_is_as_written() -> None:
    """x + conv(silu(conv[given, x]·(1 + scale) + shift))."""
    torch.manual_seed(0)
    module = Refinement(1, 2, 3).double()
    torch.nn.init.normal_(module.second.weight)
    given, x, e = (torch.randn(s, dtype=DOUBLE) for s in ((1, 1, 1, 1), (1, 1, 1, 1), (1, 3)))
    scale, shift = (module.modulation.weight @ e[0] + module.modulation.bias).split(2)
    centre = module.first.weight[:, :, 1, 1]
    h = (centre @ torch.stack([given, x]).flatten() + module.first.bias) * (1 + scale) + shift
    expected = x.flatten() + (module.second.weight[0, :, 1, 1] * h * h.sigmoid()).sum()
    torch.testing.assert_close(module(given, x, e).flatten(), expected)


def test_who_has_a_refinement() -> None:
    spec = Spec(3, 64, 64)
    for name in ("flow-matching", "ddpm", "edm", "mean-flow"):
        recipe = recipes.get(name)
        assert isinstance(recipe(spec).network.refinement, Refinement)
        assert recipe(spec, refine=0).network.refinement is None
        assert recipe(Spec(1, 28, 28)).network.refinement is None
        assert recipe.former["refine"] == 0, "runs that do not say it"
    recipe = recipes.get("flow-matching")
    for network in ("transformer", "dense"):
        with pytest.raises(UserError, match=r"refine.* of --network unet: "):
            recipe(spec, network=network, refine=4)
