"""Parquet as the Hugging Face hub keeps it."""

import numpy as np
import pytest

from genarium import data

from .written import alike, error_of, every, some, write_parquet


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
