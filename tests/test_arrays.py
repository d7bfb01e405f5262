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
from genarium import plugins
from genarium.contract import Values
from genarium.data.splits import SPLITS
from genarium.drawing.images import legend
from genarium.runs.trained import Trained

SOURCE = """
import numpy as np

from genarium.data import Collection, Part, Request, source


@source("table", summary="blobs of any type and channels", licence="CC0-1.0")
def table(
    request: Request, *, kind: str = "uint8", channels: int = 1, pairs: bool = False
) -> Collection:
    draw = np.random.default_rng(0)
    unit = 0.9 * draw.random((80, channels, 2, 2)).repeat(4, 2).repeat(4, 3)
    unit += 0.05 + draw.uniform(-0.05, 0.05, unit.shape)
    full = {"uint8": (0, 255), "uint16": (0, 4095), "float32": (-1000, 3000)}[kind]
    images = full[0] + unit * (full[1] - full[0])
    images = (images if kind == "float32" else images.round()).astype(kind)
    extra = {"b": images[:, :, ::-1].copy()} if pairs else {}
    return Collection(
        {"train": Part(images, (unit.mean((1, 2, 3)) > 0.5).astype(np.int64), extra)},
        classes=("dark", "bright"),
        unit={"uint8": "", "uint16": "counts", "float32": "HU"}[kind],
    )
"""

