"""Fine-tuning: a pretrained start and a fresh one, on the same labels in the same order."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genarium import recipes
from genarium.contract import Batch, Model
from genarium.errors import UserError
from genarium.features import Classifier, finetune
from genarium.runs.building import build
from tests.conftest import tiny_dataset

DATA = tiny_dataset(n=96)
TRAIN = (DATA.train.images, DATA.train.labels)
TEST = (DATA.test.images, DATA.test.labels)


def made(seed: int, name: str = "stacked-autoencoder") -> Model:
    recipe = recipes.get(name)
    return build(recipe, DATA.spec, dict(recipe.tiny), seed)


@pytest.mark.parametrize("name", ["autoencoder", "denoising-autoencoder", "vae"])
def test_any_encoder_learns_from_labels(name: str) -> None:
    fresh = lambda seed: made(seed, name)  # noqa: E731
    result = finetune(fresh(9), fresh, TRAIN, TEST, seeds=(0,), steps=40, lr=1e-2)
    assert result.labels == 96
    assert max(result.pretrained + result.scratch) < 0.2  # by chance: 0.5


def test_a_start_that_is_the_fresh_network_gives_the_same_error() -> None:
    """Nothing but the start differs between the two."""
    settings = {"labels": 20, "seeds": (0, 1), "steps": 15, "batch": 3, "lr": 0.02}
    result = finetune(made(4), lambda _: made(4), TRAIN, TEST, **settings)
    assert result.pretrained == result.scratch
    assert result.labels == 20
    assert result.gain == 0


def test_the_model_is_copied_and_repeats() -> None:
    model = made(0)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    runs = [finetune(model, made, TRAIN, TEST, labels=10, seeds=(3,), steps=5) for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_the_loss_is_the_cross_entropy_of_the_softmax_on_the_code() -> None:
    classifier = Classifier(made(0), 2)
    nn.init.normal_(classifier.head.weight, generator=torch.Generator().manual_seed(0))
    batch = Batch(DATA.train.images[:6], DATA.train.labels[:6])
    code = classifier.encoder.encode(batch.images)
    p = (code @ classifier.head.weight.T).softmax(1)[torch.arange(6), batch.labels]
    step = classifier.step(batch, "classifier")
    torch.testing.assert_close(step.losses["cross_entropy"], -p.log().mean())
    step.losses["cross_entropy"].backward()
    first = classifier.encoder.layers[0]
    assert first.weight.grad.abs().sum() > 0
    assert first.visible_bias.grad is None  # of the decoder: not needed


def test_what_cannot_be_fine_tuned_is_one_line() -> None:
    class Frozen(Model):
        spec = DATA.spec

        @torch.no_grad()
        def encode(self, images):
            return images.float().flatten(1)

    with pytest.raises(UserError, match="without gradients"):
        Classifier(Frozen(), 2)
    with pytest.raises(UserError, match="does not encode"):
        finetune(made(0, "gan"), made, TRAIN, TEST)
    with pytest.raises(UserError, match="--labels 97"):
        finetune(made(0), made, TRAIN, TEST, labels=97)
