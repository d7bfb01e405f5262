"""Images of two domains: what belongs together, what is left out, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genarium import data
from genarium.data import DataOptions
from genarium.data.sources.shapes import COLOURS
from genarium.errors import UserError

from .conftest import noise


def write(path: Path, seed: int, height: int = 8, width: int = 8, channels: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, height, width, channels)).save(path)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """masks/0.png .. 9.png and photos/0.png ..: row i of the second is noise of seed 100 + i."""
    for i in range(10):
        write(tmp_path / "masks" / f"{i}.png", i)
        write(tmp_path / "photos" / f"{i}.png", 100 + i)
    return tmp_path


def source(folder: Path) -> str:
    return f"pairs:a={folder / 'masks'},b={folder / 'photos'}"


def numbered(dataset: data.Dataset) -> dict[str, tuple[bytes, bytes]]:
    """name -> the bytes of both images, over all splits."""
    results = {}
    for name in ("train", "validation", "test"):
        split = dataset.split(name)
        for key, a, b in zip(split.names, split.images, split.extra["b"], strict=True):
            results[key] = (a.numpy().tobytes(), b.numpy().tobytes())
    return results


def raw(seed: int, **shape: int) -> bytes:
    return noise(seed, **shape).transpose(2, 0, 1).tobytes()


# ---------------------------------------------------------------------------- two folders


def test_files_of_one_name_are_a_pair(two: Path) -> None:
    for _ in range(2):  # built, and from the cache
        dataset = data.load(source(two))
        assert dataset.spec.shape == dataset.spec.second == (3, 8, 8)
        assert dataset.spec.paired
        expected = {f"{i}.png": (raw(i), raw(100 + i)) for i in range(10)}
        assert numbered(dataset) == expected
        assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [8, 1, 1]
        assert dataset.info["second"]["paired"] is True


def test_only_the_suffix_may_differ_and_dir_names_both(two: Path) -> None:
    for i in range(10):
        (two / "photos" / f"{i}.png").rename(two / "photos" / f"{i}.bmp")
    (two / "photos" / "0.bmp").unlink()
    Image.fromarray(noise(100)).save(two / "photos" / "0.bmp")
    expected = numbered(data.load(source(two)))
    assert len(expected) == 10
    (two / "masks").rename(two / "A")
    (two / "photos").rename(two / "B")
    again = data.load(f"pairs:dir={two}")
    assert numbered(again) == expected


def test_both_are_cut_alike_and_each_has_its_channels(tmp_path: Path) -> None:
    """A wide picture and its mask: the same columns of both are kept."""
    ramp = np.broadcast_to(np.arange(60, dtype=np.uint8) * 4, (20, 60))
    for i in range(12):
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(ramp + i).save(tmp_path / "a" / f"{i}.png")
        colour = np.stack([ramp + i, ramp + i, 255 - ramp], 2)
        Image.fromarray(colour).save(tmp_path / "b" / f"{i}.png")
    dataset = data.load(f"pairs:a={tmp_path / 'a'},b={tmp_path / 'b'}", DataOptions(size="16"))
    assert dataset.spec.shape == (1, 16, 16)
    assert dataset.spec.second == (3, 16, 16)
    difference = dataset.train.images[:, 0].int() - dataset.train.extra["b"][:, 0].int()
    assert difference.abs().max() <= 1
    assert dataset.train.images.int().diff(dim=3).min() > 0  # the middle, not a uniform rim


def test_splits_follow_the_folders_or_the_content_of_the_first(two: Path) -> None:
    folder = two / "split"
    for split, rows in (("train", range(6)), ("test", range(6, 10))):
        for i in rows:
            for name in ("masks", "photos"):
                target = folder / name / split / f"{i}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                (two / name / f"{i}.png").rename(target)
    dataset = data.load(source(folder))
    assert sorted(dataset.test.names) == [f"test/{i}.png" for i in range(6, 10)]
    assert len(dataset.train) + len(dataset.validation) == 6
    for i in range(40):  # many photos of one mask must not straddle
        write(two / "masks" / f"{i}.png", i % 5)
        write(two / "photos" / f"{i}.png", 100 + i)
    dataset = data.load(source(two))
    homes = {}
    for name in ("train", "validation", "test"):
        for image in dataset.split(name).images:
            homes.setdefault(image.numpy().tobytes(), set()).add(name)
    assert all(len(home) == 1 for home in homes.values())


def test_files_without_a_partner_are_counted_like_bad_ones(two: Path) -> None:
    (two / "photos" / "3.png").unlink()
    write(two / "photos" / "extra.png", 7)
    with pytest.raises(UserError, match=r"2 of 11 files are bad .*3.png: no image of this name in"):
        data.load(source(two))
    dataset = data.load(source(two), DataOptions(max_bad=0.2))
    assert len(numbered(dataset)) == 9
    assert dataset.info["skipped"]["count"] == 2
    reasons = dict(dataset.info["skipped"]["first"])
    assert reasons["extra.png"] == "no image of this name in masks"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda two: (two / "photos" / "3.png").write_bytes(b""), "empty file"),
        (lambda two: (two / "masks" / "3.png").write_bytes(b"x"), "not one of"),
        (lambda two: write(two / "photos" / "3.png", 3, 8, 12), "of 8x8, its partner of 12x8"),
        (lambda two: write(two / "masks" / "3.bmp", 3), "a second file of this name"),
    ],
)
def test_what_is_wrong_with_either_leaves_out_the_pair(two: Path, spoil, words: str) -> None:
    spoil(two)
    dataset = data.load(source(two), DataOptions(max_bad=0.2, size="8"))
    assert words in str(dataset.info["skipped"]["first"])
    left = numbered(dataset)
    assert len(left) == (10 if "second" in words else 9)
    for name, pair in left.items():
        if not name.endswith(".bmp"):
            assert pair == (raw(int(name[:-4])), raw(100 + int(name[:-4])))


def test_pairs_may_be_stretched_to_one_another(two: Path) -> None:
    for i in range(10):
        write(two / "photos" / f"{i}.png", 100 + i, 8, 12)
    with pytest.raises(UserError, match="all 10 of 10 files are bad"):
        data.load(source(two))
    assert len(numbered(data.load(source(two), DataOptions(fit="stretch", size="8")))) == 10


def test_an_edit_of_the_second_changes_the_manifest(two: Path) -> None:
    before = data.load(source(two)).manifest
    write(two / "photos" / "3.png", 999)
    changed = data.load(source(two))
    assert changed.manifest != before
    assert numbered(changed)["3.png"] == (raw(3), raw(999))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pairs", "say pairs:a=DIR,b=DIR or pairs:dir=DIR"),
        ("pairs:a=x", "say pairs:a=DIR,b=DIR"),
        ("pairs:a=x,b=y,dir=z", "say pairs"),
        ("pairs:a=/nowhere,b=/nowhere", "/nowhere is no folder"),
        ("pairs:c=x", "unknown argument 'c=x'"),
        ("side-by-side", "say side-by-side:dir=DIR"),
        ("unpaired:dir=/nowhere", "/nowhere/trainA is no folder"),
    ],
)
def test_a_wrong_name_says_the_right_one(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        data.load(text)


# --------------------------------------------------------------------------- side by side


def test_side_by_side_files_are_cut_in_the_middle(tmp_path: Path) -> None:
    for split, n in (("train", 6), ("val", 2), ("test", 3)):
        for i in range(n):
            write(tmp_path / split / f"{i}.png", len(split) * 100 + i, 8, 16)
    for _ in range(2):
        dataset = data.load(f"side-by-side:dir={tmp_path}")
        assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [6, 2, 3]
        whole = noise(401, 8, 16).transpose(2, 0, 1)
        row = dataset.test.names.index("test/1.png")
        assert np.array_equal(dataset.test.images[row], whole[:, :, :8])
        assert np.array_equal(dataset.test.extra["b"][row], whole[:, :, 8:])
        assert dataset.spec.shape == dataset.spec.second == (3, 8, 8)


def test_an_odd_width_is_no_two_halves(tmp_path: Path) -> None:
    for i in range(10):
        write(tmp_path / f"{i}.png", i, 8, 15 if i == 4 else 16)
    with pytest.raises(UserError, match=r"4.png: of odd width \(15\)"):
        data.load(f"side-by-side:dir={tmp_path}")
    dataset = data.load(f"side-by-side:dir={tmp_path}", DataOptions(max_bad=0.1))
    assert len(numbered(dataset)) == 9


# ------------------------------------------------------------------------------- unpaired


def test_two_folders_without_pairs_keep_their_numbers_and_splits(tmp_path: Path) -> None:
    for i in range(12):
        write(tmp_path / "a" / f"{i}.png", i)
    for i in range(20):
        write(tmp_path / "b" / ("test" if i < 5 else "train") / f"{i}.png", 100 + i, 10, 10)
    for _ in range(2):
        dataset = data.load(f"unpaired:a={tmp_path / 'a'},b={tmp_path / 'b'}")
        assert not dataset.spec.paired
        assert dataset.spec.second == (3, 8, 8)  # at the size of the first
        sizes = [(len(s.images), len(s.domain("b"))) for s in (dataset.train, dataset.test)]
        assert sizes[0][0] == 10
        assert sizes[1] == (1, 5)
        assert sizes[0][1] + len(dataset.validation.domain("b")) == 15
        assert not dataset.train.extra


def test_the_folders_of_the_community_are_read(tmp_path: Path) -> None:
    for side, count in (("A", 9), ("B", 12)):
        for i in range(count):
            write(tmp_path / f"train{side}" / f"{i}.png", ord(side) * 10 + i)
        for i in range(2):
            write(tmp_path / f"test{side}" / f"{i}.png", ord(side) * 100 + i)
    dataset = data.load(f"unpaired:dir={tmp_path}")
    assert (len(dataset.test), len(dataset.test.domain("b"))) == (2, 2)
    assert len(dataset.train) + len(dataset.validation) == 9
    assert len(dataset.train.domain("b")) + len(dataset.validation.domain("b")) == 12
    for image in (tmp_path / "trainB").iterdir():
        image.unlink()
    with pytest.raises(UserError, match=r"no images in .*trainB"):
        data.load(f"unpaired:dir={tmp_path}")


def test_one_domain_has_no_second() -> None:
    with pytest.raises(UserError, match="--binarize static: images of two domains"):
        data.load("shape-masks:n=24", DataOptions(binarize="static"))
    with pytest.raises(UserError, match="no second domain"):
        data.load("digits").test.domain("b")


# ---------------------------------------------------------------- shapes with a known answer


def test_masks_and_pictures_have_one_geometry() -> None:
    dataset = data.load("shape-masks:n=60")
    shapes = data.load("shapes:n=60")
    assert torch.equal(dataset.test.extra["b"], shapes.test.images)
    factors = dataset.test.extra["factors"]
    behind = (dataset.test.images == dataset.test.extra["b"]).all(1)
    assert behind.float().mean() > 0.5  # the background is theirs in common
    given = factors[:, 1] == factors[:, 0]  # the colour that stands for the class, by chance
    assert torch.equal((behind.flatten(1).all(1)), given)
    # and the colour of A names the class: a star is in the fifth colour wherever it stands
    stars = dataset.test.images[factors[:, 0] == 4].flatten(2)
    colour = torch.tensor(list(COLOURS.values())[4]).view(1, 3, 1)
    assert (stars == colour).all(1).any(1).all()


def test_domains_are_unpaired_unless_asked_for() -> None:
    from genarium.data.sources.shape_pairs import outlined

    unpaired, paired = (data.load(f"shape-domains:n=60{more}") for more in ("", ",paired=yes"))
    assert not unpaired.spec.paired
    assert paired.spec.paired
    assert unpaired.manifest != paired.manifest
    assert torch.equal(unpaired.test.images, paired.test.images)
    truth = torch.from_numpy(outlined(paired.test.extra["factors"].numpy(), 32, 32))
    assert torch.equal(paired.test.extra["b"], truth)
    assert not any((unpaired.test.domain("b") == row).flatten(1).all(1).any() for row in truth)
    filled = (paired.test.images != paired.test.extra["b"]).any(1).flatten(1).float().mean(1)
    assert (filled > 0).all()  # an outline is not the whole
    with pytest.raises(UserError, match="paired=maybe: choose yes or no"):
        data.load("shape-domains:paired=maybe")


def test_arrays_of_a_second_domain_survive_resizing_splits_and_the_cache() -> None:
    """What a user's own source returns: B with other rows, through `cached` and `--size`."""
    from genarium.data import Collection, Part, Request, cache

    def make() -> Collection:
        b = np.stack([noise(i, 6, 6).transpose(2, 0, 1) for i in range(50)])
        a = np.stack([noise(100 + i, 6, 6).transpose(2, 0, 1) for i in range(30)])
        return Collection({"train": Part(a, unpaired={"b": b})})

    request = Request("mine", DataOptions(size="12"), False)
    for _ in range(2):
        result = cache.cached(request, "mine", "1", (3, 6, 6), make)
        shapes = {name: part.unpaired["b"].shape for name, part in result.parts.items()}
        assert shapes == {
            "train": (40, 3, 12, 12),
            "validation": (5, 3, 12, 12),
            "test": (5, 3, 12, 12),
        }
