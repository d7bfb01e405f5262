"""A player's optimizer: the steps are PyTorch's, however the parameters lie."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from genarium.contract import Model, Optim, Phase
from genarium.training.players import OPTIMIZERS, Player


class Layers(Model):
    """Convolutions of several shapes, as channels-last has them, and a dense layer."""

    def __init__(self, optim: Optim):
        super().__init__()
        self.first = nn.Conv2d(3, 5, 4)
        self.up = nn.ConvTranspose2d(4, 6, 3)
        self.single = nn.Conv2d(5, 7, 1)
        self.cube = nn.Conv2d(3, 6, 3)  # [6,3,3,3]: turned round it has the same shape
        self.dense = nn.Linear(3, 2)
        self.phases = (Phase("all", optim=optim),)


def made(name: str) -> tuple[Layers, Player]:
    torch.manual_seed(0)
    model = Layers(Optim(name, lr=0.1, momentum=0.5))  # type: ignore[arg-type]
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model, Player(model, model.phases[0])


def gradients(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_pytorchs(name: str) -> None:
    model, player = made(name)
    plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
    chosen = {"momentum": 0.5} if name in ("sgd", "rmsprop") else {"weight_decay": 0.0}
    optimizer = OPTIMIZERS[name](plain.parameters(), lr=0.1, **chosen)
    for seed in range(3):
        gradients(model, seed)
        player.step()
        gradients(plain, seed)
        optimizer.step()
    for mine, theirs in zip(model.parameters(), plain.parameters()):
        torch.testing.assert_close(mine, theirs)
    assert model.first.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_state_has_the_parameters_shapes_and_comes_back(name: str) -> None:
    model, player = made(name)
    gradients(model, 0)
    player.step()
    state = {key: value.clone() for key, value in player.state().items()}
    slots = {key for key in state if not key.endswith("/step")}
    assert len(slots) == 2 * len(list(model.parameters()))
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    assert all(state[key].shape == shapes[key.split("/")[1]] for key in slots)
    if name == "adam":  # the first moment after one step is a tenth of the gradient
        torch.testing.assert_close(state["all/first.weight/exp_avg"], model.first.weight.grad / 10)
    again, other = made(name)
    again.load_state_dict(model.state_dict())
    other.load(state)
    for one, by in ((model, player), (again, other)):
        gradients(one, 1)
        by.step()
    for mine, theirs in zip(model.parameters(), again.parameters()):
        assert torch.equal(mine, theirs)


def test_a_parameter_without_gradient_stays_and_gradients_are_forgotten() -> None:
    model, player = made("adam")
    before = copy.deepcopy(model.state_dict())
    gradients(model, 0)
    model.up.weight.grad = None
    player.step()
    assert torch.equal(model.up.weight, before["up.weight"])
    assert not torch.equal(model.first.weight, before["first.weight"])
    player.zero_grad()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_is_to_the_bit_what_its_class_does(name: str) -> None:
    torch.manual_seed(0)
    model = Layers(Optim(name, lr=0.1, betas=(0.5, 0.9), weight_decay=0.2))  # type: ignore[arg-type]
    plain, player = copy.deepcopy(model), Player(model, model.phases[0])
    kind: Any = OPTIMIZERS[name]
    optimizer = kind(plain.parameters(), lr=0.1, betas=(0.5, 0.9), weight_decay=0.2, fused=True)
    for seed, factor in enumerate((1.0, 0.5, 0.25, 0.25)):
        player.learning_rate(factor)
        optimizer.param_groups[0]["lr"] = 0.1 * factor
        for one, by in ((model, player), (plain, optimizer)):
            gradients(one, seed)
            if seed == 2:  # its own count of steps is one behind from here on
                one.single.bias.grad = None
            by.step()
    for mine, theirs in zip(model.parameters(), plain.parameters()):
        assert torch.equal(mine, theirs)
