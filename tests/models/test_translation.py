"""pix2pix and CycleGAN: whose loss is what, in closed form; the pool; noise at test time."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn.functional import softplus

from genarium.contract import Batch, Noise, Spec, from_uint8
from genarium.errors import UserError
from genarium.models.translation.base import jittered
from genarium.models.translation.cyclegan import ImagePool, cyclegan
from genarium.models.translation.pix2pix import pix2pix

SHAPE = (3, 16, 16)
PAIRS = Spec(*SHAPE, second=(1, 16, 16), paired=True)
DOMAINS = Spec(*SHAPE, second=SHAPE)
SMALL = {"width": 2, "disc_width": 2, "patch": 16}


def batch_of(spec: Spec, n: int = 4, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    a, b = (
        torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=g)
        for shape in (spec.shape, spec.second)
    )
    return Batch(a, None, Noise(seed, n), {"b": b})


def scaled(model):
    """The start N(0, .02) is so close to 0 that the losses hardly differ."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    return model


# -------------------------------------------------------------------------------- pix2pix


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_pix2pix_has_the_papers_losses(direction: str) -> None:
    torch.manual_seed(0)
    model = scaled(pix2pix(PAIRS, direction=direction, l1=7.0, gan=2.0, **SMALL))
    batch = batch_of(PAIRS)
    a, b = batch.signed(), from_uint8(batch.extra["b"])
    x, y = (a, b) if direction == "a2b" else (b, a)
    fake = model.generator(x, Noise(0, 4).uniform)
    assert fake.shape == y.shape
    judged = [model.discriminator(torch.cat([x, other], 1)) for other in (y, fake)]
    made = model.step(batch, "generator")
    torch.testing.assert_close(made.losses["l1"], 7 * (fake - y).abs().mean())
    torch.testing.assert_close(made.losses["adversarial"], 2 * softplus(-judged[1]).mean())
    torch.testing.assert_close(made.metrics["error"], (fake - y).detach().abs().mean() / 2)
    loss = model.step(batch, "discriminator").losses["discriminator"]
    expected = 0.5 * (softplus(-judged[0]).mean() + softplus(judged[1]).mean())
    torch.testing.assert_close(loss, expected)


def test_the_discriminator_judges_the_images_of_the_generators_turn() -> None:
    torch.manual_seed(0)
    model = scaled(pix2pix(PAIRS, **SMALL))
    model.step(batch_of(PAIRS), "generator")
    of_turn = model.step(batch_of(PAIRS, seed=9), "discriminator").losses["discriminator"]
    fresh = model.step(batch_of(PAIRS, seed=9), "discriminator").losses["discriminator"]
    assert not torch.allclose(of_turn, fresh)  # images of another batch, made anew
    model.step(batch_of(PAIRS, seed=9), "generator")
    again = model.step(batch_of(PAIRS, seed=9), "discriminator").losses["discriminator"]
    torch.testing.assert_close(again, fresh)


def test_l1_alone_has_no_discriminator() -> None:
    model = pix2pix(PAIRS, gan=0.0, width=2)
    assert [phase.name for phase in model.phases] == ["generator"]
    assert set(model.step(batch_of(PAIRS), "generator").losses) == {"l1"}
    assert not [name for name, _ in model.named_parameters() if "discriminator" in name]


