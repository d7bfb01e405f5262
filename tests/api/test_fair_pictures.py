"""Every verb that shows some of many pictures draws them by a seed, the classes in turn; those that
were named one by one are all there."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium.cli import main
from genarium.drawing.contact import contact_sheet
from genarium.drawing.placement import COVERED, REACH, spread
from genarium.errors import UserError
from genarium.report.gather import collect
from genarium.runs.listing import of_path
from genarium.runs.painting import painter
from tests.report.fakes import model

COLOURS = {"apple": 40, "beet": 120, "corn": 210}
SIZES = {"apple": 20, "beet": 9, "corn": 4}  # of test pictures, which lie in this order
TINY: dict[str, Any] = {"steps": 1, "batch": 4, "width": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/ with train and test splits of three classes, and runs that saw them."""
    home = tmp_path_factory.mktemp("home")
    draw = np.random.default_rng(0)
    for split, more in (("train", 4), ("test", 0)):
        for name, size in SIZES.items():
            place = home / "photos" / split / name
            place.mkdir(parents=True)
            for number in range(size + more):
                pixels = draw.integers(0, 40, (16, 16), dtype=np.uint8) + COLOURS[name]
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:02d}.png")
    photos = home / "photos"
    genarium.train("vae", photos, out=home / "vae", latent=2, **TINY)
    genarium.train("pixelcnn", photos, out=home / "pixelcnn", blocks=0, levels=2, **TINY)
    return home


SHOWN: dict[str, Callable[[Path, int], list[str]]] = {
    "reconstruct": lambda home, seed: genarium.reconstruct(home / "vae", n=9, seed=seed).names,
    "reconstruct test": lambda home, seed: (
        genarium.reconstruct(home / "vae", "test", n=9, seed=seed).names
    ),
    "reconstruct folder": lambda home, seed: (
        genarium.reconstruct(home / "vae", home / "photos" / "test", n=9, seed=seed).names
    ),
    "denoise": lambda home, seed: (
        genarium.denoise(home / "vae", noise="masking:0.3", n=9, seed=seed).names
    ),
    "complete": lambda home, seed: genarium.complete(home / "pixelcnn", draws=1, seed=seed).names,
    "invert": lambda home, seed: (
        genarium.invert(home / "vae", steps=1, restarts=1, seed=seed).names
    ),
    "map": lambda home, seed: genarium.map(home / "vae", n=9, seed=seed, method="pca").names,
    "map folder": lambda home, seed: (
        genarium.map(home / "vae", home / "photos" / "test", n=9, seed=seed, method="pca").names
    ),
    "show": lambda home, seed: genarium.show(home / "photos" / "test", n=9, seed=seed).names,
    "show files": lambda home, seed: (
        genarium.show([home / "photos" / "test"], n=9, seed=seed).names
    ),
    "show run": lambda home, seed: genarium.show(home / "vae", n=9, seed=seed).names,
}


def classes_of(home: Path, names: list[str]) -> Counter[str]:
    data = genarium.load(home / "vae").dataset()
    result: Counter[str] = Counter()
    for name in names:
        if name.startswith("test:"):
            assert data.test.labels is not None
            result[data.spec.classes[int(data.test.labels[int(name[5:])])]] += 1
        else:
            result[Path(name).parent.name] += 1
    return result


@pytest.mark.parametrize("verb", SHOWN)
def test_a_verb_shows_each_class_as_often_and_other_pictures_for_another_seed(
    verb: str, home: Path
) -> None:
    names = SHOWN[verb](home, 0)
    counts = classes_of(home, names)
    assert len({*names}) == len(names)
    assert {*counts} == {*SIZES}
    assert max(counts.values()) - min(counts.values()) <= (1 if len(names) == 9 else 2)
    assert SHOWN[verb](home, 0) == names
    assert {*SHOWN[verb](home, 1)} != {*names}


