"""Stacked autoencoders: tied layers, each in its own stretch of steps, on the codes below it."""

from __future__ import annotations

import pytest
import torch

from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.autoencoder.denoising import masking
from genarium.models.autoencoder.stacked import StackedAutoencoder, stacked_autoencoder
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

SPEC = Spec(1, 6, 5)
IMAGES = torch.randint(
    0, 256, (40, *SPEC.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def made(amount: float = 0.0, **arguments) -> StackedAutoencoder:
    torch.manual_seed(0)
    return stacked_autoencoder(SPEC, hidden=7, layers=3, layer_steps=4, amount=amount, **arguments)


def numbers(model: StackedAutoencoder, k: int) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.layers[k].parameters()]


def test_codes_and_images_are_the_papers_formulas() -> None:
    model = made()
    x = IMAGES.flatten(1) / 255
    for layer in model.layers:
        x = 1 / (1 + torch.exp(-(x @ layer.weight.T + layer.bias)))
    code = model.encode(IMAGES)
    torch.testing.assert_close(code, x, rtol=1e-5, atol=1e-6)
    for layer in reversed(model.layers):
        x = 1 / (1 + torch.exp(-(x @ layer.weight + layer.visible_bias)))
    torch.testing.assert_close(
        model.decode(code), 2 * x.view(-1, *SPEC.shape) - 1, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_loss_is_the_cross_entropy_of_the_damaged_input_to_the_whole(number: int) -> None:
    model = made(0.4)
    x = (IMAGES / 255.0).flatten(1)
    for layer in model.layers[:number]:
        x = torch.sigmoid(x @ layer.weight.T + layer.bias)
    kept = Noise(3, 40).uniform(1, *(SPEC.shape[1:] if number == 0 else (1, 7))) >= 0.4
    damaged = x * kept.flatten(1)
    layer = model.layers[number]
    code = torch.sigmoid(damaged @ layer.weight.T + layer.bias)
    rebuilt = torch.sigmoid(code @ layer.weight + layer.visible_bias)
    expected = -(x * rebuilt.log() + (1 - x) * (1 - rebuilt).log()).sum(1).mean()
    step = model.step(Batch(IMAGES, noise=Noise(3, 40)), f"layer {number + 1}")
    torch.testing.assert_close(step.losses["cross_entropy"], expected)
    torch.testing.assert_close(step.metrics["mse"], (rebuilt - x).square().mean().detach())


def test_one_layer_learns_at_a_time_and_then_stands_still() -> None:
    model = made(0.25)
    options = TrainOptions(steps=12, batch=8, device="cpu")
    trainer = Trainer(model, TrainingData(IMAGES), options)
    model.train()
    for step in range(12):
        before = [numbers(model, k) for k in range(3)]
        trainer.one_step()
        moved = [
            any(not torch.equal(a, b) for a, b in zip(before[k], numbers(model, k)))
            for k in range(3)
        ]
        assert moved == [step // 4 == k for k in range(3)], step


def test_the_last_layer_has_the_rest_of_the_run() -> None:
    first, second, last = made().phases
    assert [p for p in range(20) if first.plays(p)] == [0, 1, 2, 3]
    assert [p for p in range(20) if second.plays(p)] == [4, 5, 6, 7]
    assert [p for p in range(20) if last.plays(p)] == [*range(8, 20)]


def test_pretraining_lowers_the_reconstruction_error() -> None:
    smooth = torch.nn.functional.interpolate(IMAGES[:, :, :2, :2].float(), SPEC.shape[1:])
    images = smooth.to(torch.uint8)
    torch.manual_seed(0)
    model = StackedAutoencoder(SPEC, (12, 12), masking(0.1), layer_steps=150)

    def error() -> float:
        return (model.reconstruct(images) - (images / 127.5 - 1)).square().mean().item()

    before = error()
    for phase in model.phases:
        optimizer = torch.optim.Adam(model.get_submodule(phase.nets[0]).parameters(), lr=1e-2)
        for step in range(150):
            batch = Batch(images, noise=Noise(step, 40))
            optimizer.zero_grad()
            model.step(batch, phase.name).losses["cross_entropy"].backward()
            optimizer.step()
    assert error() < 0.5 * before


def test_a_share_above_one_names_the_flag() -> None:
    with pytest.raises(UserError, match="--amount"):
        made(1.5)