KINDS = ("uint8", "uint16", "float32")
CHANNELS = (1, 2, 3, 5)
TABLE = list(itertools.product(KINDS, CHANNELS))
TINY: dict[str, dict[str, Any]] = {
    "vae": {"width": 4, "latent": 3},
    "pixelcnn": {"blocks": 1, "width": 6, "head": 6, "output": "logistics"},
    "pix2pix": {"width": 4, "disc_width": 4, "patch": 16},
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


def came_back(made: Any, run: Trained, kind: str, folder: Path, domain: str = "a") -> None:
    """What a verb made is of the data's type, in their range, and files hold it to the bit."""
    values: Values = run.spec.values_of(domain)
    stored = made.values
    rows = stored.flatten(0, -4).permute(0, 2, 3, 1).numpy()
    assert (made.images.dtype, str(rows.dtype)) == (torch.float32, kind)
    assert stored.shape == made.images.shape
    assert values.low[0] <= float(stored.float().min())
    assert float(stored.float().max()) <= values.high[0]
    assert float((values.signed(stored) - made.images.clamp(-1, 1)).abs().max()) <= (
        1 / (values.high[0] - values.low[0]) + 1e-6
    )
    assert made.pictures.dtype == torch.uint8
    assert made.pictures.shape[-3] == (1 if rows.shape[3] == 1 else 3)

    made.save(folder / "x.npy")
    assert np.array_equal(np.load(folder / "x.npy"), rows)
    made.save(folder / "x.npz")
    with np.load(folder / "x.npz") as arrays:
        assert np.array_equal(arrays["images"], rows)
        if kind == "uint8":
            assert arrays.files == ["images"]
        else:
            assert (arrays["low"][0], arrays["high"][0]) == (values.low[0], values.high[0])
            assert str(arrays["unit"]) == values.unit
    tifffile = pytest.importorskip("tifffile")
    made.save(folder / "x.tif")
    with tifffile.TiffFile(folder / "x.tif") as file:
        about = json.loads(file.pages[0].description)
        assert (about["low"], about["unit"]) == ([*values.low], values.unit)
        assert np.array_equal(file.asarray().reshape(rows.shape), rows)
    made.save(folder / "each", form="values")
    files = sorted(p for p in (folder / "each").iterdir() if p.name[0] not in ".g")
    assert len(files) == len(rows)
    for file, row in zip(files, rows, strict=True):
        if file.suffix == ".tif":
            again = tifffile.imread(file)
        elif file.suffix == ".npy":
            again = np.load(file)
        else:
            with Image.open(file) as opened:
                again = np.array(opened)
        assert again.dtype == rows.dtype
        assert np.array_equal(again.reshape(row.shape), row)
    made.save(folder / "x.png")
    with Image.open(folder / "x.png") as opened:
        assert opened.mode == ("L" if rows.shape[3] == 1 else "RGB")


def sample(runs: Runs, kind: str, folder: Path) -> None:
    for run in (runs.vae, runs.pixelcnn):
        (folder / run.path.name).mkdir()
        came_back(genarium.sample(run, n=3), run, kind, folder / run.path.name)


def reconstruct(runs: Runs, kind: str, folder: Path) -> None:
    made = genarium.reconstruct(runs.vae, "test:0-2")
    assert torch.equal(made.originals, runs.vae.dataset().test.images[:3])
    came_back(made, runs.vae, kind, folder)


def complete(runs: Runs, kind: str, folder: Path) -> None:
    made = genarium.complete(runs.pixelcnn, "test:0-1", draws=2, keep="top")
    values = runs.pixelcnn.spec.values
    kept = made.values[:, :, :, :4].double() - made.originals[:, None, :, :4].double()
    allowed = 0.0 if values.integer else 1e-6 * (values.high[0] - values.low[0])
    assert float(kept.abs().max()) <= allowed
    came_back(made, runs.pixelcnn, kind, folder)


def translate(runs: Runs, kind: str, folder: Path) -> None:
    made = genarium.translate(runs.pix2pix, "test:0-1")
    assert made.domain == "b"
    assert made.third is not None
    assert torch.equal(made.third, runs.pix2pix.dataset().test.extra["b"][:2])
    came_back(made, runs.pix2pix, kind, folder, "b")


def latent(runs: Runs, kind: str, folder: Path) -> None:
    made = {
        "walk": genarium.interpolate(runs.vae, start="test:0,1", end="test:2,3", steps=2),
        "along": genarium.traverse(runs.vae, dimension=0, start="test:0", steps=2),
        "sum": genarium.arithmetic(runs.vae, plus=["test:0-2"], minus=["test:3"]),
    }
    for name, each in made.items():
        (folder / name).mkdir()
        came_back(each, runs.vae, kind, folder / name)


def encode(runs: Runs, kind: str, folder: Path) -> None:
    """Stored values, the result that has them, and its files: all have the same codes."""
    made = genarium.sample(runs.vae, n=3)
    codes = runs.vae.encode(made.values)
    assert bool(codes.isfinite().all())
    assert torch.equal(runs.vae.encode(made), codes)
    assert torch.allclose(codes, runs.vae.model.encode(made.values))
    for name in ("x.npy", "x.npz", "each"):  # files go back in as they came out
        made.save(folder / name, form="values")
        assert torch.equal(runs.vae.encode(folder / name), codes), name


def load(runs: Runs, kind: str, folder: Path) -> None:
    """Files of values are data: to the bit, and in the range of the run where they are asked to."""
    made, about = genarium.sample(runs.vae, n=12), runs.vae.spec.values
    wanted = sorted(image.numpy().tobytes() for image in made.values)
    for name in ("x.npy", "x.npz", "x.tif", "each"):
        made.save(folder / name, form="values")
        source = f"{folder / name}:pages=images" if name == "x.tif" else folder / name
        options = genarium.data.DataOptions(range="auto" if kind == "uint8" else about.as_option())
        data = genarium.data.load(source, options, progress=False)
        parts = [image for split in SPLITS for image in data.split(split).images]
        assert data.spec.values == about, name
        assert sorted(image.numpy().tobytes() for image in parts) == wanted, name


def evaluate(runs: Runs, kind: str, folder: Path) -> None:
    for run in (runs.vae, runs.pixelcnn):
        scores = genarium.evaluate(run, n=8, extractor="pixels", metrics="fid")
        assert [row.name for row in scores.rows if not np.isfinite(row.value)] == []
        words = " ".join(f"{row.name} {row.basis}" for row in scores.rows)
        assert kind == "uint8" or run.spec.values.unit in words


def compare(runs: Runs, kind: str, folder: Path) -> None:
    page = folder / "page.html"
    genarium.compare([runs.vae], n=8, extractor="pixels", metrics="fid", out=page)
    text = page.read_text(encoding="utf-8")
    assert legend(runs.vae.spec) in text
    assert bool(legend(runs.vae.spec)) == ("<dt>Pictures</dt>" in text)
    assert kind == "uint8" or f"{runs.vae.spec.values.span} ({runs.vae.spec.values.rule})" in text


VERBS = {f.__name__: f for f in (sample, reconstruct, complete, translate, latent, encode, load)}
SCORED = {f.__name__: f for f in (evaluate, compare)}


@pytest.mark.parametrize("verb", [*VERBS, *SCORED])
@pytest.mark.parametrize(("kind", "channels"), TABLE)
def test_every_type_and_number_of_channels_goes_through_every_verb(
    kind: str, channels: int, verb: str, cells: dict[tuple[str, int], Runs], tmp_path: Path
) -> None:
    {**VERBS, **SCORED}[verb](cells[kind, channels], kind, tmp_path)