def test_names_say_which_pictures(home: Path) -> None:
    result = genarium.reconstruct(home / "vae", n=5, seed=3)
    images = genarium.load(home / "vae").dataset().test.images
    assert torch.equal(result.originals, images[[int(name[5:]) for name in result.names]])
    again = genarium.reconstruct(home / "vae", result.names)
    assert torch.equal(again.originals, result.originals)
    assert result.to_dict()["images"] == result.names


def test_grids_of_the_training_are_fair(home: Path) -> None:
    """Of held-out images that the seed draws, the same at each step."""
    run = genarium.load(home / "vae")
    seen: list[torch.Tensor] = []
    fake = model(run.spec, "reconstruct")
    keep = type(fake).reconstruct
    type(fake).reconstruct = lambda self, x: seen.append(x) or keep(self, x)
    data = run.dataset()
    data.validation = data.test
    for seed in (0, 0, 1):
        painter(run.folder, data, seed)(fake, 1)
    rows = [
        [int((data.test.images == x).flatten(1).all(1).nonzero()[0, 0]) for x in s] for s in seen
    ]
    assert rows[0] == rows[1] != rows[2]
    assert data.test.labels is not None
    assert data.test.labels[rows[0][:12]].bincount().tolist() == [4, 4, 4]


def test_the_page_shows_each_class_as_often(home: Path) -> None:
    run = genarium.load(home / "vae")
    data = run.dataset()
    report = collect(run, dataset=data, n=4).reconstructions
    assert report is not None
    rows = [
        int((data.test.images == x).flatten(1).all(1).nonzero()[0, 0]) for x in report.originals
    ]
    assert data.test.labels is not None
    assert data.test.labels[rows[:12]].bincount().tolist() == [4, 4, 4]


