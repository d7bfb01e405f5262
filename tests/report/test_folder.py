"""Single pictures in a folder: never among other files, and never beside those of another call."""

import argparse
import json
from pathlib import Path

import pytest
import torch

from genarium import cli, verbs
from genarium.api.sample import Samples
from genarium.cli import verbs as of_signature
from genarium.contract import Spec
from genarium.data.scan import scan
from genarium.data.stream import stream
from genarium.drawing import folder
from genarium.errors import UserError


def pictures(count: int, seed: int = 0, below: str = "") -> list:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8, generator=draw)
    return [(f"{below}{k}.png", image) for k, image in enumerate(images)]


def below(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_a_second_call_needs_to_be_asked_for_and_leaves_nothing_stale(tmp_path):
    out = tmp_path / "a" / "out"
    folder.save(out, [*pictures(5), *pictures(2, 1, "deep/er/")])
    before = below(out)
    assert len(before) == 8
    for again in (lambda: folder.check(out, False), lambda: folder.save(out, pictures(3, 2))):
        with pytest.raises(UserError, match=r"holds 7 pictures of an earlier call.*--overwrite"):
            again()
    assert below(out) == before
    folder.save(out, pictures(3, 2), overwrite=True)
    assert sorted(below(out)) == [".genarium.json", "0.png", "1.png", "2.png"]
    assert [p.name for p in out.iterdir() if p.is_dir()] == []
    assert len(stream(out)) == 3


def foreign(out: Path) -> None:
    (out / "notes.txt").write_text("mine")


def nested(out: Path) -> None:
    (out / "mine").mkdir()
    (out / "mine" / "0.png").write_bytes(b"mine")


def edited(out: Path) -> None:
    (out / "1.png").write_bytes(b"mine")


def linked(out: Path) -> None:
    (out.parent / "elsewhere").mkdir()
    (out / "link").symlink_to(out.parent / "elsewhere")


def unlisted(out: Path) -> None:
    (out / ".genarium.json").unlink()


def nonsense(out: Path) -> None:
    (out / ".genarium.json").write_bytes(b"\xff[[")


@pytest.mark.parametrize("change", [foreign, nested, edited, linked, unlisted, nonsense])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_somebody_else_put_there_is_never_removed(tmp_path, change, overwrite):
    out = tmp_path / "out"
    folder.save(out, pictures(3))
    change(out)
    before = below(out)
    with pytest.raises(UserError, match="holds files that are not pictures of an earlier call"):
        folder.save(out, pictures(3, 1), overwrite)
    assert below(out) == before


def test_a_list_that_names_files_elsewhere_removes_none(tmp_path):
    out = tmp_path / "out"
    folder.save(out, pictures(1))
    (tmp_path / "mine.png").write_bytes(b"mine")
    listed = json.loads((out / ".genarium.json").read_text())
    listed["files"]["../mine.png"] = ""
    (out / ".genarium.json").write_text(json.dumps(listed))
    folder.save(out, pictures(1, 1), overwrite=True)
    assert (tmp_path / "mine.png").read_bytes() == b"mine"


def test_what_a_killed_call_leaves_may_be_replaced(tmp_path, monkeypatch):
    out = tmp_path / "out"
    real = folder.png_bytes
    left = [2]

    def killed(image):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(image)

    monkeypatch.setattr(folder, "png_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.save(out, pictures(4))
    monkeypatch.setattr(folder, "png_bytes", real)
    with pytest.raises(UserError, match="holds 2 pictures"):
        folder.check(out, False)
    folder.save(out, pictures(3), overwrite=True)
    assert len(stream(out)) == 3


def test_an_empty_folder_and_one_of_litter_are_free(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".DS_Store").write_bytes(b"")
    folder.save(tmp_path / "out", pictures(2))
    assert (tmp_path / "out" / ".DS_Store").exists()


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(UserError, match="is a file"):
        folder.check(tmp_path / "out", True)
    with pytest.raises(UserError, match="--overwrite is for a folder"):
        folder.check(tmp_path / "out.png", True)
    folder.check(tmp_path / "out.png", False)


def test_such_a_folder_below_pictures_is_none_of_them(tmp_path):
    folder.save(tmp_path, pictures(2))  # the folder itself is what is asked for
    folder.save(tmp_path / "samples", pictures(3))
    scanned = scan(tmp_path)
    assert [f.name for f in scanned.files] == ["0.png", "1.png"]
    assert scanned.made == ["samples/"]
    images = stream(tmp_path)
    list(images.batches(2))
    assert "left out what genarium made: samples" in images.warnings[0]


def test_the_library_keeps_to_it(tmp_path):
    made = Samples(torch.zeros(2, 1, 4, 4), "run", 0)
    made.spec = Spec(1, 4, 4)
    made.save(tmp_path / "out")
    with pytest.raises(UserError, match="--overwrite"):
        made.save(tmp_path / "out")
    made.save(tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("verb", ["sample", "translate", "denoise", "reconstruct", "complete"])
def test_every_verb_that_writes_single_pictures_has_the_flag(verb):
    parser = argparse.ArgumentParser()
    of_signature.add_arguments(parser, verbs.catalogue()[verb].load(), [])
    assert parser.parse_args(["run", "--overwrite"]).overwrite


@pytest.mark.parametrize("verb", ["score", "invert"])
def test_the_others_write_no_folder(verb, tmp_path, capsys):
    assert cli.main([verb, str(tmp_path), "--out", str(tmp_path / "folder")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "folder").exists()


def test_the_sheet_of_translations_is_none_of_them(tmp_path):
    sheet = torch.zeros(1, 20, 20, dtype=torch.uint8)
    folder.save(tmp_path / "out", [*pictures(3), ("grid.png", sheet)])
    images = stream(tmp_path / "out")
    assert len(images) == 3
    list(images.batches(4))
    assert "left out what genarium made: grid.png" in images.warnings[0]
    (tmp_path / "out" / ".genarium.json").unlink()  # a picture of the user's of this name
    assert len(stream(tmp_path / "out")) == 4
