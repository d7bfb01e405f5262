import os
import sys
import unicodedata

import pytest

from genarium.data.layout import arrange
from genarium.data.names import shown
from genarium.data.scan import scan
from genarium.errors import UserError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder):
    return [scanned.name for scanned in scan(folder).files]


def test_litter_is_passed_over_and_other_files_are_counted(tmp_path):
    touch(tmp_path, "a.png", "b.JPG", ".DS_Store", "._a.png", "Thumbs.db", "desktop.ini")
    touch(tmp_path, "__MACOSX/a.png", ".git/b.png", "notes.txt", "sub/labels.csv")
    scanned = scan(tmp_path)
    assert [f.name for f in scanned.files] == ["a.png", "b.JPG"]
    assert scanned.others == 2
    assert scanned.folders == {"sub"}


def test_loops_and_aliases_are_visited_once(tmp_path):
    touch(tmp_path, "real/a.png", "real/deep/b.png")
    for alias in ("again", "zebra"):  # sorted before and after the real one
        (tmp_path / alias).symlink_to(tmp_path / "real")
    (tmp_path / "real/up").symlink_to(tmp_path)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    scanned = scan(tmp_path)
    assert [f.name for f in scanned.files] == ["real/a.png", "real/deep/b.png", "self.png"]
    assert sorted(scanned.aliases) == ["again", "real/up", "zebra"]


def test_linked_folders_and_files_from_elsewhere_are_followed(tmp_path):
    touch(tmp_path / "elsewhere", "x.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cats").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/one.png").symlink_to(tmp_path / "elsewhere/x.png")
    assert names(tmp_path / "photos") == ["cats/x.png", "one.png"]


ODD = ["emoji-🎲.png", "new\nline.png", "quote'\".png", "a" * 251 + ".png", " .png", "ü.png"]


def test_odd_names_have_a_stable_order(tmp_path):
    touch(tmp_path, *ODD)
    assert names(tmp_path) == sorted(ODD)
    assert all("\n" not in shown(name) for name in names(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems change or refuse these names")
def test_names_that_are_no_utf8_and_two_unicode_forms(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.png", "wb"):  # noqa: PTH123
        pass
    composed, split = unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png")
    touch(tmp_path, composed, split)
    scanned = scan(tmp_path)
    assert [f.name for f in scanned.files][:2] == [composed, composed]
    assert len({f.path for f in scanned.files}) == 3
    assert shown(scanned.files[2].name) == "\\xff\\xfe.png"


def test_an_unreadable_folder_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path, "locked/a.png")
    real = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match="locked: the folder cannot be read"):
        scan(tmp_path)


def test_flat_folders_have_no_labels():
    layout = arrange(["a.png", "b.png"], set())
    assert layout.labels is None
    assert layout.splits == [None, None]
    assert not layout.warnings


def test_sub_folders_become_classes():
    layout = arrange(["cat/1.png", "dog/deep/2.png", "cat/3.png"], {"cat", "dog", "dog/deep"})
    assert layout.classes == ("cat", "dog")
    assert layout.labels == [0, 1, 0]
    assert not layout.warnings


def test_images_beside_class_folders_switch_labels_off():
    layout = arrange(["cat/1.png", "2.png"], {"cat"})
    assert layout.labels is None
    assert "no labels" in layout.warnings[0]


def test_empty_class_folders_are_named():
    layout = arrange(["cat/1.png"], {"cat", "dog", "cat/sub"})
    assert layout.classes == ("cat",)
    assert "dog" in layout.warnings[0]
    layout = arrange(["train/cat/1.png", "test/cat/2.png"], {"train", "test", "test/dog"})
    assert "test/dog" in layout.warnings[0]


@pytest.mark.parametrize("valid", ["val", "valid", "validation", "Val"])
def test_split_folders(valid):
    files = ["train/cat/1.png", f"{valid}/dog/2.png", "Test/cat/3.png"]
    layout = arrange(files, set())
    assert layout.splits == ["train", "validation", "test"]
    assert layout.classes == ("cat", "dog")
    assert layout.labels == [0, 1, 0]


def test_train_alone_is_a_split_only_when_everything_is_in_it():
    assert arrange(["train/a.png", "train/b.png"], set()).splits == ["train", "train"]
    vehicles = arrange(["train/a.png", "bus/b.png"], set())
    assert vehicles.splits == [None, None]
    assert vehicles.classes == ("bus", "train")


def test_images_outside_the_splits_are_left_out():
    layout = arrange(["train/a.png", "test/b.png", "preview.png", "more/c.png"], set())
    assert layout.splits == ["train", "test", "", ""]
    assert "2 images lie outside" in layout.warnings[0]
