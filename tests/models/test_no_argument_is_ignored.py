"""Every argument of every recipe does something, beside every value of the recipe's switches; or
the two are refused together."""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from genarium import recipes
from genarium.contract import Batch, Model, Noise, to_uint8
from genarium.errors import UserError
from genarium.runs.building import build
from genarium.signatures import bare
from tests.conftest import RECIPES, tiny_dataset

DATA = tiny_dataset()
REGULARIZERS = ("r1", "feature-matching", "minibatch-discrimination:3:2")
BASE = {"pixelcnn": {"blocks": 2}}  # one block alone looks no further than dilation 1

SWITCHES: dict[str, tuple[Any, ...]] = {
    "gan": (0.0,),
    "cycle": (0.0,),
    "contrast": (0.0,),
    "hidden": (0,),
    "layers": (0,),
    "beta": (0.0,),
    "amount": (0.0,),
    "continuous": (0,),
    "categories": ((),),
    "regularizers": tuple((regularizer,) for regularizer in REGULARIZERS),
}
"""Values of numbers and lists beside which other arguments may lose their meaning."""


def values(kind: Any, value: Any) -> list[Any]:
    """Other values of an argument: all of a choice, one of a number."""
    if typing.get_origin(bare(kind)) is typing.Literal:
        # what is left to the data is one of the others
        return [v for v in typing.get_args(bare(kind)) if v not in (value, recipes.AUTO)]
    if isinstance(value, bool):
        return [not value]
    return []


def other(name: str, kind: Any, value: Any) -> Any:
    """Another value of an argument, near enough to be taken."""
    choices = values(kind, value)
    if choices:
        return choices[0]
    if name == "regularizers":
        return ("spectral-norm",) if not value else ()
    if name in ("patch", "dilation"):
        return 4 if value in (0, 1) else 1  # 0: by the size of the images
    if name == "interpolation":
        return 0.0 if value else 1.0
    if name == "levels":
        return 128 if value is None else value // 2  # all that there are, 256, by default
    if name in ("different", "whole"):
        return 1.0  # every row of the small batch
    if name in ("categories",):
        return (4,)
    if name == "free_bits":
        return 5.0  # more than any latent's KL at the start
    if value is None or isinstance(value, int):
        return (value or 2) + 1
    if isinstance(value, float):
        return 0.5 * value + 0.3
    return None


def tiny(name: str) -> dict[str, Any]:
    recipe = recipes.get(name)
    return {**recipe.tiny, **BASE.get(name, {}), **recipe.chosen(DATA.spec, {})}


def digest(parts: list[Any]) -> str:
    result = hashlib.sha256()
    for part in parts:
        data = part.detach().contiguous().numpy().tobytes() if torch.is_tensor(part) else repr(part)
        result.update(data if isinstance(data, bytes) else data.encode())
    return result.hexdigest()


def trace(name: str, arguments: dict[str, Any]) -> str:
    """All that a model does: its phases, losses, gradients and what it makes of images."""
    recipe = recipes.get(name)
    model: Model = build(recipe, DATA.spec, {**tiny(name), **arguments}, seed=1).train()
    parts: list[Any] = [model.phases]
    split = DATA.train
    extra = {key: rows[:8] for key, rows in split.extra.items()}
    for turn in range(2):
        for phase in model.phases:
            batch = Batch(split.images[:8], split.labels[:8], Noise(turn, 8), extra)
            losses = model.step(batch, phase.name).losses
            model.zero_grad()
            sum(losses.values()).backward()
            parts += [*losses.values(), *(p.grad for p in model.parameters() if p.grad is not None)]
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.grad is not None:
                        parameter.sub_(0.01 * parameter.grad)
            model.after(phase.name)
    parts += model.state_dict().values()
    model.eval()
    seeded = torch.Generator().manual_seed(0)
    if hasattr(model, "elbo"):
        parts.append(model.elbo(DATA.test.images[:2], generator=seeded))
    if hasattr(model, "translate"):
        direction = model.directions[0]
        made = DATA.test.domain(direction[0])[:2]
        parts.append(to_uint8(model.translate(made, direction=direction, generator=seeded)))
    return digest(parts)


def trace_or_refusal(name: str, arguments: dict[str, Any]) -> str:
    try:
        return trace(name, arguments)
    except UserError as error:
        return str(error)


def taken(kind: Any, value: Any) -> bool:
    """Whether an argument's type takes a value."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def contexts(name: str) -> Iterator[dict[str, Any]]:
    """Each switch of a recipe at each of its other values, and none of them."""
    recipe = recipes.get(name)
    yield {}
    for argument, parameter in recipe.parameters().items():
        value = tiny(name).get(argument, parameter.default)
        for results in [*values(parameter.annotation, value), *SWITCHES.get(argument, ())]:
            if taken(parameter.annotation, results):
                yield {argument: results}


def cells() -> list[tuple[str, dict[str, Any]]]:
    return [(name, context) for name in RECIPES for context in contexts(name)]


@pytest.mark.parametrize(("name", "context"), cells(), ids=str)
def test_each_argument_acts_or_is_refused(name: str, context: dict[str, Any]) -> None:
    recipe = recipes.get(name)
    parameters = recipe.parameters()
    before = trace_or_refusal(name, context)
    if before.startswith("--"):
        return
    for argument, parameter in parameters.items():
        if argument in context:
            continue
        value = tiny(name).get(argument, parameter.default)
        changed = other(argument, parameter.annotation, value)
        if changed is None:
            continue
        assert taken(parameter.annotation, changed)
        after = trace_or_refusal(name, {**context, argument: changed})
        assert after != before, f"{argument} {value} -> {changed} changes nothing beside {context}"
