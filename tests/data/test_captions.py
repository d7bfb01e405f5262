"""Captions beside images: the tables, the text files, and all that can be wrong with them."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genarium import data
from genarium.data import text
from genarium.errors import UserError


def pictures(folder: Path, names: str = "abcdefghij", within: str = "") -> Path:
    (folder / within).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        pixels = np.full((8, 8, 3), 40 + 7 * number, np.uint8)
        pixels[0, 0] = (ord(name) % 256, len(within), 0)
        Image.fromarray(pixels).save(folder / within / f"{name}.png")
    return folder


def jsonl(folder: Path, rows: list[object], name: str = "metadata.jsonl") -> None:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def by_name(folder: Path) -> dict[str, str]:
    result = data.load(str(folder), progress=False)
    return {
        name: caption
        for split in (result.train, result.validation, result.test)
        for name, caption in zip(split.names or [], split.captions or [], strict=True)
    }


def table(folder: Path, names: str = "abcdefghij", column: str = "text") -> list[object]:
    return [{"file_name": f"{name}.png", column: f"picture {name}"} for name in names]


# ------------------------------------------------------------------------ rows of bytes


@pytest.mark.parametrize(
    "words", ["a red circle", "ein grüner Würfel", "猫と犬", "a 👩‍🚀 waves", ""]
)
def test_a_row_gives_its_text_back(words: str) -> None:
    row = text.row(words, 48)
    assert row.dtype == np.uint8
    assert row.shape == (48,)
    assert text.text_of(row) == words


def test_equal_texts_have_equal_rows_however_they_are_typed() -> None:
    composed, decomposed = "caf\u00e9  au\tlait", "cafe\u0301 au lait\n"
    assert np.array_equal(text.row(composed, 32), text.row(decomposed, 32))


def test_a_long_caption_is_cut_between_characters(caplog: pytest.LogCaptureFixture) -> None:
    row = text.row("x" + "é" * 10, 8)
    assert text.text_of(row) == "xééé"
    assert text.shape_of(["é" * 200, "short"]) == (text.LONGEST, 1, 1)


def test_several_captions_are_rows_and_fewer_repeat_their_own() -> None:
    assert text.shape_of(["one\ntwo\n\nthree", "uno\ndue"]) == (16, 3, 0)
    result = text.table(["one\ntwo\n\nthree", "uno\ndue", ""], 16, 3)
    read = [[text.text_of(row) for row in image] for image in result]
    assert read == [["one", "two", "three"], ["uno", "due", "uno"], ["", "", ""]]
    assert len(text.of_image("\n".join(map(str, range(99))))) == text.MOST


# ------------------------------------------------------------------------ what is read


@pytest.mark.parametrize("column", ["text", "caption", "prompt"])
def test_a_jsonl_table(tmp_path: Path, column: str) -> None:
    folder = pictures(tmp_path / "set")
    jsonl(folder, [*table(folder, column=column), ""])
    assert by_name(folder) == {f"{name}.png": f"picture {name}" for name in "abcdefghij"}
    result = data.load(str(folder), progress=False)
    assert result.info["captions"] == {"from": "metadata.jsonl", "images": 10, "without": 0}
    assert result.info["ignored"] == 0
    assert result.spec.caption_bytes == 16
    for split in (result.train, result.validation, result.test):
        rows = split.extra["captions"]
        assert rows.dtype == torch.uint8
        assert [text.text_of(row[0]) for row in rows] == split.captions


def test_a_csv_table_with_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "set", "ab")
    words = 'file_name,width,caption\na.png,8,"a red, ""round"" thing"\nb.png,8,two\nlines\n'
    (folder / "metadata.csv").write_text("\ufeff" + words, encoding="utf-8")
    assert by_name(folder) == {"a.png": 'a red, "round" thing', "b.png": "two"}


def test_text_files_beside_the_images_and_a_readme_that_is_none(tmp_path: Path) -> None:
    folder = pictures(pictures(tmp_path / "set", "ab", "x"), "cd", "y")
    for name, words in (("x/a", "one\n  two  \n"), ("x/b", "b"), ("y/c", "ç"), ("y/d", "d")):
        (folder / f"{name}.txt").write_text(words, encoding="utf-8")
    (folder / "README.txt").write_text("no caption")
    result = data.load(str(folder), progress=False)
    assert by_name(folder) == {
        "x/a.png": "one\n  two  \n",
        "x/b.png": "b",
        "y/c.png": "ç",
        "y/d.png": "d",
    }
    assert result.train.extra["captions"].shape[1:] == (2, 16)
    assert result.info["ignored"] == 1
    assert result.spec.classes == ("x", "y")


def test_a_table_in_each_split_and_several_captions_an_image(tmp_path: Path) -> None:
    folder = pictures(pictures(tmp_path / "set", "abc", "train"), "de", "test")
    jsonl(folder / "train", [{"file_name": f"{n}.png", "text": [n, f"the {n}"]} for n in "abc"])
    jsonl(folder / "test", [{"file_name": f"./{n}.png", "text": n} for n in "de"])
    assert by_name(folder)["train/a.png"] == "a\nthe a"
    assert by_name(folder)["test/d.png"] == "d"


def test_a_caption_is_part_of_the_manifest_and_not_of_the_images_cache(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "set")
    options = data.DataOptions(cache=str(tmp_path / "cache"))
    plain = data.load(str(folder), options, progress=False)
    jsonl(folder, table(folder))
    first = data.load(str(folder), options, progress=False)
    rows = table(folder)
    rows[3] = {"file_name": "d.png", "text": "corrected"}
    jsonl(folder, rows)
    second = data.load(str(folder), options, progress=False)
    assert len({plain.manifest, first.manifest, second.manifest}) == 3
    assert torch.equal(first.train.images, second.train.images)
    assert len([*(tmp_path / "cache" / "images").iterdir()]) == 1


def test_an_archive_keeps_its_captions(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "set")
    jsonl(folder, table(folder))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        for file in folder.iterdir():
            packed.write(file, f"set/{file.name}")
    result = data.load(str(tmp_path / "set.zip"), progress=False)
    assert set(result.train.captions or []) <= {f"picture {name}" for name in "abcdefghij"}
    assert result.spec.caption_bytes == 16


def test_data_without_captions_have_none(tmp_path: Path) -> None:
    result = data.load(str(pictures(tmp_path / "set")), progress=False)
    assert result.train.captions is None
    assert result.spec.caption_bytes == 0
    assert "captions" not in result.train.extra


# ------------------------------------------------------------------------ what may be wrong


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [*range(0), '{"file_name": "a.png", "text": "x"}', '{"file_name": '],
            "line 2 is not JSON",
        ),
        (["[1, 2]"], "line 1: give an object"),
        ([{"file_name": "a.png", "text": 7}], "text is 7: give a text"),
        ([{"file_name": "a.png", "text": ["x", None]}], "give a text"),
        ([{"file_name": f"{n}.png", "text": n} for n in "aba"], "names a.png twice"),
        ([{"file_name": "z.png", "text": "x"}], "names no image that is there (z.png)"),
    ],
)
def test_a_wrong_table_is_one_line_that_names_it(
    tmp_path: Path, rows: list[object], words: str
) -> None:
    folder = pictures(tmp_path / "set")
    jsonl(folder, rows)
    with pytest.raises(UserError) as raised:
        data.load(str(folder), progress=False)
    assert "metadata.jsonl" in str(raised.value)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "set")
    (folder / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8 \(byte 3\)"):
        data.load(str(folder), progress=False)


def test_two_kinds_of_captions_at_once(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "set")
    jsonl(folder, table(folder))
    (folder / "a.txt").write_text("a")
    with pytest.raises(UserError, match=r"captions in NAME\.txt and metadata\.jsonl: keep one"):
        data.load(str(folder), progress=False)


def test_missing_captions_and_missing_images_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = pictures(tmp_path / "set")
    jsonl(folder, [*table(folder, "abcdefgh"), {"file_name": "gone.png", "text": "x"}])
    with caplog.at_level("WARNING", "genarium.data"):
        result = data.load(str(folder), progress=False)
    assert "2 of 10 images have no caption: theirs is empty" in caplog.text
    assert "names 1 images that are not there (gone.png)" in caplog.text
    assert result.info["captions"]["without"] == 2
    assert by_name(folder)["i.png"] == ""


def test_a_table_without_captions_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = pictures(tmp_path / "set")
    jsonl(folder, [{"file_name": "a.png", "label": 3}])
    result = data.load(str(folder), progress=False)
    assert result.train.captions is None
    assert "metadata.jsonl has no column text, caption, prompt" in caplog.text


def test_captions_that_are_cut_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = pictures(tmp_path / "set")
    jsonl(folder, [*table(folder, "abcdefghi"), {"file_name": "j.png", "text": "x" * 400}])
    result = data.load(str(folder), progress=False)
    assert "1 captions are cut to 256 bytes" in caplog.text
    assert result.spec.caption_bytes == 256


@pytest.mark.parametrize("suffix", ["txt", "TXT", "Txt"])
def test_text_files_of_any_case(tmp_path: Path, suffix: str) -> None:
    folder = pictures(tmp_path / "photos")
    (folder / f"a.{suffix}").write_text("a word")
    assert data.load(str(folder), progress=False).info["captions"]["images"] == 1


@pytest.mark.parametrize("name", ["metadata.csv", "METADATA.CSV", "Metadata.Jsonl"])
def test_tables_of_any_case(tmp_path: Path, name: str) -> None:
    folder = pictures(tmp_path / "photos")
    lines = "file_name,text\na.png,a word\n"
    if name.lower().endswith("jsonl"):
        lines = '{"file_name": "a.png", "text": "a word"}\n'
    (folder / name).write_text(lines)
    result = data.load(str(folder), progress=False).info
    assert result["captions"]["images"] == 1
    assert result["ignored"] == 0


def test_two_text_files_of_one_image_are_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos")
    for suffix in ("txt", "TXT"):
        (folder / f"a.{suffix}").write_text("a word")
    if len(list(folder.glob("a.*"))) < 3:
        pytest.skip("a disk that does not tell them apart cannot hold two")
    with pytest.raises(UserError, match="are of one image: keep one"):
        data.load(str(folder), progress=False)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("metadata.jsonl", "[" * 100_000, "is not JSON"),
        ("metadata.jsonl", '{"file_name": "a.png", "text": ' + "1" * 5000 + "}", "not JSON|a text"),
        ("metadata.csv", "file_name,text\na.png," + "x" * 200_000, "not CSV"),
    ],
)
def test_tables_made_to_break_a_reader(tmp_path: Path, name: str, content: str, words: str) -> None:
    folder = pictures(tmp_path / "photos")
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=words) as caught:
        data.load(str(folder), progress=False)
    assert "\n" not in str(caught.value)


def test_a_text_that_would_block_or_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pictures(tmp_path / "photos")
    (folder / "a.txt").write_text("a word")
    monkeypatch.setattr("genarium.data.captions.LARGEST", 5)
    with pytest.raises(UserError, match="larger than"):
        data.load(str(folder), progress=False)
    (folder / "a.txt").unlink()
    os.mkfifo(folder / "a.txt")
    with pytest.raises(UserError, match="not a regular file"):
        data.load(str(folder), progress=False)
