"""Small whole files of every format of arrays, for the campaign that damages them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

draw = np.random.default_rng(5)


def whole() -> dict[str, bytes]:
    """The content of a file of each format, by its name."""
    wide = draw.integers(0, 4096, (5, 6, 7), dtype=np.uint16)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        np.save(home / "a.npy", wide)
        _hdf5(home / "a.h5", wide)
        _tiff(home, wide)
        _dicom(home / "a.dcm", wide)
        _nifti(home, wide)
        _parquet(home / "a.parquet")
        (home / "a.pgm").write_bytes(b"P5 7 6 4095\n" + wide[0].astype(">u2").tobytes())
        import imagecodecs

        (home / "colour.png").write_bytes(imagecodecs.png_encode(np.stack([wide[0]] * 3, -1)))
        return {path.name: path.read_bytes() for path in sorted(home.iterdir())}


def _hdf5(path: Path, images: Any) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=images, chunks=(2, 6, 7), compression="gzip")
        file.create_dataset("labels", data=np.arange(len(images)))


def zarr(path: Path, version: int) -> list[Path]:
    """Write a store of two arrays below `path`; the files of it, below `path`."""
    import zarr

    wide = draw.integers(0, 4096, (5, 6, 7), dtype=np.uint16)
    group = zarr.create_group(str(path), zarr_format=version)
    group.create_array("x", data=wide, chunks=(3, 6, 7))
    group.create_array("labels", data=np.arange(5))
    return sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())


def _tiff(home: Path, images: Any) -> None:
    import tifffile

    tifffile.imwrite(home / "pages.tif", images, photometric="minisblack", metadata=None)
    tifffile.imwrite(home / "lzw.tif", images, photometric="minisblack", compression="lzw")
    tifffile.imwrite(home / "a.ome.tif", images, photometric="minisblack", metadata={"axes": "TYX"})
    tifffile.imwrite(home / "ij.tif", images, imagej=True, metadata={"axes": "CYX"})
    tifffile.imwrite(home / "float.tif", images.astype(np.float32), photometric="minisblack")


def _dicom(path: Path, images: Any) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
    file.Modality, file.PatientID, file.NumberOfFrames = "CT", "p", len(images)
    file.Rows, file.Columns = images.shape[1:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.RescaleSlope, file.RescaleIntercept = 1, -1024
    file.WindowCenter, file.WindowWidth = 40, 400
    file.PixelData = images.tobytes()
    file.save_as(str(path), enforce_file_format=True)


def _nifti(home: Path, images: Any) -> None:
    import nibabel

    volume = nibabel.Nifti1Image(images.transpose(2, 1, 0), np.eye(4))
    nibabel.save(volume, str(home / "a.nii"))
    nibabel.save(volume, str(home / "a.nii.gz"))


def _parquet(path: Path) -> None:
    import pyarrow as pa
    from PIL import Image
    from pyarrow import parquet

    rows = []
    for _ in range(6):
        out = io.BytesIO()
        Image.fromarray(draw.integers(0, 256, (6, 7), dtype=np.uint8)).save(out, "PNG")
        rows.append({"bytes": out.getvalue(), "path": "x.png"})
    table = pa.table({"image": rows, "label": [0, 1] * 3})
    parquet.write_table(table, path, row_group_size=4)
