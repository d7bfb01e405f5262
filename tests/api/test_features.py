"""The verbs on codes, `translate` and `score`: the function and the command give the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import genarium
from genarium import features
from genarium.cli import main
from genarium.contract import to_uint8
from genarium.data.choice import fair_rows
from genarium.errors import UserError
from tests.conftest import tiny_images, tiny_spec

SMALL: dict[str, dict[str, Any]] = {
    "vae": {"latent": 2},
    "pixelcnn": {"blocks": 0, "levels": 2},
    "pix2pix": {"patch": 16, "disc_width": 2},
    "gan": {},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/ of two classes, and a run of each recipe on it."""
    home = tmp_path_factory.mktemp("home")
    for number, (image, label) in enumerate(zip(*tiny_images(tiny_spec(), 60))):
        place = home / "photos" / ("dark", "light")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(place / f"{number}.png")
    for recipe, settings in SMALL.items():
        photos = home / "photos"
        data = f"pairs:a={photos},b={photos}" if recipe == "pix2pix" else photos
        genarium.train(
            recipe, data, out=home / recipe, steps=1, batch=4, width=2, device="cpu", **settings
        )
    return home


# verb: its run, what is given by place and by name, the same as flags, the ending of what it writes
Call = tuple[str, tuple[str, ...], dict[str, Any], str, str]
CALLS: dict[str, Call] = {
    "encode": ("vae", (), {"split": "test"}, "--split test", ".csv"),
    "encode all": ("vae", (), {}, "", ".npz"),
    "encode photos": ("vae", ("photos",), {"device": "cpu"}, "--device cpu", ".npz"),
    "encode one": ("vae", ("test:0-2",), {}, "", ".csv"),
    "probe": ("vae", (), {"labels": 20, "seed": 3}, "--labels 20 --seed 3", ".json"),
    "probe all": ("vae", ("photos",), {"labels": "all"}, "--labels all", ".json"),
    "finetune": (
        "vae",
        (),
        {"labels": (8, "all"), "seeds": 2, "steps": 2, "batch": 4, "lr": 0.01},
        "--labels 8,all --seeds 2 --steps 2 --batch 4 --lr 0.01",
        ".json",
    ),
    "cluster": ("vae", (), {"groups": 3, "n": 30}, "--groups 3 -n 30", ".json"),
    "map": ("vae", (), {"perplexity": 1.0}, "--perplexity 1", ".png"),
    "map plane": ("vae", (), {"method": "pca", "n": 5}, "--method pca -n 5", ".png"),
    "translate": ("pix2pix", (["test:0", "test:2"],), {"seed": 1}, "--seed 1", ".png"),
    "translate all": ("pix2pix", (), {"direction": "a2b"}, "--direction a2b", ".npz"),
    "translate photos": ("pix2pix", (["photos"],), {}, "", ""),
    "score": ("pixelcnn", (), {}, "", ".csv"),
    "score apart": (
        "vae",
        (["test:0-3"],),
        {"against": ["test:4", "test:5"], "k": 3, "seed": 2},
        "--k 3 --seed 2 --against test:4 test:5",
        ".csv",
    ),
}


def facts(result: dict[str, Any]) -> dict[str, Any]:
    """Without the places, and the seconds that differ from call to call."""
    return {
        k: v
        for k, v in result.items()
        if k not in ("out", "picture", "table", "sheets") and "seconds" not in k
    }


def files(path: Path) -> dict[str, bytes]:
    """What was written at a path, and beside it under the same name."""
    some = path.rglob("*.png") if path.is_dir() else path.parent.glob(f"{path.stem}.*")
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in some}


