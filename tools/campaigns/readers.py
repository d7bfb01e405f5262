"""Damaged files against every reader of foreign bytes: reported in one line, never a traceback.

    python tools/campaigns/readers.py [--each 150] [--seed 0]

Archives, arrays, weights, pictures, captions and manifests are cut, flipped, overwritten and
lengthened at random places, mostly in their headers and tails, and given to the part of the program
that reads them. A reader may give back what it reads, or raise UserError; a picture may be given
back or have a reason. Anything else is uncaught. The files of the cache, which the program wrote
itself, must in addition never be believed: what is read is what was written.
"""

from __future__ import annotations

import argparse
import bz2
import collections
import dataclasses
import gzip
import hashlib
import io
import json
import logging
import os
import random
import resource
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import array_files
import numpy as np
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save as save_tensors

from genarium import data
from genarium.data import DataOptions, decode, download, idx, pretrained
from genarium.data.files import wide
from genarium.data.stream import stream
from genarium.errors import UserError
from genarium.evaluation.extractors import graphdef, inception_weights
from genarium.features import table
from genarium.study import manifest
from genarium.training.checkpoint import read_tensors

draw = np.random.default_rng(4)


@dataclasses.dataclass
class Seed:
    """A whole file and who reads it. place: below the campaign's folder."""

    content: bytes
    place: str
    read: Callable[[Path], object]


class Believed(Exception):
    """Damage that was not seen."""


# ------------------------------------------------------------------------------ whole files


