"""Picture files with all their bits, in folders: what was written is what `load` gives."""

import io
import logging
import struct

import numpy as np
import pytest
from PIL import Image

from genarium import data
from genarium.data import DataOptions
from genarium.data.api import collect
from genarium.data.stream import stream
from genarium.errors import UserError

from .written import alike, error_of, every, some, write_nifti, write_tiff


def pgm(values, top, plain=False) -> bytes:
    height, width = values.shape[:2]
    kind = {(2, False): 5, (3, False): 6, (2, True): 2, (3, True): 3}[values.ndim, plain]
    head = f"P{kind}\n# a comment\n{width} {height}\n{top}\n".encode()
    if plain:
        return head + b"\n".join(b"%d" % value for value in values.ravel())
    return head + values.astype(">u2").tobytes()


def png(values) -> bytes:
    codecs = pytest.importorskip("imagecodecs")
    return codecs.png_encode(values)


def write(folder, contents, ending):
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(contents):
        (folder / f"{number:03d}.{ending}").write_bytes(content)


def tiffs(folder, images, **how):
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(images):
        write_tiff(folder / f"{number:03d}.tif", image, **how)


@pytest.mark.parametrize("kind", ["png", "tif", "pgm", "plain"])
def test_grey_of_sixteen_bits_stays(tmp_path, kind):
    images = some("uint16")
    if kind == "tif":
        tiffs(tmp_path / "x", images[:, 0])
    else:
        make = {"png": png, "pgm": lambda v: pgm(v, 65535), "plain": lambda v: pgm(v, 65535, True)}
        write(
            tmp_path / "x",
            [make[kind](image[0]) for image in images],
            kind[:3].replace("pla", "pgm"),
        )
    assert alike(every(tmp_path / "x"), images)
    streamed = np.concatenate([b.numpy() for b in stream(tmp_path / "x").batches(5)])
    assert alike(streamed, images)


@pytest.mark.parametrize("kind", ["png", "tif", "ppm"])
def test_colours_of_sixteen_bits_stay(tmp_path, kind):
    images = some("uint16", channels=3)
    colours = [image.transpose(1, 2, 0) for image in images]
    if kind == "tif":
        tiffs(tmp_path / "x", colours, photometric="rgb")
    else:
        make = png if kind == "png" else lambda v: pgm(v, 65535)
        write(tmp_path / "x", [make(np.ascontiguousarray(v)) for v in colours], kind)
    assert alike(every(tmp_path / "x"), images)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiffs_of_any_channels_stay(tmp_path, dtype, channels, planar):
    images = some(dtype, channels=channels)
    if dtype == "int32":
        images = images // 256
    stored = images if planar == "separate" else images.transpose(0, 2, 3, 1)
    if channels == 1:
        stored = images[:, 0]
    tiffs(tmp_path / "x", stored, **({"planarconfig": planar} if channels > 1 else {}))
    kept = images.astype("float32") if dtype in ("int32", "float64") else images
    if dtype == "uint8" and channels == 2 and planar == "contig":
        kept = images[:, :1]  # as ever: a second channel of 8 bits that means nothing is not used
    assert alike(every(tmp_path / "x"), kept)


def test_stated_ranges(tmp_path, caplog):
    values = (some("uint16") >> 4)[:, 0]
    write(tmp_path / "x", [pgm(image, 4095) for image in values], "pgm")
    assert alike(every(tmp_path / "x"), values[:, None])
    _, collection, _ = collect(str(tmp_path / "x"), DataOptions(), progress=False)
    assert collection.full == ((0.0,), (4095.0,))
    tiffs(tmp_path / "y", values, bitspersample=12)
    _, collection, _ = collect(str(tmp_path / "y"), DataOptions(), progress=False)
    assert collection.full == ((0.0,), (4095.0,))
    write(tmp_path / "x", [pgm(np.zeros((6, 5), np.uint16), 1023)], "pgm")
    with caplog.at_level(logging.WARNING, "genarium.data"):
        _, collection, _ = collect(str(tmp_path / "x"), DataOptions(), progress=False)
    assert collection.full == ((0.0,), (4095.0,))
    assert "files that state 2 ranges: the widest holds, 0 to 4095" in caplog.text


def test_transparency_of_sixteen_bits_shows_the_background(tmp_path):
    images = some("uint16", channels=4)
    images[:, 3] = 65535
    images[:, 3, 0, 0], images[:, 3, 1, 1] = 0, 32768
    write(tmp_path / "x", [png(np.ascontiguousarray(v.transpose(1, 2, 0))) for v in images], "png")
    wanted = images[:, :3].copy()
    wanted[:, :, 0, 0] = 65535
    half = images[:, :3, 1, 1] * (32768 / 65535) + 65535 * (1 - 32768 / 65535)
    got = every(tmp_path / "x")
    wanted[:, :, 1, 1] = half.round().astype(np.uint16)
    assert alike(got, wanted)
    wanted[:, :, 0, 0] = 0
    wanted[:, :, 1, 1] = (images[:, :3, 1, 1] * (32768 / 65535)).round().astype(np.uint16)
    assert alike(every(tmp_path / "x", background="black"), wanted)


