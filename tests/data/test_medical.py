"""DICOM and NIfTI: values in their units, images of a patient together."""

import gzip

import numpy as np
import pytest

from genarium import data
from genarium.data import DataOptions
from genarium.data.api import collect

from .written import alike, error_of, every, some, write_dicom, write_nifti


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