def picture(kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    shape = (6, 6, 3) if mode == "RGB" else (6, 6)
    pixels = draw.integers(0, 256, shape, dtype=np.uint8)
    image = (
        Image.fromarray(pixels) if mode in ("RGB", "L") else Image.fromarray(pixels).convert(mode)
    )
    if mode == "I;16":
        image = Image.fromarray(draw.integers(0, 65536, shape, dtype=np.uint16))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def zipped(members: dict[str, bytes], method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return out.getvalue()


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as file:
        for name, content in members.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            file.addfile(item, io.BytesIO(content))
    return out.getvalue()


def arrays(save: Callable[..., None], **values: object) -> bytes:
    out = io.BytesIO()
    save(out, **values)
    return out.getvalue()


def graph() -> bytes:
    """A frozen graph of one constant of two floats."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    tensor = b"\x08\x01" + field(2, field(2, b"\x08\x02")) + field(4, bytes(8))
    node = (
        field(1, b"x")
        + field(2, b"Const")
        + field(5, field(1, b"value") + field(2, field(8, tensor)))
    )
    return field(1, node)


def study(folder: Path) -> bytes:
    """A study's manifest; its pictures are written beside it."""
    (folder / manifest.PICTURES).mkdir(parents=True, exist_ok=True)
    shown = []
    for name, truth, model in (("a.png", "real", None), ("b.png", "fake", 0)):
        content = picture()
        (folder / manifest.PICTURES / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        shown.append(manifest.Picture(name, truth, model, 0, False, digest))
    made = manifest.Manifest(
        id="x", title="t", mode="untimed", seed=0, size=(6, 6), scaling="smooth", shown=1, checks=0,
        data={"name": "d"}, models=(manifest.StudyModel("m", "vae", 1),), pictures=tuple(shown),
    )  # fmt: skip
    return made.to_json().encode()


# ---------------------------------------------------------------------------------- readers


def seeds(home: Path) -> dict[str, Seed]:
    """Every kind of file, whole, by a name to report it under."""
    options = DataOptions(size="6", cache=str(home / "cache"), max_bad=1.0)
    members = {f"{c}/{k}.png": picture() for c in "ab" for k in range(5)}

    def load(path: Path | str) -> None:
        data.load(str(path), options, progress=False)

    def batches(path: Path) -> None:
        for _ in stream(path).batches(2):
            pass

    def look(path: Path) -> None:
        assert isinstance(wide.inspected(path), decode.Facts)

    def beside(path: Path) -> None:
        load(path.parent)

    results: dict[str, Seed] = {}
    for name, method in (("stored", 0), ("deflated", 8), ("bzip2", 12), ("lzma", 14)):
        results[f"zip {name}"] = Seed(zipped(members, method), f"{name}.zip", load)
    for suffix, mode in (
        ("tar", "w"),
        ("tar.gz", "w:gz"),
        ("tar.bz2", "w:bz2"),
        ("tar.xz", "w:xz"),
    ):
        results[suffix] = Seed(tarred(members, mode), f"a.{suffix}", load)
    images = draw.integers(0, 256, (5, 6, 6, 3), dtype=np.uint8)
    codes = {
        "names": np.array(["a", "b"]),
        "codes": np.ones((2, 3), np.float32),
        "classes": np.array(["k"]),
    }
    for name, save in (("npz", np.savez), ("npz compressed", np.savez_compressed)):
        results[name] = Seed(arrays(save, images=images), f"{save.__name__}.npz", batches)
        results[f"codes {name}"] = Seed(
            arrays(save, **codes), f"codes-{save.__name__}.npz", table.read
        )
    tensors = save_tensors({"a": torch.randn(3, 4), "b.weight": torch.arange(5)})
    results["safetensors"] = Seed(tensors, "w.safetensors", pretrained.read)
    results["safetensors of a run"] = Seed(tensors, "m.safetensors", read_tensors)
    results["frozen graph"] = Seed(graph(), "g.pb", graphdef.constants)
    results["frozen graph as weights"] = Seed(graph(), "h.pb", inception_weights.read)
    for compress in (gzip.compress, bz2.compress):  # the second is no format that is read
        plain = idx.dump(images[:, :, :, 0])
        official = download.Official("x", "x.gz", hashlib.sha256(plain).hexdigest(), len(plain))
        results[f"idx {compress.__module__}"] = Seed(
            compress(plain), f"{compress.__module__}/x.gz",
            lambda path, official=official: download.from_folder(official, path.parent),
        )  # fmt: skip
    kinds = {
        "png": picture(), "png 16": picture(mode="I;16"), "png palette": picture(mode="P"),
        "png texts": _texts(),
        "jpg": picture("JPEG"), "jpg cmyk": picture("JPEG", "CMYK"), "gif": picture("GIF"),
        "bmp": picture("BMP"), "ppm": picture("PPM"), "webp": picture("WEBP", lossless=True),
        "tif": picture("TIFF"), "tif 16": picture("TIFF", "I;16"),
        "tif lzw": picture("TIFF", compression="tiff_lzw"),
        "tif deflate": picture("TIFF", compression="tiff_adobe_deflate"),
        "tif jpeg": picture("TIFF", compression="jpeg"),
    }  # fmt: skip
    for name, content in kinds.items():
        results[name] = Seed(content, f"{name.replace(' ', '-')}.{name.split()[0]}", look)
    texts = {
        "metadata.jsonl": b'{"file_name": "0.png", "text": "a"}\n'
        b'{"file_name": "1.png", "text": ["b", "c"]}\n',
        "metadata.csv": b'file_name,text\n0.png,"a, b"\n1.png,c\n',
        "0.txt": "ein Käfer\na beetle\n".encode(),
    }
    for name, content in texts.items():
        folder = home / f"captions-{name}"
        folder.mkdir()
        for k in range(4):
            (folder / f"{k}.png").write_bytes(picture())
        results[name] = Seed(content, f"{folder.name}/{name}", beside)
    for name, content in array_files.whole().items():
        if not name.endswith((".png", ".pgm")):
            results[f"arrays {name}"] = Seed(content, f"arrays/{name}", load)
        if name.endswith((".tif", ".dcm", ".nii", ".nii.gz", ".npy", ".png", ".pgm")):
            place = f"{name.replace('.', '-')}/{name}"  # the one file of a folder
            results[f"folder {name}"] = Seed(content, place, beside)
    for version in (2, 3):
        store = home / f"v{version}.zarr"
        for file in array_files.zarr(store, version):
            results[f"zarr {version} {file}"] = Seed(
                (store / file).read_bytes(), f"{store.name}/{file}",
                lambda path, store=store: load(f"{store}:x,labels=labels"),
            )  # fmt: skip
    results["table of labels"] = _table(home, options)
    results["study.json"] = Seed(
        study(home / "study"), "study/study.json", lambda path: manifest.read(path.parent)
    )
    results.update(_own(home, options))
    return results


def _table(home: Path, options: DataOptions) -> Seed:
    """Labels of a small folder."""
    folder = home / "labelled"
    folder.mkdir()
    for k in range(4):
        (folder / f"{k}.png").write_bytes(picture())

    def read(path: Path) -> None:
        own = dataclasses.replace(options, labels=str(path))
        data.load(str(folder), own, progress=False)

    lines = "".join(f"{k}.png,{'ab'[k % 2]},{k / 3}\n" for k in range(4))
    return Seed(f"file_name,label,age\n{lines}".encode(), "t.csv", read)


def _texts() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b" * 2000)
    info.add_itxt("c", "d" * 2000, zip=True)
    return picture(pnginfo=info)


def _own(home: Path, options: DataOptions) -> dict[str, Seed]:
    """The files of the cache of a small folder: damage to them must be seen."""
    folder, own = home / "photos", dataclasses.replace(options, cache=str(home / "own"))
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for k in range(6):
            (folder / name / f"{k}.png").write_bytes(picture())
            os.utime(folder / name / f"{k}.png", (1e9, 1e9))

    def state() -> object:
        result = data.load(str(folder), own, progress=False)
        parts = [
            (s.images.numpy().tobytes(), s.labels.tolist())
            for s in (result.train, result.validation, result.test)
        ]
        return parts, result.info, result.manifest, result.spec

    whole = state()

    def same(path: Path) -> None:
        if state() != whole:
            raise Believed("other data than were written")

    cache = Path(own.cache or "")
    files = sorted((*cache.glob("images/*/*.*"), *cache.glob("index/*.json")))
    return {
        f"cache {f.name if f.parent.name != 'index' else 'index'}": Seed(
            f.read_bytes(), str(f.relative_to(home)), same
        )
        for f in files
    }


# ----------------------------------------------------------------------------------- damage


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut, flipped, overwritten, lengthened or shortened somewhere."""
    data, kind = bytearray(content), chance.random()

    def place() -> int:
        """Anywhere, as often in the first 200 bytes, or in the last 300."""
        where = chance.random()
        if where < 0.4:
            return chance.randrange(min(len(data), 200))
        return len(data) - 1 - chance.randrange(min(len(data), 300) if where < 0.7 else len(data))

    if kind < 0.45:
        for _ in range(chance.choice((1, 1, 2, 4))):
            data[place()] = chance.choice((0, 255, 127, 128, chance.randrange(256)))
    elif kind < 0.6:
        data[place()] ^= 1 << chance.randrange(8)
    elif kind < 0.7:
        at = place()
        run = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 40)))
        data[at : at + len(run)] = run
    elif kind < 0.78:
        at = place()
        del data[at : at + chance.randrange(1, 30)]
    elif kind < 0.86:
        at = place()
        data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 20)))
    elif kind < 0.9:
        data += bytes(chance.randrange(256) for _ in range(chance.randrange(1, 50)))
    else:
        data = data[: chance.randrange(len(data))]
    return bytes(data)


@contextmanager
def _lines_on_stderr(into: list[str]) -> Iterator[None]:
    """What C libraries print beside Python, as lines."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            into += file.read().decode("utf-8", "replace").splitlines()


def campaign(
    home: Path, each: int, seed: int, only: str = ""
) -> tuple[dict[str, collections.Counter[str]], list[str], list[str]]:
    """(outcomes by kind of file, what was uncaught, lines on stderr); each: files of a kind."""
    logging.getLogger("genarium").setLevel(logging.CRITICAL)
    counts: dict[str, collections.Counter[str]] = {}
    uncaught: list[str] = []
    lines: list[str] = []
    for name, one in seeds(home).items():
        if only not in name:
            continue
        chance = random.Random(f"{seed} {name}")
        path, count = home / one.place, counts.setdefault(name, collections.Counter())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content)
        with decode.strict(), _lines_on_stderr(lines):
            if not name.startswith("idx bz2"):
                one.read(path)  # the whole file is fine
            for number in range(each):
                content = damaged(one.content, chance)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                try:
                    one.read(path)
                    count["read"] += 1
                except UserError as error:
                    count["reported" if "\n" not in str(error) else "of two lines"] += 1
                    if "\n" in str(error):
                        uncaught.append(f"{name} {number}: two lines: {error}")
                except BaseException as error:  # whatever comes out is the finding
                    count["uncaught"] += 1
                    uncaught.append(f"{name} {number}: {type(error).__name__}: {error}"[:200])
                    if isinstance(error, KeyboardInterrupt):
                        raise
            path.write_bytes(one.content)
    return counts, uncaught, lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=110, help="damaged files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds with this in their name")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        counts, uncaught, lines = campaign(Path(home), args.each, args.seed, args.only)
    for name, count in counts.items():
        print(f"{name:26} {json.dumps(count)}")
    for line in uncaught[:40]:
        print("  ", line)
    for line in lines[:5]:
        print("   stderr:", line)
    total = sum(sum(count.values()) for count in counts.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{total:,} mutated, {len(uncaught)} uncaught, {len(lines)} lines on stderr, peak memory "
        f"{peak} MiB"
    )
    return bool(uncaught or lines)


if __name__ == "__main__":
    raise SystemExit(main())
