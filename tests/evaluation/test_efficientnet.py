"""EfficientNet-Lite0: the network against its definition, the shipped file, the preprocessing."""

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load

from genarium.evaluation.extractors import shipped
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.efficientnet import (
    DIMS,
    SIDE,
    Block,
    EfficientNetLite0,
    Same,
    Turned,
    prepare,
)

torch.set_num_threads(1)
NAME = "efficientnet-lite0"


def naive_same(x, conv):
    """TensorFlow's "same": ceil(n / stride) outputs, the odd pixel of padding right and below."""
    kernel, stride, groups = conv.kernel_size[0], conv.stride[0], conv.groups
    weight, bias = conv.weight.detach().double().numpy(), conv.bias.detach().double().numpy()
    _, height, width = x.shape
    out = [-(-n // stride) for n in (height, width)]
    total = [max((o - 1) * stride + kernel - n, 0) for o, n in zip(out, (height, width))]
    pad = [(0, 0), *((t // 2, t - t // 2) for t in total)]
    x = np.pad(x, pad)
    result = np.zeros((len(weight), *out))
    per = len(weight) // groups
    for c in range(len(weight)):
        inputs = slice(c // per * weight.shape[1], (c // per + 1) * weight.shape[1])
        for i in range(out[0]):
            for j in range(out[1]):
                at = x[inputs, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
                result[c, i, j] = (at * weight[c]).sum() + bias[c]
    return result


@pytest.mark.parametrize(
    ("kernel", "stride", "groups", "size"),
    [(3, 2, 1, (8, 7)), (5, 2, 4, (8, 7)), (3, 1, 4, (5, 6)), (1, 1, 1, (3, 3))],
)
def test_convolutions_pad_as_tensorflow_does(kernel, stride, groups, size):
    torch.manual_seed(0)
    conv = Same(4, 8, kernel, stride, groups)
    x = torch.randn(1, 4, *size)
    result = conv(x)[0].detach().double().numpy()
    assert np.abs(result - naive_same(x[0].double().numpy(), conv)).max() < 1e-5


@pytest.mark.parametrize(("outputs", "widening", "stride"), [(4, 3, 1), (6, 3, 1), (4, 1, 2)])
def test_a_block_widens_filters_narrows_and_adds_its_input(outputs, widening, stride):
    torch.manual_seed(1)
    block = Block(4, outputs, widening, stride, 3)
    x = 4 * torch.randn(1, 4, 6, 6)
    y = x[0].double().numpy()
    if widening > 1:
        y = np.clip(naive_same(y, block.expand), 0, 6)
    y = naive_same(np.clip(naive_same(y, block.depthwise), 0, 6), block.project)
    if stride == 1 and outputs == 4:
        y = y + x[0].double().numpy()
    assert np.abs(block(x)[0].detach().double().numpy() - y).max() < 1e-4


def test_the_whole_network_has_the_published_shapes_and_size():
    whole = EfficientNetLite0(7)
    with torch.no_grad():
        maps = whole.maps(torch.zeros(1, 3, 64, 64))
    assert [(m.shape[1], m.shape[2]) for m in maps] == [
        *((16, 32), (24, 16), (40, 8), (80, 4), (112, 4), (192, 2), (320, 2))
    ]
    head = 320 * 1280 + 1280 + 1280 * 1000 + 1000
    # 4,652,008 of the published network, whose normalisation counts two numbers a map as ours does
    # a bias: one less for each of the maps that a convolution gives
    convolutions = [m for m in whole.modules() if isinstance(m, Same)]
    maps_in_all = sum(m.out_channels for m in convolutions) + 1280
    assert sum(p.numel() for p in whole.parameters()) + head + maps_in_all == 4_652_008


def published():
    """The network as it is defined, with the weights of the file."""
    network = EfficientNetLite0()
    content = (shipped.WEIGHTS / f"{NAME}.safetensors").read_bytes()
    network.load_state_dict({key: value.float() for key, value in load(content).items()})
    return network.eval()


def test_turned_pictures_and_filters_give_the_same_maps():
    network = published()
    images = torch.randn(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for turned, maps in zip(Turned(network).maps(images), network.maps(images), strict=True):
            assert (turned - maps).abs().max() < 2e-6 * maps.abs().max()
        with pytest.raises(ValueError, match="multiples of 16"):
            Turned(network)(images[..., :40, :])


def test_features_are_the_means_of_the_maps():
    result = extractor(NAME)
    images = torch.randint(256, (3, 3, 40, 30), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )
    pool, logits = result(images)
    with torch.no_grad():
        maps = published().maps(prepare(images))
    means = torch.cat([m.mean((2, 3)) for m in maps], 1) / 4
    assert (pool - means).abs().max() < 2e-6 * means.abs().max()
    assert pool.shape == (3, DIMS) == (3, 272)
    assert logits.shape == (3, 0)
    apart = torch.cat([result(image[None]).pool for image in images])
    assert torch.allclose(pool, apart, atol=1e-4, rtol=1e-4)


def test_the_shipped_file_is_half_precision_and_states_where_it_is_from():
    result, path = extractor(NAME), shipped.WEIGHTS / f"{NAME}.safetensors"
    card = shipped.card(NAME)
    content = path.read_bytes()
    assert result.hash == hashlib.sha256(content).hexdigest()[:12] == card["sha256"][:12]
    assert len(content) < 1_500_000
    assert (result.resize, result.dims) == (card["resize"], card["dims"])
    with safe_open(path, "pt") as file:
        assert {file.get_tensor(key).dtype for key in EfficientNetLite0().state_dict()} == {
            torch.float16
        }
    assert card["licence"] == "Apache-2.0"
    assert [*card["photographs_named"]] == ["chelsea.png", "coffee.png", "motorcycle_left.png"]
    words = (shipped.WEIGHTS / f"{NAME}-ATTRIBUTION.txt").read_text()
    assert "Apache License 2.0" in words
    assert "ML Illustrated" in words


def test_trained_weights_see_colour_and_form():
    """Not those of a fresh network: a picture's neighbours are the pictures like it."""
    draw = torch.Generator().manual_seed(0)
    side, n = 48, 6
    ys, xs = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    sets = []
    for colour, square in ((0, True), (0, False), (2, True), (2, False)):
        for _ in range(n):
            cx, cy = (14 + 20 * torch.rand(2, generator=draw)).tolist()
            r = 7 + 5 * torch.rand(1, generator=draw).item()
            far = (xs - cx).abs().maximum((ys - cy).abs())
            far = far if square else ((xs - cx) ** 2 + (ys - cy) ** 2).sqrt()
            image = torch.full((3, side, side), 240)
            image[:, far < r] = 40
            image[colour, far < r] = 220
            sets.append(image)
    pool = extractor(NAME)(torch.stack(sets).to(torch.uint8)).pool
    kinds = torch.arange(4).repeat_interleave(n)
    gaps = torch.cdist(pool, pool).fill_diagonal_(float("inf"))
    assert (kinds[gaps.argmin(1)] == kinds).double().mean() > 0.9


@pytest.mark.parametrize("size", [(40, 64), (200, 130), (SIDE, SIDE)])
def test_images_are_resized_as_pillow_does(size):
    draw = np.random.default_rng(0)
    image = Image.fromarray(draw.integers(256, size=(*size, 3)).astype(np.uint8))
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None]
    ours = prepare(pixels)[0].permute(1, 2, 0).numpy() * 128 + 127
    theirs = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64)
    assert np.abs(ours - theirs).max() <= 1.01  # Pillow rounds to whole levels
    assert "96x96" in extractor(NAME).resize


def test_grey_is_the_same_picture_in_three_channels():
    grey = torch.randint(256, (2, 1, 20, 20), generator=torch.Generator().manual_seed(0)).to(
        torch.uint8
    )
    result = extractor(NAME)
    assert torch.equal(result(grey).pool, result(grey.expand(-1, 3, -1, -1)).pool)


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    from genarium.errors import UserError

    for name in (f"{NAME}.safetensors", f"{NAME}.json"):
        (tmp_path / name).write_bytes((shipped.WEIGHTS / name).read_bytes())
    card = json.loads((tmp_path / f"{NAME}.json").read_text())
    (tmp_path / f"{NAME}.json").write_text(json.dumps(card | {"sha256": "0" * 64}))
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    shipped.pictures.cache_clear()
    try:
        with pytest.raises(UserError, match=r"efficientnet-lite0\.safetensors.*install"):
            extractor(NAME)
    finally:
        shipped.pictures.cache_clear()
