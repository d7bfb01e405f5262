"""A cache folder for each test, and small folders of images made on the fly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Maker = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cache"
    monkeypatch.setenv("GENARIUM_CACHE", str(root))
    return root


def noise(seed: int, height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    """make("a/x.png", seed=1, height=8, width=8, channels=3): writes one image below photos/."""

    def write(name: str, seed: int = 0, **shape: int) -> Path:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed, **shape)).save(path)
        return path

    return write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir(exist_ok=True)
    return tmp_path / "photos"


@pytest.fixture
def ten(make: Maker, photos: Path) -> Path:
    """Ten different 8x8 images."""
    for i in range(10):
        make(f"{i}.png", seed=i)
    return photos
