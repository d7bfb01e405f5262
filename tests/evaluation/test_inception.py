"""The Inception module against the published graph, written out here operation by operation."""

import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from genarium.evaluation.extractors.inception import BLOCKS, Inception, prepare, resize_tf1, scopes
from genarium.evaluation.extractors.inception_folded import fold
from genarium.evaluation.extractors.inception_weights import from_graph

torch.set_num_threads(1)

SHAPES = {  # of the convolutions of the frozen graph: [height, width, in, out]
    "conv": (3, 3, 3, 32),
    "conv_1": (3, 3, 32, 32),
    "conv_2": (3, 3, 32, 64),
    "conv_3": (1, 1, 64, 80),
    "conv_4": (3, 3, 80, 192),
}
for _name, _in, _pool in (("mixed", 192, 32), ("mixed_1", 256, 64), ("mixed_2", 288, 64)):
    SHAPES |= {
        f"{_name}/conv": (1, 1, _in, 64),
        f"{_name}/tower/conv": (1, 1, _in, 48),
        f"{_name}/tower/conv_1": (5, 5, 48, 64),
        f"{_name}/tower_1/conv": (1, 1, _in, 64),
        f"{_name}/tower_1/conv_1": (3, 3, 64, 96),
        f"{_name}/tower_1/conv_2": (3, 3, 96, 96),
        f"{_name}/tower_2/conv": (1, 1, _in, _pool),
    }
SHAPES |= {
    "mixed_3/conv": (3, 3, 288, 384),
    "mixed_3/tower/conv": (1, 1, 288, 64),
    "mixed_3/tower/conv_1": (3, 3, 64, 96),
    "mixed_3/tower/conv_2": (3, 3, 96, 96),
}
for _name, _w in (("mixed_4", 128), ("mixed_5", 160), ("mixed_6", 160), ("mixed_7", 192)):
    SHAPES |= {
        f"{_name}/conv": (1, 1, 768, 192),
        f"{_name}/tower/conv": (1, 1, 768, _w),
        f"{_name}/tower/conv_1": (1, 7, _w, _w),
        f"{_name}/tower/conv_2": (7, 1, _w, 192),
        f"{_name}/tower_1/conv": (1, 1, 768, _w),
        f"{_name}/tower_1/conv_1": (7, 1, _w, _w),
        f"{_name}/tower_1/conv_2": (1, 7, _w, _w),
        f"{_name}/tower_1/conv_3": (7, 1, _w, _w),
        f"{_name}/tower_1/conv_4": (1, 7, _w, 192),
        f"{_name}/tower_2/conv": (1, 1, 768, 192),
    }
SHAPES |= {
    "mixed_8/tower/conv": (1, 1, 768, 192),
    "mixed_8/tower/conv_1": (3, 3, 192, 320),
    "mixed_8/tower_1/conv": (1, 1, 768, 192),
    "mixed_8/tower_1/conv_1": (1, 7, 192, 192),
    "mixed_8/tower_1/conv_2": (7, 1, 192, 192),
    "mixed_8/tower_1/conv_3": (3, 3, 192, 192),
}
for _name, _in in (("mixed_9", 1280), ("mixed_10", 2048)):
    SHAPES |= {
        f"{_name}/conv": (1, 1, _in, 320),
        f"{_name}/tower/conv": (1, 1, _in, 384),
        f"{_name}/tower/mixed/conv": (1, 3, 384, 384),
        f"{_name}/tower/mixed/conv_1": (3, 1, 384, 384),
        f"{_name}/tower_1/conv": (1, 1, _in, 448),
        f"{_name}/tower_1/conv_1": (3, 3, 448, 384),
        f"{_name}/tower_1/mixed/conv": (1, 3, 384, 384),
        f"{_name}/tower_1/mixed/conv_1": (3, 1, 384, 384),
        f"{_name}/tower_2/conv": (1, 1, _in, 192),
    }


def random_graph(seed=0):
    """Constants of the frozen graph with random values that keep activations near one."""
    draw = torch.Generator().manual_seed(seed)
    results = {}
    for scope, shape in SHAPES.items():
        height, width, inputs, outputs = shape
        scale = (2 / (height * width * inputs)) ** 0.5
        results[f"{scope}/conv2d_params"] = torch.randn(shape, generator=draw) * scale
        uniform = torch.rand(4, outputs, generator=draw)
        norm = f"{scope}/batchnorm/"
        results[norm + "beta"] = uniform[0] * 0.4 - 0.2
        results[norm + "gamma"] = uniform[1] + 0.5
        results[norm + "moving_mean"] = uniform[2] * 0.4 - 0.2
        results[norm + "moving_variance"] = uniform[3] + 0.3
    results["softmax/weights"] = torch.randn(2048, 1008, generator=draw) / 45
    results["softmax/biases"] = torch.randn(1008, generator=draw)
    return results