def test_sixteen_bits_read_as_eight_are_what_earlier_versions_made(tmp_path):
    images = some("uint16")
    write(tmp_path / "x", [png(image[0]) for image in images], "png")
    eight = ((images.astype(np.uint32) + 128) // 257).astype(np.uint8)
    assert alike(every(tmp_path / "x", range="8-bit"), eight)
    old = data.load(str(tmp_path / "x"), DataOptions(range="8-bit")).manifest
    new = data.load(str(tmp_path / "x")).manifest
    assert old != new


def test_types_that_lie_beside_one_another(tmp_path, caplog):
    wide, narrow = some("uint16", n=8), some("uint8", n=6)
    write(tmp_path / "x", [png(image[0]) for image in wide], "png")
    for number, image in enumerate(narrow):
        Image.fromarray(image[0]).save(tmp_path / "x" / f"narrow-{number}.bmp")
    with caplog.at_level(logging.WARNING, "genarium.data"):
        got = every(tmp_path / "x")
    assert alike(got, np.concatenate([wide, narrow.astype(np.uint16) * 257]))
    assert "6 files of 8 bits (narrow-0.bmp" in caplog.text
    tiffs(tmp_path / "x", some("float32", n=1)[:, 0])
    message = error_of(tmp_path / "x")
    assert "several types, 1 of float32 and 8 of uint16 and 6 of uint8" in message
    (tmp_path / "x" / "000.tif").unlink()
    (tmp_path / "x" / "000.png").unlink()
    (tmp_path / "x" / "twelve.pgm").write_bytes(pgm((wide[0, 0] >> 4), 4095))
    assert "several types" in error_of(tmp_path / "x")
    tiffs(tmp_path / "y", some("uint16", n=3, channels=4), planarconfig="separate")
    write(tmp_path / "y", [png(image[0]) for image in wide], "png")
    assert "several numbers of channels, 8 of 1 and 3 of 4" in error_of(tmp_path / "y")


def test_pages_in_a_folder(tmp_path, caplog):
    images = some("uint16", n=18).reshape(6, 3, 6, 5)
    tiffs(tmp_path / "x", images, metadata=None)
    with caplog.at_level(logging.WARNING, "genarium.data"):
        assert alike(every(tmp_path / "x"), images[:, :1])
    assert "6 files (000.tif, 001.tif, 002.tif): several pages, of which the first" in caplog.text
    assert alike(every(f"{tmp_path}/x:pages=channels"), images)
    dataset = data.load(f"{tmp_path}/x:pages=images", progress=False)
    assert alike(every(f"{tmp_path}/x:pages=images"), images.reshape(18, 1, 6, 5))
    for split in ("train", "validation", "test"):  # the pages of a file stay together
        names = {name.partition(":")[0] for name in getattr(dataset, split).names}
        assert len(getattr(dataset, split)) == 3 * len(names)
    tiffs(tmp_path / "y", images, imagej=True, metadata={"axes": "CYX"})
    assert alike(every(tmp_path / "y"), images)  # the file says that they are channels
    assert "pages is one of" in error_of(f"{tmp_path}/x:pages=no")


def test_a_folder_of_arrays_with_classes(tmp_path):
    images = some("float32", n=20, channels=2)
    for number, image in enumerate(images):
        home = tmp_path / "x" / ("cat" if number % 2 else "dog")
        home.mkdir(parents=True, exist_ok=True)
        np.save(home / f"{number}.npy", image if number % 2 else image.transpose(1, 2, 0))
    assert alike(every(tmp_path / "x"), images)
    dataset = data.load(str(tmp_path / "x"), progress=False)
    assert dataset.spec.classes == ("cat", "dog")
    assert dataset.train.labels.unique().tolist() == [0, 1]
    bad = images[0].copy()
    bad[0, 0, 0] = np.nan
    np.save(tmp_path / "x" / "cat" / "bad.npy", bad)
    assert "1 of 21 files are bad (cat/bad.npy: values that are not finite" in error_of(
        tmp_path / "x"
    )
    np.save(tmp_path / "x" / "cat" / "bad.npy", np.array([{}, {}]), allow_pickle=True)
    assert "Python objects" in error_of(tmp_path / "x")
    (tmp_path / "x" / "a.dcm").write_bytes(bytes(200))
    assert "holds 21 of .npy and 1 of DICOM" in error_of(tmp_path / "x")


def test_volumes_in_a_folder_stay_together(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    images = some("uint16", n=30)
    for number in range(6):
        write_nifti(folder / f"{number}.nii.gz", images[number * 5 : number * 5 + 5, 0])
    assert alike(every(folder), images)
    dataset = data.load(str(folder), progress=False)
    assert {len(dataset.split(name)) % 5 for name in ("train", "validation", "test")} == {0}
    assert len(dataset.test) == 5


def test_pictures_of_eight_bits_are_what_they_were(tmp_path):
    images = some("uint8", channels=3)
    folder = tmp_path / "x"
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number}.png")
    assert alike(every(folder), images)
    first = data.load(str(folder), progress=False)
    assert first.manifest == data.load(str(folder), DataOptions(range="8-bit")).manifest
    assert first.manifest == (
        data.load(str(folder), DataOptions(range="full"), progress=False).manifest
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pgm(np.full((6, 5), 9, np.uint16), 4095)[:-3], "broken or truncated"),
        (pgm(np.full((6, 5), 5000, np.uint16), 4095), "values beyond the 4095"),
        (b"P5 60000 60000 4095\n" + bytes(100), "more than can be read"),
        (b"P5 0 5 4095\n" + bytes(100), "more than can be read"),
    ],
)
def test_hostile_pgm(tmp_path, content, words):
    write(tmp_path / "x", [content], "pgm")
    assert words in error_of(tmp_path / "x")


