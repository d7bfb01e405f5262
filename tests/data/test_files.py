"""Arrays in files of numpy: what was written is what `load` gives, or one line says why not."""

import contextlib
import io
import pickle
import time
import zipfile

import numpy as np
import pytest

from genarium import data
from genarium.data import DataOptions, places
from genarium.data.files import reader
from genarium.data.formats import Bad
from genarium.errors import UserError

from .written import (
    TYPES,
    alike,
    error_of,
    every,
    samples,
    some,
)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("last", [False, True])
def test_npy_and_npz_come_back_to_the_bit(tmp_path, dtype, channels, last):
    images = some(dtype, channels=channels)
    stored = images.transpose(0, 2, 3, 1) if last else images
    np.save(tmp_path / "a.npy", stored)
    np.savez(tmp_path / "b.npz", images=stored, other=np.arange(3))
    np.savez_compressed(tmp_path / "c.npz", x=stored, y=np.arange(len(images)) % 3)
    for name in ("a.npy", "b.npz", "b.npz:images", "c.npz"):
        assert alike(every(tmp_path / name), images), name
    if channels == 1:
        np.save(tmp_path / "d.npy", images[:, 0])
        assert alike(every(tmp_path / "d.npy"), images)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("layout", ["HWN", "NHW", "WHN", "CHWN", "NHWC", "HNCW"])
def test_a_layout_that_is_said_settles_every_order_of_the_axes(tmp_path, layout, order):
    images = some("uint16", channels=2 if "C" in layout else 1)
    if "C" not in layout:
        stored = images[:, 0].transpose(["NHW".index(axis) for axis in layout])
    else:
        stored = images.transpose(["NCHW".index(axis) for axis in layout])
    stored = np.asarray(stored, order=order)
    np.save(tmp_path / "a.npy", stored)
    np.savez_compressed(tmp_path / "b.npz", stored)
    assert alike(every(f"{tmp_path}/a.npy:layout={layout}"), images)
    assert alike(every(f"{tmp_path}/b.npz:arr_0,layout={layout}"), images)


def test_a_big_endian_array_and_a_second_reading_from_the_cache(tmp_path):
    images = some("uint16")
    np.save(tmp_path / "a.npy", images.astype(">u2"))
    assert alike(every(tmp_path / "a.npy"), images)
    assert alike(every(tmp_path / "a.npy"), images)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (np.array([0, 1], bool), np.array([0, 255], np.uint8)),
        (np.array([-128, 127], np.int8), np.array([-128, 127], np.float32)),
        (np.array([-32768, 32767], np.int16), np.array([-32768, 32767], np.float32)),
        (np.array([0, 255], np.int64), np.array([0, 255], np.uint8)),
        (np.array([0, 4095], np.int64), np.array([0, 4095], np.uint16)),
        (np.array([-5, 1 << 24], np.int32), np.array([-5, 1 << 24], np.float32)),
        (np.array([0, 70000], np.uint32), np.array([0, 70000], np.float32)),
        (np.array([-1.5, 2.25], np.float16), np.array([-1.5, 2.25], np.float32)),
        (np.array([-1.5, 0.1], np.float64), np.array([-1.5, np.float32(0.1)], np.float32)),
    ],
)
def test_types_become_one_of_three_without_loss(tmp_path, given, stored):
    spread = np.resize(given, (10, 1, 4, 5)).astype(given.dtype)
    spread[:, 0, 0, 0] = np.resize(given, 10)
    np.save(tmp_path / "a.npy", spread)
    wanted = np.where(spread == given[1], stored[1], stored[0]).astype(stored.dtype)
    assert alike(every(tmp_path / "a.npy"), wanted)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([0, (1 << 24) + 1], np.int64), "more than 24 bits"),
        (np.array([1e9, 1e9 + 1], np.float64), "subtract what they have in common"),
        (np.array([1e4, 1e4 + 1], np.float64), "subtract what they have in common"),
        (np.array([0, 1e39], np.float64), "more than 32 bits hold"),
        (np.array([1j, 0]), "complex128"),
        (np.array(["a", "b"]), "<U1"),
    ],
)
def test_types_that_would_lose_are_refused(tmp_path, values, words):
    np.save(tmp_path / "a.npy", np.resize(values, (10, 4, 3)))
    assert words in error_of(tmp_path / "a.npy")


def test_objects_are_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    array = np.empty((3, 4, 4), object)
    array[:] = Bomb()
    with contextlib.suppress(Exception):
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
    np.savez(tmp_path / "b.npz", images=array)
    (tmp_path / "c.npy").write_bytes(pickle.dumps(Bomb()))
    for name, words in (("a.npy", "Python objects"), ("b.npz", "Python objects"), ("c.npy", "npy")):
        assert words in error_of(tmp_path / name)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, 5), "give [N,H,W]"),
        ((2, 3, 4, 5, 6), "give [N,H,W]"),
        ((8, 20, 20, 20), "which axis are the channels"),
        ((8, 3, 20, 3), "which axis are the channels"),
        ((30, 30, 3), "layout=NHW"),
        ((0, 4, 4), "holds nothing"),
    ],
)
def test_shapes_that_may_be_two_things_are_refused_with_the_remedy(tmp_path, shape, words):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    assert words in error_of(tmp_path / "a.npy")


