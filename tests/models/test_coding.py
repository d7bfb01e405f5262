"""Compression: what is coded comes back, at the length that the likelihood says."""

from __future__ import annotations

import math

import pytest
import torch

from genarium.contract import Values
from genarium.errors import UserError
from genarium.models.autoregressive import compression as coding
from genarium.models.autoregressive.compression import HEAD, compress, decompress
from tests.models.autoregressive import (
    assert_comes_back,
    build,
    every_architecture,
    every_head,
    images_of,
)


@every_architecture
@every_head
@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 3, 4)], ids=["grey", "colour"])
def test_what_is_coded_comes_back(net, head, shape, monkeypatch):
    monkeypatch.setattr(coding, "CHUNK", 6)
    model = build(net, shape, head, levels=16, dtype=torch.float32)
    assert_comes_back(model, images_of(model, 10))


def test_many_levels_and_certain_pixels():
    """Rounding of the distribution must leave every level a place, however unlikely."""
    model = build("plain", (1, 4, 4), levels=256, dtype=torch.float32)
    with torch.no_grad():
        model.network.head.out.bias.zero_()[7] = 60.0
    images = torch.randint(256, (4, 1, 4, 4), dtype=torch.uint8)
    images[:2] = 7
    data = compress(model, images)
    assert torch.equal(decompress(model, data), images.long())
    assert len(compress(model, images[:2])) < HEAD.size + 4 + 8 + 8


@pytest.mark.parametrize("top", [4095, 65535])
def test_all_levels_of_12_and_16_bits_come_back(top, monkeypatch):
    """Without loss: the levels are the stored values. The table of them is made in pieces."""
    monkeypatch.setattr(coding, "TABLE", 3 * (top + 1))
    values = Values("uint16", (0.0,), (float(top),))
    model = build(
        "plain", (2, 2, 3), "logistics", levels=top + 1, dtype=torch.float32, values=values
    )
    images = torch.randint(top + 1, (2, 2, 2, 3)).to(torch.uint16)
    images[0, 0, 0, :2] = torch.tensor([0, top]).to(torch.uint16)
    data = compress(model, images)
    assert torch.equal(decompress(model, data).to(torch.uint16), images)
    bits = -model.log_prob(images).sum().item() / math.log(2)
    assert abs(8 * (len(data) - HEAD.size) - bits) <= 8 * (4 + 8) + 0.02 * bits
    with pytest.raises(UserError, match="by another model"):
        decompress(build("plain", (2, 2, 3), dtype=torch.float32), data)


def test_labels_are_part_of_the_code():
    model = build("gated", (1, 4, 5), levels=4, conditional=True, dtype=torch.float32)
    labels = torch.tensor([0, 1, 2])
    images = torch.randint(256, (3, 1, 4, 5), dtype=torch.uint8)
    data = compress(model, images, labels)
    assert torch.equal(decompress(model, data, labels), model.quantize(images))
    with pytest.raises(UserError, match="do not come back"):
        decompress(model, data, labels.flip(0))
    with pytest.raises(UserError, match="give their labels"):
        decompress(model, data)
    with pytest.raises(UserError, match="2 labels for 3 images"):
        compress(model, images, labels[:2])


def test_no_images():
    model = build("plain", (1, 4, 5), levels=4, dtype=torch.float32)
    data = compress(model, torch.zeros(0, 1, 4, 5, dtype=torch.uint8))
    assert decompress(model, data).shape == (0, 1, 4, 5)


def test_other_or_damaged_data_are_refused():
    model = build("plain", (1, 4, 5), levels=4, dtype=torch.float32)
    images = torch.randint(256, (3, 1, 4, 5), dtype=torch.uint8)
    data = compress(model, images)
    with pytest.raises(UserError, match="not compressed images"):
        decompress(model, b"PNG" + data)
    with pytest.raises(UserError, match="not compressed images"):
        decompress(model, b"")
    with pytest.raises(UserError, match="1x4x5 images of 4 levels were compressed"):
        decompress(build("plain", (1, 4, 5), levels=8, dtype=torch.float32), data)
    changed = bytearray(data)
    changed[HEAD.size + 6] ^= 1
    for bad in (bytes(changed), data[: HEAD.size], data[:-4], data[: HEAD.size + 3]):
        with pytest.raises(UserError, match="do not come back"):
            decompress(model, bad)
    with torch.no_grad():
        model.network.head.out.bias[0] += 0.5
    with pytest.raises(UserError, match="do not come back"):
        decompress(model, data)
