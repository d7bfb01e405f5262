"""Every mode of pixels in every format: the pixels that come out, or the reason why none do."""

import io
import logging
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from genarium import data
from genarium.data import DataOptions, depths
from genarium.data import decode as decoding
from genarium.data.decode import Bad, Facts, open_image, strict
from genarium.data.files.wide import Reading
from genarium.data.files.wide import inspected as inspect
from genarium.data.stream import stream

from .conftest import noise

EIGHT = Reading(eight=True)  # as earlier versions read pictures


def tiff(pixels, photometric, extra=(), planar=1, order="<", sample=1) -> bytes:
    """An uncompressed TIFF of [H,W,S] pixels, tag by tag: most of these Pillow does not write."""
    height, width, samples = pixels.shape
    stored = pixels if planar == 1 else pixels.transpose(2, 0, 1)
    content = stored.astype(pixels.dtype.newbyteorder(order)).tobytes()
    strips = 1 if planar == 1 else samples
    tags = {
        256: ("I", [width]), 257: ("I", [height]), 258: ("H", [8 * pixels.itemsize] * samples),
        259: ("H", [1]), 262: ("H", [photometric]), 273: ("I", [0] * strips), 277: ("H", [samples]),
        278: ("I", [height]), 279: ("I", [len(content) // strips] * strips), 284: ("H", [planar]),
    }  # fmt: skip
    if extra:
        tags[338] = ("H", list(extra))
    if sample != 1:
        tags[339] = ("H", [sample] * samples)
    begin = 14 + 12 * len(tags)
    long = sum(n for kind, v in tags.values() if (n := struct.calcsize(kind) * len(v)) > 4)
    starts = [begin + long + i * (len(content) // strips) for i in range(strips)]
    tags[273] = ("I", starts)
    entries, beside = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        entries += struct.pack(f"{order}HHI", tag, 3 if kind == "H" else 4, len(values))
        if len(packed) > 4:
            entries += struct.pack(f"{order}I", begin + len(beside))
            beside += packed
        else:
            entries += packed.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4) + beside + content


def row(kind, *values) -> np.ndarray:
    """[1,1,S], or [1,W,1] of single values."""
    return np.array([[list(values)]], kind)


def column(kind, *values) -> np.ndarray:
    return np.array([[[v] for v in values]], kind)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, bits: int, colours: int, rows: bytes, *before: bytes, height: int = 1) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + pixels + chunk(b"IEND", b"")


def wide(*values: int) -> bytes:
    return b"\0" + struct.pack(f">{len(values)}H", *values)


def clear(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


RED_BLUE = chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))
KEPT = 100, 101, 102, 103

# what is in a file -> its mode and pixels here, or a word of the reason why it is not read
TABLE = {
    "png grey 1": (png(8, 1, 0, b"\0\xf0"), "L", [255] * 4 + [0] * 4),
    "png grey 2": (png(4, 2, 0, b"\0\x1b"), "L", [0, 85, 170, 255]),
    "png grey 4": (png(2, 4, 0, b"\0\x1f"), "L", [17, 255]),
    "png grey 16": (png(3, 16, 0, wide(0, 2570, 65535)), "L", [0, 10, 255]),
    "png grey 2 clear": (
        png(4, 2, 0, b"\0\x1b", clear(1)),
        "RGBA",
        [0, 255, 85, 0, 170, 255, 255, 255],
    ),
    "png grey 4 clear": (png(2, 4, 0, b"\0\x1f", clear(1)), "RGBA", [17, 0, 255, 255]),
    "png grey 8 clear": (png(2, 8, 0, b"\0\x0a\x0b", clear(10)), "RGBA", [10, 0, 11, 255]),
    "png grey 16 clear": (png(2, 16, 0, wide(2570, 0), clear(2570)), "RGBA", [10, 0, 0, 255]),
    "png rgb 16": (png(1, 16, 2, wide(65535, 0, 2570)), "RGB", [255, 0, 10]),
    "png rgb 8 clear": (png(1, 8, 2, b"\0\xff\0\0", clear(255, 0, 0)), "RGBA", [255, 0, 0, 0]),
    "png palette": (png(2, 8, 3, b"\0\0\1", RED_BLUE), "RGB", [255, 0, 0, 0, 0, 255]),
    "png palette clear": (
        png(2, 8, 3, b"\0\0\1", RED_BLUE, chunk(b"tRNS", b"\xff\x80")),
        "RGBA",
        [255, 0, 0, 255, 0, 0, 255, 128],
    ),
    "png grey alpha": (png(1, 8, 4, b"\0\x64\x80"), "RGBA", [100, 128]),
    "png grey alpha 16": (png(1, 16, 4, wide(2570, 32896)), "RGBA", [10, 128]),
    "png rgb alpha 16": (png(1, 16, 6, wide(65535, 0, 2570, 32896)), "RGBA", [255, 0, 10, 128]),
    "tiff grey": (tiff(column("u1", 10, 200), 1), "L", [10, 200]),
    "tiff white is 0": (tiff(column("u1", 10, 200), 0), "L", [245, 55]),
    "tiff white is 0, 16": (tiff(column("u2", 0, 2570, 65535), 0), "L", [255, 245, 0]),
    "tiff white is 0, 16, big-endian": (
        tiff(column("u2", 0, 65535), 0, order=">"),
        "photometric 0",
        None,
    ),
    "tiff 16 big-endian": (tiff(column("u2", 0, 2570, 65535), 1, order=">"), "L", [0, 10, 255]),
    "tiff signed 8": (tiff(column("i1", -5, 9), 1, sample=2), "signed 8-bit", None),
    "tiff signed 16": (tiff(column("i2", -5, 9), 1, sample=2), "no agreed range", None),
    "tiff 32": (tiff(column("u4", 0, 1 << 20), 1), "no agreed range", None),
    "tiff float": (tiff(column("f4", 0.5, 1), 1, sample=3), "no agreed range", None),
    "tiff double": (tiff(column("f8", 0.5, 1), 1, sample=3), "bits 64", None),
    "tiff grey alpha": (tiff(row("u1", 100, 128), 1, (2,)), "RGBA", [100, 128]),
    "tiff grey and one": (tiff(row("u1", 100, 128), 1, (0,)), "L", [100]),
    "tiff rgb planes": (tiff(row("u1", *KEPT[:3]), 2, planar=2), "RGB", [*KEPT[:3]]),
    "tiff rgb alpha": (tiff(row("u1", *KEPT), 2, (2,)), "RGBA", [*KEPT]),
    "tiff rgb and one": (tiff(row("u1", *KEPT), 2, (0,)), "RGB", [*KEPT[:3]]),
    "tiff rgb 16": (tiff(row("u2", 65535, 0, 2570), 2), "RGB", [255, 0, 10]),
    "tiff rgb and 2": (tiff(row("u1", *range(5)), 2, (0, 0)), "5 channels", None),
    "tiff rgb, alpha and 1": (tiff(row("u1", *range(5)), 2, (2, 0)), "5 channels", None),
    "tiff rgb and 3": (tiff(row("u1", *range(6)), 2, (0, 0, 0)), "6 channels", None),
    "tiff rgb and 3 as planes": (
        tiff(row("u1", *range(6)), 2, (0, 0, 0), planar=2),
        "channels 6",
        None,
    ),
    "tiff rgb and 4": (tiff(row("u1", *range(7)), 2, (0,) * 4), "channels 7", None),
    "tiff 5 of 16": (tiff(row("u2", *range(5)), 2, (0, 0)), "channels 5, bits 16", None),
    "tiff cmyk": (tiff(row("u1", 0, 255, 255, 0), 5), "RGB", [255, 0, 0]),
    "tiff cmyk 16": (tiff(row("u2", 0, 65535, 65535, 0), 5), "RGB", [255, 0, 0]),
    "tiff cmyk and one": (tiff(row("u1", 0, 255, 255, 0, 1), 5, (0,)), "5 channels", None),
    "tiff lab": (tiff(row("u1", 50, 0, 0), 8), "colour space LAB", None),
    "pgm of 15": (b"P5 2 1 15\n\x0f\x03", "L", [255, 51]),
    "pgm of 4095": (b"P5 2 1 4095\n" + struct.pack(">2H", 4095, 0), "L", [255, 0]),
    "pfm": (b"Pf\n1 1\n-1.0\n" + struct.pack("<f", 0.5), "no agreed range", None),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_comes_out(name):
    content, mode, expected = TABLE[name]
    with strict():
        if expected is None:
            with pytest.raises(Bad, match=mode):
                open_image(content)
            return
        image = open_image(content).image
    assert image.mode == mode
    result = np.asarray(image)
    if mode == "RGBA" and len(expected) == 2 * image.width:  # grey and alpha
        assert (result[..., 0] == result[..., 1]).all()
        assert (result[..., 0] == result[..., 2]).all()
        result = result[..., [0, 3]]
    assert result.reshape(-1).tolist() == expected


SAVED = [
    (mode, kind)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")
    for kind in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
    # what Pillow does not write as it is: another mode is in the file
    if (mode, kind)
    not in {
        *((m, "BMP") for m in ("LA", "RGBA", "CMYK", "YCbCr", "I;16")),
        *((m, "GIF") for m in ("LA", "RGBA", "CMYK", "YCbCr", "I;16")),
        *((m, "JPEG") for m in ("LA", "P", "RGBA", "I;16")),
        *((m, "PNG") for m in ("CMYK", "YCbCr")),
        *((m, "PPM") for m in ("LA", "P", "RGBA", "CMYK", "YCbCr")),
        *((m, "WEBP") for m in ("CMYK", "YCbCr", "I;16")),
    }
]


@pytest.mark.parametrize(("mode", "kind"), SAVED)
def test_what_pillow_saves_comes_back(mode, kind):
    colours = np.zeros((16, 16, 3), np.uint8)
    colours[:8] = (250, 20, 30)
    image = Image.fromarray(colours)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(np.repeat(np.uint8([[255], [100]]), 8, 0).repeat(16, 1)))
        image = image.convert(mode)
    elif mode == "P":
        image = image.quantize(4)
    else:
        image = image.convert(mode, dither=Image.Dither.NONE)
    expected = image.convert("RGBA" if mode in ("LA", "RGBA") else "RGB")
    if mode == "I;16":
        expected = Image.fromarray(colours).convert("L").convert("RGB")
    out = io.BytesIO()
    image.save(out, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    with strict():
        result = open_image(out.getvalue()).image.convert(expected.mode)
    near = 8 if kind == "JPEG" else 0
    centre = (slice(2, 14, 10), slice(2, 14))
    wrong = np.asarray(result).astype(int)[centre] - np.asarray(expected)[centre]
    assert np.abs(wrong).max() <= near


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_once_in_every_format(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("L", (16, 8), 99).save(out, kind, exif=exif)
    with strict():
        assert open_image(out.getvalue()).image.size == (8, 16)


LONG = b"key\0" + b"x" * (2 << 20)
PACKED = zlib.compress(b"x" * (5 << 20))


@pytest.mark.parametrize(
    "texts",
    [
        [chunk(b"tEXt", LONG)],
        [chunk(b"zTXt", b"key\0\0" + PACKED)],
        [chunk(b"iTXt", b"key\0\1\0\0\0" + PACKED)],
        [chunk(b"iCCP", b"key\0\0" + PACKED)],
        [chunk(b"tEXt", LONG[: 900 << 10])] * 80,
    ],
    ids=["text", "compressed", "international", "profile", "many"],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_png_is_read_whatever_texts_it_holds(texts, after):
    whole = png(1, 8, 0, b"\0\x07", *([] if after else texts))
    if after:
        whole = whole[:-12] + b"".join(texts) + whole[-12:]
    with strict():
        assert open_image(whole).image.getpixel((0, 0)) == 7
        with pytest.raises(Bad, match="broken"):  # the pixels themselves are not forgiven
            open_image(whole.replace(zlib.compress(b"\0\x07"), b"\0" * 10))


# ------------------------------------------------------------------------ what is only said


def test_channels_that_are_not_used_are_said(ten, caplog):
    (ten / "x.tif").write_bytes(tiff(np.tile(row("u1", *KEPT), (8, 8, 1)), 2, (0,)))
    with caplog.at_level(logging.WARNING, "genarium.data"):
        data.load(str(ten))
    assert "1 file (x.tif): 1 of 4 channels of a TIFF" in caplog.text
    images = stream(ten)
    list(images.batches(4))
    assert "1 of 4 channels" in images.warnings[0]


def bits(folder, number: int, count: int, colour: bool, kind: str) -> None:
    """Files of 16 bits that hold values of `number` bits."""
    for k in range(count):
        shape = (8, 8, 3) if colour else (8, 8)
        values = np.random.default_rng(k).integers(0, 1 << number, shape).astype(np.uint16)
        values.reshape(-1)[:3] = (1 << number) - 1
        if kind == "png":
            rows = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
            content = png(8, 16, 2 if colour else 0, rows, height=8)
        else:
            content = tiff(values.reshape(8, 8, -1), 2 if colour else 1)
        (folder / f"{number}-{k}.{kind}").write_bytes(content)


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("number", [10, 12, 14, 15])
def test_few_bits_in_sixteen_are_said_with_the_numbers(photos, caplog, number, colour, kind):
    bits(photos, number, 4, colour, kind)
    largest = (1 << number) - 1
    words = f"none of them is brighter than {largest} of 65535 ({number} bits)"
    for _ in range(2):  # read, and from the index
        caplog.clear()
        with caplog.at_level(logging.WARNING, "genarium.data"):
            data.load(str(photos), DataOptions(range="8-bit"))
        assert caplog.text.count("of 16 bits") == 1
        assert words in caplog.text
        assert f"comes out as {(largest + 128) // 257} of 255" in caplog.text
    images = stream(photos, DataOptions(range="8-bit"))
    list(images.batches(4))
    assert words in images.warnings[0]


def test_a_mixture_of_depths_is_said_and_full_ones_are_not(photos, caplog):
    bits(photos, 16, 3, False, "png")
    with caplog.at_level(logging.WARNING, "genarium.data"):
        data.load(str(photos), DataOptions(range="8-bit"))
    assert "of 16 bits" not in caplog.text
    bits(photos, 12, 4, False, "png")
    with caplog.at_level(logging.WARNING, "genarium.data"):
        data.load(str(photos), DataOptions(range="8-bit"))
    assert "4 files (12-0.png, 12-1.png, 12-2.png) of 16 bits: half of them" in caplog.text
    black = [(str(k), Facts(brightest=0)) for k in range(5)]  # masks of nothing
    assert depths.said(black) == []


def test_one_reading_of_the_bytes_has_one_identity(tmp_path):
    (tmp_path / "x.tif").write_bytes(tiff(column("u2", 0, 1), 0))
    assert inspect(tmp_path / "x.tif", EIGHT).corrected == "white is 0"
    (tmp_path / "y.tif").write_bytes(tiff(column("u2", 0, 1), 1))
    assert inspect(tmp_path / "y.tif", EIGHT).corrected == ""


# ----------------------------------------------------------------------- memory and silence


def test_the_header_decides_what_is_too_large(monkeypatch):
    whole = png(8, 8, 0, b"".join([b"\0" + bytes(8)] * 8), height=8)
    monkeypatch.setattr(decoding, "MEMORY", len(whole) + 12 * 64)
    assert open_image(whole).image.size == (8, 8)
    monkeypatch.setattr(decoding, "MEMORY", len(whole) + 12 * 64 - 1)
    monkeypatch.setattr(Image.Image, "load", None)  # would fail if called
    with pytest.raises(Bad, match="to decode, more than"):
        open_image(whole)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16"])
def test_a_picture_looked_at_in_pieces_is_the_same(tmp_path, monkeypatch, mode):
    image = Image.fromarray(noise(7, 30, 7, 4 if mode == "RGBA" else 3))
    if mode == "I;16":
        values = np.random.default_rng(7).integers(0, 65536, (30, 7)).astype(np.uint16)
        image = Image.fromarray(values)
    image = image if image.mode == mode else image.convert(mode)
    image.save(tmp_path / "x.png")
    whole, facts = open_image((tmp_path / "x.png").read_bytes()), inspect(tmp_path / "x.png")
    for band in (1, 20, 209):
        monkeypatch.setattr(decoding, "BAND", band)
        again = open_image((tmp_path / "x.png").read_bytes())
        assert np.array_equal(np.asarray(again.image), np.asarray(whole.image))
        assert inspect(tmp_path / "x.png") == facts


def test_a_tile_is_counted_too():
    """200 bytes with a tile of 45,000 x 45,000 took 2 GB."""
    packed = zlib.compress(bytes(100))
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: 45000, 323: 45000, 324: 134}
    tags[325] = len(packed)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    whole = struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + packed
    with strict(), pytest.raises(Bad, match="takes 1931 MiB to decode"):
        open_image(whole)


MEASURE = """
import resource, sys
from pathlib import Path
from genarium.data.files.wide import inspected as inspect
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
facts = inspect(Path(sys.argv[1]))
assert not facts.error and facts.width == 4000, facts
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (4000 * 4000))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
@pytest.mark.parametrize(
    ("colours", "pixel"), [(0, b"\0\1"), (6, b"\1\2\3\xff")], ids=["grey of 16 bits", "RGBA"]
)
def test_a_pixel_takes_at_most_what_the_limit_counts(tmp_path, colours, pixel):
    """16-bit grey took 18 bytes a pixel; an alpha channel that hides nothing takes most."""
    rows = zlib.compressobj(1)
    content = b"".join(rows.compress(b"\0" + pixel * 4000) for _ in range(4000)) + rows.flush()
    bits = 8 if colours else 16
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4000, 4000, bits, colours, 0, 0, 0))
    whole = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(whole)
    made = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "x.png")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert float(made.stdout) < decoding.A_PIXEL + 1.5  # and what the interpreter takes besides


def test_libtiff_does_not_write_to_stderr(capfd):
    out = io.BytesIO()
    Image.fromarray(noise(1, 40, 40)).save(out, "TIFF", compression="tiff_adobe_deflate")
    content = bytearray(out.getvalue())
    content[20:60] = bytes(40)
    with pytest.raises(Bad), strict():
        open_image(bytes(content))
    assert capfd.readouterr().err == ""
