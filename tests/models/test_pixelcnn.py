"""PixelCNN: causality, exact likelihood, and a fast sampler that equals the naive one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from genarium.contract import Batch, Spec, dequantize, quantize
from genarium.errors import UserError
from genarium.models.explicit.tractable.heads import choose_level
from genarium.models.explicit.tractable.pixelcnn import PixelCNN, pixelcnn
from genarium.nn.masked import MaskedConv2d
from genarium.nn.wavefront import Given, required_lag

NETS = ["plain", "gated"]


def build(
    shape: tuple[int, int, int], *, dtype: torch.dtype = torch.float64, **arguments
) -> PixelCNN:
    """A small network with weights that make its conditionals far from uniform."""
    torch.manual_seed(0)
    sizes = {"blocks": 2, "width": 6, "head": 6, "dilation": 2} | arguments
    model = pixelcnn(Spec(*shape), **sizes).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter)).mul_(2.0)
    return model.eval()


def all_images(levels: int, shape: tuple[int, int, int]) -> Tensor:
    """Every image of `levels` grey levels, as uint8 in the middle of each level."""
    found = itertools.product(range(levels), repeat=math.prod(shape))
    images = torch.tensor(list(found)).view(-1, *shape)
    return ((images * 256 + 128) // levels).to(torch.uint8)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("channels", "position"), [(1, True), (3, True), (3, False)])
def test_no_prediction_sees_itself_or_what_comes_later(net, channels, position):
    c, h, w, levels = channels, 4, 5, 3
    # Wide enough that not all units of a colour are dead.
    model = build((c, h, w), net=net, levels=levels, position=position, width=24, head=24)
    x = torch.rand(c, h, w, dtype=torch.float64) * 2 - 1
    jacobian = torch.autograd.functional.jacobian(lambda x: model.network(x[None])[0], x)
    # [pixel and colour of the prediction, of the input], in the order of generation.
    jacobian = jacobian.view(c, levels, h * w, c, h * w).abs().sum(1)
    jacobian = jacobian.permute(1, 0, 3, 2).reshape(c * h * w, c * h * w)
    assert torch.equal(jacobian.triu(), torch.zeros_like(jacobian))
    # And it does see its nearest past, the colour before or the last colour to the left (but
    # for the odd pixel at which all relus of a layer are off).
    nearest = jacobian.diagonal(-1)
    wraps = (torch.arange(1, c * h * w) % (c * w)) == 0
    assert (nearest[~wraps] > 0).double().mean() > 0.9


def test_gated_net_has_no_blind_spot():
    hidden = {}
    for net in NETS:
        model = build((1, 4, 12), net=net, levels=2, blocks=6, dilation=1)
        x = torch.rand(1, 4, 12, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda x, m=model: m.network(x[None])[0], x)
        seen = jacobian.abs().sum(0)[3, 2, 0] > 0  # from row 3, column 2
        hidden[net] = int((~seen[:3]).sum())
    assert hidden["gated"] == 0
    assert hidden["plain"] > 0


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 2, 3), 3), ((1, 3, 2), 2), ((1, 2, 3), 2), ((3, 1, 2), 2)]
)
@pytest.mark.parametrize("output", ["softmax", "logistics"])
def test_probabilities_of_all_images_sum_to_one(net, output, shape, levels):
    model = build(shape, net=net, levels=levels, output=output, components=2, dtype=torch.float32)
    with torch.inference_mode():
        log_prob = model.log_prob(all_images(levels, shape))
    assert log_prob.double().exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert log_prob.std() > 0.1


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ((1, 7, 7), 2),
        ((1, 4, 11), 5),
        ((1, 9, 3), 4),
        ((1, 1, 5), 2),
        ((1, 5, 1), 2),
        ((3, 4, 6), 4),
        ((3, 6, 3), 2),
        ((3, 1, 1), 3),
    ],
)
def test_fast_samples_are_the_naive_ones(net, shape, levels):
    model = build(shape, net=net, levels=levels)
    fast = model.sample_levels(4, generator=torch.Generator().manual_seed(1))
    naive = model.sample_levels(4, generator=torch.Generator().manual_seed(1), naive=True)
    assert torch.equal(fast, naive)
    assert len(fast.unique()) > 1
    other = model.sample_levels(4, generator=torch.Generator().manual_seed(2))
    assert not torch.equal(fast, other)


@pytest.mark.parametrize("shape", [(1, 6, 7), (3, 4, 4)])
def test_fast_samples_of_a_mixture_of_logistics(shape):
    model = build(shape, levels=16, output="logistics", components=3)
    fast = model.sample_levels(4, generator=torch.Generator().manual_seed(1))
    naive = model.sample_levels(4, generator=torch.Generator().manual_seed(1), naive=True)
    assert torch.equal(fast, naive)
    assert len(fast.unique()) > 4


@pytest.mark.parametrize("dilation", [1, 8])
def test_fast_sampler_with_other_dilations(dilation):
    model = build((1, 10, 9), levels=2, blocks=4, dilation=dilation)
    fast = model.sample_levels(3, generator=torch.Generator().manual_seed(1))
    naive = model.sample_levels(3, generator=torch.Generator().manual_seed(1), naive=True)
    assert torch.equal(fast, naive)


@pytest.mark.parametrize(("net", "shape"), [("plain", (1, 12, 10)), ("gated", (3, 8, 8))])
def test_fast_samples_in_float32(net, shape):
    model = build(shape, net=net, levels=8, dtype=torch.float32)
    fast = model.sample_levels(32, generator=torch.Generator().manual_seed(1))
    naive = model.sample_levels(32, generator=torch.Generator().manual_seed(1), naive=True)
    assert (fast == naive).double().mean() >= 0.999


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("naive", [False, True])
def test_given_pixels_are_kept_and_the_rest_is_drawn_from_them(net, naive):
    model = build((3, 4, 5), net=net, levels=4)
    levels = torch.randint(4, (6, 3, 4, 5), generator=torch.Generator().manual_seed(3))
    keep = torch.zeros(levels.shape, dtype=torch.bool)
    keep[:, :, :2] = True
    keep[:, 1, 3, 3] = True
    draw = {"generator": torch.Generator().manual_seed(1), "naive": naive}
    out = model.sample_levels(6, given=Given(levels, keep), **draw)
    assert torch.equal(out[keep], levels[keep])
    assert not torch.equal(out, levels)
    reference = model.sample_levels(
        6, given=Given(levels, keep), generator=torch.Generator().manual_seed(1), naive=not naive
    )
    assert torch.equal(out, reference)


def test_samples_follow_the_likelihood():
    model = build((1, 2, 2), levels=2, dtype=torch.float32)
    n = 20_000
    drawn = model.sample_levels(n, generator=torch.Generator().manual_seed(0), chunk=n)
    weights = torch.tensor([8, 4, 2, 1])
    counts = torch.bincount((drawn.flatten(1) * weights).sum(1), minlength=16)
    with torch.inference_mode():
        expected = model.log_prob(all_images(2, (1, 2, 2))).exp()
    # Chi-squared with 15 degrees of freedom: above 44 once in ten thousand.
    assert ((counts - n * expected).square() / (n * expected)).sum() < 44


def test_chunks_do_not_change_the_samples():
    model = build((1, 5, 6), levels=4)
    whole = model.sample_levels(7, generator=torch.Generator().manual_seed(1))
    parts = model.sample_levels(7, generator=torch.Generator().manual_seed(1), chunk=3)
    assert torch.equal(whole, parts)
    assert model.sample(0).shape == (0, 1, 5, 6)


def test_sample_is_on_minus_one_to_one():
    model = build((3, 4, 4), levels=2, dtype=torch.float32)
    x = model.sample(5, generator=torch.Generator().manual_seed(1))
    assert x.shape == (5, 3, 4, 4)
    assert x.dtype == torch.float32
    assert set(x.unique().tolist()) == {-1.0, 1.0}


def test_choose_level_inverts_the_distribution_function():
    logits = torch.tensor([[0.5, 0.25, 0.0, 0.25]]).log().expand(6, -1)
    noise = torch.tensor([0.0, 0.49, 0.5, 0.74, 0.75, 0.999999])
    assert choose_level(logits, noise).tolist() == [0, 0, 1, 1, 3, 3]


def test_step_is_the_mean_negative_log_likelihood():
    model = build((1, 4, 4), levels=8, dtype=torch.float32)
    images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    step = model.step(Batch(images), "model")
    nats = model.log_prob(images)
    bits = -nats.mean() / (16 * math.log(2.0))
    torch.testing.assert_close(step.losses["bits_per_dim"], bits)
    torch.testing.assert_close(step.metrics["log_prob"], nats.mean().detach())
    assert not step.metrics["log_prob"].requires_grad


def test_likelihood_is_of_the_quantised_image():
    model = build((1, 4, 4), levels=2, dtype=torch.float32)
    images = torch.randint(256, (5, 1, 4, 4), dtype=torch.uint8)
    same = quantize(images, 2).to(torch.uint8) * 255
    assert torch.equal(model.log_prob(images), model.log_prob(same))
    assert model.density == "2 grey levels, threshold at 128"
    assert build((1, 4, 4), levels=256).density == "256 grey levels"
    assert build((3, 2, 2), levels=4).density == "4 levels a colour, floor(x·4/256)"


def test_log_prob_is_the_sum_of_the_conditionals():
    model = build((3, 3, 4), levels=4)
    levels = torch.randint(4, (1, 3, 3, 4))
    logits = model.network(dequantize(levels, 4).double()).view(3, 4, 3, 4)
    expected = sum(
        logits[c, :, r, k].log_softmax(0)[levels[0, c, r, k]]
        for c, r, k in itertools.product(range(3), range(3), range(4))
    )
    found = model.log_prob(((levels * 256 + 128) // 4).to(torch.uint8))
    torch.testing.assert_close(found[0], expected)


def test_lag():
    assert required_lag([MaskedConv2d(1, 1, 7, "A"), MaskedConv2d(1, 1, 3)]) == 4
    assert required_lag([MaskedConv2d(1, 1, 3, "A")]) == 2
    assert required_lag([MaskedConv2d(1, 1, 3, dilation=4)]) == 1
    gated = pixelcnn(Spec(1, 8, 8), net="gated", blocks=5)
    found = [m for m in gated.modules() if isinstance(m, MaskedConv2d)]
    assert required_lag(found) == 9
    with pytest.raises(ValueError, match="ahead"):
        required_lag([MaskedConv2d(1, 1, 3, "VB")])


def test_a_few_steps_learn():
    torch.manual_seed(0)
    model = pixelcnn(Spec(1, 8, 8), levels=2, blocks=1, width=8, head=8)
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


def test_every_parameter_gets_a_gradient():
    for net, channels in itertools.product(NETS, (1, 3)):
        model: nn.Module = build((channels, 6, 6), net=net, levels=4, dtype=torch.float32)
        images = torch.randint(256, (2, channels, 6, 6), dtype=torch.uint8)
        model.step(Batch(images), "model").losses["bits_per_dim"].backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


CLASSES = ("a", "b", "c")


def build_conditional(net: str, shape: tuple[int, int, int], levels: int) -> PixelCNN:
    torch.manual_seed(0)
    spec = Spec(*shape, CLASSES)
    sizes = {"blocks": 2, "width": 6, "head": 6, "dilation": 2}
    model = pixelcnn(spec, net=net, levels=levels, conditional=True, **sizes).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter)).mul_(2.0)
    return model.eval()


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 4)])
def test_conditional_samples_fast_and_naive(net, shape):
    model = build_conditional(net, shape, 3)
    labels = torch.tensor([0, 1, 2, 2, 1])
    for condition in (labels, None):
        fast, naive = (
            model.sample_levels(
                5,
                condition=condition,
                generator=torch.Generator().manual_seed(1),
                naive=naive,
                chunk=3,
            )
            for naive in (False, True)
        )
        assert torch.equal(fast, naive)
    zeros = model.sample_levels(
        5, condition=torch.zeros_like(labels), generator=torch.Generator().manual_seed(1)
    )
    drawn = model.sample_levels(5, condition=labels, generator=torch.Generator().manual_seed(1))
    assert torch.equal(zeros[0], drawn[0])
    assert not torch.equal(zeros[1:], drawn[1:])


@pytest.mark.parametrize("net", NETS)
def test_conditional_probabilities_sum_to_one(net):
    model = build_conditional(net, (1, 2, 3), 2)
    images = all_images(2, (1, 2, 3))
    with torch.inference_mode():
        each = [
            model.log_prob(images, torch.full((len(images),), label)).exp() for label in range(3)
        ]
        mixture = model.log_prob(images).exp()
    for found in (*each, mixture):
        assert abs(float(found.sum()) - 1) < 1e-9
    assert not torch.allclose(each[0], each[1])
    torch.testing.assert_close(mixture, torch.stack(each).mean(0))


def test_classes_need_labels_and_a_conditional_model():
    with pytest.raises(UserError, match="--conditional needs class labels"):
        pixelcnn(Spec(1, 4, 4), conditional=True)
    with pytest.raises(UserError, match="--class"):
        build((1, 4, 4)).sample(1, condition=torch.tensor([0]))
