"""Denoising autoencoders: each corruption does what it says, and the target stays clean."""

from __future__ import annotations

import pytest
import torch

from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.autoencoder.denoising import (
    denoising_autoencoder,
    gaussian,
    masking,
    salt_and_pepper,
)

X = torch.rand(6, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


def test_gaussian_adds_noise_of_its_size_to_every_value() -> None:
    difference = gaussian(0.3)(X, Noise(1, 6)) - X
    assert difference.std().item() == pytest.approx(0.3, rel=0.02)
    assert abs(difference.mean().item()) < 0.01
    assert not torch.equal(difference[:, 0], difference[:, 1])


def test_masking_blackens_a_share_of_whole_pixels() -> None:
    result = masking(0.25)(X, Noise(1, 6))
    black = (result == 0).all(1)
    assert torch.equal(black, (result == 0).any(1))
    assert black.float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert torch.equal(result[(~black)[:, None].expand_as(X)], X[(~black)[:, None].expand_as(X)])


def test_salt_and_pepper_are_half_of_the_share_each() -> None:
    result = salt_and_pepper(0.4)(X, Noise(1, 6))
    for value in (0.0, 1.0):
        share = (result == value).all(1).float().mean().item()
        assert share == pytest.approx(0.2, abs=0.02)
    kept = (result != 0) & (result != 1)
    assert torch.equal(result[kept], X[kept])


@pytest.mark.parametrize("corruption", [gaussian(0.3), masking(0.3), salt_and_pepper(0.3)])
def test_two_processes_damage_their_rows_as_one_would(corruption) -> None:
    whole = corruption(X, Noise(5, 6))
    assert torch.equal(corruption(X[3:], Noise(5, 6, slice(3, 6))), whole[3:])


def test_the_loss_is_against_the_clean_image() -> None:
    torch.manual_seed(0)
    images = (X[:, :1, :16, :16] * 255).to(torch.uint8)
    model = denoising_autoencoder(
        Spec(1, 16, 16), latent=2, width=2, corruption="masking", amount=0.5
    )
    batch = Batch(images, noise=Noise(3, 6))
    seen = masking(0.5)(batch.unit(), Noise(3, 6)) * 2 - 1
    rebuilt = (model.decode(model.encoder(seen)) + 1) / 2
    expected = (rebuilt - batch.unit()).square().sum() / 6
    torch.testing.assert_close(model.step(batch, "autoencoder").losses["squared_error"], expected)


def test_a_share_above_one_names_the_flag() -> None:
    with pytest.raises(UserError, match="--amount"):
        denoising_autoencoder(Spec(1, 16, 16), corruption="masking", amount=1.5)
