"""Likelihoods of other than 8-bit images: they sum to one, and name what they are of."""

from __future__ import annotations

import math

import pytest
import torch

from genarium.contract import EIGHT_BIT, Batch, Noise, Spec, Values
from genarium.errors import UserError
from genarium.models.autoregressive.heads import LogisticMixture, head_of
from genarium.nn import distributions as dist

TWELVE = Values("uint16", (0.0,), (4095.0,), "given", "counts")
SIXTEEN = Values("uint16", (0.0,), (65535.0,))
FLOATS = Values("float32", (-1024.0,), (3071.0,), "given", "HU")
EACH = Values("uint16", (0.0, 100.0), (4095.0, 355.0))


def every(values: Values) -> torch.Tensor:
    """Images of one pixel, one of each level."""
    low, high = int(values.low[0]), int(values.high[0])
    return torch.arange(low, high + 1).to(values.torch_dtype).view(-1, 1, 1, 1)


@pytest.mark.parametrize("values", [EIGHT_BIT, TWELVE, SIXTEEN], ids=["8", "12", "16"])
@pytest.mark.parametrize("log_scale", [0.0, -3.0])
def test_the_logistic_of_all_levels_sums_to_one(values: Values, log_scale: float) -> None:
    likelihood = dist.Logistic(values)
    target = likelihood.target(Batch(every(values), values=values))
    assert target.flatten().tolist() == list(range(values.levels))
    output = torch.tensor([0.1, log_scale], dtype=torch.float64).view(1, 2, 1, 1)
    nats = likelihood.log_prob(output.expand(len(target), -1, -1, -1), target)
    assert float(nats.exp().sum()) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("values", [EIGHT_BIT, TWELVE, EACH], ids=["8", "12", "each"])
def test_the_dequantized_density_is_of_a_level(values: Values) -> None:
    """∫ p(y) dy over all levels is 1 where y counts levels: the density of a wide Gaussian at level
    v, times a level's length, is its share of the range."""
    channels = len(values.low)
    likelihood = dist.Gaussian(log_variance=-3.0, values=values).double()
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64).view(-1, 1, 1, 1)
    zero = torch.zeros(len(x), channels, 1, 1, dtype=torch.float64)
    one = torch.cat([x, *[torch.zeros_like(x)] * (channels - 1)], 1)
    nats = likelihood.log_prob(zero, one)
    nats = nats + (channels - 1) * 0.5 * (dist.LN_2PI - 3.0)  # of the channels that stay at 0
    counts = [high - low + 1 for low, high in zip(values.low, values.high, strict=True)]
    own = sum(math.log(2 / count) for count in counts) - math.log(2 / counts[0])
    levels = float((nats - own).exp().sum().detach()) * float(x[1] - x[0]) * counts[0] / 2
    assert levels == pytest.approx(1.0, abs=1e-6)


def test_a_level_is_drawn_back_from_its_dequantized_middle() -> None:
    likelihood = dist.Gaussian(values=EACH)
    stored = torch.tensor([[0, 355], [4095, 100]]).to(torch.uint16).view(2, 2, 1, 1)

    class Half(Noise):
        def uniform(self, *shape: int) -> torch.Tensor:
            return torch.full((2, *shape), 0.5)

    target = likelihood.target(Batch(stored, noise=Half(0, 2), values=EACH))
    assert torch.equal(EACH.stored(likelihood.mean(target)), stored)


def test_a_density_of_floats_is_of_their_share_of_the_range() -> None:
    likelihood = dist.Gaussian(log_variance=-3.0, values=FLOATS).double()
    share = torch.linspace(-1.5, 2.5, 4001, dtype=torch.float64).view(-1, 1, 1, 1)
    nats = likelihood.log_prob(torch.zeros_like(share), share * 2 - 1)
    assert float(nats.exp().sum().detach()) * float(share[1] - share[0]) == pytest.approx(
        1.0, abs=1e-6
    )
    x = torch.tensor([-1024.0, 3071.0]).view(2, 1, 1, 1)
    assert likelihood.target(Batch(x, values=FLOATS)).flatten().tolist() == [-1.0, 1.0]


def test_each_density_has_its_own_name() -> None:
    kinds = [
        dist.likelihood_of(name, Spec(len(values.low), 4, 4, values=values)).density
        for values in (EIGHT_BIT, TWELVE, SIXTEEN, FLOATS, EACH)
        for name in ("gaussian", "logistic")
    ]
    assert len(set(kinds)) == len(kinds)
    assert kinds[2:6] == [
        "4,096 levels, 0 to 4,095 counts "
        "(lower bound: Gaussian density of uniformly dequantized levels)",
        "4,096 levels, 0 to 4,095 counts (discretized logistic)",
        "65,536 levels, 0 to 65,535 "
        "(lower bound: Gaussian density of uniformly dequantized levels)",
        "65,536 levels, 0 to 65,535 (discretized logistic)",
    ]
    assert kinds[6] == "floats, -1,024 to 3,071 HU (Gaussian density of their share of the range)"
    assert kinds[7] == "256 equal parts of -1,024 to 3,071 HU (discretized logistic)"
    assert dist.likelihood_for(Spec(1, 4, 4, values=TWELVE)) == "gaussian"


def test_levels_of_a_head_are_at_most_those_of_the_data() -> None:
    assert head_of("softmax", 256, 10, TWELVE).levels == 256
    assert head_of("softmax", 256, 10, Values("uint8", (0.0,), (100.0,))).levels == 101
    assert head_of("softmax", 256, 10, EIGHT_BIT).levels == 256
    assert head_of("softmax", 16, 10, FLOATS).levels == 16
    exact = head_of("logistics", 4096, 5, TWELVE)
    assert isinstance(exact, LogisticMixture)
    outputs = torch.randn(2, exact.outputs, generator=torch.manual_seed(0)).double()
    assert exact.probabilities(outputs).sum(1).tolist() == pytest.approx([1.0, 1.0])
    u = torch.tensor([0.3, 0.8]).double()
    edges = exact.probabilities(outputs).cumsum(1)
    chosen = exact.choose(outputs, u)
    for row, level in enumerate(chosen.tolist()):
        below = float(edges[row, level - 1]) if level else 0.0
        assert below <= float(u[row]) <= float(edges[row, level]) + 1e-9
    with pytest.raises(UserError, match="softmax has 256"):
        head_of("softmax", 4096, 10, TWELVE)
    with pytest.raises(UserError, match="the data have 256"):
        head_of("logistics", 4096, 5, EIGHT_BIT)
