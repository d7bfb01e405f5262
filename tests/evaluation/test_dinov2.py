"""DINOv2 against its definition written out token by token, with random weights."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from genarium.errors import UserError
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.extractors.dinov2 import MEAN, STD, DINOv2, prepare

torch.set_num_threads(1)
WIDTH, DEPTH, GRID = 128, 2, 5


def random_state(seed=0, width=WIDTH, depth=DEPTH, grid=GRID):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=1.0, shift=0.0):
        return torch.randn(shape, generator=draw) * scale + shift

    state = {
        "embeddings.cls_token": normal(1, 1, width),
        "embeddings.mask_token": normal(1, width),
        "embeddings.position_embeddings": normal(1, grid * grid + 1, width),
        "embeddings.patch_embeddings.projection.weight": normal(width, 3, 14, 14, scale=0.05),
        "embeddings.patch_embeddings.projection.bias": normal(width),
        "layernorm.weight": normal(width, scale=0.2, shift=1),
        "layernorm.bias": normal(width),
    }
    for i in range(depth):
        at = f"encoder.layer.{i}."
        for name in ("norm1", "norm2"):
            state[f"{at}{name}.weight"] = normal(width, scale=0.2, shift=1)
            state[f"{at}{name}.bias"] = normal(width, scale=0.2)
        for name in ("attention.query", "attention.key", "attention.value", "output.dense"):
            state[f"{at}attention.{name}.weight"] = normal(width, width, scale=width**-0.5)
            state[f"{at}attention.{name}.bias"] = normal(width, scale=0.2)
        for name, rows, columns in (("fc1", 4 * width, width), ("fc2", width, 4 * width)):
            state[f"{at}mlp.{name}.weight"] = normal(rows, columns, scale=columns**-0.5)
            state[f"{at}mlp.{name}.bias"] = normal(rows, scale=0.2)
        for name in ("layer_scale1", "layer_scale2"):
            state[f"{at}{name}.lambda1"] = normal(width, scale=0.3, shift=0.5)
    return state


def cubic(t):
    """Keys' kernel with a = -3/4, which PyTorch's bicubic without antialiasing has."""
    t, a = abs(t), -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def resized(grid, size):
    """[n,n,D] -> [size,size,D], bicubic with half-pixel centres, edges repeated."""
    side = len(grid)
    weights = np.zeros((size, side))
    for i in range(size):
        centre = (i + 0.5) * side / size - 0.5
        for j in range(math.floor(centre) - 1, math.floor(centre) + 3):
            weights[i, min(max(j, 0), side - 1)] += cubic(centre - j)
    return np.einsum("ia,jb,abd->ijd", weights, weights, grid)


def naive(state, image):
    """Class token of one image [3,H,W], in float64: one head and one query at a time."""
    state = {k: v.double().numpy() for k, v in state.items()}

    def norm(x, name):
        mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
        return (x - mean) / np.sqrt(var + 1e-6) * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    rows = image.shape[1] // 14
    kernel = state["embeddings.patch_embeddings.projection.weight"]
    tokens = [state["embeddings.cls_token"][0, 0]]
    for i in range(rows):
        for j in range(rows):
            patch = image[:, 14 * i : 14 * i + 14, 14 * j : 14 * j + 14]
            value = (kernel * patch[None]).sum((1, 2, 3))
            tokens.append(value + state["embeddings.patch_embeddings.projection.bias"])
    position = state["embeddings.position_embeddings"][0]
    grid = resized(position[1:].reshape(GRID, GRID, WIDTH), rows).reshape(-1, WIDTH)
    x = np.stack(tokens) + np.concatenate([position[:1], grid])
    for layer in range(DEPTH):
        at = f"encoder.layer.{layer}."
        y = norm(x, f"{at}norm1")
        q, k, v = (linear(y, f"{at}attention.attention.{n}") for n in ("query", "key", "value"))
        mixed = np.zeros_like(x)
        for head in range(WIDTH // 64):
            part = slice(64 * head, 64 * head + 64)
            for token in range(len(x)):
                score = np.exp(k[:, part] @ q[token, part] / math.sqrt(64))
                mixed[token, part] = (score / score.sum()) @ v[:, part]
        x = x + state[f"{at}layer_scale1.lambda1"] * linear(mixed, f"{at}attention.output.dense")
        y = linear(norm(x, f"{at}norm2"), f"{at}mlp.fc1")
        y = y * 0.5 * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
        x = x + state[f"{at}layer_scale2.lambda1"] * linear(y, f"{at}mlp.fc2")
    return norm(x, "layernorm")[0]


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(random_state(), path)
    return path


@pytest.mark.parametrize("side", [14 * GRID, 112])  # positions as they are, and resized
def test_the_class_token_is_that_of_the_definition(side):
    state = random_state()
    network = DINOv2(WIDTH, DEPTH, GRID * GRID).eval()
    del (kept := dict(state))["embeddings.mask_token"]
    network.load_state_dict(kept)
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        token, logits = network(image)
    expected = naive(state, image[0].double().numpy())
    assert logits.shape == (1, 0)
    assert np.abs(token[0].double().numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("size", [(300, 260), (32, 48), (224, 224)])
def test_images_are_resized_as_pillow_does(size):
    draw = np.random.default_rng(0)
    smooth = Image.fromarray(draw.integers(256, size=(8, 8, 3)).astype(np.uint8))
    image = smooth.resize(size[::-1], Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None]
    ours = prepare(pixels)[0].permute(1, 2, 0).numpy() * np.array(STD) + np.array(MEAN)
    theirs = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC)) / 255
    assert np.abs(ours - theirs).max() <= 1.5 / 255  # Pillow rounds to whole levels


def test_the_extractor_from_a_file_or_its_folder(weights):
    result = extractor("dinov2", weights=str(weights))
    assert (result.name, result.dims, result.classes) == ("dinov2-128", WIDTH, ())
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 1, 20, 30), generator=draw).to(torch.uint8)
    pool, logits = result(images)
    assert pool.shape == (2, WIDTH)
    assert logits.shape == (2, 0)
    again = extractor("dinov2", weights=str(weights.parent))
    assert again.hash == result.hash
    assert torch.equal(again(images.expand(2, 3, 20, 30)).pool, pool)


def test_sizes_have_their_names(tmp_path):
    save_file(random_state(width=384, depth=1, grid=2), tmp_path / "model.safetensors")
    assert extractor("dinov2", weights=str(tmp_path)).name == "dinov2-small"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"embeddings.register_tokens": torch.zeros(1, 4, WIDTH)}, "embeddings.register_tokens"),
        ({"embeddings.position_embeddings": torch.zeros(1, 12, WIDTH)}, "not a DINOv2"),
        ({"embeddings.position_embeddings": torch.zeros(1, 26, 100)}, "not a DINOv2"),
        ({"embeddings.position_embeddings": torch.zeros(26)}, "not a DINOv2"),
        ({"layernorm.weight": torch.full((WIDTH,), torch.inf)}, "infinity in layernorm.weight"),
        ({"embeddings.cls_token": None}, "lacks embeddings.cls_token"),
    ],
)
def test_other_weights_are_one_line(tmp_path, change, match):
    state = {k: v for k, v in (random_state() | change).items() if v is not None}
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=match) as caught:
        extractor("dinov2", weights=str(tmp_path))
    assert "\n" not in str(caught.value)
