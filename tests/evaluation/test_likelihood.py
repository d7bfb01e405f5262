"""AUROC, compressed sizes: against counting pairs and against the files themselves."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from genarium.contract import Spec
from genarium.evaluation.images import Stored
from genarium.evaluation.metrics.likelihood import auroc
from genarium.evaluation.scores.likelihood import likelihood
from genarium.evaluation.scores.png import png_bytes
from genarium.models.autoregressive.pixelcnn import pixelcnn


def test_auroc_counts_pairs():
    generator = torch.Generator().manual_seed(0)
    usual = torch.randint(6, (31,), generator=generator).float() + 1
    strange = torch.randint(6, (17,), generator=generator).float()
    pairs = [(a > b) + (a == b) / 2 for a in usual.tolist() for b in strange.tolist()]
    assert auroc(usual, strange) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)
    assert auroc(usual, strange) + auroc(strange, usual) == pytest.approx(1, abs=1e-12)
    assert auroc(usual, usual) == 0.5
    assert auroc(torch.tensor([3.0]), torch.tensor([1.0, 2.0, -math.inf])) == 1
    assert auroc(torch.tensor([1.0, 2.0]), torch.tensor([3.0])) == 0


def test_auroc_needs_scores():
    with pytest.raises(ValueError, match="0 and 3 scores"):
        auroc(torch.zeros(0), torch.zeros(3))
    with pytest.raises(ValueError, match="not numbers"):
        auroc(torch.tensor([math.nan]), torch.zeros(3))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_bytes_are_those_of_the_files(channels):
    images = torch.randint(256, (3, channels, 9, 7), dtype=torch.uint8)
    result = png_bytes(images)
    for image, size in zip(images, result):
        file = io.BytesIO()
        pixels = image.permute(1, 2, 0).numpy()
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(
            file, "png", optimize=True
        )
        assert len(file.getvalue()) == size
    assert png_bytes(images[:0]).shape == (0,)


def test_black_and_white_takes_a_bit_a_pixel():
    bits = np.random.default_rng(0).integers(0, 2, (1, 1, 64, 64), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(bits[0, 0].astype(bool)).save(file, "png", optimize=True)
    assert png_bytes(torch.from_numpy(bits * 255)).item() == len(file.getvalue())
    assert png_bytes(torch.from_numpy(bits * 254)).item() != len(file.getvalue())


def test_compressed_size_is_the_likelihood_in_bytes():
    torch.manual_seed(0)
    model = pixelcnn(Spec(1, 8, 8), levels=4, blocks=1, width=4, head=4).eval()
    images = torch.randint(256, (10, 1, 8, 8), dtype=torch.uint8)
    context = {
        "seed": 0,
        "batch": 4,
        "heldout": {"split": "test", "count": 10, "sha256": "x"},
    }
    with torch.no_grad():
        rows = {row.name: row for row in likelihood(model, Stored(images), context, print)}
        nats = -model.log_prob(images)
    result = rows["bytes/image"]
    assert result.value == pytest.approx(nats.mean().item() / math.log(2) / 8, rel=1e-6)
    assert result.value == pytest.approx(rows["bits/dim"].value * 64 / 8, rel=1e-6)
    shown = (images.int() * 4 // 256 * 85).to(torch.uint8)
    assert f"PNG {png_bytes(shown).mean().item():.0f}, raw 16" in result.note
    assert result.basis["density"] == model.density
