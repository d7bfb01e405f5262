"""Nothing about a picture but its pixels tells real from generated."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genarium.study import manifest as manifests
from genarium.study.pictures import as_served, mode_of, plain_png
from tests.study.conftest import Served

Serve = Callable[..., Served]


@pytest.mark.parametrize(("mode", "shape"), [("L", (9, 7)), ("RGB", (5, 301, 3))])
def test_plain_pictures_hold_their_pixels_in_one_length(
    tmp_path: Path, mode: str, shape: tuple[int, ...]
) -> None:
    """Noise and one grey: as long as one another, and read back bit for bit."""
    draw, lengths = np.random.default_rng(0), set()
    for pixels in (draw.integers(0, 256, shape, np.uint8), np.full(shape, 9, np.uint8)):
        file = plain_png(pixels.tobytes(), (shape[1], shape[0]), mode)
        lengths.add(len(file))
        (tmp_path / "a.png").write_bytes(file)
        with Image.open(tmp_path / "a.png") as image:
            assert image.mode == mode
            assert (np.asarray(image) == pixels).all()
        assert as_served(tmp_path / "a.png", mode_of(tmp_path / "a.png")) == file
    assert len(lengths) == 1


def compressed(study: Path) -> None:
    """Pictures as earlier versions wrote them: as small as they go."""
    stored = json.loads((study / "study.json").read_text())
    for picture in stored["pictures"]:
        path = study / "pictures" / picture["name"]
        with Image.open(path) as image:
            image.load()
        image.save(path, optimize=True)
        picture["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    del stored["sha256"]
    (study / "study.json").write_text(json.dumps(stored))
    assert len({p.stat().st_size for p in (study / "pictures").iterdir()}) > 2


@pytest.mark.parametrize("earlier", [False, True], ids=["new", "of an earlier version"])
def test_size_and_headers_are_those_of_every_picture(
    study: Path, serve: Serve, earlier: bool
) -> None:
    if earlier:
        compressed(study)
    else:
        assert len({p.stat().st_size for p in (study / "pictures").iterdir()}) == 1
    server, manifest = serve(study), manifests.read(study)
    heads, layouts = set(), set()
    for picture in manifest.pictures:
        status, body, headers = server.raw("GET", f"/pictures/{picture.name}")
        assert status == 200
        heads.add(tuple((k, v) for k, v in headers.items() if k != "date"))
        layouts.add((body[:41], len(body), len(zlib.decompress(body[41:-16]))))
    assert len(heads) == 1
    assert {name for name, _ in heads.pop()}.isdisjoint({"etag", "last-modified", "age"})
    assert len(layouts) == 1
