"""Folders named like splits are splits, in any spelling and at any level, and said otherwise."""

import io
import itertools
import logging
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from genarium import data
from genarium.data import DataOptions
from genarium.data.api import collect
from genarium.data.collection import fingerprint
from genarium.data.files.wide import inspected as inspect
from genarium.data.layout import SPLIT_NAMES, arrange
from genarium.data.scan import scan
from genarium.errors import UserError

from .conftest import noise

CASES = (str.lower, str.upper, str.title)
TRAIN = [name for name, split in SPLIT_NAMES.items() if split == "train"]
OTHERS = [name for name, split in SPLIT_NAMES.items() if split != "train"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("above", ["", "photos/", "a/b/"])
@pytest.mark.parametrize(("train", "other"), itertools.product(TRAIN, OTHERS))
def test_every_name_of_a_split_at_every_level(train, other, above, case):
    names = [f"{above}{case(train)}/cat/1.png", f"{above}{case(other)}/dog/2.png"]
    layout = arrange(names, set())
    assert layout.splits == ["train", SPLIT_NAMES[other]]
    assert layout.classes == ("cat", "dog")
    assert layout.labels == [0, 1]
    assert not layout.warnings
    assert not layout.error


def test_splits_in_each_class_folder():
    names = ["cat/train/1.png", "cat/test/2.png", "dog/Train/3.png", "dog/Test/4.png"]
    layout = arrange(names, set())
    assert layout.splits == ["train", "test"] * 2
    assert layout.classes == ("cat", "dog")
    assert layout.labels == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["cat/1.png", "dog/2.png", "test/3.png"], "test/ lies beside cat/, dog/"),
        (["cat/1.png", "Testing/3.png"], "testing/ lies beside cat/"),
        (["photos/cat/1.png", "photos/test/3.png"], "test/ lies beside cat/"),
        (["1.png", "test/3.png"], "test/ lies beside single images"),
        (["test/1.png", "test/2.png"], "holds test/ and no train/"),
        (["val/1.png", "test/2.png"], "holds test/ and val/ and no train/"),
    ],
)
def test_a_test_folder_without_training_images_is_refused(names, words):
    error = arrange(names, set()).error
    assert words in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["train/1.png", "bus/2.png"], ("bus", "train")),  # vehicles
        (["valid/1.png", "invalid/2.png"], ("invalid", "valid")),
        (["cat/train/1.png", "cat/test/2.png", "dog/3.png"], ("cat", "dog")),
    ],
)
def test_what_is_named_like_a_split_and_is_none_is_said(names, classes):
    layout = arrange(names, set())
    assert layout.classes == classes
    assert set(layout.splits) == {None}
    (warning,) = layout.warnings
    assert "named like a split" in warning


def folder(root: Path, names: dict[str, int]) -> Path:
    for name, seed in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(seed)).save(root / name)
    return root


def counts(dataset) -> list[int]:
    return [len(dataset.split(split)) for split in ("train", "validation", "test")]


def test_validation_is_cut_from_training_where_it_is_missing(tmp_path):
    names = {f"photos/Training/cat/{k}.png": k for k in range(20)}
    names |= {f"photos/Testing/dog/{k}.png": 50 + k for k in range(6)}
    dataset = data.load(str(folder(tmp_path / "set", names)))
    assert counts(dataset) == [18, 2, 6]
    assert dataset.spec.classes == ("cat", "dog")
    assert dataset.test.labels.tolist() == [1] * 6
    assert "validation cut from train/" in dataset.info["splits"]


def test_an_image_in_two_of_them_is_refused_unless_allowed(tmp_path):
    names = {f"Training/{k}.png": k for k in range(12)} | {"Testing/copy.png": 3}
    root = str(folder(tmp_path / "set", names))
    with pytest.raises(UserError, match=r"1 images are in more than one split.*--allow-overlap"):
        data.load(root)
    assert counts(data.load(root, DataOptions(allow_overlap=True)))[2] == 1


def test_in_an_archive(tmp_path):
    names = {f"set/Training/{k}.png": k for k in range(12)} | {"set/Testing/x.png": 40}
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
        for name, seed in names.items():
            stream = io.BytesIO()
            Image.fromarray(noise(seed)).save(stream, "PNG")
            out.writestr(name, stream.getvalue())
    assert counts(data.load(str(tmp_path / "x.zip"))) == [11, 1, 1]


def test_pairs_sides_and_captions_follow_the_same_rule(tmp_path):
    names = {f"Training/{k}.png": k for k in range(12)}
    names |= {f"Testing/{k}.png": 30 + k for k in range(4)}
    a, b = folder(tmp_path / "a", names), folder(tmp_path / "b", names)
    assert counts(data.load(f"pairs:a={a},b={b}")) == [11, 1, 4]
    assert counts(data.load(f"side-by-side:dir={a}")) == [11, 1, 4]
    both = data.load(f"unpaired:a={a},b={b}")
    assert counts(both) == [11, 1, 4]
    assert len(both.test.domain("b")) == 4
    (a / "Testing" / "0.TXT").write_text("a word")
    captioned = data.load(str(a))
    assert counts(captioned) == [11, 1, 4]
    assert [c for c in captioned.test.captions if c] == ["a word"]


