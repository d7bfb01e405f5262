"""Every recipe at its tiny size, with numbers that a training could have left behind."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch

from genarium import recipes
from genarium.contract import Model
from genarium.contract.exports import Function, functions
from genarium.runs.building import build
from tests import conftest
from tests.conftest import RECIPES, tiny_spec

# the further one sums over patches
CASES = {**conftest.CASES, "gan-wide": ("gan", {"architecture": "dcgan", "width": 32})}
FURTHER = (
    "gan-wide",
    *("gan-dcgan", "gan-residual", "gan-resize", "gan-spectral-norm", "infogan-invariance"),
    *("text-to-image-fusion", "vae-dense", "vae-logistic", "glow-conditional"),
    *("flow-matching-transformer", "flow-matching-classes", "flow-matching-likelihood"),
    *("flow-matching-refined", "tarflow-noisy"),
)
NAMES = tuple(name for name in (*RECIPES, *FURTHER))
SEQUENTIAL = {"pixelcnn", "row-lstm", "diagonal-bilstm"}
"""Drawn pixel by pixel: they have no function that makes a picture."""


@cache
def model_of(name: str, channels: int = 1) -> Model:
    """A model of random weights, also where a training begins at 0, and random running statistics.

    Odd sides, so that no size is another's by chance.
    """
    recipe_name, arguments = CASES[name]
    recipe = recipes.get(recipe_name)
    spec = tiny_spec(channels)
    model = build(recipe, spec, {**recipe.tiny, **arguments}, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.abs().any():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
        for key, buffer in model.named_buffers():
            if key.endswith("running_mean"):
                buffer.copy_(0.3 * torch.randn(buffer.shape, generator=generator))
            if key.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return model


def settings_of(model: Model):
    """Few steps, where there are any."""
    kind = model.settings
    if kind is not None and hasattr(kind(), "steps"):
        return replace(kind(), steps=2)
    return None


def functions_of(name: str, channels: int = 1) -> dict[str, Function]:
    model = model_of(name, channels)
    return functions(model, settings_of(model))


def row_of(function: Function, seed: int = 0) -> dict[str, torch.Tensor]:
    """One row of each input: codes N(0, 1), pictures of any levels, times and conditions."""
    generator = torch.Generator().manual_seed(seed)
    rows = {}
    for key, example in function.inputs.items():
        shape = (1, *example.shape[1:])
        if key in ("codes", "noised"):
            rows[key] = torch.randn(shape, generator=generator)
        elif key in function.drawn:
            rows[key] = torch.rand(shape, generator=generator)
        elif key == "times":
            rows[key] = example[:1].clone()
        elif key == "captions":
            rows[key] = torch.tensor([[*b"a dark one", 0, 0, 0, 0, 0, 0]], dtype=torch.float32)
        elif example.is_floating_point():
            rows[key] = torch.eye(shape[1])[:1]
        else:
            rows[key] = torch.randint(0, 256, shape, generator=generator).to(example.dtype)
    return rows
