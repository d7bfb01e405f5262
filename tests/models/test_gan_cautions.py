"""Combinations that died when all were trained are warned of when a training begins."""

from __future__ import annotations

import warnings

import pytest
import torch

from genarium.contract import Batch, Noise, Spec
from genarium.models.gan.gan import GAN
from genarium.models.gan.vanilla import gan

COLOUR, GREY = Spec(3, 16, 16), Spec(1, 16, 16)


def said(model: GAN) -> list[str]:
    batch = Batch(torch.zeros(4, *model.spec.shape, dtype=torch.uint8), noise=Noise(0, 4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            model.step(batch, "generator")
            model.step(batch, "discriminator")
    return [str(each.message) for each in caught]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"architecture": "residual", "regularizers": ["weight-clipping"]}, "at chance"),
        ({"objective": "least-squares", "regularizers": ["weight-clipping"]}, "targets 0 and 1"),
        ({"architecture": "dcgan", "objective": "minimax"}, "gradient vanishes"),
        ({"architecture": "dense"}, "neighbouring pixels"),
    ],
)
def test_what_died_is_warned_of_once(arguments: dict[str, object], named: str) -> None:
    chosen = {"architecture": "resize", "width": 8} | arguments
    lines = said(gan(COLOUR, **chosen))  # type: ignore[arg-type]
    assert len(lines) == 1
    assert named in lines[0]
    assert lines[0].startswith("--")


@pytest.mark.parametrize(
    ("spec", "arguments"),
    [
        (COLOUR, {"architecture": "resize"}),
        (COLOUR, {"architecture": "resize", "objective": "minimax"}),
        (COLOUR, {"architecture": "dcgan", "regularizers": ["weight-clipping"]}),
        (GREY, {"architecture": "dense"}),
    ],
)
def test_what_learnt_is_not(spec: Spec, arguments: dict[str, object]) -> None:
    assert said(gan(spec, width=8, **arguments)) == []  # type: ignore[arg-type]