def reference(graph, x):
    """The graph's nodes one by one, float64. [B,3,299,299] -> {scope of a block: activations}."""
    graph = {name: value.double() for name, value in graph.items()}
    seen = {}

    def conv(x, scope, stride=1, same=True):
        weight = graph[f"{scope}/conv2d_params"].permute(3, 2, 0, 1)
        padding = "same" if same and stride == 1 else 0
        x = F.conv2d(x, weight, stride=stride, padding=padding)
        beta, gamma, mean, variance = (
            graph[f"{scope}/batchnorm/{name}"][:, None, None]
            for name in ("beta", "gamma", "moving_mean", "moving_variance")
        )
        return F.relu((x - mean) * torch.rsqrt(variance + 0.001) * gamma + beta)

    def average(x):  # SAME: the mean of those of the nine that lie inside
        ones = torch.ones_like(x[:1, :1])
        return 9 * F.avg_pool2d(x, 3, 1, 1) / (9 * F.avg_pool2d(ones, 3, 1, 1))

    def chain(x, scope, *names):
        for name in names:
            x = conv(x, f"{scope}/{name}")
        return x

    x = conv(x.double(), "conv", stride=2)
    x = conv(x, "conv_1", same=False)
    x = F.max_pool2d(conv(x, "conv_2"), 3, 2)
    x = conv(conv(x, "conv_3"), "conv_4", same=False)
    x = F.max_pool2d(x, 3, 2)
    c = ["conv", "conv_1", "conv_2", "conv_3", "conv_4"]
    for scope in ("mixed", "mixed_1", "mixed_2"):
        x = torch.cat(
            [
                conv(x, f"{scope}/conv"),
                chain(x, f"{scope}/tower", *c[:2]),
                chain(x, f"{scope}/tower_1", *c[:3]),
                conv(average(x), f"{scope}/tower_2/conv"),
            ],
            1,
        )
        seen[scope] = x
    inner = chain(x, "mixed_3/tower", *c[:2])
    x = torch.cat(
        [
            conv(x, "mixed_3/conv", stride=2),
            conv(inner, "mixed_3/tower/conv_2", stride=2),
            F.max_pool2d(x, 3, 2),
        ],
        1,
    )
    seen["mixed_3"] = x
    for scope in ("mixed_4", "mixed_5", "mixed_6", "mixed_7"):
        x = torch.cat(
            [
                conv(x, f"{scope}/conv"),
                chain(x, f"{scope}/tower", *c[:3]),
                chain(x, f"{scope}/tower_1", *c[:5]),
                conv(average(x), f"{scope}/tower_2/conv"),
            ],
            1,
        )
        seen[scope] = x
    x = torch.cat(
        [
            conv(conv(x, "mixed_8/tower/conv"), "mixed_8/tower/conv_1", stride=2),
            conv(chain(x, "mixed_8/tower_1", *c[:3]), "mixed_8/tower_1/conv_3", stride=2),
            F.max_pool2d(x, 3, 2),
        ],
        1,
    )
    seen["mixed_8"] = x
    for scope in ("mixed_9", "mixed_10"):
        left = conv(x, f"{scope}/tower/conv")
        right = chain(x, f"{scope}/tower_1", *c[:2])
        last = F.max_pool2d(x, 3, 1, 1) if scope == "mixed_10" else average(x)
        x = torch.cat(
            [
                conv(x, f"{scope}/conv"),
                conv(left, f"{scope}/tower/mixed/conv"),
                conv(left, f"{scope}/tower/mixed/conv_1"),
                conv(right, f"{scope}/tower_1/mixed/conv"),
                conv(right, f"{scope}/tower_1/mixed/conv_1"),
                conv(last, f"{scope}/tower_2/conv"),
            ],
            1,
        )
        seen[scope] = x
    seen["pool_3"] = F.avg_pool2d(x, 8)[:, :, 0, 0]
    seen["logits"] = seen["pool_3"] @ graph["softmax/weights"]
    return seen


@pytest.fixture(scope="module")
def graph():
    return random_graph()


@pytest.fixture(scope="module")
def network(graph):
    made = Inception().eval()
    missing = made.load_state_dict(from_graph(graph), strict=False)
    assert not missing.unexpected_keys
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys)
    return made


@pytest.fixture(scope="module")
def photograph():
    draw = torch.Generator().manual_seed(1)
    return prepare(torch.randint(256, (1, 3, 40, 52), generator=draw).to(torch.uint8))


