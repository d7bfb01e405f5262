"""The networks for pictures at the sizes and channels that people have, by default settings."""

from __future__ import annotations

import pytest
import torch

from genarium import recipes
from genarium.contract import Batch, Noise, Spec, Tones

RECIPES = ["vae", "cvae", "iwae", "autoencoder", "denoising-autoencoder"]
SHAPES = [(1, 16, 16), (3, 28, 28), (5, 48, 64), (3, 256, 256), (1, 33, 90)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", RECIPES)
def test_defaults_train_and_rebuild_pictures_of_any_size(
    name: str, shape: tuple[int, int, int]
) -> None:
    tones = Tones((0.5,) * shape[0], 0.2)
    model = recipes.get(name)(Spec(*shape, ("a", "b"), tones=tones)).train()
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, *shape), dtype=torch.uint8, generator=generator)
    batch = Batch(images, torch.tensor([0, 1]), Noise(0, 2))
    (phase,) = model.phases
    loss = torch.stack(list(model.step(batch, phase.name).losses.values())).sum()
    loss.backward()
    assert bool(loss.isfinite())
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())
    model.eval()
    rebuilt = model.reconstruct(images)
    assert rebuilt.shape == images.shape
    # it begins at the data's mean, wherever that is, and a code follows its image
    assert (rebuilt.mean() - 0).abs() < 0.3
    assert not torch.equal(model.encode(images[:1]), model.encode(images[1:]))
    if name in ("vae", "cvae", "iwae"):
        nats = model.elbo(images, generator=generator)
        assert nats.shape == (2,)
        assert bool(nats.isfinite().all())
