"""HDF5 and zarr: what was written is what `load` gives, or one line says why not."""

import numpy as np
import pytest

from genarium import data

from .written import TYPES, alike, error_of, every, some, write_hdf5


@pytest.mark.parametrize("dtype", TYPES)
def test_hdf5_comes_back_to_the_bit(tmp_path, dtype):
    images = some(dtype, channels=2)
    write_hdf5(tmp_path / "a.h5", images, "train/x", labels=np.arange(12) % 2)
    assert alike(every(tmp_path / "a.h5"), images)
    assert alike(every(f"{tmp_path}/a.h5:train/x"), images)
    dataset = data.load(f"{tmp_path}/a.h5:/train/x,labels=labels", progress=False)
    assert dataset.spec.classes == ("0", "1")
    assert "no array nothing: there are" in error_of(f"{tmp_path}/a.h5:nothing")
    assert "layout=NHW: the array has 4 axes" in error_of(f"{tmp_path}/a.h5:train/x,layout=NHW")


def test_hdf5_that_lies_or_leads_elsewhere_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "sparse.h5", "w") as file:
        file.create_dataset("x", (1 << 30, 64, 64), "u1", chunks=(1, 64, 64))
    assert "holds" in error_of(tmp_path / "sparse.h5")
    with h5py.File(tmp_path / "chunk.h5", "w") as file:
        file.create_dataset(
            "x", (1 << 12, 1 << 10, 1 << 10), "u1", chunks=(1 << 11, 1 << 10, 1 << 10)
        )
    assert "decode at once" in error_of(tmp_path / "chunk.h5") or "claims" in error_of(
        tmp_path / "chunk.h5"
    )
    (tmp_path / "raw.bin").write_bytes(bytes(1600))
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("x", (100, 4, 4), "u1", external=[(str(tmp_path / "raw.bin"), 0, 1600)])
    assert "other files" in error_of(tmp_path / "outside.h5")


@pytest.mark.parametrize("dtype", TYPES)
def test_zarr_comes_back_to_the_bit(tmp_path, dtype):
    zarr = pytest.importorskip("zarr")
    images = some(dtype, channels=2)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    array = group.create_array(
        "raw/x", shape=images.shape, chunks=(5, *images.shape[1:]), dtype=dtype
    )
    array[:] = images
    assert alike(every(tmp_path / "a.zarr"), images)
    assert alike(every(f"{tmp_path}/a.zarr:raw/x"), images)
    alone = zarr.open_array(
        tmp_path / "b.zarr", mode="w", shape=images.shape, chunks=images.shape, dtype=dtype
    )
    alone[:] = images
    assert alike(every(tmp_path / "b.zarr"), images)
    assert "no array" in error_of(f"{tmp_path}/a.zarr:raw/y")


def test_a_chunk_of_zarr_that_claims_a_negative_size_is_one_line(tmp_path):
    """numcodecs lets Python's own SystemError happen there."""
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(tmp_path / "x.zarr", zarr_format=2)
    group.create_array("a", data=some("uint16", n=4))
    chunk = tmp_path / "x.zarr" / "a" / "0.0.0.0"
    content = bytearray(chunk.read_bytes())
    assert content[:2] == b"\x02\x01"  # Blosc: bytes 4 to 7 are the size of what it holds
    content[4:8] = b"\xff\xff\xff\xf0"
    chunk.write_bytes(content)
    assert "damaged, or not what its name says" in error_of(tmp_path / "x.zarr")
