"""The data of a run are known by their content, in every verb that reads them."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genarium
from genarium.cli import main
from genarium.errors import UserError
from genarium.runs.configuration import read_yaml
from tests.conftest import VERBS, tiny_dataset, tiny_images, tiny_spec

TINY = ["--steps", "1", "--batch", "4", "--width", "2", "--device", "cpu", "--quiet"]

MORE = {
    "vae": ["--latent", "2"],
    "pixelcnn": ["--blocks", "0", "--levels", "2"],
    "pix2pix": ["--patch", "16", "--disc-width", "2"],
}

# How each verb reads its run's own data; OUT is a new place.
COMMANDS = {
    "resume": "resume vae --steps 2 --quiet --device cpu",
    "reconstruct": "reconstruct vae -n 4 --out OUT.png",
    "denoise": "denoise vae --noise masking:0.3 -n 4 --out OUT.png",
    "encode": "encode vae --out OUT.npz",
    "probe": "probe vae --labels 20 --out OUT.json",
    "finetune": "finetune vae --labels 8 --seeds 1 --steps 1 --batch 4 --out OUT.json",
    "cluster": "cluster vae --groups 2 --out OUT.json",
    "map": "map vae --method pca --out OUT.png",
    "translate": "translate pix2pix test:0-1 --out OUT.png",
    "complete": "complete pixelcnn test:0 --draws 1 --out OUT.png",
    "score": "score vae --out OUT.csv",
    "interpolate": "interpolate vae --from test:0 --to test:1 --steps 2 --out OUT.png",
    "arithmetic": "arithmetic vae --plus class:dark --plus test:1 --out OUT.png",
    "traverse": "traverse vae --from test:0 --steps 2 --out OUT.png",
    "manifold": "manifold vae --from test:0 --side 2 --out OUT.png",
    "decode": "decode vae test:0 --out OUT.png",
    "nearest": "nearest vae -n 20 --out OUT.png",
    "invert": "invert vae test:0 --steps 1 --restarts 1 --out OUT.png",
    "evaluate": "evaluate vae -n 4 --metrics fid",
    "compare": "compare vae -n 4 --out OUT.html",
    "diagnose": "diagnose vae -n 64 --out OUT.json",
    "show": "show vae --out OUT.png",
    "study create": "study create vae -n 2 --show 1 --practice 0 --checks 1 --out OUT",
}
NONE = {  # read no data of a run
    *("models", "data list", "data show", "data prepare", "train", "features train", "sample"),
    *("demo", "environment", "push", "study serve", "study report", "studio"),
    *("zoo list", "zoo show", "zoo fetch"),
    "export",  # but of a model without a prior: tests/export
}


def test_every_verb_is_looked_at() -> None:
    assert {*COMMANDS} | NONE == {*VERBS}
    assert not {*COMMANDS} & NONE


def paint(folder: Path, seed: int, n: int = 60) -> None:
    images, labels = tiny_images(tiny_spec(), n, seed)
    for number, (image, label) in enumerate(zip(images, labels)):
        place = folder / ("dark", "light")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(place / f"{number}.png")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/ and runs that were trained on it, named by a relative path."""
    home = tmp_path_factory.mktemp("made")
    paint(home / "photos", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for recipe, data in (
            ("vae", "photos"),
            ("pixelcnn", "photos/"),
            ("pix2pix", "pairs:a=photos,b=./photos"),
        ):
            flags = ["--data", data, *TINY, *MORE[recipe]]
            assert main(["train", recipe, *flags, "--out", recipe]) == 0
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `made` at the path that it had at training; other/ has a photos/ of its own."""
    kept = tmp_path / "kept"
    shutil.copytree(made, kept)
    paint(tmp_path / "other" / "photos", 9, 8)
    monkeypatch.chdir(tmp_path / "other")
    yield made
    shutil.rmtree(made)
    shutil.copytree(kept, made)


def places(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.suffix != ".lock")


@pytest.mark.parametrize("verb", COMMANDS)
def test_by_content_and_not_by_name(
    verb: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = itertools.count()

    def go(status: int, *more: str) -> str:
        out = tmp_path / f"out-{next(number)}-"
        words = [word.replace("OUT", str(out)) for word in COMMANDS[verb].split()]
        place = len(verb.split())
        words[place] = str(home / words[place])
        before = places(home)
        capsys.readouterr()
        assert main([*words, *more]) == status, capsys.readouterr().err
        result = capsys.readouterr()
        if status:
            assert result.out == ""
            assert len(result.err.splitlines()) == 1, result.err
            assert places(home) == before
            assert not list(tmp_path.glob(f"{out.name}*"))
        return result.err

    # unchanged, from a working directory that has another folder of that name
    assert "changed" not in go(0)
    # moved: the other folder is not taken for it
    moved = tmp_path / "moved"
    (home / "photos").rename(moved)
    assert "are not there: put them back, or say with --data" in go(2)
    pairs = "pairs:a={0},b={0}" if verb == "translate" else "{0}"
    if verb != "study create":  # whose --data names any real pictures
        assert "not what" in go(2, "--data", pairs.format("photos"))
        assert "does not exist" in go(2, "--data", pairs.format("nowhere"))
    assert "changed" not in go(0, "--data", pairs.format(moved))
    # files are missing: the splits move. A run that was resumed has its data where they were named
    now = moved if verb == "resume" else moved.rename(home / "photos")
    for file in sorted((now / "dark").iterdir())[:6]:
        file.unlink()
    assert "changed since" in go(2)
    message = go(0, "--accept-changes")
    assert "(60 images then, 54 now)" in message


def test_a_run_and_its_data_may_move_together(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made, tmp_path / "all")
    shutil.move(made / "photos", tmp_path / "away")
    try:
        monkeypatch.chdir(tmp_path / "all")
        assert len(genarium.load("vae").dataset().train) == 48
        assert genarium.load("pix2pix").dataset().spec.paired
    finally:
        shutil.move(tmp_path / "away", made / "photos")


def test_runs_of_earlier_versions_hold_a_relative_path(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made / "vae", tmp_path / "vae")
    about = json.loads((made / "vae" / "run.json").read_text())
    del about["data"]["given"]
    del about["sha256"]  # they had no checksums either
    (tmp_path / "vae" / "run.json").write_text(json.dumps(about))
    config = (made / "vae" / "config.yaml").read_text().replace(str(made / "photos"), "photos")
    lines = [line for line in config.splitlines(True) if not line.startswith("#")]
    (tmp_path / "vae" / "config.yaml").write_text("".join(lines))
    monkeypatch.chdir(made)
    assert len(genarium.load(tmp_path / "vae").dataset().train) == 48
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"the data of .*vae \(photos\) are not there"):
        genarium.load(tmp_path / "vae").dataset()
    paint(tmp_path / "photos", 9)
    with pytest.raises(UserError, match="changed since"):
        genarium.load(tmp_path / "vae").dataset()


def test_a_relative_path_is_resolved_when_the_run_is_made(made: Path) -> None:
    data = {name: read_yaml(made / name / "config.yaml")["data"] for name in ("vae", "pix2pix")}
    assert data["vae"]["source"] == str(made / "photos")
    photos = made / "photos"
    assert data["pix2pix"]["source"] == f"pairs:a={photos},b={photos}"


def test_a_dataset_is_asked_for_again(tmp_path: Path) -> None:
    """A run that was given a `Dataset` in Python has nothing to read."""
    data = tiny_dataset()
    run = genarium.train("vae", data, out=tmp_path / "run", steps=1, batch=4, width=2, latent=2)
    assert run.dataset() is data
    with pytest.raises(UserError, match="given in Python"):
        genarium.load(tmp_path / "run").dataset()
    assert genarium.load(tmp_path / "run", data=data).dataset() is data
    assert genarium.evaluate(tmp_path / "run", data=data, n=4, metrics="fid").rows
    assert genarium.resume(tmp_path / "run", data=data, steps=2).step == 2
    other = tiny_dataset(n=32)
    other.manifest = "1" * 64
    with pytest.raises(UserError, match="not what"):
        genarium.load(tmp_path / "run", data=other).dataset()
    with pytest.warns(UserWarning, match="may be among the test images"):
        assert genarium.load(tmp_path / "run", data=other, accept_changes=True).dataset() is other
    other = tiny_dataset(3)
    other.manifest = "1" * 64
    with pytest.raises(UserError, match="its images are 3x16x16"):
        genarium.load(tmp_path / "run", data=other, accept_changes=True).dataset()


def test_a_loaded_dataset_is_known_by_where_it_was(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given in Python, but loaded from a folder: its policy is that of the run."""
    monkeypatch.chdir(made)
    options = genarium.data.DataOptions(size="12", fit="pad", background="black")
    data = genarium.data.load("photos", options)
    run = genarium.train("vae", data, out=tmp_path / "run", steps=1, batch=4, width=2, latent=2)
    assert run.data_options().fit == "pad"
    assert run.data_options().colour == (0, 0, 0)
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(genarium.load(run.path).dataset().test.images, data.test.images)