def test_data_show_draws_all_classes(home: Path) -> None:
    image = genarium.show_data(home / "photos").image
    assert image.shape[0] == 1
    # 45 training pictures are fewer than 64: all of them; the first three are of three classes
    first = [int(image[0, 2:18, 2 + 18 * i : 18 + 18 * i].float().mean() // 85) for i in range(3)]
    assert sorted(first) == [0, 1, 2]


# ------------------------------------------------------------------ named one by one


def test_what_is_named_one_by_one_is_all_there(home: Path) -> None:
    file, other = (home / "photos" / "test" / name for name in ("corn/00.png", "apple/03.png"))
    run = home / "vae"
    assert genarium.reconstruct(run, "test:3,17,0", n=1).names == ["test:3", "test:17", "test:0"]
    assert genarium.reconstruct(run, file).names == [str(file)]
    mixed = genarium.reconstruct(run, [home / "photos" / "test" / "beet", file, other], n=2).names
    assert mixed[:2] == [str(file), str(other)]
    assert [Path(name).parent.name for name in mixed[2:]] == ["beet", "beet"]
    pictures = [Image.open(file), Image.open(other)]
    assert genarium.reconstruct(run, pictures, n=1).names == ["0", "1"]
    assert len(genarium.map(run, [*(home / "photos" / "test" / "corn").iterdir()]).names) == 4
    assert len(genarium.reconstruct(run, np.zeros((20, 16, 16), np.uint8), n=3).names) == 3


@pytest.mark.parametrize("verb", ["interpolate", "traverse", "manifold", "arithmetic"])
def test_pictures_stand_for_their_codes(verb: str, home: Path) -> None:
    file = home / "photos" / "test" / "corn" / "00.png"
    flags: dict[str, dict[str, Any]] = {
        "interpolate": {"end": "test:1", "steps": 2},
        "traverse": {"dimension": 0, "steps": 2},
        "manifold": {"side": 2},
        "arithmetic": {},
    }
    results = []
    for given in (str(file), file, [file], Image.open(file), [Image.open(file)]):
        if verb == "arithmetic":
            results.append(genarium.arithmetic(home / "vae", plus=[given]).image)
        else:
            made = getattr(genarium, verb)(home / "vae", start=given, **flags[verb])
            results.append(made.image)
    assert all(torch.equal(image, results[0]) for image in results)


def test_a_walk_of_few_test_images(home: Path) -> None:
    """A model without a prior walks between test images, also where there are fewer than twelve."""
    run = genarium.train(
        "autoencoder", home / "photos" / "test" / "beet", out=home / "few", latent=2, **TINY
    )
    assert len(run.dataset().test) < 3
    assert len(genarium.interpolate(run).images) == 1


# ------------------------------------------------------------------ show


def test_a_sheet_has_a_row_a_class_and_its_name(home: Path, tmp_path: Path) -> None:
    result = genarium.show(home / "photos" / "test", n=12)
    assert result.classes == ("apple", "beet", "corn")
    assert (result.total, len(result.images)) == (33, 12)
    assert result.class_names() == [Path(name).parent.name for name in result.names]
    shades = {c: result.images[result.labels == i].float().mean() for i, c in enumerate(SIZES)}
    assert shades["apple"] < shades["beet"] < shades["corn"]
    picture = result.image
    side = 48 + 2  # 16 pixels enlarged threefold
    assert picture.shape[1] == 3 * (side + 2)
    assert bool((picture[:, :, :60] == 255).any())
    assert bool((picture[:, :, :40] < 100).any())  # letters
    assert result.save(tmp_path / "sheet.png") == tmp_path / "sheet.png"


def test_transparent_pixels_show_the_background(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "in" / "a.png")
    assert {*genarium.show(tmp_path / "in").images.unique().tolist()} == {255}
    black = genarium.show(tmp_path / "in", background="black").images
    assert black.unique().tolist() == [0]
    assert genarium.show(tmp_path / "in" / "a.png", size=4).images.shape == (1, 3, 4, 4)


def test_pictures_of_several_sizes_are_shown_as_they_would_be_read(tmp_path: Path) -> None:
    for number, side in enumerate((20, 31)):
        Image.new("RGB", (side, side), ("red", "grey")[number]).save(tmp_path / f"{number}.png")
    assert genarium.show(tmp_path).images.shape == (2, 3, 64, 64)


def test_what_show_takes(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(home / "vae"), "-n", "6", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["out"] == str(home / "vae" / "contact-sheet.png")
    assert record["of"] == 33 + 45
    assert genarium.show("digits", n=3).images.shape == (3, 1, 28, 28)
    assert genarium.show(genarium.load(home / "vae").dataset(), n=3).classes == tuple(SIZES)
    assert len(genarium.show(np.zeros((9, 8, 8), np.uint8), n=4).images) == 4
    for words, line in (
        (["nowhere"], "nowhere does not exist: name a folder"),
        ([str(home / "vae"), "--size", "8"], "--size: the data of a run are read as at training"),
        ([str(home / "photos"), "--data", "x"], "--data x: goes with a run folder only"),
        ([str(home / "photos"), "--out", str(home / "photos" / "s.png")], "would be one of them"),
    ):
        assert main(["show", *words]) == 2
        assert line in capsys.readouterr().err
    assert not (home / "photos" / "s.png").exists()


def test_names_that_are_too_long_and_classes_without_one() -> None:
    images = torch.zeros(3, 1, 60, 60, dtype=torch.uint8)
    sheet = contact_sheet(images, [0, 1, 1], ["a name that nobody could read in a margin" * 3])
    assert sheet.shape[2] < 2 * 62 + 2 + 180


# ------------------------------------------------------------------ groups and maps


def test_groups_of_pictures_without_labels(home: Path, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for i, file in enumerate(sorted((home / "photos" / "test").rglob("*.png"))):
        Image.open(file).save(tmp_path / "flat" / f"{i:02d}.png")
    result = genarium.cluster(home / "vae", tmp_path / "flat")
    assert result.count == max(result.silhouettes, key=lambda k: result.silhouettes[k])
    assert not result.results
    assert len(result.names) == result.train == 33
    result.save(tmp_path / "out.json")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == result.names
    assert "class" not in rows[0]
    groups = result.groupings["k-means"].groups.tolist()
    assert [int(row["k-means"]) for row in rows] == groups
    assert all(0 < float(row["probability"]) <= 1 for row in rows)
    assert all(float(row["distance"]) >= 0 for row in rows)
    sheets = {file.name for file in (tmp_path / "out-groups").glob("*.png")}
    assert {f"k-means-{group:02d}.png" for group in {*groups}} <= sheets
    result.save(tmp_path / "out.json")  # again: its own sheets are replaced
    assert genarium.cluster(home / "vae", tmp_path / "flat", groups=8).count == 8
    assert "<img" in result._repr_html_()


def test_members_belong_to_their_group_the_nearest_in_front(home: Path) -> None:
    result = genarium.cluster(home / "vae", groups=4)
    assert {*result.splits} == {"train", "validation", "test"}
    for method, grouping in result.groupings.items():
        for group in range(4):
            rows = result.members(method, group)
            assert (grouping.groups[rows] == group).all()
            near = grouping.belongs[rows]
            assert torch.equal(near, near.sort(descending=method == "mixture").values)
    codes = genarium.load(home / "vae").encode(result.images)
    grouping = result.groupings["k-means"]
    train = torch.tensor([split == "train" for split in result.splits])
    centres = torch.stack([codes[train & (grouping.groups == k)].mean(0) for k in range(4)])
    distance = (codes - centres[grouping.groups]).norm(dim=1)
    assert torch.allclose(distance, grouping.belongs.float(), atol=1e-2 * float(distance.max()))


def test_the_silhouette_finds_how_many_there_are() -> None:
    from genarium.features import silhouettes

    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(5, 3, generator=generator)
    codes = torch.cat([c + torch.randn(30, 3, generator=generator) for c in centres])
    result = silhouettes(codes, 12)
    assert max(result, key=lambda k: result[k]) == 5
    with pytest.raises(ValueError, match="three at least"):
        silhouettes(codes[:2])


def test_a_map_of_ten_pictures_and_of_81(home: Path) -> None:
    files = sorted((home / "photos" / "test").rglob("*.png"))[:10]
    result = genarium.map(home / "vae", files)
    assert [panel.title for panel in result.panels] == ["the code itself", "t-SNE, perplexity 3"]
    assert result.labels is None
    pictures = genarium.map(home / "vae", files, dots=True)
    assert pictures.images is None
    assert result.image.float().std() > pictures.image.float().std()  # ink
    with pytest.raises(UserError, match="there are 3 images: a map needs 4"):
        genarium.map(home / "vae", files[:3])


@pytest.mark.parametrize("count", [10, 81, 2000])
def test_thumbnails_do_not_lie_on_one_another(count: int) -> None:
    places = np.random.default_rng(0).normal(300, 80, (count, 2))
    side = 30.0
    result = spread(places, side, (600.0, 600.0))
    assert len(result) >= {10: 10, 81: 65, 2000: 150}[count]
    where = np.array([*result.values()])
    apart = np.abs(where[:, None] - where[None]).max(-1) + 1e9 * np.eye(len(where))
    assert apart.min() >= side * (1 - COVERED) - 1e-6
    moved = [np.hypot(*(places[row] - place)) for row, place in result.items()]
    assert max(moved) <= REACH * side + 1e-6
    assert where.min() >= side / 2


def test_classes_of_two_folders_stay_apart(home: Path) -> None:
    """Both have an apple/: four classes of two folders, of which four pictures show one each."""
    from genarium.data import DataOptions
    from genarium.runs.listing import joined

    places = [home / "photos" / split for split in ("train", "test")]
    both = joined([of_path("", place, DataOptions()) for place in places])
    names = [both.names[row] for row in both.fair(6, 0)]
    assert len({Path(name).parent for name in names}) == 6
