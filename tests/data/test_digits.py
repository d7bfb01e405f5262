import hashlib
import sys
from pathlib import Path

import pytest
import torch

from genarium import data
from genarium.contract import Spec
from genarium.data.sources.digits import IMAGES, LABELS, _read
from genarium.data.splits import digest
from genarium.errors import UserError


@pytest.fixture(scope="module")
def digits() -> data.Dataset:
    return data.load("digits")


def test_shapes_counts_and_labels(digits):
    assert digits.spec == Spec(1, 28, 28, tuple("0123456789"))
    assert [len(digits.split(s)) for s in ("train", "val", "test")] == [11_000, 1_000, 2_000]
    for split in (digits.train, digits.validation, digits.test):
        assert split.images.shape == (len(split), 1, 28, 28)
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
        assert set(split.labels.unique().tolist()) == set(range(10))
    with pytest.raises(UserError, match="tset"):
        digits.split("tset")


def test_it_is_the_official_data_in_the_official_order():
    # SHA-256 of the same rows of the official files, behind their headers
    images, labels = _read(IMAGES, 3), _read(LABELS, 1)
    rows = (images[:12_000], images[12_000:], labels[:12_000])
    sums = [hashlib.sha256(array.tobytes()).hexdigest()[:16] for array in rows]
    assert sums == ["f4a0e5dc2ae49490", "170ff6838184f9ec", "b32a0d75cac32913"]
    assert labels[12_000:12_010].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_splits_share_no_image(digits):
    homes = [
        {digest(image) for image in digits.split(s).images.numpy()}
        for s in ("train", "validation", "test")
    ]
    assert not homes[0] & homes[1]
    assert not homes[0] & homes[2]
    assert not homes[1] & homes[2]


def test_the_package_carries_at_most_three_megabytes_and_names_the_authors():
    folder = Path(data.__file__).parent / "embedded"
    assert sum(f.stat().st_size for f in folder.iterdir()) < 3_000_000
    assert "Yann LeCun" in (folder / "digits-ATTRIBUTION.txt").read_text()
    facts = data.describe("digits")
    assert "CC BY-SA 3.0" in facts["attribution"]
    assert facts["counts"]["total"] == 14_000


def test_in_colour(digits):
    colour = data.load("digits", data.DataOptions(channels=3))
    assert colour.spec.shape == (3, 28, 28)
    assert colour.manifest != digits.manifest
    assert colour.train.labels.equal(digits.train.labels)
    assert colour.test.images.equal(digits.test.images.repeat(1, 3, 1, 1))
    assert data.load("digits", data.DataOptions(size="28")).manifest == digits.manifest


def test_from_is_refused():
    with pytest.raises(UserError, match="--from"):
        data.load("digits", data.DataOptions(from_dir="x"))


def test_describing_needs_no_torch(run_python):
    run_python("""
        import sys, genarium.data as d
        assert not {"torch", "numpy", "PIL"} & set(sys.modules)
        names = [s.name for s in d.list_sources()]
        assert {"digits", "mnist", "fashion-mnist", "shapes"} <= set(names), names
        assert d.describe("digits")["height"] == 28
        assert "torch" not in sys.modules
    """)


@pytest.fixture
def run_python():
    import subprocess
    import textwrap

    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)

    return run
