"""Continuity and completeness on latent spaces where both are known."""

from __future__ import annotations

import math

import pytest
import torch

from genarium.latent import completeness, continuity, gaussian_of, quantiles


def halves(z: torch.Tensor) -> torch.Tensor:
    """Two classes, by the sign of the first number, as sure as it is far from 0."""
    p = torch.sigmoid(4 * z[:, 0])
    return torch.stack([p, 1 - p], 1)


def test_continuity_is_the_chance_of_staying_on_one_side() -> None:
    """z and z + r·u with z, u ~ N(0, 1) have one sign with probability 1 − atan(r)/π."""
    z = torch.randn(4000, 3, generator=torch.Generator().manual_seed(99))
    for radius in (0.25, 1.0, 3.0):
        expected = 1 - math.atan(radius) / math.pi
        assert continuity(halves, z, radius=radius) == pytest.approx(expected, abs=0.01)
    # a step is measured against the codes' own spread
    stretched = continuity(lambda z: halves(z / 50), 50 * z, radius=1.0)
    assert stretched == pytest.approx(continuity(halves, z, radius=1.0), abs=1e-3)
    assert continuity(halves, z, radius=0.0) == 1.0


def test_completeness_is_the_share_of_sure_draws() -> None:
    """max(p, 1 − p) >= 0.9 where |z| >= ln(9)/4."""
    z = torch.randn(20000, 1, generator=torch.Generator().manual_seed(0))
    edge = math.log(9) / 4
    expected = math.erfc(edge / math.sqrt(2))
    assert completeness(halves, z) == pytest.approx(expected, abs=0.01)
    assert completeness(halves, z, sure=0.5) == 1.0


def test_the_gaussian_has_the_codes_mean_and_covariance() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(500, 3, generator=generator) @ torch.randn(3, 3, generator=generator) + 5
    drawn = gaussian_of(codes, 200_000, seed=1)
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), rtol=0.01, atol=0.02)
    expected = torch.cov(codes.T, correction=0)
    torch.testing.assert_close(torch.cov(drawn.T), expected, rtol=0.02, atol=0.02)
    assert torch.equal(gaussian_of(codes, 5, seed=1), gaussian_of(codes, 5, seed=1))
    flat = codes[:, :1].repeat(1, 2)  # a covariance of rank one
    drawn = gaussian_of(flat, 100)
    torch.testing.assert_close(drawn[:, 0], drawn[:, 1], rtol=1e-4, atol=1e-4)


def test_quantiles_part_the_normal_into_equal_shares() -> None:
    z = quantiles(20)
    share = torch.special.ndtr(z)
    torch.testing.assert_close(share.diff(), torch.full((19,), 0.05), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(z, -z.flip(0))
