"""What a VAE can be made of: importance-weighted training, free bits, conditions, binarization."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from genarium.contract import Attribute, Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.conditioning import Labels, Rows
from genarium.models.vae import model as module
from genarium.models.vae.cvae import cvae
from genarium.models.vae.iwae import iwae
from genarium.models.vae.model import VAE
from genarium.models.vae.vae import vae
from genarium.nn import distributions as dist
from genarium.nn.mlp import DenseDecoder, DenseEncoder

TINY = Spec(1, 8, 8, ("a", "b", "c"))
FACTORS = (Attribute("shape", ("round", "square")), Attribute("size"))
SHAPES = dataclasses.replace(TINY, attributes=FACTORS, vectors=(("caption", 5),))
SMALL = {"latent": 2, "hidden": 16, "layers": 1}


def pictures(n: int, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=g)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(n: int, seed: int = 0, **extra: Tensor) -> Batch:
    return Batch(pictures(n), torch.arange(n) % 3, Noise(seed, n), extra)


# Importance-weighted training -----------------------------------------------------------------


def double(recipe, **arguments) -> VAE:
    torch.manual_seed(0)
    return recipe(TINY, net="dense", **{**SMALL, **arguments}).double().eval()


class Fixed(Noise):
    """The draws of a test, whatever is asked."""

    def __init__(self, eps: Tensor):
        super().__init__(0, len(eps))
        self.eps = eps

    def normal(self, *shape: int) -> Tensor:
        return self.eps.view(len(self.eps), *shape)


def naive_bound(model: VAE, target: Tensor, eps: Tensor) -> Tensor:
    """ln (1/k) Σ exp(ln p(x|z) + ln p(z) − ln q(z|x)) image by image and draw by draw, [B]."""
    q = model.infer(target * 2 - 1)
    results = []
    for row in range(len(target)):
        mean, log_variance = q.mean[row], q.log_variance[row]
        weights = []
        for draw in eps[row]:
            z = mean + (0.5 * log_variance).exp() * draw
            logits = model.generate(z[None])[0]
            bits = torch.distributions.Bernoulli(logits=logits).log_prob(target[row]).sum()
            p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
            code = torch.distributions.Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum()
            weights.append(bits + p - code)
        results.append(torch.stack(weights).logsumexp(0) - math.log(len(weights)))
    return torch.stack(results)


def test_iwae_minimises_the_naive_bound_and_has_its_gradient():
    model = double(iwae, samples=4)
    eps = torch.randn(3, 4 * 2, dtype=torch.float64)
    target = (pictures(3) > 127).double()
    loss = model._importance_weighted(target, Fixed(eps), None).losses["bound"]
    wanted = -naive_bound(model, target, eps.view(3, 4, 2)).mean()
    torch.testing.assert_close(loss, wanted, rtol=1e-9, atol=1e-9)
    ours = torch.autograd.grad(loss, list(model.parameters()))
    theirs = torch.autograd.grad(wanted, list(model.parameters()))
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_a_bound_of_one_sample_is_the_elbo_on_average():
    """log w of one draw and the ELBO with its KL in closed form agree in the mean over draws."""
    model = double(vae)
    n = 20000
    target = (pictures(1) > 127).double().expand(n, -1, -1, -1)
    eps = torch.randn(n, 2, dtype=torch.float64, generator=seeded(0))
    with torch.no_grad():
        weights = model.log_weights(target, eps, model.infer(target * 2 - 1))
        log_likelihood, kl, *_ = model.terms(target, Fixed(eps))
    difference = weights - (log_likelihood - kl.sum(1))
    assert abs(difference.mean().item()) < 4 * difference.std().item() / n**0.5


def test_elbo_below_iwae_5_below_iwae_5000_on_held_out_images():
    torch.manual_seed(0)
    model = vae(TINY, net="dense", **SMALL)
    sides = torch.zeros(2, 1, 8, 8)
    sides[0, ..., :4], sides[1, ..., 4:] = 0.6, 0.6  # brighter on one side, some pixels flipped
    chance = sides.repeat(48, 1, 1, 1) + 0.2
    bits = (torch.rand(chance.shape, generator=seeded(1)) < chance).to(torch.uint8) * 255
    train, held = bits[:64], bits[64:]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(80):
        optimizer.zero_grad()
        sum(model.step(Batch(train, None, Noise(step, 64)), "vae").losses.values()).backward()
        optimizer.step()
    model.eval()
    means = []
    for k, runs in ((1, 20), (5, 20), (5000, 1)):
        bounds = [model.elbo(held, k=k, generator=seeded(seed)).mean() for seed in range(runs)]
        means.append(torch.stack(bounds).mean().item())
    assert means[0] < means[1] < means[2]


def test_importance_weights_leave_no_room_for_beta_or_free_bits():
    with pytest.raises(ValueError, match="belong to the ELBO"):
        VAE(
            TINY,
            DenseEncoder(TINY.shape, 4, ()),
            DenseDecoder(2, TINY.shape, ()),
            dist.Bernoulli(),
            latent=2,
            beta=2.0,
            samples=5,
        )


# Free bits ------------------------------------------------------------------------------------


def test_free_bits_cost_nothing_below_and_everything_above():
    """Σ_d max(λ, KL_d), KL_d over the batch; the metrics stay the true ELBO."""
    torch.manual_seed(0)
    plain, free = (vae(TINY, net="dense", free_bits=bits, **SMALL).eval() for bits in (0.0, 0.3))
    free.load_state_dict(plain.state_dict())
    with torch.no_grad():  # one latent collapsed, one that says much
        head = plain.encoder.layers[-1]
        head.weight[[0, 2]], head.bias[[0, 2]] = 0.0, 0.0
        head.bias[1] = 3.0
        free.encoder.load_state_dict(plain.encoder.state_dict())
    a, b = plain.step(batch_of(6), "vae"), free.step(batch_of(6), "vae")
    q = plain.infer(plain.likelihood.signed(batch_of(6).bits()))
    kl = dist.kl_standard_normal(*q).mean(0)
    assert kl[0].item() == 0.0
    assert kl[1].item() > 3.0
    torch.testing.assert_close(b.losses["rate"], 0.3 + kl[1])
    torch.testing.assert_close(a.metrics["elbo"], b.metrics["elbo"])
    b.losses["rate"].backward()
    gradient = free.encoder.layers[-1].bias.grad
    assert gradient[0].item() == 0.0
    assert gradient[1].item() != 0.0


def test_free_bits_are_of_the_batchs_mean_not_of_an_image():
    """Images on both sides of λ: an image's own KL below it is not raised to it."""
    torch.manual_seed(0)
    plain = vae(TINY, net="dense", **SMALL).eval()
    with torch.no_grad():
        plain.encoder.layers[-1].weight.mul_(5)
        kl = dist.kl_standard_normal(*plain.infer(plain.likelihood.signed(batch_of(6).bits())))
    free_bits = kl.mean(0).min().item() * 0.99
    assert (kl < free_bits).any()
    assert (kl > free_bits).any()
    free = vae(TINY, net="dense", free_bits=free_bits, **SMALL).eval()
    free.load_state_dict(plain.state_dict())
    loss = free.step(batch_of(6), "vae").losses["rate"]
    torch.testing.assert_close(loss, kl.mean(0).clamp(min=free_bits).sum())
    per_image = kl.clamp(min=free_bits).mean(0).sum()
    assert per_image > loss + 1e-3


