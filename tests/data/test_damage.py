"""A part of the campaign over damaged files, and archives made to do harm."""

import bz2
import gzip
import importlib.util
import io
import lzma
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from genarium import data
from genarium.data.sources import archive
from genarium.data.stream import stream
from genarium.errors import UserError

from .test_archive import png, write_zip

SCRIPT = Path(__file__).parents[2] / "tools" / "campaigns" / "readers.py"


def campaign():
    if str(SCRIPT.parent) not in sys.path:  # for the file beside it
        sys.path.append(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("campaign_readers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_damaged_files_are_reported_by_every_reader(tmp_path):
    counts, uncaught, lines = campaign().campaign(tmp_path, each=6, seed=1)
    assert uncaught == []
    assert lines == []
    assert len(counts) >= 40
    assert sum(count["reported"] for count in counts.values()) > 60  # the damage is damage


# found by the campaign over an earlier version: bytes at fixed places of a whole file
@pytest.mark.parametrize("place", ["method", "flags", "extra", "offset"])
def test_headers_of_a_zip_that_claim_what_is_not_there(tmp_path, place):
    path = write_zip(tmp_path / "x.zip", {f"{k}.png": png(k) for k in range(10)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    offset, value = {"method": (10, 14), "flags": (8, 1), "extra": (30, 255), "offset": (42, 255)}[
        place
    ]
    content[at + offset] = value
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged or encrypted|no images") as caught:
        data.load(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names", [("a.png", "a.png"), ("a.png", "a.png/b.png"), ("a/b.png", "a.png/../a")]
)
def test_names_that_collide_are_refused(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
        for name in names:
            out.writestr(name, png(1))
    with pytest.raises(UserError, match=r"the archive is refused: .*(twice|outside)"):
        data.load(str(tmp_path / "x.zip"))


def test_a_name_that_is_too_long_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"n" * 300 + ".png": png(1)})
    with pytest.raises(UserError, match="too long a name"):
        data.load(str(path))


def test_a_full_disk_is_not_the_archive_s_fault(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "x.zip", {f"{k}.png": png(k) for k in range(10)})
    real = Path.open

    def full(self, mode="r", *rest, **named):
        if mode == "wb" and self.suffix == ".png":
            raise OSError(28, "No space left on device")
        return real(self, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UserError, match=r"cache folder .* cannot be written \(No space"):
        data.load(str(path))


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_whose_names_are_bombs_is_refused(tmp_path, packed, monkeypatch):
    """A name of gigabytes takes a few bytes when it is compressed."""
    monkeypatch.setattr(archive, "HEADER", 1 << 16)
    out = io.BytesIO()
    item = tarfile.TarInfo("x")
    item.type, item.size = tarfile.GNUTYPE_LONGNAME, 1 << 20
    out.write(item.tobuf() + bytes(1 << 20) + bytes(1024))
    (tmp_path / "x.tar").write_bytes(packed(out.getvalue()))
    with pytest.raises(UserError, match="the archive is refused: a header of"):
        data.load(str(tmp_path / "x.tar"))


# ----------------------------------------------------------------------------------- arrays


def npz(path: Path, header: str, content: bytes = b"") -> Path:
    """An .npz file of one array with any header."""
    text = header.encode().ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("images.npy", array)
    return path


HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}, }}"


@pytest.mark.parametrize(
    ("kind", "shape", "words"),
    [
        ("'|u1'", "(1000000000000, 8, 8)", "does not hold the"),
        ("'|u1'", "(-1, 8, 8)", "does not hold the"),
        ("'|u1'", "(2, 8, 8)", "does not hold the"),
        ("'|u1'", "(2, 1000000, 1000000)", "does not hold the"),
        ("'|O'", "(2, 8, 8)", "Python objects"),
        ("'|V9'", "(0, 8, 8)", "give one array"),
        ("'|u1'", "('x', 8, 8)", "no arrays"),
        ("7", "(2, 8, 8)", "no arrays"),
    ],
)
def test_headers_of_an_array_that_claim_what_is_not_there(tmp_path, kind, shape, words):
    with pytest.raises(UserError, match=words) as caught:
        stream(npz(tmp_path / "x.npz", HEADER.format(kind, shape)))
    assert "\n" not in str(caught.value)


def test_an_image_of_an_array_may_be_too_large(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((2, 40, 40), np.uint8))
    assert len(stream(tmp_path / "x.npz")) == 2
    monkeypatch.setattr("genarium.data.files.reader.LARGEST", 1599)
    with pytest.raises(UserError, match="too large: at most 1599"):
        stream(tmp_path / "x.npz")
