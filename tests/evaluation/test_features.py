"""Feature extractors: what they promise about sizes, batches, weights and names."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from genarium.contract import Spec
from genarium.errors import UserError
from genarium.evaluation.extractors import shipped
from genarium.evaluation.extractors.by_name import default_for, extractor
from genarium.evaluation.extractors.classifier import Classifier, fold
from genarium.evaluation.extractors.extractor import from_module, grey_28
from genarium.evaluation.metrics.grey import to_grey

SHIPPED = ("digits", "fashion")


def pictures(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator).to(torch.uint8)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_extractor_states_its_weights(name):
    result = extractor(name)
    path = shipped.WEIGHTS / f"{name}.safetensors"
    assert result.name == f"{name}-cnn"
    assert result.hash == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert len(result.classes) == 10
    assert path.stat().st_size <= 1_000_000
    assert extractor(result.name) is result
    pool, logits = result(pictures(3, 1, 28, 28))
    assert pool.shape == (3, result.dims)
    assert logits.shape == (3, 10)
    assert pool.dtype == logits.dtype == torch.float32


@pytest.mark.parametrize(("name", "accuracy"), [("digits", 0.99), ("fashion", 0.90)])
def test_cards_state_the_accuracy_on_the_whole_test_split(name, accuracy):
    card = shipped.card(name)
    assert card["test"]["accuracy"] >= accuracy
    assert card["test"]["calibration_error"] < 0.02
    assert "10000 images" in card["tested_on"]


def test_digits_are_recognised():
    from genarium.data import load

    test = load("digits", progress=False).test
    assert len(test) == 2000
    logits = extractor("digits")(test.images).logits
    assert (logits.argmax(dim=1) == test.labels).double().mean() >= 0.99


def test_result_does_not_depend_on_the_batch():
    result = extractor("digits")
    images = pictures(7, 1, 28, 28)
    together = result(images)
    each = [result(image[None]) for image in images]
    assert torch.allclose(together.pool, torch.cat([a.pool for a in each]), atol=1e-5)
    assert torch.allclose(together.logits, torch.cat([a.logits for a in each]), atol=1e-4)


def test_no_images_give_no_features():
    pool, logits = extractor("digits")(pictures(0, 1, 28, 28))
    assert pool.shape == (0, extractor("digits").dims)
    assert logits.shape == (0, 10)


def test_grey_28_by_28_is_taken_as_it_is():
    images = pictures(2, 1, 28, 28)
    assert torch.equal(grey_28(images), images.float() / 255)
    tiled = images.expand(2, 3, 28, 28)
    assert torch.allclose(grey_28(tiled), images.float() / 255, atol=1e-6)


@pytest.mark.parametrize("size", [(56, 70), (100, 31), (20, 28)])
def test_resize_is_pillows_antialiased_bilinear(size):
    image = pictures(1, 1, *size)
    pillow = Image.fromarray(image[0, 0].numpy()).resize((28, 28), Image.Resampling.BILINEAR)
    ours = grey_28(image)[0, 0].numpy() * 255
    assert np.abs(ours - np.asarray(pillow, dtype=np.float64)).max() <= 1.01


def test_grey_is_pillows_luma():
    image = pictures(1, 3, 9, 9)
    pillow = Image.fromarray(image[0].permute(1, 2, 0).numpy()).convert("L")
    assert np.abs(to_grey(image)[0, 0].numpy() * 255 - np.asarray(pillow)).max() <= 1.01


@pytest.mark.parametrize("bad", [torch.zeros(2, 1, 8, 8), pictures(2, 8, 8), pictures(2, 0, 8, 8)])
def test_other_tensors_are_refused(bad):
    with pytest.raises(ValueError, match=r"uint8 \[N,C,H,W\]"):
        extractor("digits")(bad)


def test_unknown_name_is_one_line_with_the_remedy():
    with pytest.raises(UserError, match="did you mean 'digits'") as caught:
        extractor("digts")
    assert "\n" not in str(caught.value)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A copy of the weights to damage, with nothing cached."""
    copy = tmp_path / "weights"
    shutil.copytree(shipped.WEIGHTS, copy)
    monkeypatch.setattr(shipped, "WEIGHTS", copy)
    shipped.shipped.cache_clear()
    yield copy
    shipped.shipped.cache_clear()


def test_changed_weights_are_refused(weights):
    path = weights / "digits.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"digits\.safetensors"):
        extractor("digits")


def test_missing_weights_are_one_line(weights):
    (weights / "digits.safetensors").unlink()
    with pytest.raises(UserError, match=r"digits\.safetensors.*install"):
        extractor("digits")


def test_weights_of_another_network_are_one_line(weights):
    card = json.loads((weights / "digits.json").read_text())
    (weights / "digits.json").write_text(json.dumps({**card, "classes": ["a", "b"]}))
    with pytest.raises(UserError, match="install"):
        extractor("digits")


def test_default_for_knows_the_shipped_data_sets_only():
    ten, three = Spec(1, 28, 28, tuple("0123456789")), Spec(3, 64, 64, ("a", "b", "c"))
    assert default_for("digits", ten) == default_for("mnist", ten) == "digits"
    assert default_for("fashion-mnist", ten) == "fashion"
    assert default_for("cats", ten) == default_for("mnist", three) == "efficientnet-lite0"


def test_proxy_has_the_features_but_no_classes():
    images = pictures(2, 3, 40, 40)
    proxy, fashion = extractor("fashion-proxy"), extractor("fashion")
    assert proxy.classes == ()
    assert proxy.name == "fashion-cnn-proxy"
    assert proxy(images).logits.shape == (2, 0)
    assert torch.equal(proxy(images).pool, fashion(images).pool)


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        pool = self.linear(x)
        return pool, pool


def test_any_network_can_be_an_extractor():
    def flatten(images):
        return images.flatten(1).float()

    network = Flat()
    made = from_module(network, name="flat", dims=3, prepare=flatten, resize="none")
    images = pictures(5, 1, 2, 2)
    assert torch.equal(made(images).pool, network.linear(images.flatten(1).float()))
    again = from_module(network, name="flat", dims=3, prepare=flatten, resize="none")
    assert made.hash == again.hash
    with torch.no_grad():
        network.linear.bias[0] += 1
    changed = from_module(network, name="flat", dims=3, prepare=flatten, resize="none")
    assert made.hash != changed.hash


def test_folding_keeps_the_function():
    torch.manual_seed(0)
    model = Classifier(folded=False)
    for _ in range(3):
        model(torch.rand(16, 1, 28, 28))
    x = torch.rand(4, 1, 28, 28)
    for before, after in zip(model.eval()(x), fold(model)(x)):
        assert torch.allclose(before, after, atol=1e-5)
