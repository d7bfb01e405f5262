"""The folder of a study: balanced, written whole or not at all, and telling nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image

import genarium
from genarium.cli import main
from genarium.contract import to_uint8
from genarium.errors import UserError
from genarium.recipes import get
from genarium.study import manifest as manifests
from genarium.study.create import create, scrambled
from genarium.training.order import derive
from tests.conftest import tiny_dataset


def pixels(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        return torch.tensor(list(image.tobytes()), dtype=torch.uint8).view(1, *image.size[::-1])


def test_as_many_real_pictures_as_fakes(made: Path) -> None:
    manifest = manifests.read(made)
    result = Counter((p.truth, p.practice) for p in manifest.pictures)
    assert result == {
        ("real", False): 20,
        ("fake", False): 20,
        ("real", True): 2,
        ("fake", True): 2,
    }
    assert manifest.trials == 40
    reals = [p.row for p in manifest.pictures if p.truth == "real"]
    assert len(set(reals)) == len(reals), "no real picture is there twice"


def test_pictures_are_those_of_the_test_split_and_of_the_run(made: Path, tiny_run: Path) -> None:
    test = tiny_dataset().test.images
    samples = to_uint8(genarium.load(tiny_run).sample(22, seed=derive(0, "study", 0)))
    for picture in manifests.read(made).pictures:
        wanted = (test if picture.truth == "real" else samples)[picture.row]
        assert torch.equal(pixels(made / "pictures" / picture.name), wanted)


def test_files_tell_nothing_but_their_pixels(made: Path) -> None:
    names = sorted(path.name for path in (made / "pictures").iterdir())
    manifest = manifests.read(made)
    assert names == sorted(manifest.by_name)
    assert all(re.fullmatch(r"[0-9a-f]{16}\.png", name) for name in names)
    for name in names:
        with Image.open(made / "pictures" / name) as image:
            assert image.info == {}
            assert image.mode == "L"
    listed = [p.truth for p in manifest.pictures]
    assert listed != sorted(listed), "the manifest's order is shuffled, so is that of the names"


def test_the_seed_decides_the_pictures_and_not_their_names(
    made: Path, tiny_run: Path, tmp_path: Path
) -> None:
    first = manifests.read(made)
    again = create([tiny_run], tiny_dataset(), out=tmp_path / "a", n=20, practice=4, checks=2)
    other = create([tiny_run], tiny_dataset(), out=tmp_path / "b", n=20, practice=4, seed=1)
    sums = [sorted(p.sha256 for p in each.pictures) for each in (first, again, other)]
    assert sums[0] == sums[1] != sums[2]
    assert not set(first.by_name) & set(again.by_name)


def test_several_models_share_the_practice_round(tiny_run: Path, tmp_path: Path) -> None:
    made = create([tiny_run, tiny_run], tiny_dataset(), out=tmp_path / "s", n=4, practice=6)
    assert [model.name for model in made.models] == ["tiny", "tiny (2)"]
    practice = Counter(p.model for p in made.pictures if p.practice)
    assert practice == {None: 3, 0: 2, 1: 1}
    assert Counter(p.model for p in made.pictures if not p.practice) == {None: 8, 0: 4, 1: 4}


def test_masks_have_the_spectrum_and_not_the_picture(made_timed: Path) -> None:
    manifest = manifests.read(made_timed)
    assert len(manifest.masks) == 8
    assert manifest.shown == 10
    # away from 0 and 255, where clamping would change the spectrum
    images = tiny_dataset().test.images[:4].float()
    images = ((images - images.mean((2, 3), keepdim=True)) / 6 + 128).round().to(torch.uint8)
    masks = scrambled(images, seed=0)
    ours, theirs = (torch.fft.rfft2(x.float()).abs().flatten(1) for x in (images, masks))
    for a, b, x, y in zip(ours, theirs, images.float(), masks.float()):
        assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.99
        assert torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1].abs() < 0.6
        assert abs(x.mean() - y.mean()) < 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 70, "show": 2}, "72 real pictures are needed, its test split has 64: lower -n"),
        ({"n": 4, "show": 5}, "--show 5: of the -n 4 pictures"),
    ],
)
def test_impossible_wishes_are_one_line(
    tiny_run: Path, tmp_path: Path, settings: dict[str, int], message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        create([tiny_run], tiny_dataset(), out=tmp_path / "s", practice=4, **settings)
    assert list(tmp_path.iterdir()) == []


def test_models_must_sample_pictures_of_one_size(tiny_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    genarium.train("vae", tiny_dataset(size=8), out=other, steps=1, batch=8, **get("vae").tiny)
    with pytest.raises(UserError, match=r"8x8 in 1 channel and .* of 16x16 in 1 channel"):
        create([tiny_run, other], tiny_dataset(), out=tmp_path / "s")
    with pytest.raises(UserError, match="tiny has pictures of 8x8"):
        create([tiny_run], tiny_dataset(size=8), out=tmp_path / "s")
    plain = tmp_path / "plain"
    recipe = get("autoencoder")
    genarium.train("autoencoder", tiny_dataset(), out=plain, steps=1, batch=8, **recipe.tiny)
    with pytest.raises(UserError, match="cannot sample"):
        create([plain], tiny_dataset(), out=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_folder_in_use_is_left_alone(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"--out .* is there already"):
        create([tiny_run], tiny_dataset(), out=tmp_path / "s", n=4)
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["mine.txt"]


def test_a_failed_write_leaves_nothing(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genarium.study.store.create", full)
    with pytest.raises(UserError, match="no space left on device"):
        create([tiny_run], tiny_dataset(), out=tmp_path / "s", n=4, practice=0)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_or_missing_picture_is_noticed(study: Path) -> None:
    picture = next((study / "pictures").iterdir())
    picture.write_bytes(picture.read_bytes() + b"x")
    with pytest.raises(UserError, match=f"{picture.name} was changed"):
        manifests.read(study)
    picture.unlink()
    with pytest.raises(UserError, match=f"{picture.name} cannot be read"):
        manifests.read(study)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 9}'])
def test_a_damaged_manifest_is_one_line(study: Path, text: str) -> None:
    (study / "study.json").write_text(text)
    with pytest.raises(UserError, match=r"study\.json"):
        manifests.read(study)


def test_a_folder_that_is_no_study_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("serve", "report"):
        assert main(["study", verb, str(tmp_path)]) == 2
        assert "is no study" in capsys.readouterr().err


def test_the_command_makes_what_the_library_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    arguments = ["--data", "digits", "--size", "16", "--steps", "1", "--batch", "8", "--quiet"]
    assert main(["train", "vae", *arguments, "--out", str(run)]) == 0
    out = tmp_path / "study"
    capsys.readouterr()
    command = [
        "study",
        "create",
        str(run),
        "--data",
        "digits",
        "--out",
        str(out),
        "-n",
        "3",
        "--json",
    ]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 6
    manifest = manifests.read(out)
    assert manifest.size == (16, 16)
    name = manifest.pictures[0].name
    data = (out / "pictures" / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == manifest.pictures[0].sha256
