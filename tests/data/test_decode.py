"""One file of each kind that people have, made here, must decode or be refused with a reason."""

import io
import logging
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genarium.data import decode as decoding
from genarium.data.decode import Bad, decode, flatten, strict
from genarium.data.files.wide import inspected as inspect

from .conftest import noise

WHITE = (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(data: bytes, channels: int = 3, colour=WHITE) -> np.ndarray:
    return np.asarray(flatten(decode(data)[0], colour, channels)).astype(int)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_keep_every_pixel(kind):
    image = Image.fromarray(noise(1)).quantize(16).convert("RGB")
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(pixels(encoded(image, kind, **options)), np.asarray(image))


def test_sixteen_bit_grey_is_scaled_by_257():
    levels = (np.arange(256, dtype=np.uint32) * 257).astype(np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        result = pixels(encoded(Image.fromarray(levels), kind), 1)
        assert result.reshape(-1).tolist() == list(range(256))
    # rounded, not cut
    between = np.array([[128, 129, 65535 - 128, 65535 - 129]], np.uint16)
    assert pixels(encoded(Image.fromarray(between)), 1).tolist() == [[0, 1, 255, 254]]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_an_agreed_range_are_refused(mode):
    wild = Image.fromarray(np.full((4, 4), 1e6, np.float32)).convert(mode)
    with pytest.raises(Bad, match="no agreed range"):
        decode(encoded(wild, "TIFF"))


def test_transparency_shows_the_stated_colour():
    image = np.zeros((2, 2, 4), np.uint8)
    image[0] = (10, 20, 30, 255)
    image[1] = (10, 20, 30, 0)
    data = encoded(Image.fromarray(image))
    assert pixels(data, colour=(200, 0, 0)).tolist() == [[[10, 20, 30]] * 2, [[200, 0, 0]] * 2]
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert pixels(encoded(half))[0, 0, 0] == pytest.approx(127, abs=1)


def test_palettes_with_and_without_transparency():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert pixels(encoded(image)).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert pixels(encoded(image, transparency=1)).tolist() == [[[255, 0, 0], [255] * 3]]


def test_cmyk_ycbcr_bilevel_and_grey_with_alpha():
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    assert pixels(encoded(cmyk, "TIFF"))[0, 0].tolist() == [255, 0, 0]
    assert np.abs(pixels(encoded(cmyk, "JPEG"))[4, 4] - (255, 0, 0)).max() < 12
    assert pixels(encoded(Image.new("1", (3, 3), 1)), 1).tolist() == [[255] * 3] * 3
    assert pixels(encoded(Image.new("LA", (1, 1), (9, 0)))).tolist() == [[[255] * 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    # what a viewer must show, and how a camera that stores `orientation` would have stored it
    upright = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, -1),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert np.array_equal(pixels(data, 1), upright)


def test_broken_exif_does_not_break_the_picture():
    image = Image.fromarray(noise(2))
    with strict():
        assert decode(encoded(image, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))[0].size == (8, 8)


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "lime", "blue")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        image, more = decode(data)
        assert more, kind
        assert np.asarray(image.convert("RGB"))[0, 0].tolist() == [255, 0, 0], kind
        assert not decode(encoded(frames[0], kind))[1]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims side x side pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + rest


@pytest.mark.parametrize("side", [9_500, 20_000, 60_000])
def test_decompression_bombs_are_refused_before_they_are_decoded(side):
    with strict(), pytest.raises(Bad, match="million pixels"):
        decode(bomb(side))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the guard must not hang on the filter alone
        with pytest.raises(Bad, match="million pixels"):
            decode(bomb(side))


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"\xef\xbb\xbf\n <html>", "web page"),
        (EPS, "not one of"),
        (b"hello", "not one of"),
        (b"\x89PNG\r\n\x1a\n", "not one of|broken"),
    ],
)
def test_what_is_no_image_says_so(data, says):
    with pytest.raises(Bad, match=says):
        decode(data)


def test_every_truncated_png_and_jpeg_is_found():
    image = Image.fromarray(noise(3, 24, 24))
    for kind in ("PNG", "JPEG"):
        data = encoded(image, kind)
        tail = 40 if kind == "PNG" else 4  # past the last pixel nothing is missing
        for end in range(0, len(data) - tail, 7):
            with pytest.raises(Bad):
                decode(data[:end])


@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP"]), st.data())
@settings(deadline=None, max_examples=150)
def test_damage_never_raises_anything_but_bad(kind, draw):
    data = bytearray(encoded(Image.fromarray(noise(4)), kind))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with strict():
        try:
            image, _ = decode(bytes(data[: draw.draw(st.integers(0, len(data)))]))
        except Bad as bad:
            assert str(bad)  # noqa: PT017
        else:
            assert image.mode in ("L", "RGB", "RGBA")


def test_equal_pixels_have_equal_digests_however_they_are_stored(tmp_path):
    grey = Image.fromarray(noise(5, channels=1))
    grey.save(tmp_path / "a.png")
    grey.convert("RGB").save(tmp_path / "b.bmp")
    grey.convert("RGBA").save(tmp_path / "c.tif")
    facts = [inspect(path) for path in sorted(tmp_path.glob("*.*"))]
    assert len({f.pixels for f in facts}) == 1
    assert len({f.sha256 for f in facts}) == 3
    assert all(f.grey and not f.alpha for f in facts)
    grey.crop((0, 0, 8, 4)).save(tmp_path / "d.png")
    assert inspect(tmp_path / "d.png").pixels != facts[0].pixels


def test_pipes_missing_and_huge_files(tmp_path, monkeypatch):
    import os

    assert "missing" in inspect(tmp_path / "no.png").error
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert "regular" in inspect(tmp_path / "pipe.png").error
    (tmp_path / "folder.png").mkdir()
    assert inspect(tmp_path / "folder.png").error
    monkeypatch.setattr(decoding, "LARGEST_FILE", 10)
    (tmp_path / "big.png").write_bytes(bytes(11))
    assert "larger" in inspect(tmp_path / "big.png").error


def test_readers_are_silent_within_and_as_before_after():
    """Their loggers' children too, which remember whether they may speak."""
    children = [logging.getLogger(name) for name in ("PIL.PngImagePlugin", "nibabel.global")]
    before = [child.isEnabledFor(logging.WARNING) for child in children]
    levels = [child.level for child in children]
    with strict():
        assert not any(child.isEnabledFor(logging.WARNING) for child in children)
    assert [child.isEnabledFor(logging.WARNING) for child in children] == before
    assert [child.level for child in children] == levels
