"""What every architecture and head promises: causality, exact likelihood, exact fast samples."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from genarium.contract import Batch, Noise, Spec, dequantize, quantize
from genarium.errors import UserError
from genarium.models.autoregressive.autoregressive import drawn_bits
from genarium.models.autoregressive.wavefront import Given
from tests.models.autoregressive import (
    ARCHITECTURES,
    all_images,
    assert_alike_but_for_noise,
    build,
    conditional_or_not,
    drawn,
    every_architecture,
    every_head,
    jacobian_of,
)

# -- causality --------------------------------------------------------------------------------


@every_architecture
@every_head
@conditional_or_not
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 3)], ids=["grey", "colour"])
def test_no_prediction_sees_itself_or_what_comes_later(net, head, conditional, shape):
    # Wide enough that not all units of a colour are dead.
    sizes = {"levels": 2, "features": 24, "position": conditional, "conditional": conditional}
    jacobian = jacobian_of(build(net, shape, head, **sizes), 1 if conditional else None)
    assert torch.equal(jacobian.triu(), torch.zeros_like(jacobian))
    # And it does see its nearest past, the colour before or the last colour to the left (but
    # for the odd pixel at which all relus of a layer are off).
    nearest = jacobian.diagonal(-1)
    wraps = (torch.arange(1, len(jacobian)) % (shape[0] * shape[2])) == 0
    assert (nearest[~wraps] > 0).double().mean() > 0.9


# -- likelihood -------------------------------------------------------------------------------


@every_architecture
@every_head
@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 2, 3), 3), ((1, 3, 2), 2), ((1, 2, 3), 2), ((3, 1, 2), 2)]
)
def test_probabilities_of_all_images_sum_to_one(net, head, shape, levels):
    model = build(net, shape, head, levels=levels, dtype=torch.float32)
    with torch.inference_mode():
        log_prob = model.log_prob(all_images(levels, shape))
    assert log_prob.double().exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert log_prob.std() > 0.1


@every_architecture
@every_head
@pytest.mark.parametrize("shape", [(1, 2, 3), (3, 1, 2)], ids=["grey", "colour"])
def test_conditional_probabilities_sum_to_one(net, head, shape):
    model = build(net, shape, head, levels=2, conditional=True)
    images = all_images(2, shape)
    with torch.inference_mode():
        each = [
            model.log_prob(images, torch.full((len(images),), label)).exp() for label in range(3)
        ]
        mixture = model.log_prob(images).exp()
    for result in (*each, mixture):
        assert abs(float(result.sum()) - 1) < 1e-9
    assert not torch.allclose(each[0], each[1])
    torch.testing.assert_close(mixture, torch.stack(each).mean(0))


@every_architecture
@every_head
def test_log_prob_is_the_sum_of_the_conditionals(net, head):
    model = build(net, (3, 3, 4), head, levels=4)
    levels = torch.randint(4, (1, 3, 3, 4), generator=torch.Generator().manual_seed(0))
    outputs = model.network(dequantize(levels, 4).double(), None, None)
    outputs = outputs.view(3, model.head.outputs, 3, 4)
    expected = sum(
        model.head.log_prob(outputs[None, c, :, r, k], levels[:, c, r, k])
        for c, r, k in itertools.product(range(3), range(3), range(4))
    )
    result = model.log_prob(((levels * 256 + 128) // 4).to(torch.uint8))
    torch.testing.assert_close(result, expected)


@every_architecture
def test_step_is_the_mean_negative_log_likelihood(net):
    model = build(net, (1, 4, 4), levels=8, dtype=torch.float32)
    images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    step = model.step(Batch(images), "model")
    nats = model.log_prob(images)
    bits = -nats.mean() / (16 * math.log(2.0))
    torch.testing.assert_close(step.losses["bits_per_dim"], bits)
    torch.testing.assert_close(step.metrics["log_prob"], nats.mean().detach())
    assert not step.metrics["log_prob"].requires_grad


# -- samples ----------------------------------------------------------------------------------


@every_architecture
@every_head
@conditional_or_not
@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 7, 7), 2), ((1, 3, 11), 5), ((3, 3, 5), 4), ((3, 6, 2), 16)]
)
def test_fast_samples_are_the_naive_ones(net, head, conditional, shape, levels):
    """Bit for bit in float64."""
    model = build(net, shape, head, levels=levels, conditional=conditional)
    fast, naive = drawn(model, 3), drawn(model, 3, naive=True)
    assert torch.equal(fast, naive)
    assert len(fast.unique()) > 1
    assert not torch.equal(fast, drawn(model, 3, seed=2))


@every_architecture
@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 9, 3), 4), ((1, 1, 5), 2), ((1, 5, 1), 2), ((3, 1, 1), 3)]
)
def test_fast_samples_of_narrow_images(net, shape, levels):
    model = build(net, shape, levels=levels)
    assert torch.equal(drawn(model), drawn(model, naive=True))


@every_architecture
@every_head
@pytest.mark.parametrize("shape", [(1, 8, 7), (3, 4, 5)], ids=["grey", "colour"])
def test_fast_samples_in_float32(net, head, shape):
    model = build(net, shape, head, levels=8, dtype=torch.float32)
    assert_alike_but_for_noise(model, drawn(model, 32), drawn(model, 32, naive=True))


@every_architecture
@every_head
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 5)], ids=["grey", "colour"])
def test_given_pixels_are_kept_and_the_rest_is_drawn_from_them(net, head, shape):
    model = build(net, shape, head, levels=4)
    levels = torch.randint(4, (6, *shape), generator=torch.Generator().manual_seed(3))
    keep = torch.zeros(levels.shape, dtype=torch.bool)
    keep[:, :, :2] = True
    keep[:, -1, 3, 3] = True
    fast, naive = (drawn(model, 6, given=Given(levels, keep), naive=naive) for naive in (0, 1))
    assert torch.equal(fast[keep], levels[keep])
    assert not torch.equal(fast, levels)
    assert torch.equal(fast, naive)
    # What is drawn depends on what is kept above it.
    other = drawn(model, 6, given=Given(3 - levels, keep))
    assert not torch.equal(other[~keep], fast[~keep])


@every_architecture
@every_head
def test_samples_follow_the_likelihood(net, head):
    model = build(net, (1, 2, 2), head, levels=2, dtype=torch.float32)
    n = 20_000
    result = drawn(model, n, seed=0, chunk=n)
    counts = torch.bincount((result.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16)
    with torch.inference_mode():
        expected = model.log_prob(all_images(2, (1, 2, 2))).exp()
    # Chi-squared with 15 degrees of freedom: above 44 once in ten thousand.
    assert ((counts - n * expected).square() / (n * expected)).sum() < 44


@every_architecture
@conditional_or_not
def test_chunks_do_not_change_the_samples(net, conditional):
    model = build(net, (1, 5, 6), levels=4, conditional=conditional)
    assert torch.equal(drawn(model, 7), drawn(model, 7, chunk=3))
    assert model.sample(0).shape == (0, 1, 5, 6)


@every_architecture
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 4)], ids=["grey", "colour"])
def test_conditional_samples_are_of_their_class(net, shape):
    model = build(net, shape, levels=3, conditional=True)
    labels = torch.tensor([0, 1, 2, 2, 1])
    conditioned = drawn(model, 5, condition=labels)
    assert torch.equal(conditioned, drawn(model, 5, condition=labels, naive=True, chunk=3))
    zeros = drawn(model, 5, condition=torch.zeros_like(labels))
    assert torch.equal(zeros[0], conditioned[0])
    assert not torch.equal(zeros[1:], conditioned[1:])


@every_architecture
def test_sample_is_on_minus_one_to_one(net):
    model = build(net, (3, 4, 4), levels=2, dtype=torch.float32)
    x = model.sample(5, generator=torch.Generator().manual_seed(1))
    assert x.shape == (5, 3, 4, 4)
    assert x.dtype == torch.float32
    assert set(x.unique().tolist()) == {-1.0, 1.0}


# -- what the likelihood is of ----------------------------------------------------------------


@every_architecture
def test_likelihood_is_of_the_quantised_image(net):
    model = build(net, (1, 4, 4), levels=2, dtype=torch.float32)
    images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    same = quantize(images, 2).to(torch.uint8) * 255
    assert torch.equal(model.log_prob(images), model.log_prob(same))
    assert model.density == "2 grey levels, threshold at 128"
    assert build(net, (1, 4, 4), levels=256).density == "256 grey levels"
    assert build(net, (3, 2, 2), levels=4).density == "4 levels a colour, floor(x·4/256)"


@every_architecture
def test_binarizations_have_names(net):
    images = torch.randint(256, (6, 1, 4, 4), dtype=torch.uint8)
    static, dynamic = (
        build(net, (1, 4, 4), levels=2, binarized=how, dtype=torch.float32)
        for how in ("static", "dynamic")
    )
    assert static.density == "statically binarized pixels (Bernoulli)"
    assert dynamic.density == "dynamically binarized pixels (Bernoulli)"
    bits = drawn_bits(images).to(torch.uint8) * 255
    # of fixed bits both are the same number; of grey images the dynamic one draws
    assert torch.equal(static.log_prob(bits), dynamic.log_prob(bits))
    assert torch.equal(dynamic.log_prob(images), static.log_prob(bits))
    assert not torch.equal(static.log_prob(images), dynamic.log_prob(images))
    with pytest.raises(UserError, match="add --levels 2"):
        build(net, (1, 4, 4), levels=256, binarized="static")


def test_dynamic_binarization_draws_anew_in_each_step():
    model = build("plain", (1, 4, 4), levels=2, binarized="dynamic", dtype=torch.float32)
    batch = [
        Batch(torch.full((64, 1, 4, 4), 128, dtype=torch.uint8), noise=Noise(seed, 64))
        for seed in (0, 0, 1)
    ]
    first, again, other = (model.step(b, "model").losses["bits_per_dim"].item() for b in batch)
    assert first == again
    assert first != other


def test_drawn_bits_depend_on_the_image_alone():
    grey = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(500, 1, 1, 1)
    grey[:, 0, 0, :2] = torch.arange(500 * 2).view(500, 2) % 251  # all different images
    bits = drawn_bits(grey)
    assert torch.equal(bits[3:5], drawn_bits(grey[3:5]))
    rate = bits.double().mean(0).flatten()[2:]
    expected = torch.arange(2, 256, dtype=torch.float64) / 255
    # 500 draws a pixel: five standard deviations are 0.11 at most.
    assert (rate - expected).abs().max() < 0.112
    black_and_white = (bits * 255).to(torch.uint8)
    assert torch.equal(drawn_bits(black_and_white), bits)
    assert drawn_bits(grey[:0]).shape == (0, 1, 16, 16)


# -- training ---------------------------------------------------------------------------------


@every_architecture
@every_head
@pytest.mark.parametrize("channels", [1, 3])
def test_every_parameter_gets_a_gradient(net, head, channels):
    model = build(net, (channels, 6, 6), head, levels=4, features=12, dtype=torch.float32)
    images = torch.randint(256, (2, channels, 6, 6), dtype=torch.uint8)
    model.step(Batch(images), "model").losses["bits_per_dim"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # The mixture's scores do not matter where one component has all the weight.
        assert head == "logistics" or parameter.grad.abs().sum() > 0, name


@every_architecture
def test_a_few_steps_learn(net):
    torch.manual_seed(0)
    recipe, sizes = ARCHITECTURES[net]
    depth = {name: 1 for name in ("blocks", "layers") if name in sizes}
    model = recipe(Spec(1, 8, 8), **{**sizes, **depth, "levels": 2, "width": 8, "head": 8})
    stripes = torch.zeros(16, 1, 8, 8, dtype=torch.uint8)
    stripes[:, :, :, ::2] = 255
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        loss = model(Batch(stripes), "model").losses["bits_per_dim"]
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    sample = model.sample(4, generator=torch.Generator().manual_seed(0))
    assert (sample == (stripes[:4] / 127.5 - 1)).float().mean() > 0.95


@every_architecture
def test_classes_need_labels_and_a_conditional_model(net):
    recipe, _ = ARCHITECTURES[net]
    with pytest.raises(UserError, match="--conditional needs class labels"):
        recipe(Spec(1, 4, 4), conditional=True)
    with pytest.raises(UserError, match="--class"):
        build(net, (1, 4, 4)).sample(1, condition=torch.tensor([0]))