# Where the decoder begins ---------------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["bernoulli", "gaussian", "logistic"])
def test_a_dense_decoder_begins_at_the_mean_image(decoder):
    torch.manual_seed(0)
    model = vae(TINY, net="dense", decoder=decoder, **SMALL).train()
    images = (pictures(1) // 2 + 60).expand(200, -1, -1, -1)
    model.step(Batch(images, None, Noise(0, 200)), "vae")
    last = model.decoder.layers[-1]
    with torch.no_grad():
        last.weight.zero_()
        shown = (model.decode(torch.zeros(1, 2)) + 1) * 127.5
    assert (shown - images[:1]).abs().mean() < 12  # of 200 drawn bits 9 is one deviation
    kept = last.bias.clone()
    model.step(Batch(255 - images, None, Noise(1, 200)), "vae")
    assert torch.equal(last.bias, kept), "only the first batch counts"
    again = vae(TINY, net="dense", decoder=decoder, **SMALL).train()
    again.load_state_dict(model.state_dict())
    again.step(Batch(255 - images, None, Noise(1, 200)), "vae")
    assert torch.equal(again.decoder.layers[-1].bias, kept), "nor does it start over on resume"


# Binarization ---------------------------------------------------------------------------------


def test_static_and_dynamic_binarization_are_named_and_grey_levels_are_refused():
    static = dataclasses.replace(TINY, binarized="static")
    assert vae(static, width=2).density == "statically binarized pixels (Bernoulli)"
    assert vae(TINY, width=2).density == "dynamically binarized pixels (Bernoulli)"
    with pytest.raises(UserError, match="--binarize static"):
        vae(static, decoder="logistic", width=2)


def test_static_bits_need_no_draw_and_equal_the_dynamic_ones_of_binary_images():
    images = (pictures(5) > 99).to(torch.uint8) * 255
    batch = Batch(images, None, Noise(0, 5))
    assert torch.equal(dist.Bernoulli(static=True).target(batch), dist.Bernoulli().target(batch))


# Conditions -----------------------------------------------------------------------------------


def conditional(condition: str = "class", spec: Spec = SHAPES, **arguments) -> VAE:
    torch.manual_seed(0)
    sizes = SMALL if arguments.get("net", "strided") != "strided" else {"latent": 2, "width": 4}
    return cvae(spec, condition=condition, **{**sizes, **arguments}).eval()


@pytest.mark.parametrize("net", ["strided", "conv", "dense"])
def test_the_label_reaches_encoder_and_decoder(net):
    model = conditional(net=net)
    images = pictures(4)
    first, second = (model.posterior(images, torch.full((4,), y)) for y in (0, 1))
    assert not torch.allclose(first.mean, second.mean)
    z = model.prior(4, seeded(0), condition=torch.tensor([0, 0, 1, 2]))
    assert torch.equal(z[:, 2:], torch.eye(3)[[0, 0, 1, 2]])
    same = torch.cat([z[:, :2], torch.eye(3)[[1, 1, 1, 1]]], 1)
    assert not torch.allclose(model.decode(z)[0], model.decode(same)[0])
    assert torch.allclose(model.decode(z)[2], model.decode(same)[2])


def test_without_a_label_the_bound_is_of_the_mixture_over_labels(monkeypatch):
    # An untrained encoder is a good enough proposal where the posterior is near the prior.
    monkeypatch.setattr(module, "CONDITION_SCALE", 1.0)
    model = conditional(latent=1)
    bits = (pictures(3) > 127).to(torch.uint8) * 255
    each = []
    for label in range(3):
        y = torch.eye(3)[[label]].expand(4001, -1)
        z = torch.linspace(-8, 8, 4001)[:, None]
        with torch.no_grad():
            output = model.generate(z, y)
            prior = dist.normal_log_prob(z, torch.zeros(()), torch.zeros(()))[:, 0]
            each.append(
                torch.stack(
                    [
                        (model.likelihood.log_prob(output, x.expand(4001, 1, 8, 8)) + prior)
                        .double()
                        .logsumexp(0)
                        for x in bits.float() / 255
                    ]
                )
                + math.log(16 / 4000)
            )
    truth = torch.stack(each)
    mixed = truth.logsumexp(0) - math.log(3)
    result = model.elbo(bits, k=3000, generator=seeded(0))
    torch.testing.assert_close(result, mixed, atol=0.2, rtol=0)
    given = model.elbo(bits, torch.full((3,), 1), k=3000, generator=seeded(0))
    torch.testing.assert_close(given, truth[1], atol=0.2, rtol=0)
    assert (model.elbo(bits, generator=seeded(0)) < mixed + 1).all()


@pytest.mark.parametrize("condition", ["class", "attributes", "caption"])
def test_the_bound_of_a_conditional_model_does_not_depend_on_the_batches(condition):
    model = conditional(condition)
    rows = {"attributes": torch.tensor([[1.0, 0.2]]), "caption": torch.randn(1, 5)}
    if condition != "class":
        model.train()
        name = model.conditioned_on
        model.step(batch_of(8, **{name: rows[condition].repeat(8, 1)}), "vae")
        model.eval()
    images = pictures(7)
    whole = model.elbo(images, k=3, generator=seeded(3))
    g = seeded(3)
    pieces = torch.cat([model.elbo(part, k=3, generator=g) for part in images.split([1, 4, 2])])
    torch.testing.assert_close(pieces, whole, atol=1e-3, rtol=0)


def test_a_trained_conditional_model_names_the_class_and_keeps_the_code():
    """Class a is dark, b middle, c bright: the bound tells them apart, encoding finds them."""
    spec = TINY
    torch.manual_seed(0)
    model = cvae(spec, net="dense", decoder="gaussian", **SMALL)
    labels = torch.arange(96) % 3
    images = (pictures(96) // 8 + (80 * labels + 10).view(-1, 1, 1, 1)).to(torch.uint8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(80):
        optimizer.zero_grad()
        sum(model.step(Batch(images, labels, Noise(step, 96)), "vae").losses.values()).backward()
        optimizer.step()
    model.eval()
    assert torch.equal(model.classify(images), labels)
    codes = model.encode(images)
    assert torch.equal(codes[:, 2:].argmax(1), labels)
    torch.testing.assert_close(codes, model.encode(images, labels))
    wrong = (labels + 1) % 3
    assert torch.equal(model.encode(images, wrong)[:, 2:].argmax(1), wrong)
    asked = model.sample(9, condition=torch.arange(9) % 3, generator=seeded(0))
    brightness = asked.flatten(1).mean(1).view(3, 3).mean(0)
    assert brightness[0] < brightness[1] < brightness[2]


def test_attributes_are_one_hot_where_named_and_numbers_elsewhere():
    conditioning = Rows("factors", FACTORS)
    assert conditioning.size == 3
    rows = torch.tensor([[0.0, 0.25], [1.0, -2.0]])
    assert torch.equal(conditioning.encoded(rows), torch.tensor([[1, 0, 0.25], [0, 1, -2.0]]))


def test_a_condition_may_leave_attributes_to_chance():
    model = conditional("attributes")
    model.train()
    rows = torch.stack([torch.arange(8.0) % 2, torch.linspace(0, 1, 8)], 1)
    model.step(batch_of(8, factors=rows), "vae")
    model.eval()
    asked = torch.tensor([[1.0, math.nan]]).expand(50, -1)
    y = model.prior(50, seeded(0), condition=asked)[:, 2:]
    assert (y[:, 1] == 1).all()
    assert set(y[:, 2].tolist()) <= set(rows[:, 1].tolist())
    assert len(y[:, 2].unique()) > 3
    free = model.prior(200, seeded(0))[:, 2:]
    assert 0.2 < free[:, 0].mean() < 0.8
    with pytest.raises(UserError, match="shape 7"):
        model.prior(1, condition=torch.tensor([[7.0, 0.0]]))
    with pytest.raises(UserError, match="conditioned on 2 numbers"):
        model.prior(1, condition=torch.zeros(1, 3))


def test_the_rows_seen_survive_averaged_weights_and_a_checkpoint():
    from genarium.training.ema import Ema

    model = conditional("caption").train()
    ema = Ema(model, 0.9)
    rows = torch.randn(8, 5)
    for step in range(3):
        model.step(batch_of(8, caption=rows + step), "vae")
        ema.update(step)
    conditioning = model.conditioning
    kept = conditioning.seen.view(torch.float32)
    assert torch.equal(kept[:8], rows + 2)
    assert torch.equal(kept[16:24], rows)
    assert conditioning.count == 24
    assert torch.equal(ema.state["conditioning.seen"], conditioning.seen)


def test_the_data_must_have_what_a_model_is_conditioned_on():
    with pytest.raises(UserError, match="--condition sound: the data have class, attributes, cap"):
        conditional("sound")
    with pytest.raises(UserError, match="--condition class: the data have no labels"):
        conditional("class", Spec(1, 8, 8))


def test_a_label_model_is_conditioned_by_the_same_piece_as_a_gan():
    assert isinstance(conditional().conditioning, Labels)
