"""Images of any type and number of channels through every verb: they come back as they came in."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium import cli, plugins
from genarium.contract import Spec, Values
from genarium.drawing.images import FILL, for_the_eye, legend
from genarium.errors import UserError
from genarium.runs.trained import Trained

SOURCE = '''
import numpy as np

from genarium.data import Collection, Part, Request, source


@source("table", summary="blobs of any type and channels", licence="CC0-1.0")
def table(
    request: Request, *, kind: str = "uint8", channels: int = 1, pairs: bool = False
) -> Collection:
    draw = np.random.default_rng(0)
    coarse = draw.random((80, channels, 2, 2))
    unit = coarse.repeat(4, 2).repeat(4, 3) * 0.9 + 0.05 + draw.uniform(-0.05, 0.05, (80, channels, 8, 8))
    full = {"uint8": (0, 255), "uint16": (0, 4095), "float32": (-1000, 3000)}[kind]
    images = full[0] + unit * (full[1] - full[0])
    images = (images if kind == "float32" else images.round()).astype(kind)
    extra = {"b": images[:, :, ::-1].copy()} if pairs else {}
    return Collection(
        {"train": Part(images, (unit.mean((1, 2, 3)) > 0.5).astype(np.int64), extra)},
        classes=("dark", "bright"),
        unit={"uint8": "", "uint16": "counts", "float32": "HU"}[kind],
    )
'''

KINDS = ("uint8", "uint16", "float32")
CHANNELS = (1, 2, 3, 5)
TABLE = list(itertools.product(KINDS, CHANNELS))
TINY: dict[str, dict[str, Any]] = {
    "vae": {"width": 4, "hidden": 8, "latent": 3},
    "pixelcnn": {"width": 8, "layers": 2, "output": "logistics"},
    "pix2pix": {"width": 4},
}


class Runs(NamedTuple):
    """A trained run of each recipe on one cell of the table."""

    vae: Trained
    pixelcnn: Trained
    pix2pix: Trained


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, int], Runs]]:
    home = tmp_path_factory.mktemp("table")
    (home / "table.py").write_text(SOURCE, encoding="utf-8")
    patch = pytest.MonkeyPatch()
    patch.setenv(plugins.PATH, str(home))
    made: dict[tuple[str, int], Runs] = {}
    for kind, channels in TABLE:
        runs = []
        for recipe, arguments in TINY.items():
            pairs = ",pairs=true" if recipe == "pix2pix" else ""
            run = genarium.train(
                recipe,
                f"table:kind={kind},channels={channels}{pairs}",
                out=home / f"{recipe}-{kind}-{channels}",
                steps=2,
                batch=8,
                device="cpu",
                **arguments,
            )
            runs.append(run)
        made[kind, channels] = Runs(*runs)
    yield made
    patch.undo()


def test_times(cells):
    assert cells
