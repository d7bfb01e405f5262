"""Files of every format of arrays for tests, and what is asked of their reading."""

import io

import numpy as np
import pytest
from PIL import Image

from genarium import data
from genarium.data import DataOptions
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


def write_hdf5(path, images, name="images", **more):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=images, chunks=(3, *images.shape[1:]), compression="gzip")
        for key, values in more.items():
            file.create_dataset(key, data=values)


def write_tiff(path, images, **how):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, images, photometric=how.pop("photometric", "minisblack"), **how)


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


def write_nifti(path, slices, slope=None):
    """[N,H,W] slices along z, as a volume."""
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(slices.transpose(2, 1, 0), np.eye(4))
    image.header.set_data_dtype(slices.dtype)
    if slope is not None:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, str(path))


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