def test_dropout_stays_on_at_test_time_unless_it_is_switched_off() -> None:
    torch.manual_seed(0)
    images = batch_of(PAIRS).images
    model = scaled(pix2pix(PAIRS, **SMALL)).eval()

    def made(seed: int, model=model) -> torch.Tensor:
        return model.translate(images, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(made(0), made(0))
    assert not torch.allclose(made(0), made(1))
    torch.manual_seed(0)
    quiet = scaled(pix2pix(PAIRS, test_dropout=False, **SMALL)).eval()
    assert torch.equal(made(0, quiet), made(1, quiet))
    trained = [quiet.step(batch_of(PAIRS, seed=s), "generator").losses["l1"] for s in (0, 0)]
    assert torch.equal(*trained)
    other = Batch(batch_of(PAIRS).images, None, Noise(5, 4), batch_of(PAIRS).extra)
    assert not torch.allclose(quiet.step(other, "generator").losses["l1"], trained[0])


def test_translation_takes_uint8_of_one_domain_to_the_other() -> None:
    model = pix2pix(PAIRS, **SMALL).eval()
    made = model.translate(batch_of(PAIRS).images)
    assert made.shape == (4, 1, 16, 16)
    assert made.dtype == torch.float32
    with pytest.raises(UserError, match="--direction b2a: this model translates a2b"):
        model.translate(batch_of(PAIRS).images, direction="b2a")


# -------------------------------------------------------------------------------- CycleGAN


def test_cyclegan_has_the_papers_losses() -> None:
    torch.manual_seed(0)
    model = scaled(cyclegan(DOMAINS, blocks=1, pool=0, cycle=3.0, identity=0.25, **SMALL))
    batch = batch_of(DOMAINS)
    a, b = batch.signed(), from_uint8(batch.extra["b"])
    g, f = model.a2b, model.b2a
    fake_b, fake_a = g(a), f(b)
    expected = {
        "adversarial_a2b": (model.discriminator_b(fake_b) - 1).square().mean(),
        "adversarial_b2a": (model.discriminator_a(fake_a) - 1).square().mean(),
        "cycle_a": 3 * (f(fake_b) - a).abs().mean(),
        "cycle_b": 3 * (g(fake_a) - b).abs().mean(),
        "identity_a": 0.75 * (f(a) - a).abs().mean(),
        "identity_b": 0.75 * (g(b) - b).abs().mean(),
    }
    losses = model.step(batch, "generators").losses
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, msg=name)
    judged = model.step(batch, "discriminators").losses
    for name, real, fake in (("a", a, fake_a), ("b", b, fake_b)):
        judge = getattr(model, f"discriminator_{name}")
        value = 0.5 * ((judge(real) - 1).square().mean() + judge(fake).square().mean())
        torch.testing.assert_close(judged[f"discriminator_{name}"], value)


def test_no_two_networks_share_weights() -> None:
    model = cyclegan(DOMAINS, blocks=1, **SMALL)
    nets = (model.a2b, model.b2a, model.discriminator_a, model.discriminator_b)
    pointers = [{p.data_ptr() for p in net.parameters()} for net in nets]
    assert all(not one & other for one, other in itertools.combinations(pointers, 2))


def test_what_weighs_nothing_is_left_out() -> None:
    model = cyclegan(DOMAINS, blocks=1, cycle=0.0, **SMALL)
    assert set(model.step(batch_of(DOMAINS), "generators").losses) == {
        "adversarial_a2b",
        "adversarial_b2a",
    }
    with pytest.raises(UserError, match=r"--identity 0.5: the domains have 3 and 1 channels"):
        cyclegan(PAIRS, blocks=1, **SMALL)
    grey = cyclegan(PAIRS, blocks=1, identity=0.0, **SMALL)
    there = grey.translate(batch_of(PAIRS).images, direction="a2b")
    assert there.shape == (4, 1, 16, 16)
    assert grey.translate(batch_of(PAIRS).extra["b"], direction="b2a").shape == (4, *SHAPE)


# ------------------------------------------------------------------------------------ pool


class Scripted(Noise):
    """Noise whose shared draws are those of a list."""

    def __init__(self, draws: list[tuple[float, float]]):
        super().__init__(0, len(draws))
        self.draws = draws

    def shared_uniform(self, *shape: int) -> torch.Tensor:
        assert shape == (len(self.draws), 2)
        return torch.tensor(self.draws, dtype=torch.float64)


