"""Inversion against decoders whose answer is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from genarium.latent import invert, nearest_draws
from genarium.latent.inversion import pixel_mse

SHAPE = (1, 4, 4)


class Linear(nn.Module):
    """x = W z, as images."""

    def __init__(self, size: int = 5):
        super().__init__()
        weight = torch.randn(16, size, generator=torch.Generator().manual_seed(1)) / 4
        self.weight = nn.Parameter(weight)

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.weight.T).view(-1, *SHAPE)


def draw(n: int, seed: int, size: int = 5) -> Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed))


def test_a_linear_decoder_gives_the_code_back() -> None:
    decode, wanted = Linear(), draw(6, 2)
    images = decode(wanted).detach()
    result = invert(decode, draw(12, 3).view(2, 6, 5), images, steps=300, prior_weight=0)
    torch.testing.assert_close(result.codes, wanted, rtol=0, atol=1e-3)
    assert result.mse.max() < 1e-6
    assert decode.weight.grad is None, "the decoder is left alone"


def test_the_prior_gives_the_ridge_solution() -> None:
    """The minimum of mean((Wz - x)²)/4 + w·|z|²/D is (W'W/(4P) + wI/D)⁻¹ W'x/(4P)."""
    decode, weight = Linear(), 0.05
    images = decode(draw(4, 2)).detach()
    result = invert(decode, draw(4, 3), images, steps=400, prior_weight=weight)
    w = decode.weight.detach()
    left = w.T @ w / 64 + weight * torch.eye(5) / 5
    expected = torch.linalg.solve(left, w.T @ images.flatten(1).T / 64).T
    torch.testing.assert_close(result.codes, expected, rtol=0, atol=1e-3)


def test_the_error_is_that_of_pixels_on_0_to_1() -> None:
    black, white = torch.full((2, *SHAPE), -1.0), torch.full((2, *SHAPE), 1.0)
    assert torch.equal(pixel_mse(black, white), torch.ones(2))


def test_the_best_restart_is_kept() -> None:
    """x = relu(z): from z < 0 there is no slope that leads to a bright image."""

    def decode(z: Tensor) -> Tensor:
        return torch.relu(z).view(-1, 1, 1, 1)

    images = torch.tensor([0.5, 0.25]).view(2, 1, 1, 1)
    bad, good = torch.full((2, 1), -3.0), torch.full((2, 1), 1.0)
    # row 0 is reached from the second start only, row 1 from the first only
    start = torch.stack([torch.cat([bad[:1], good[1:]]), torch.cat([good[:1], bad[1:]])])
    result = invert(decode, start, images, prior_weight=0, lr=0.02)
    torch.testing.assert_close(result.codes, torch.tensor([[0.5], [0.25]]), rtol=0, atol=1e-2)
    alone = invert(decode, bad, images, prior_weight=0, lr=0.02)
    assert alone.mse.min() > 0.01


def test_rows_do_not_depend_on_their_neighbours_and_nothing_is_random() -> None:
    decode, start = Linear(), draw(3, 3)
    images = decode(draw(3, 2)).detach()
    together = invert(decode, start, images, steps=20)
    again = invert(decode, start, images, steps=20)
    assert torch.equal(together.codes, again.codes)
    for row in range(3):
        own = slice(row, row + 1)
        alone = invert(decode, start[own], images[own], steps=20)
        torch.testing.assert_close(alone.codes, together.codes[own])


def test_columns_that_are_not_free_stay() -> None:
    decode, start = Linear(), draw(3, 3)
    images = decode(draw(3, 2)).detach()
    result = invert(decode, start, images, steps=20, free=3)
    assert torch.equal(result.codes[:, 3:], start[:, 3:])
    assert not torch.isclose(result.codes[:, :3], start[:, :3]).any()


def test_starts_are_the_nearest_draws_in_order() -> None:
    decode, draws = Linear(), draw(300, 4)
    images = decode(draws[[7, 200]]).detach()
    starts = nearest_draws(decode, draws, images, 3)
    assert starts.shape == (3, 2, 5)
    assert torch.equal(starts[0], draws[[7, 200]])
    error = [pixel_mse(decode(z), images) for z in starts]
    assert bool((error[1] <= error[2]).all())


def test_bad_settings_are_refused() -> None:
    decode, start, images = Linear(), draw(2, 0), torch.zeros(2, *SHAPE)
    with pytest.raises(ValueError, match="start must be"):
        invert(decode, start[:1], images)
    with pytest.raises(ValueError, match="steps must be"):
        invert(decode, start, images, steps=0)
    with pytest.raises(ValueError, match="steps must be"):
        invert(decode, start, images, lr=float("nan"))
    with pytest.raises(ValueError, match="free is 6"):
        invert(decode, start, images, free=6)
    with pytest.raises(ValueError, match="2 draws"):
        nearest_draws(decode, start, images, 3)