def test_unpaired_folders_of_any_case(tmp_path):
    names = {}
    for number, (split, side) in enumerate(itertools.product(("Train", "testing"), "AB")):
        names |= {f"{split}{side}/{k}.png": 100 * number + k for k in range(6)}
    both = data.load(f"unpaired:dir={folder(tmp_path / 'set', names)}")
    assert counts(both)[2] == len(both.test.domain("b")) == 6


@pytest.mark.parametrize("above", ["", "cat/", "train/"])
def test_identities_of_other_folders_are_what_they_were(tmp_path, above):
    """Runs of earlier versions know their data again."""
    names = {f"{above}{k}.png": k for k in range(8)}
    if above == "train/":
        names |= {"test/x.png": 30}
    root = folder(tmp_path / "set", names)
    files = scan(root).files
    expected = fingerprint([[f.name, inspect(f.path).sha256, True] for f in files])
    assert collect(str(root), DataOptions())[1].identity == expected


def test_identities_of_new_splits_are_new(tmp_path):
    """The cache of an earlier version, with these folders as classes, is not taken."""
    root = folder(tmp_path / "set", {"Training/1.png": 1, "Training/2.png": 2, "Testing/3.png": 3})
    files = scan(root).files
    before = fingerprint([[f.name, inspect(f.path).sha256, True] for f in files])
    assert collect(str(root), DataOptions())[1].identity != before


# ------------------------------------------------------------- what the program made itself


MADE = {
    "a run": {"run.json": "{}", "config.yaml": ""},
    "a run without its configuration": {"run.json": "{}", "checkpoints/x": ""},
    "pictures of a verb": {".genarium.json": "{}"},
    "a study": {"study.json": "{}"},
}


@pytest.mark.parametrize(
    ("what", "kind"),
    # of an archive's run the checkpoints stay packed: it is known by its configuration
    [*((what, "folder") for what in MADE), *((w, "zip") for w in MADE if "without" not in w)],
)
def test_what_the_program_made_is_no_data(ten, tmp_path, caplog, what, kind):
    files = MADE[what]
    made = {f"runs/x/{name}": text.encode() for name, text in files.items()}
    inside = folder(tmp_path / "made", {"runs/x/samples/1.png": 77, "runs/x/2.png": 78})
    for path in inside.rglob("*.png"):
        made[path.relative_to(inside).as_posix()] = path.read_bytes()
    for name, content in made.items():
        (ten / name).parent.mkdir(parents=True, exist_ok=True)
        (ten / name).write_bytes(content)
    source = ten
    if kind == "zip":
        source = tmp_path / "x.zip"
        with zipfile.ZipFile(source, "w") as out:
            for path in (p for p in ten.rglob("*") if p.is_file()):
                out.write(path, path.relative_to(ten))
    with caplog.at_level(logging.WARNING, "genarium.data"):
        dataset = data.load(str(source))
    assert sum(counts(dataset)) == 10
    assert "left out what genarium made, no data: runs/x/" in caplog.text


def test_a_run_s_own_folder_is_refused_and_one_inside_it_may_be_named(ten):
    (ten / "run.json").write_text("{}")
    (ten / "config.yaml").write_text("")
    with pytest.raises(UserError, match="this is the folder of a run"):
        data.load(str(ten))
    folder(ten / "inside", {f"{k}.png": k for k in range(10)})
    assert sum(counts(data.load(str(ten / "inside")))) == 10
    (ten / "config.yaml").unlink()  # a file of the user's that has the name of ours
    assert sum(counts(data.load(str(ten)))) == 20


def test_nothing_but_runs_says_so(tmp_path):
    folder(tmp_path / "set", {"runs/1.png": 1})
    for name in ("run.json", "config.yaml"):
        (tmp_path / "set" / "runs" / name).write_text("")
    with pytest.raises(UserError, match=r"no images.*left out what genarium made: runs/"):
        data.load(str(tmp_path / "set"))


# ---------------------------------------------------------------------- splits without images


@pytest.mark.parametrize(("seeds", "words"), [([1], "1 image"), ([1] * 5, "5 images, 1 of them")])
def test_one_picture_and_its_copies_are_said(tmp_path, caplog, seeds, words):
    root = folder(tmp_path / "set", {f"{k}.png": seed for k, seed in enumerate(seeds)})
    with caplog.at_level(logging.WARNING, "genarium.data"):
        dataset = data.load(str(root))
    assert counts(dataset) == [len(seeds), 0, 0]
    assert "no image is left for validation and test" in caplog.text
    assert words in caplog.text