def images_of(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


@pytest.mark.parametrize("keeps", itertools.product((False, True), repeat=3))
@pytest.mark.parametrize("places", itertools.product((0, 1), repeat=3))
def test_the_pool_follows_the_papers_rule(keeps: tuple[bool, ...], places: tuple[int, ...]) -> None:
    """All draws of three images for a full pool of two, against the rule written out."""
    pool = ImagePool(2, (1, 1, 1))
    first = Noise(0, 2)
    assert torch.equal(pool.query(images_of(1, 2), first), images_of(1, 2))
    held, expected = [1.0, 2.0], []
    for value, keep, place in zip((3.0, 4.0, 5.0), keeps, places):
        if keep:
            expected.append(value)
        else:
            expected.append(held[place])
            held[place] = value
    draws = [(0.9 if k else 0.1, 0.25 + 0.5 * p) for k, p in zip(keeps, places)]
    result = pool.query(images_of(3, 4, 5), Scripted(draws))
    assert torch.equal(result, images_of(*expected))
    assert torch.equal(pool.images, images_of(*held))
    assert int(pool.held) == 2


def test_half_of_the_images_come_from_a_full_pool() -> None:
    pool, size = ImagePool(10, (1, 1, 1)), 4000
    pool.query(torch.zeros(10, 1, 1, 1), Noise(0, 10))
    fresh = torch.arange(1, size + 1).float().view(-1, 1, 1, 1)
    result = pool.query(fresh, Noise(1, size))
    assert (result == fresh).double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert ImagePool(0, (1, 1, 1)).query(fresh, Noise(1, size)) is fresh


def test_the_pool_belongs_to_the_checkpoint() -> None:
    model = cyclegan(DOMAINS, blocks=1, pool=3, **SMALL)
    model.step(batch_of(DOMAINS), "generators")
    model.step(batch_of(DOMAINS), "discriminators")
    state = model.state_dict()
    assert int(state["pool_a.held"]) == int(state["pool_b.held"]) == 3
    other = cyclegan(DOMAINS, blocks=1, pool=3, **SMALL)
    other.load_state_dict(state)
    assert torch.equal(other.pool_b.images, model.pool_b.images)
    assert model.pool_a.images.abs().max() > 0


def test_recipes_want_two_domains_of_one_size() -> None:
    for make in (pix2pix, cyclegan):
        with pytest.raises(UserError, match="one domain"):
            make(Spec(*SHAPE))
        with pytest.raises(UserError, match="16x16 and 16x20: give --size"):
            make(Spec(*SHAPE, second=(3, 16, 20)))


# -- jitter -----------------------------------------------------------------------------------


def test_jitter_cuts_the_old_size_out_of_an_enlarged_image() -> None:
    along = torch.arange(8.0) / 7
    x = torch.stack(torch.meshgrid(along, along, indexing="ij"))[None].expand(9, -1, -1, -1)
    places = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    result = jittered(x, places, 2)
    larger = torch.nn.functional.interpolate(x[:1], (10, 10), mode="bilinear")[0]
    for crop, (down, across) in zip(result, places.tolist()):
        assert torch.equal(crop, larger[:, down : down + 8, across : across + 8])
    assert jittered(x, None, 0) is x


def test_a_pair_moves_together_and_unpaired_images_each_by_itself() -> None:
    spec = Spec(1, 16, 16, second=(1, 16, 16), paired=True)
    images = torch.randint(0, 256, (6, 1, 16, 16)).to(torch.uint8)

    def same() -> Batch:
        return Batch(images, None, Noise(3, 6), {"b": images})

    pair = pix2pix(spec, jitter=4, **SMALL)._pair(same())
    assert torch.equal(*pair)
    assert not torch.equal(pair[0], same().signed())
    a, b = cyclegan(spec, blocks=1, jitter=4, **SMALL)._images(same())
    assert a.shape == b.shape == (6, 1, 16, 16)
    assert not torch.equal(a, b)
    assert torch.equal(pix2pix(spec, **SMALL)._pair(same())[0], same().signed())
