"""TIFF stacks: what was written is what `load` gives, with axes, bits and inversion as stated."""

import pytest

from genarium import data

from .written import TYPES, alike, every, some, write_tiff


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("dtype", [*TYPES, "int16", "float64"])
def test_a_stack_of_pages_is_images_or_the_channels_of_one(tmp_path, dtype, compression):
    images = some(dtype, n=8)
    write_tiff(tmp_path / "a.tif", images[:, 0], compression=compression, metadata=None)
    kept = images.astype("float32") if dtype in ("int16", "float64") else images
    assert alike(every(tmp_path / "a.tif"), kept)
    assert alike(every(f"{tmp_path}/a.tif:pages=channels"), kept.transpose(1, 0, 2, 3))
    assert alike(every(f"{tmp_path}/a.tif:pages=first"), kept[:1])


@pytest.mark.parametrize("axes", ["TCYX", "CTYX", "TZCYX", "TCZYX"])
@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_axes_that_the_file_names_are_used(tmp_path, axes, kind):
    if kind == "imagej" and axes != "TZCYX":
        pytest.skip("ImageJ has one order")
    images = some("uint16", n=6, channels=3)
    steps = {"T": 6 if "Z" not in axes else 3, "Z": 2, "C": 3, "Y": 6, "X": 5}
    order = [axis for axis in "TZCYX" if axis in axes]
    stored = images.reshape([steps[axis] for axis in order])
    stored = stored.transpose([order.index(axis) for axis in axes])
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    write_tiff(path, stored, metadata={"axes": axes}, imagej=kind == "imagej")
    assert alike(every(path), images)
    assert every(f"{path}:pages=images").shape == (18, 1, 6, 5)


def test_stated_bits_are_the_range_and_white_is_zero_is_turned(tmp_path):
    twelve = some("uint16", n=9) >> 4
    write_tiff(tmp_path / "a.tif", twelve[:, 0], bitspersample=12, compression=None)
    dataset = data.load(str(tmp_path / "a.tif"), progress=False)
    assert alike(every(tmp_path / "a.tif"), twelve)
    assert (dataset.spec.values.low, dataset.spec.values.high) == ((0.0,), (4095.0,))
    write_tiff(
        tmp_path / "b.ome.tif", twelve[:, 0], metadata={"axes": "TYX", "SignificantBits": 12}
    )
    assert data.load(str(tmp_path / "b.ome.tif"), progress=False).spec.values.high == (4095.0,)
    write_tiff(tmp_path / "c.tif", twelve[:, 0], photometric="miniswhite")
    assert alike(every(tmp_path / "c.tif"), 65535 - twelve)
