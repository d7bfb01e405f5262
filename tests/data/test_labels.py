"""Labels and attributes from a table of files."""

import logging

import numpy as np
import pytest
from PIL import Image

from genarium import data
from genarium.data import DataOptions
from genarium.errors import UserError

HEAD = "file_name,class,age,stain,where\n"


@pytest.fixture
def scans(tmp_path):
    """30 grey images, each its number in its first pixel, in two folders."""
    for number in range(30):
        image = np.full((6, 6), 7, np.uint8)
        image[0, 0] = number
        home = tmp_path / "scans" / ("a" if number < 15 else "b")
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(home / f"{number}.png")
    return tmp_path / "scans"


def name(number: int) -> str:
    return f"{'a' if number < 15 else 'b'}/{number}.png"


def line(number: int) -> str:
    kind, stain = "yxx"[number % 3], ("HE", "IHC")[number % 2]
    return f"{name(number)},{kind},{number / 2},{stain},n{number}\n"


def table(folder, lines, ending="csv", head=HEAD):
    path = folder.parent / f"t.{ending}"
    text = head + "".join(lines)
    path.write_text(text.replace(",", "\t") if ending == "tsv" else text)
    return path


def load(scans, path, **options):
    return data.load(str(scans), DataOptions(labels=str(path), **options), progress=False)


def check(dataset):
    for split in ("train", "validation", "test"):
        part = dataset.split(split)
        for image, label, factors in zip(
            part.images, part.labels, part.extra["factors"], strict=True
        ):
            number = int(image[0, 0, 0])
            assert dataset.spec.classes[label] == ("x" if number % 3 else "y")
            assert factors[:2].tolist() == [number / 2, number % 2]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_table_gives_classes_and_attributes(scans, ending, caplog):
    lines = [line(n) for n in reversed(range(30))]
    with caplog.at_level(logging.WARNING, "genarium.data"):
        dataset = load(scans, table(scans, lines, ending))
    assert dataset.spec.classes == ("x", "y")
    assert [(a.name, a.values) for a in dataset.spec.attributes[:2]] == [
        ("age", ()),
        ("stain", ("HE", "IHC")),
    ]
    assert len(dataset.spec.attributes[2].values) == 30
    check(dataset)
    assert "column age goes from 0 to 14.5: models take numbers as they are" in caplog.text


def test_too_many_texts_are_no_attribute(scans, caplog, monkeypatch):
    monkeypatch.setattr("genarium.data.labels.MOST_VALUES", 10)
    with caplog.at_level(logging.WARNING, "genarium.data"):
        dataset = load(scans, table(scans, map(line, range(30))))
    assert [a.name for a in dataset.spec.attributes] == ["age", "stain"]
    assert "column where is left out" in caplog.text
    check(dataset)


def test_parquet_tables_and_semicolons(scans):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = [line(n).strip().split(",") for n in range(30)]
    names = HEAD.strip().split(",")[:4]
    made = {key: [row[k] for row in columns] for k, key in enumerate(names)}
    parquet.write_table(pa.table(made), scans.parent / "t.parquet")
    check(load(scans, scans.parent / "t.parquet"))
    path = scans.parent / "s.csv"
    path.write_text("\n".join(";".join(row[:4]) for row in [names, *columns]))
    check(load(scans, path))


def test_the_column_of_the_class_may_be_named(scans):
    path = table(scans, map(line, range(30)))
    dataset = load(scans, path, label_column="stain")
    assert dataset.spec.classes == ("HE", "IHC")
    assert [a.name for a in dataset.spec.attributes][:2] == ["class", "age"]
    with pytest.raises(UserError, match="no such column: class, age, stain, where"):
        load(scans, path, label_column="color")
    with pytest.raises(UserError, match="not whole: that is an attribute"):
        load(scans, path, label_column="age")
    with pytest.raises(UserError, match="--label-column: names a column of --labels"):
        DataOptions(label_column="x")


def test_numbers_as_classes_stand_in_their_order(scans):
    lines = [f"{name(n)},{n % 12}\n" for n in range(30)]
    dataset = load(scans, table(scans, lines, head="file,label\n"))
    assert dataset.spec.classes == tuple(map(str, range(12)))


def test_without_a_label_the_folders_stay_the_classes(scans):
    lines = [f"{name(n)},{n}\n" for n in range(30)]
    dataset = load(scans, table(scans, lines, head="path,age\n"))
    assert dataset.spec.classes == ("a", "b")
    assert dataset.spec.attributes[0].name == "age"


def test_a_corrected_label_is_another_manifest_and_the_same_images(scans):
    lines = [line(n) for n in range(30)]
    first = load(scans, table(scans, lines))
    again = load(scans, table(scans, lines))
    lines[3] = lines[3].replace(",y,", ",x,")
    changed = load(scans, table(scans, lines))
    assert first.manifest == again.manifest != changed.manifest
    assert first.train.names == changed.train.names


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines[:-2], "2 of 30 images have no line in it"),
        (lambda lines: [*lines, line(3).replace(",y,", ",x,")], "two lines that differ"),
        (lambda lines: [*lines, "a/1.png,x\n"], "line 32 has 2 entries, the head 5"),
        (lambda lines: ["x" + each for each in lines], "its first line is of xa/0.png"),
        (lambda lines: [], "no lines below its head"),
        (lambda lines: [lines[0].replace(",y,", ",,"), *lines[1:]], "says nothing of 1 images"),
        (lambda lines: [*lines, '"a/1.png,x'], "not a table"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(scans, change, words):
    with pytest.raises(UserError, match="--labels") as caught:
        load(scans, table(scans, change([line(n) for n in range(30)])))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_lines_and_copies_are_said(scans, caplog):
    lines = [*map(line, range(30)), line(4), "c/99.png,x,1,HE,n\n"]
    with caplog.at_level(logging.WARNING, "genarium.data"):
        check(load(scans, table(scans, lines)))
    assert "1 lines are of no image that is used (c/99.png)" in caplog.text
    assert "1 lines stand twice" in caplog.text


def test_tables_that_cannot_be_read(scans, tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "t.xls").write_bytes(b"x")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    for ending, words in (
        ("csv", "not UTF-8"),
        ("xls", "a table is"),
        ("parquet", "not a readable"),
    ):
        with pytest.raises(UserError, match=words):
            load(scans, tmp_path / f"t.{ending}")
    with pytest.raises(UserError, match="does not exist: name a"):
        load(scans, tmp_path / "nothing.csv")
    np.save(tmp_path / "a.npy", np.zeros((5, 4, 4), np.uint8))
    with pytest.raises(UserError, match="no files' names"):
        load(tmp_path / "a.npy", table(scans, [line(1)]))
