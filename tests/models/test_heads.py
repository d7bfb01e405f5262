"""The distributions of one pixel: they sum to one, and `choose` inverts them."""

from __future__ import annotations

import pytest
import torch

from genarium.models.autoregressive.heads import LogisticMixture, Softmax, choose_level

HEADS = [
    Softmax(7),
    Softmax(256),
    LogisticMixture(2, 1),
    LogisticMixture(7, 3),
    LogisticMixture(256),
]


def table(head, outputs: torch.Tensor) -> torch.Tensor:
    """p(level), [M,L]."""
    levels = torch.arange(head.levels)
    each = [head.log_prob(outputs, level.expand(len(outputs))) for level in levels]
    return torch.stack(each, 1).exp()


def outputs_of(head, n: int = 20, scale: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return scale * torch.randn(n, head.outputs, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("scale", [0.0, 2.0, 20.0])
def test_probabilities_sum_to_one(head, scale: float) -> None:
    total = table(head, outputs_of(head, scale=scale)).sum(1)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_choose_takes_the_level_at_which_the_distribution_passes_the_noise(head) -> None:
    outputs = outputs_of(head, 200)
    noise = torch.rand(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = (table(head, outputs).cumsum(1)[:, :-1] <= noise[:, None]).sum(1)
    result = head.choose(outputs, noise)
    assert result.dtype == torch.int64
    assert torch.equal(result, expected)
    ends = head.choose(outputs[:2], torch.tensor([0.0, 1.0 - 1e-12], dtype=torch.float64))
    assert ends[0] == 0 or table(head, outputs[:1])[0, 0] < 1e-12
    assert 0 <= ends[1] < head.levels


def test_choose_level_inverts_the_distribution_function() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.0, 0.25]]).log().expand(6, -1)
    noise = torch.tensor([0.0, 0.49, 0.5, 0.74, 0.75, 0.999999])
    assert choose_level(logits, noise).tolist() == [0, 0, 1, 1, 3, 3]


def test_a_mixture_of_one_is_the_discretised_logistic() -> None:
    from genarium.nn.distributions import discretized_logistic_log_prob

    head = LogisticMixture(256, 1)
    outputs = torch.tensor([[0.3, 0.2, -1.0]], dtype=torch.float64)
    levels = torch.tensor([140])
    mean, log_scale = outputs[:, 1], outputs[:, 2] - 2
    torch.testing.assert_close(
        head.log_prob(outputs, levels), discretized_logistic_log_prob(mean, log_scale, levels)
    )


def test_components_start_apart() -> None:
    """At zero outputs the mixture covers the range: no level is left without probability."""
    result = table(LogisticMixture(256, 10), torch.zeros(1, 30, dtype=torch.float64))
    assert result.min() > 1e-4
    assert result.max() < 0.1