def close(ours, theirs, bound=1e-5):
    return (ours.double() - theirs.double()).abs().max() <= bound * theirs.abs().max()


def test_activations_are_those_of_the_published_graph(network, graph, photograph):
    results, hooks = {}, []
    for name in BLOCKS:
        keep = lambda module, inputs, output, name=name: results.update({name: output})  # noqa: E731
        hooks.append(network.get_submodule(name).register_forward_hook(keep))
    with torch.inference_mode():
        pool, logits = network(photograph)
        expected = reference(graph, photograph)
    for hook in hooks:
        hook.remove()
    names = ["mixed", *(f"mixed_{number}" for number in range(1, 11))]
    for ours, theirs in zip(BLOCKS, names, strict=True):
        assert results[ours].shape == expected[theirs].shape, ours
        assert close(results[ours], expected[theirs]), ours
    assert pool.shape == (1, 2048)
    assert logits.shape == (1, 1008)
    assert close(pool, expected["pool_3"])
    assert close(logits, expected["logits"])


def test_folding_keeps_the_features(network, photograph):
    before = {k: v.clone() for k, v in network.state_dict().items()}
    folded = fold(network)
    with torch.inference_mode():
        for ours, theirs in zip(folded(photograph), network(photograph), strict=True):
            assert close(ours, theirs)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_the_graph_has_exactly_our_convolutions():
    result = dict(scopes())
    assert sorted(result.values()) == sorted(SHAPES)
    shapes = {k: v.shape for k, v in Inception().state_dict().items()}
    for ours, scope in result.items():
        height, width, inputs, outputs = SHAPES[scope]
        assert shapes[f"{ours}.conv.weight"] == (outputs, inputs, height, width), ours


def test_key_names_are_those_of_the_ports():
    keys = set(Inception().state_dict())
    assert len([k for k in keys if k.endswith(".conv.weight")]) == 94
    for key in (
        "Conv2d_1a_3x3.conv.weight",
        "Conv2d_4a_3x3.bn.running_var",
        "Mixed_5b.branch3x3dbl_3.bn.weight",
        "Mixed_5d.branch_pool.conv.weight",
        "Mixed_6a.branch3x3.bn.bias",
        "Mixed_6e.branch7x7dbl_5.conv.weight",
        "Mixed_7a.branch7x7x3_4.bn.running_mean",
        "Mixed_7b.branch3x3_2a.conv.weight",
        "Mixed_7c.branch3x3dbl_3b.conv.weight",
        "fc.weight",
        "fc.bias",
    ):
        assert key in keys
    pattern = r"(Conv2d_\w+|Mixed_\w+\.branch\w+)\.(conv|bn)\.\w+|fc\.(weight|bias)"
    assert all(re.fullmatch(pattern, key) for key in keys)


def naive_resize(image, side):
    """TensorFlow 1's ResizeBilinear of [H,W], pixel by pixel in its own float32 operations."""
    height, width = image.shape
    one = np.float32
    down, across = one(height) / one(side), one(width) / one(side)
    out = np.empty((side, side), np.float32)
    for i in range(side):
        y = one(i) * down
        top, dy = int(y), y - one(int(y))
        bottom = min(top + 1, height - 1)
        for j in range(side):
            x = one(j) * across
            left, dx = int(x), x - one(int(x))
            right = min(left + 1, width - 1)
            upper = image[top, left] + (image[top, right] - image[top, left]) * dx
            lower = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * dx
            out[i, j] = upper + (lower - upper) * dy
    return out


@pytest.mark.parametrize(
    ("size", "side"), [((32, 32), 299), ((28, 20), 61), ((90, 75), 37), ((1, 3), 10), ((9, 9), 9)]
)
def test_resize_is_tensorflows_bit_for_bit(size, side):
    draw = np.random.default_rng(0)
    image = draw.integers(256, size=size).astype(np.float32)
    ours = resize_tf1(torch.from_numpy(image)[None, None], side)[0, 0].numpy()
    np.testing.assert_array_equal(ours, naive_resize(image, side))


def test_resize_has_no_half_pixel_centres():
    x = torch.tensor([[[[0.0, 8.0]]]])
    assert resize_tf1(x, 4)[0, 0, 0].tolist() == [0.0, 4.0, 8.0, 8.0]


def test_input_is_scaled_and_grey_is_tiled():
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 5, 5)
    x = prepare(images)
    assert x.shape == (3, 3, 299, 299)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.amin((1, 2, 3)).tolist() == x.amax((1, 2, 3)).tolist() == [-1.0, 0.0, 127 / 128]