def test_labels_lie_beside_the_images(tmp_path):
    images = some("uint8", n=40)
    images[:, 0, 0, 0] = np.arange(40)
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(40) % 4 + 7)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "names.npy", np.array(["cat", "dog"])[np.arange(40) % 2])
    for source, classes, many in (
        (tmp_path / "a.npz", ("7", "8", "9", "10"), 4),
        (f"{tmp_path}/a.npz:labels=labels", ("7", "8", "9", "10"), 4),
        (f"{tmp_path}/x.npy:labels={tmp_path}/names.npy", ("cat", "dog"), 2),
    ):
        dataset = data.load(str(source), progress=False)
        assert dataset.spec.classes == classes
        for part in (dataset.train, dataset.validation, dataset.test):
            assert part.labels.tolist() == (part.images[:, 0, 0, 0] % many).tolist()
    assert "no such array" in error_of(f"{tmp_path}/a.npz:labels=nothing")
    np.savez(tmp_path / "b.npz", images=images, labels=np.arange(39))
    assert "labels of shape [39] for 40 images" in error_of(tmp_path / "b.npz")


def test_values_that_are_not_finite_are_left_out_or_refused(tmp_path):
    images = some("float32", n=30)
    images[4, 0, 1, 1], images[9, 0, 0, 0] = np.nan, np.inf
    np.save(tmp_path / "a.npy", images)
    assert "2 of 30 images hold values that are not finite (image 4, 9)" in error_of(
        tmp_path / "a.npy"
    )
    kept = np.delete(images, [4, 9], axis=0)
    assert alike(every(tmp_path / "a.npy", max_bad=0.1), kept)


def test_sixteen_bits_read_as_eight_are_what_earlier_versions_made(tmp_path):
    images = some("uint16")
    np.save(tmp_path / "a.npy", images)
    eight = ((images.astype(np.uint32) + 128) // 257).astype(np.uint8)
    assert alike(every(tmp_path / "a.npy", range="8-bit"), eight)


def test_a_file_that_changed_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("genarium.data.index.RACY", 0)
    first, second = some("uint8"), some("uint8", seed=1)
    np.save(tmp_path / "a.npy", first)
    time.sleep(0.02)  # the clocks of some disks are not finer
    assert alike(every(tmp_path / "a.npy"), first)
    calls = []
    monkeypatch.setattr(
        "genarium.data.stacks._survey", lambda *a: calls.append(a) or pytest.fail("read again")
    )
    assert alike(every(tmp_path / "a.npy"), first)  # from what is remembered, and the cache
    monkeypatch.undo()
    np.save(tmp_path / "a.npy", second)
    assert alike(every(tmp_path / "a.npy"), second)


def header(shape, descr="|u1") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return out.getvalue()


def test_headers_that_lie_are_refused_before_anything_is_read(tmp_path, monkeypatch):
    (tmp_path / "short.npy").write_bytes(header((1000, 64, 64)) + bytes(10))
    (tmp_path / "huge.npy").write_bytes(header((1 << 40, 1 << 20, 1 << 20)) + bytes(10))
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "negative.npy").write_bytes(header((-3, 4, 4)) + bytes(48))
    for name in ("short", "huge", "negative"):
        assert "that it claims" in error_of(tmp_path / f"{name}.npy"), name
    for name in ("empty", "text"):
        assert "not a readable .npy file" in error_of(tmp_path / f"{name}.npy")
    monkeypatch.setattr(reader, "ALWAYS_ALLOWED", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header((8 << 10, 32, 32)) + bytes(8 << 20))
    assert "claims 8 MiB" in error_of(tmp_path / "bomb.npz")


def test_truncated_and_changed_files_of_every_format_are_one_line(tmp_path):
    draw = np.random.default_rng(1)
    for name, content in samples(tmp_path).items():
        for trial in range(6):
            damaged = bytearray(content)
            if trial % 2:
                at = int(draw.integers(0, min(len(damaged), 600)))
                damaged[at] ^= int(draw.integers(1, 256))
            else:
                damaged = damaged[: int(draw.integers(0, len(damaged)))]
            path = tmp_path / "damaged" / str(trial) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(damaged))
            with contextlib.suppress(UserError):  # any other exception is a traceback of a user's
                data.load(str(path), DataOptions(size="6"), progress=False)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("a.h5", "h5py", "science"),
        ("a.tif", "tifffile", "science"),
        ("a.dcm", "pydicom", "science"),
        ("a.nii.gz", "nibabel", "science"),
        ("a.parquet", "pyarrow", "parquet"),
    ],
)
def test_a_missing_package_is_one_line_with_the_remedy(tmp_path, monkeypatch, name, module, extra):
    samples(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, module, None)
    message = error_of(tmp_path / name)
    assert f"needs {module}: pip install 'genarium[{extra}]'" in message


def test_the_rule_of_axes():
    assert reader.layout_of((5, 3, 8, 8), "") == "NCHW"
    assert reader.layout_of((5, 8, 8, 3), "") == "NHWC"
    assert reader.layout_of((5, 4, 8, 8), "") == "NCHW"
    assert reader.layout_of((5, 8, 8, 5), "") == "NHWC"
    assert reader.layout_of((8, 8, 4), "", one=True) == "HWC"
    assert reader.layout_of((2, 8, 8), "", one=True) == "CHW"
    with pytest.raises(Bad, match="name each axis once"):
        reader.layout_of((5, 8, 8, 3), "NHHC")


def test_what_is_said_behind_a_path_means_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=some("uint8"), y=np.arange(12) % 2)
    np.save("names.npy", np.arange(12) % 3)
    whole = f"{tmp_path}/a.npz:x,labels={tmp_path}/names.npy,layout=NCHW"
    assert places.resolved("a.npz:x,labels=names.npy,layout=NCHW") == whole
    (tmp_path / "y").mkdir()  # a folder of the array's name is not meant
    assert places.resolved("a.npz:x,labels=y") == f"{tmp_path}/a.npz:x,labels=y"
    monkeypatch.chdir(tmp_path.parent)
    assert not places.gone(whole)
    assert data.load(whole, progress=False).spec.classes == ("0", "1", "2")
    (tmp_path / "a.npz").unlink()
    assert places.gone(whole)
