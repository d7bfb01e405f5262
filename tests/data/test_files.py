"""Every file format of arrays: what was written is what `load` gives, or one line says why not."""

import contextlib
import gzip
import io
import pickle
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from genarium import data
from genarium.data import DataOptions, places
from genarium.data.api import collect
from genarium.data.files import reader
from genarium.data.formats import Bad
from genarium.errors import UserError

TYPES = ["uint8", "uint16", "float32"]


def some(dtype, n=12, channels=1, height=6, width=5, seed=0) -> np.ndarray:
    """[n,C,H,W] of values all over the type, every image another."""
    draw = np.random.default_rng(seed)
    shape = (n, channels, height, width)
    if np.dtype(dtype).kind == "f":
        return draw.normal(-40, 300, shape).astype(dtype)
    return draw.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def every(source, **options) -> np.ndarray:
    """The images of all splits, [N,C,H,W], in an order of their own: as rows that can be sorted."""
    dataset = data.load(str(source), DataOptions(**options), progress=False)
    return np.concatenate(
        [getattr(dataset, s).images.numpy() for s in ("train", "validation", "test")]
    )


def alike(got: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two sets hold the same images to the bit, in any order, and of one type."""
    if (got.shape, got.dtype) != (wanted.shape, wanted.dtype):
        return False
    return sorted(image.tobytes() for image in got) == sorted(image.tobytes() for image in wanted)


def error_of(source, **options) -> str:
    with pytest.raises(UserError) as caught:
        data.load(str(source), DataOptions(**options), progress=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------ npy and npz


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


# ------------------------------------------------------------------------ hostile files


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


def samples(folder) -> dict[str, bytes]:
    """A small whole file of each format."""
    images = some("uint16", n=4)
    np.save(folder / "a.npy", images)
    np.savez_compressed(folder / "a.npz", images=images)
    write_hdf5(folder / "a.h5", images)
    write_tiff(folder / "a.tif", images[:, 0])
    write_dicom(folder / "a.dcm", images[:2, 0])
    write_nifti(folder / "a.nii.gz", images[:, 0])
    write_parquet(folder / "a.parquet", list(some("uint8", n=4)[:, 0]))
    names = ("a.npy", "a.npz", "a.h5", "a.tif", "a.dcm", "a.nii.gz", "a.parquet")
    return {name: (folder / name).read_bytes() for name in names}


# ------------------------------------------------------------------------ HDF5 and zarr


def write_hdf5(path, images, name="images", **more):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=images, chunks=(3, *images.shape[1:]), compression="gzip")
        for key, values in more.items():
            file.create_dataset(key, data=values)


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


# ------------------------------------------------------------------------ TIFF


def write_tiff(path, images, **how):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, images, photometric=how.pop("photometric", "minisblack"), **how)


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


# ------------------------------------------------------------------------ DICOM and NIfTI


def write_dicom(path, frames, **tags):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
    file.Modality, file.PatientID = "CT", "p1"
    if frames.shape[0] > 1:
        file.NumberOfFrames = frames.shape[0]
    file.Rows, file.Columns = frames.shape[1:3]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 8 * frames.itemsize
    file.BitsAllocated, file.BitsStored, file.HighBit = bits, bits, bits - 1
    file.PixelRepresentation = int(frames.dtype.kind == "i")
    for name, value in tags.items():
        setattr(file, name, value)
    if "BitsStored" in tags:
        file.HighBit = tags["BitsStored"] - 1
    file.PixelData = frames.tobytes()
    assert pydicom.__version__
    file.save_as(str(path), enforce_file_format=True)


def test_dicom_comes_in_its_units_with_its_window(tmp_path):
    raw = (some("uint16", n=5) >> 4)[:, 0]
    write_dicom(
        tmp_path / "a.dcm", raw, RescaleSlope=1, RescaleIntercept=-1024, BitsStored=12,
        WindowCenter=[40, 300], WindowWidth=[400, 1500],
    )  # fmt: skip
    _, collection, _ = collect(str(tmp_path / "a.dcm"), DataOptions(), progress=False)
    assert (collection.unit, collection.full) == ("HU", ((-160.0,), (240.0,)))
    assert alike(every(tmp_path / "a.dcm"), raw[:, None].astype(np.float32) - 1024)
    write_dicom(tmp_path / "b.dcm", raw, BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    assert alike(every(tmp_path / "b.dcm"), (4095 - raw)[:, None])
    _, collection, _ = collect(str(tmp_path / "b.dcm"), DataOptions(), progress=False)
    assert collection.full == ((0.0,), (4095.0,))
    signed = some("int16", n=4)[:, 0]
    write_dicom(tmp_path / "c.dcm", signed)
    assert alike(every(tmp_path / "c.dcm"), signed[:, None].astype(np.float32))


def test_a_folder_of_dicom_keeps_the_images_of_a_patient_together(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    wanted = []
    for number in range(30):
        raw = (some("uint16", n=1, seed=number) >> 4)[:, 0]
        wanted.append(raw)
        name = f"IM{number:04d}" if number % 2 else f"{number}.dcm"
        write_dicom(folder / name, raw, BitsStored=12, PatientID=f"p{number // 6}")
    images = every(folder)
    assert alike(images, np.stack(wanted))
    dataset = data.load(str(folder), progress=False)
    homes = {}
    for split in ("train", "validation", "test"):
        for name in getattr(dataset, split).names:
            number = int(name.removeprefix("IM").removesuffix(".dcm"))
            homes.setdefault(number // 6, set()).add(split)
    assert all(len(where) == 1 for where in homes.values())
    assert dataset.spec.values.high == (4095.0,)


def write_nifti(path, slices, slope=None):
    """[N,H,W] slices along z, as a volume."""
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(slices.transpose(2, 1, 0), np.eye(4))
    image.header.set_data_dtype(slices.dtype)
    if slope is not None:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, str(path))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_slices_of_a_volume_come_back_to_the_bit(tmp_path, dtype, ending):
    images = some(dtype, n=7)
    write_nifti(tmp_path / f"a{ending}", images[:, 0])
    kept = images.astype("float32") if dtype == "int16" else images
    assert alike(every(tmp_path / f"a{ending}"), kept)
    along = every(f"{tmp_path}/a{ending}:axis=x")  # each has z as rows and y as columns
    assert alike(along, kept[:, 0].transpose(2, 0, 1)[:, None])
    assert "axis=q" in error_of(f"{tmp_path}/a{ending}:axis=q")


def test_a_gzip_bomb_of_a_volume_is_refused(tmp_path):
    write_nifti(tmp_path / "a.nii", some("uint8", n=4)[:, 0])
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[42:48] = np.array([2000, 2000, 2000], "<i2").tobytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(content)))
    assert "claims" in error_of(tmp_path / "b.nii.gz")


# ------------------------------------------------------------------------ parquet


def encoded(pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def write_parquet(path, pictures, labels=None, names=None, texts=None, group=3):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"image": [{"bytes": encoded(p), "path": None} for p in pictures]}
    features = {"image": {"_type": "Image"}}
    if labels is not None:
        columns["kind"] = labels
        features["kind"] = {"names": names, "_type": "ClassLabel"} if names else {}
    if texts is not None:
        columns["text"] = texts
    import json

    table = pa.table(columns)
    info = json.dumps({"info": {"features": features}}).encode()
    parquet.write_table(
        table.replace_schema_metadata({b"huggingface": info}), path, row_group_size=group
    )


def test_parquet_as_the_hub_keeps_it(tmp_path):
    images = some("uint8", n=24)
    images[:, 0, 0, 0] = np.arange(24)
    pictures = list(images[:, 0])
    labels = [int(n) % 2 for n in range(24)]
    folder = tmp_path / "data"
    folder.mkdir()
    names = ["cat", "dog", "never"]
    for shard, rows in enumerate((slice(0, 9), slice(9, 18))):
        texts = [f"number {n}" for n in range(24)][rows]
        path = folder / f"train-0000{shard}-of-00002.parquet"
        write_parquet(path, pictures[rows], labels[rows], names, texts)
    test = folder / "test-00000-of-00001.parquet"
    write_parquet(test, pictures[18:], labels[18:], names, [f"number {n}" for n in range(18, 24)])
    dataset = data.load(str(folder), progress=False)
    assert dataset.spec.classes == ("cat", "dog", "never")
    assert len(dataset.test) == 6
    assert alike(every(folder), images)
    for part in (dataset.train, dataset.validation, dataset.test):
        numbers = part.images[:, 0, 0, 0].tolist()
        assert part.labels.tolist() == [n % 2 for n in numbers]
        assert part.captions == [f"number {n}" for n in numbers]
    assert alike(every(folder / "train-00000-of-00002.parquet"), images[:9])
    assert "no column picture" in error_of(f"{folder}:image=picture")


def test_parquet_of_sixteen_bits_and_of_nothing(tmp_path):
    images = some("uint16", n=8)
    write_parquet(tmp_path / "a.parquet", list(images[:, 0]))
    assert alike(every(tmp_path / "a.parquet"), images)
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": [1, 2]}), tmp_path / "b.parquet")
    assert "0 columns may be of images" in error_of(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1nothing")
    assert "not a readable parquet file" in error_of(tmp_path / "c.parquet")


# ------------------------------------------------------------------------ packages that are missing


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