def test_a_tiff_whose_header_lies_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "x").mkdir()
    write_tiff(tmp_path / "x" / "a.tif", some("uint16", n=3)[:, 0], metadata=None)
    content = bytearray((tmp_path / "x" / "a.tif").read_bytes())
    at = next(i for i in range(8, 200, 2) if content[i : i + 2] == struct.pack("<H", 257)) + 2
    content[at : at + 2], content[at + 6 : at + 10] = b"\4\0", struct.pack("<I", 1 << 30)
    (tmp_path / "x" / "a.tif").write_bytes(bytes(content))
    assert "a.tif" in error_of(f"{tmp_path}/x:pages=images")
    assert error_of(tmp_path / "x" / "a.tif")


def test_missing_packages_are_named_and_not_remembered(tmp_path, monkeypatch):
    images = some("uint16", channels=3)
    write(tmp_path / "x", [png(np.ascontiguousarray(v.transpose(1, 2, 0))) for v in images], "png")
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "imagecodecs", None)
        assert "needs imagecodecs: pip install 'genarium[science]'" in error_of(tmp_path / "x")
    assert alike(every(tmp_path / "x"), images)


def test_a_long_text_in_a_png_of_sixteen_bits(tmp_path):
    from PIL import PngImagePlugin

    images = some("uint16", n=3)
    (tmp_path / "x").mkdir()
    for number, image in enumerate(images):
        info = PngImagePlugin.PngInfo()
        info.add_text("note", "x" * (2 << 20), zip=True)
        out = io.BytesIO()
        Image.fromarray(image[0]).save(out, "PNG", pnginfo=info)
        (tmp_path / "x" / f"{number}.png").write_bytes(out.getvalue())
    assert alike(every(tmp_path / "x"), images)


def test_side_by_side_of_sixteen_bits(tmp_path):
    images = some("uint16", width=8)
    write(tmp_path / "x", [png(image[0]) for image in images], "png")
    dataset = data.load(f"side-by-side:dir={tmp_path}/x", progress=False)
    both = np.concatenate([dataset.train.images.numpy(), dataset.train.extra["b"].numpy()], axis=3)
    assert both.dtype == np.uint16
    assert {image.tobytes() for image in both} <= {image.tobytes() for image in images}


def test_what_is_said_behind_a_folder_is_checked(tmp_path):
    images = some("uint16")
    write(tmp_path / "x", [png(image[0]) for image in images], "png")
    assert "unknown argument 'page=images': did you mean pages=...?" in error_of(
        f"{tmp_path}/x:page=images"
    )
    with pytest.raises(UserError, match="image= and label= are of parquet"):
        data.load(f"{tmp_path}/x:image=a")


def test_messages_about_grey_pictures_and_one_picture(tmp_path):
    pixels = some("uint8", n=12)
    for number, image in enumerate(pixels):
        (tmp_path / "x").mkdir(exist_ok=True)
        Image.fromarray(image[0]).save(tmp_path / "x" / f"{number}.png")
    assert "the images have 1 channel," in error_of(tmp_path / "x", channels=5)
    message = error_of(tmp_path / "x" / "1.png")
    assert f"one picture, and data are many: name its folder, {tmp_path}/x, or" in message
    assert "genarium show" in message
