"""What of a model can be written down as a graph and run without Python: in a browser, by ONNX.

A function is tensors in, tensors out, each with the batch as its first axis, and no other axis
that changes. A model that says nothing exports what its capabilities are (`functions`); one whose
capability is no such function, or needs something besides, has a method `exports`.

B batch · C channels · H, W pixels · D numbers of a code · S size of the condition
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from genarium.contract.capabilities import capabilities
from genarium.contract.model import Model, Settings

ROWS = 2
"""Rows of an example: not one, which graphs take for an axis that never changes."""


@dataclass(frozen=True)
class Function:
    """A function of a model: call(*inputs) -> output, differentiable or not, nothing drawn in it.

    name: "decode", "encode" ... inputs: an example of each input by name, `ROWS` rows each; the
    first axis is the batch. Stored images go in as they are stored, codes and conditions [B,S] as
    the networks get them. output: what comes out, "images" on [-1, 1], "codes" or "nats". modules:
    those that `call` uses beside the model's own. drawn: inputs that whoever uses it draws, by
    name, each "uniform" on [0, 1) or "normal".
    """

    name: str
    call: Callable[..., Tensor]
    inputs: Mapping[str, Tensor]
    output: str
    modules: tuple[nn.Module, ...] = ()
    drawn: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Exports(Protocol):
    """Says itself what can be written down as a graph."""

    def exports(self, settings: Settings | None = None) -> dict[str, Function]:
        """The model's functions by name; settings: those of its sampler, as for `sample`."""
        ...


def functions(model: Model, settings: Settings | None = None) -> dict[str, Function]:
    """What of `model` can be written down as a graph, by name."""
    if isinstance(model, Exports):
        return model.exports(settings)
    return usual(model, settings)


def usual(model: Model, settings: Settings | None = None) -> dict[str, Function]:
    """The functions that follow from the capabilities of a model without a condition."""
    any_model: Any = model
    can, results = capabilities(model), {}
    if "decode" in can:
        codes = example_codes(model)
        decode = with_settings(any_model.decode, settings)
        results["decode"] = Function("decode", decode, codes, "images")
    if "translate" in can:
        for number, way in enumerate(model.directions):
            name = f"translate_{way}" if number else "translate"
            images = {"images": example_images(model, way[0])}
            results[name] = Function(name, _translated(any_model, way), images, "images")
        return results
    if getattr(getattr(model, "conditioning", None), "size", 0):
        return results  # what else it can takes a condition: the model says how
    images = {"images": example_images(model)}
    if "encode" in can:
        results["encode"] = Function(
            "encode", with_settings(any_model.encode, settings), images, "codes"
        )
    if {"encode", "decode", "reconstruct"} <= {*can}:
        results["reconstruct"] = Function(
            "reconstruct", with_settings(any_model.reconstruct, settings), images, "images"
        )
    if "log_prob" in can:
        results["log_prob"] = Function("log_prob", any_model.log_prob, images, "nats")
    return results


def _translated(model: Any, way: str) -> Callable[..., Tensor]:
    return lambda images: model.translate(images, direction=way)


def example_images(model: Model, domain: str = "a") -> Tensor:
    """Stored images of mid-range, [ROWS,C,H,W]."""
    values, shape = model.spec.values_of(domain), model.spec.domain(domain)
    return values.stored(torch.zeros(ROWS, *shape))


def example_codes(model: Model) -> dict[str, Tensor]:
    """Codes, {"codes": [ROWS,D]}: draws of the prior, else those of mid-range images."""
    any_model: Any = model
    with torch.no_grad():
        if "prior" in capabilities(model):
            codes = any_model.prior(ROWS, torch.Generator().manual_seed(0))
        else:
            codes = any_model.encode(example_images(model))
    return {"codes": codes.detach().float()}


def with_settings(
    method: Callable[..., Tensor], settings: Settings | None
) -> Callable[..., Tensor]:
    """A method with the settings, where it knows any."""
    if settings is None or "settings" not in inspect.signature(method).parameters:
        return method
    return lambda *inputs: method(*inputs, settings=settings)