@pytest.mark.parametrize("case", CALLS)
def test_function_and_command_are_one(
    case: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(home)
    verb, (run, given, settings, flags, suffix) = case.split()[0], CALLS[case]
    result = getattr(genarium, verb)(run, *given, **settings)
    mine, theirs = tmp_path / "mine" / f"out{suffix}", tmp_path / "theirs" / f"out{suffix}"
    assert result.save(mine) == mine
    words = [word for part in given for word in ([part] if isinstance(part, str) else part)]
    capsys.readouterr()
    assert main([verb, run, *words, *flags.split(), "--out", str(theirs), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert facts(record) == facts(json.loads(json.dumps(result.to_dict())))
    assert record["out"] == str(theirs)
    assert result.facts()["out"] == str(mine)
    assert files(mine)
    assert files(mine) == files(theirs)
    # and for people: a text that a notebook shows too
    capsys.readouterr()
    more = ["--overwrite"] if not suffix else []
    assert main([verb, run, *words, *flags.split(), "--out", str(theirs), *more]) == 0
    assert repr(result) in capsys.readouterr().out
    assert repr(result) == result.text()
    assert result._repr_html_().startswith("<")


@pytest.mark.parametrize("case", [case for case in CALLS if " " not in case])
def test_each_is_kept_in_the_run_folder(
    case: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same place for both, and a loaded run is as good as its path."""
    run, given, settings, flags, _ = CALLS[case]
    monkeypatch.chdir(home.parent)
    loaded = genarium.load(home / run)
    result = getattr(genarium, case)(loaded, *given, **settings)
    place = result.save()
    assert place == home / run / type(result).NAME
    kept = files(place)
    more = ["--overwrite"] if case == "translate" else []
    words = [word for part in given for word in part]
    assert main([case, str(home / run), *words, *flags.split(), *more]) == 0
    assert str(place) in capsys.readouterr().out
    assert files(place) == kept


def test_a_folder_of_translations_is_refused_before_anything_is_computed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from genarium.runs.trained import Trained

    run = home / "pix2pix"
    genarium.translate(run).save(overwrite=True)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr(Trained, "translate", fail)
    assert main(["translate", str(run)]) == 2
    assert "replace them with --overwrite" in capsys.readouterr().err


def test_codes_are_a_table(home: Path, tmp_path: Path) -> None:
    run = genarium.load(home / "vae")
    data = run.dataset()
    result = genarium.encode(run)
    assert len(result) == len(result.names) == 60
    assert result.codes.shape == (60, 2)
    assert result.classes == ("dark", "light")
    assert result.labels is not None
    assert torch.equal(result.labels[-len(data.test) :], data.test.labels)
    known = result.class_names()
    assert known is not None
    assert all(name.split("/")[0] == label for name, label in zip(result.names, known))
    assert result.names[0] in result._repr_html_()
    # what features.write took before, and reads back
    features.write(result, tmp_path / "a.npz")
    again = features.read(result.save(tmp_path / "b.npz"))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert torch.equal(again.codes, result.codes)
    assert again.names == result.names


def test_splits_are_named_in_several_ways(home: Path) -> None:
    run = genarium.load(home / "vae")
    both = genarium.encode(run, split=("validation", "test"))
    assert len(both) == 12
    for same in (
        genarium.encode(run, split="validation,test"),
        genarium.encode(run, splits=("validation", "test")),
        genarium.encode(run, home / "photos", split=["validation", "test"]),
        genarium.encode(run, run.dataset(), split=["validation", "test"]),
    ):
        assert same.names == both.names
        assert torch.equal(same.codes, both.codes)
    assert len(genarium.encode(run, splits=("train", "validation", "test"))) == 60


def test_pictures_of_every_kind_have_codes(home: Path) -> None:
    run = genarium.load(home / "vae")
    paths = sorted((home / "photos" / "dark").iterdir())[:3]
    expected = genarium.encode(run, home / "photos" / "dark").codes
    by_path = genarium.encode(run, paths)
    assert by_path.names == [str(path) for path in paths]
    by_pillow = genarium.encode(run, [Image.open(path) for path in paths])
    assert by_pillow.names == ["0", "1", "2"]
    assert by_pillow.labels is None
    assert torch.equal(by_pillow.codes, by_path.codes)
    one = genarium.encode(run, paths[0])
    assert one.names == [str(paths[0])]
    assert len(expected) > 3


def test_the_figures_are_attributes(home: Path) -> None:
    run = home / "vae"
    probes = genarium.probe(run, labels=20)
    assert probes.codes is probes.features["codes"]
    assert probes.codes.labels == 20
    clusters = genarium.cluster(run, n=30)
    assert clusters.count == 2
    assert {*clusters.results} == {"k-means", "mixture"}
    assert len(clusters.results["mixture"].groups) == clusters.test
    tuned = genarium.finetune(run, labels=8, seeds=1, steps=1, batch=4)
    assert [r.labels for r in tuned.results] == [8]
    assert tuned.seeds == (0,)


@pytest.mark.parametrize("labels", ["8,all", [8, "all"], (8, "all"), ["8", "all"]])
def test_labels_of_finetune(labels: Any, home: Path) -> None:
    lines: list[str] = []
    result = genarium.finetune(
        home / "vae", labels=labels, seeds=1, steps=1, batch=4, progress=lines.append
    )
    assert [r.labels for r in result.results] == [8, 48]
    assert [line.split(" labels")[0] for line in lines] == ["8", "8", "48", "48"]


def test_a_map_is_its_picture(home: Path, tmp_path: Path) -> None:
    import numpy as np

    result = genarium.map(home / "vae", method="pca")
    (panel,) = result.panels
    assert panel.title == "the code itself"
    assert torch.equal(panel.places, result.codes)
    assert result.image.shape[0] == 3
    saved = np.asarray(Image.open(result.save(tmp_path / "map.png")).convert("RGB"))
    assert np.array_equal(saved, result.image.permute(1, 2, 0).numpy())
    assert result._repr_png_() == (tmp_path / "map.png").read_bytes()


def test_translations_stand_beside_their_originals(home: Path) -> None:
    run = genarium.load(home / "pix2pix")
    test = run.dataset().test
    result = genarium.translate(run)
    rows = fair_rows(test)
    assert torch.equal(result.originals, test.images[rows])
    assert result.names == [f"test:{row}" for row in rows.tolist()]
    assert torch.equal(result.images, run.translate(test.images[rows]))
    assert result.third_is == "target"
    assert torch.equal(result.third, test.domain("b")[rows])
    pixels = genarium.translate(run, test.images[:2])
    assert pixels.names == ["0", "1"]
    assert (pixels.third, pixels.third_is) == (None, "")  # nobody knows their pairs


def test_likelihoods_are_a_table_and_a_picture(home: Path) -> None:
    run = genarium.load(home / "pixelcnn")
    test = run.dataset().test.images
    result = genarium.score(run, test[:4], against=255 - test[:3])
    assert torch.equal(result.nats, run.score(torch.cat([test[:4], 255 - test[:3]])))
    assert (result.own, len(result.names), result.exact) == (4, 7, True)
    pairs = [(a > b) + (a == b) / 2 for a in result.nats[:4] for b in result.nats[4:]]
    assert result.auroc == pytest.approx(float(sum(pairs)) / 12)
    nats = [n for _, n, _ in result.rows()]
    assert nats == sorted(nats)
    assert result.rows()[0][2] == pytest.approx(-nats[0] / (256 * 0.693147), rel=1e-5)
    assert genarium.score(run, test[:4]).auroc is None
    assert "auroc" not in genarium.score(run, test[:4]).to_dict()
    assert result.image.dtype == torch.uint8
    assert to_uint8(run.sample(1)).shape[1:] == result.images.shape[1:]


MISTAKES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a model": (lambda home: genarium.encode(home / "gan"), "cannot encode"),
    "a split": (lambda home: genarium.encode(home / "vae", split="tests"), "split tests: choose"),
    "splits of one file": (
        lambda home: genarium.encode(home / "vae", "test:0", split="test"),
        "test:0: has no splits: leave split out",
    ),
    "two sources": (
        lambda home: genarium.probe(home / "vae", "digits", data=home / "photos"),
        "is of the run's own data, and digits was given instead",
    ),
    "labels": (lambda home: genarium.probe(home / "vae", labels="few"), "labels few: give a"),
    "too many": (
        lambda home: genarium.finetune(home / "vae", labels=[1, 99]),
        "labels 99: there are 48",
    ),
    "no whole number": (lambda home: genarium.probe(home / "vae", labels=2.5), "labels 2.5"),
    "groups": (lambda home: genarium.cluster(home / "vae", groups=9, n=5), "groups 9: there are"),
    "perplexity": (
        lambda home: genarium.map(home / "vae", perplexity=30),
        "perplexity 30: t-SNE needs",
    ),
    "few": (lambda home: genarium.map(home / "vae", n=3), "n 3: give a number of at least 4"),
    "direction": (
        lambda home: genarium.translate(home / "pix2pix", direction="b2a"),
        "direction b2a: ",
    ),
    "from": (lambda home: genarium.score(home / "vae", from_dir="x"), "from_dir x: say against"),
    "k": (lambda home: genarium.score(home / "pixelcnn", k=2), "k 2: the likelihood"),
    "an argument": (
        lambda home: genarium.cluster(home / "vae", group=2),  # type: ignore[call-arg]
        "did you mean groups?",
    ),
    "a step": (lambda home: genarium.encode(genarium.load(home / "vae"), step=9), "loaded at step"),
    "an ending": (
        lambda home: genarium.encode(home / "vae").save("x.txt"),
        "end it in .npz, .parquet or .csv",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_name_the_argument(mistake: str, home: Path) -> None:
    call, words = MISTAKES[mistake]
    with pytest.raises(UserError) as caught:
        call(home)
    text = str(caught.value)
    assert words in text
    assert "\n" not in text
    if mistake != "an ending":  # of save: --out, as in the command
        assert "--" not in text


def test_a_split_without_images_is_said(tmp_path: Path) -> None:
    """Two images of two classes leave no other split: one line in each verb."""
    for number in range(2):
        place = tmp_path / "few" / "ab"[number]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), 80 * number).save(place / f"{number}.png")
    run = genarium.train(
        "vae", tmp_path / "few", out=tmp_path / "run", steps=1, batch=1, width=2, latent=2
    )
    assert len(genarium.encode(run)) == 2
    for verb in (genarium.probe, genarium.finetune, genarium.map):
        with pytest.raises(UserError, match="holds no images"):
            verb(run)
    with pytest.raises(UserError, match="1 training images make no 2 groups, one a class"):
        genarium.cluster(run)
