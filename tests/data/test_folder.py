"""A folder of images in every condition that folders are found in."""

import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import equal

from genarium import data
from genarium.data import DataOptions, cache, index, kept
from genarium.data import filesets as folders
from genarium.data.files import wide
from genarium.errors import UserError

from .conftest import noise

ANY = {"max_bad": 1.0}


def files_below(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()] if path.exists() else []


def test_every_image_is_there_once_and_unchanged(ten):
    dataset = data.load(str(ten))
    assert dataset.name == "photos"
    assert dataset.spec.shape == (3, 8, 8)
    result = {
        image.numpy().tobytes()
        for name in ("train", "validation", "test")
        for image in dataset.split(name).images
    }
    assert result == {noise(i).transpose(2, 0, 1).tobytes() for i in range(10)}
    assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [8, 1, 1]
    assert dataset.train.labels is None
    json.dumps(dataset.info)


def test_every_image_keeps_its_name(make, photos, caplog):
    for i in range(12):
        make(f"{'cat' if i % 2 else 'dog'}/{i}.png", seed=i, channels=1)
    (photos / "dog" / "broken.png").write_bytes(b"no image")
    for _ in range(2):  # built, and from the cache
        dataset = data.load(str(photos), DataOptions(**ANY))
        assert sum(len(dataset.split(s)) for s in ("train", "validation", "test")) == 12
        for name in ("train", "validation", "test"):
            split = dataset.split(name)
            for file, image, label in zip(split.names, split.images, split.labels, strict=True):
                assert np.array_equal(np.asarray(Image.open(photos / file)), image[0].numpy())
                assert file.split("/")[0] == dataset.spec.classes[label]
    assert data.load("digits").train.names is None


def test_images_are_memory_mapped(ten):
    import mmap

    images = data.describe  # the torch-free path gives the arrays themselves
    from genarium.data.api import collect

    assert images
    array = collect(str(ten), DataOptions())[1].parts["train"].images
    assert isinstance(array, np.memmap)
    assert isinstance(array._mmap, mmap.mmap)


def test_classes_and_labels(make, photos):
    for i in range(12):
        make(f"{'cat' if i % 2 else 'dog'}/{i}.png", seed=i)
    dataset = data.load(str(photos))
    assert dataset.spec.classes == ("cat", "dog")
    kind = {noise(i).transpose(2, 0, 1).tobytes(): int(i % 2 == 0) for i in range(12)}
    for name in ("train", "validation", "test"):
        split = dataset.split(name)
        assert split.labels.tolist() == [kind[i.numpy().tobytes()] for i in split.images]


@pytest.mark.parametrize("text", ["missing/folder", "photos"])
def test_missing_and_empty_folders_write_nothing(text, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (photos / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match=text):
        data.load(text)
    assert not files_below(tmp_path / "cache")


def test_an_empty_class_folder_is_a_warning(ten, caplog):
    (ten / "cats").mkdir()
    for i in range(10):
        (ten / f"{i}.png").rename(ten / "cats" / f"{i}.png")
    (ten / "dogs").mkdir()
    with caplog.at_level(logging.WARNING, "genarium.data"):
        dataset = data.load(str(ten))
    assert dataset.spec.classes == ("cats",)
    assert "dogs" in caplog.text


BROKEN = {
    "zero.png": b"",
    "page.jpg": b"<!DOCTYPE html><p>Not found</p>",
    "pointer.png": b"version https://git-lfs.github.com/spec/v1\n",
    "drawing.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "text.gif": b"not a gif",
}


def test_broken_files_are_left_out_counted_and_named_once(ten, caplog):
    for name, content in BROKEN.items():
        (ten / name).write_bytes(content)
    whole = (ten / "1.png").read_bytes()
    (ten / "cut.png").write_bytes(whole[: len(whole) // 2])
    (ten / "dangling.png").symlink_to(ten / "nowhere.png")
    with caplog.at_level(logging.WARNING, "genarium.data"):
        dataset = data.load(str(ten), DataOptions(**ANY))
    skipped = dataset.info["skipped"]
    assert skipped["count"] == len(BROKEN) + 2
    assert dataset.info["counts"]["total"] == 10
    assert sum(skipped["reasons"].values()) == skipped["count"]
    assert "left out 7 of 17 files" in caplog.text
    assert caplog.text.count("left out") == 1
    # a second time, now from the cache, it still says so
    assert data.load(str(ten), DataOptions(**ANY)).info == dataset.info


def test_too_many_broken_files_are_an_error(ten, cache_root):
    (ten / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of 11 files are bad \(x.png: empty file\).*--max-bad"):
        data.load(str(ten))
    assert not [f for f in files_below(cache_root) if f.suffix != ".lock"]
    assert len(data.load(str(ten), DataOptions(max_bad=0.1)).train) == 8
    with pytest.raises(UserError, match="--max-bad"):  # also when the cache has it
        data.load(str(ten))


def test_all_files_broken(photos):
    (photos / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match="all 1 of 1"):
        data.load(str(photos), DataOptions(**ANY))


def test_an_unreadable_file_is_left_out(ten, monkeypatch):
    time.sleep(0.02)
    real = os.open

    def refuse(path, *arguments):
        if str(path).endswith("3.png"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", refuse)
    dataset = data.load(str(ten), DataOptions(**ANY))
    assert dataset.info["skipped"]["reasons"] == {"unreadable": 1}
    monkeypatch.undo()
    monkeypatch.setenv("GENARIUM_CACHE", str(ten.parent / "cache"))
    monkeypatch.setattr(index, "RACY", 0)
    # once it can be read it is in, though size and times are what they were
    assert data.load(str(ten)).info["counts"]["total"] == 10


@pytest.mark.parametrize("damage", ["delete", "change"])
def test_a_file_that_goes_or_changes_while_the_cache_is_built(ten, monkeypatch, damage):
    real = folders._fill
    calls = []

    def meddle(*arguments):
        calls.append(1)
        if len(calls) == 1 and damage == "delete":
            (ten / "4.png").unlink()
        elif len(calls) == 1:
            Image.fromarray(noise(99)).save(ten / "4.png")
        return real(*arguments)

    monkeypatch.setattr(folders, "_fill", meddle)
    dataset = data.load(str(ten), DataOptions(**ANY))
    assert len(calls) == 2
    assert dataset.info["counts"]["total"] == (9 if damage == "delete" else 10)
    # the manifest is that of the folder as it is now, not as it was
    if damage == "change":
        assert data.load(str(ten)).manifest == dataset.manifest


def test_duplicates_are_counted_and_stay_in_one_split(make, photos):
    for i in range(20):
        make(f"{i}.png", seed=i)
        Image.open(photos / f"{i}.png").save(photos / f"{i}-again.bmp")
    dataset = data.load(str(photos))
    assert dataset.info["duplicates"] == 20
    homes = [
        {i.numpy().tobytes() for i in dataset.split(s).images}
        for s in ("train", "validation", "test")
    ]
    assert sum(map(len, homes)) == len(set.union(*homes)) == 20


def test_the_same_image_in_train_and_test(make, photos):
    for i in range(6):
        make(f"train/{i}.png", seed=i)
        make(f"test/{i}.png", seed=i + 5)
    with pytest.raises(UserError, match=r"1 images.*test/0.png = train/5.png.*--allow-overlap"):
        data.load(str(photos))
    dataset = data.load(str(photos), DataOptions(allow_overlap=True))
    assert dataset.info["overlap"] == 1
    assert len(dataset.test) == 6
    assert len(dataset.train) + len(dataset.validation) == 6
    assert len(dataset.validation) == 1


def test_mixed_sizes_modes_and_formats(photos):
    sizes = [(40, 20), (20, 40), (33, 33), (64, 64), (30, 30)]
    for i, (width, height) in enumerate(sizes):
        image = Image.fromarray(noise(i, height, width))
        mode, suffix = [("L", "png"), ("RGB", "jpg"), ("P", "gif"), ("RGBA", "webp"), ("1", "tif")][
            i
        ]
        image.convert(mode).save(photos / f"{i}.{suffix}")
    for fit in ("crop", "pad", "stretch"):
        dataset = data.load(str(photos), DataOptions(size="16x24", fit=fit))
        assert dataset.spec.shape == (3, 16, 24)
    assert dataset.info["sizes"]["different"] == 5
    assert dataset.info["sizes"]["shorter_side_up_to"] == {"32": 3, "64": 2}
    # without --size: a power of two from the median shorter side, and it says so
    dataset = data.load(str(photos))
    assert dataset.spec.shape == (3, 16, 16)
    assert "--size" in dataset.info["policy"]["size_is"]


@pytest.mark.parametrize(
    ("sides", "expected"),
    [([28, 28], 28), ([8, 7], 4), ([300, 300], 64), ([50, 50, 51], 32), ([1, 2], 1)],
)
def test_the_default_size(make, photos, sides, expected):
    for i, side in enumerate(sides):
        make(f"{i}.png", seed=i, height=side, width=side)
    assert data.load(str(photos)).spec.shape == (3, expected, expected)


def test_grey_images_make_one_channel(make, photos):
    for i in range(4):
        Image.open(make(f"{i}.png", seed=i, channels=1)).convert("RGB").save(photos / f"{i}.png")
    assert data.load(str(photos)).spec.channels == 1
    assert data.load(str(photos), DataOptions(channels=3)).spec.channels == 3
    make("5.png", seed=5)
    assert data.load(str(photos)).spec.channels == 3
    assert data.load(str(photos), DataOptions(channels=1)).spec.channels == 1


def test_animations_and_transparency_are_counted(make, photos):
    make("0.png", seed=0)
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    frames[0].save(photos / "1.gif", save_all=True, append_images=frames[1:])
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(photos / "2.png")
    dataset = data.load(str(photos), DataOptions(background="#00ff00"))
    assert dataset.info["animated"] == dataset.info["transparent"] == 1
    everything = [
        i[:, 0, 0].tolist()
        for s in ("train", "validation", "test")
        for i in dataset.split(s).images
    ]
    assert [255, 0, 0] in everything
    assert [0, 255, 0] in everything


def test_odd_names_go_through(ten):
    os.rename(ten / "0.png", os.fsencode(ten) + b"/new\nline \xff.png")  # noqa: PTH104
    (ten / "bad\n\x1b[31m.png").write_bytes(b"")
    dataset = data.load(str(ten), DataOptions(**ANY))
    assert dataset.info["counts"]["total"] == 10
    assert dataset.info["skipped"]["first"] == [["bad\\n\\x1b[31m.png", "empty file"]]
    json.dumps(dataset.info, ensure_ascii=False).encode()


def test_the_manifest_follows_content_and_policy_not_place_or_time(ten, tmp_path, monkeypatch):
    here = data.load(str(ten)).manifest
    shutil.copytree(ten, tmp_path / "moved")
    for file in (tmp_path / "moved").iterdir():
        os.utime(file, (1, 1))
    monkeypatch.chdir(tmp_path)
    assert data.load("moved").manifest == here
    assert data.load(str(ten), DataOptions(size="4")).manifest != here
    assert data.load(str(ten), DataOptions(fit="pad")).manifest != here
    Image.fromarray(noise(77)).save(ten / "3.png")
    changed = data.load(str(ten)).manifest
    assert changed != here
    (ten / "3.png").rename(ten / "33.png")
    assert data.load(str(ten)).manifest not in (here, changed)


def test_a_change_that_keeps_size_and_modification_time_is_noticed(photos, monkeypatch):
    monkeypatch.setattr(index, "RACY", 0)
    for i in range(3):
        Image.fromarray(noise(i)).save(photos / f"{i}.bmp")
    time.sleep(0.02)
    before = data.load(str(photos))
    status = (photos / "1.bmp").stat()
    Image.fromarray(noise(50)).save(photos / "1.bmp")
    os.utime(photos / "1.bmp", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (photos / "1.bmp").stat().st_size == status.st_size
    assert data.load(str(photos)).manifest != before.manifest


def test_unchanged_files_are_not_read_again(ten, monkeypatch):
    monkeypatch.setattr(index, "RACY", 10**15)  # however long the first load takes
    data.load(str(ten))
    calls = []
    real = index.inspect
    monkeypatch.setattr(index, "inspect", lambda *a: calls.append(a) or real(*a))
    data.load(str(ten))
    assert len(calls) == 10  # so young that a change might not show in the times
    monkeypatch.setattr(index, "RACY", 0)
    time.sleep(0.02)
    data.load(str(ten))
    monkeypatch.setattr(index, "inspect", None)  # would fail if called
    assert len(data.load(str(ten)).train) == 8
    assert len(data.load(str(ten), DataOptions(size="4")).train) == 8


def test_two_processes_may_build_at_once(ten, monkeypatch):
    # threads stand in for processes: both pass the first look before either has built
    monkeypatch.setattr(cache, "lock", lambda *_: __import__("contextlib").nullcontext())
    barrier = threading.Barrier(2, timeout=600)
    real = folders._fill

    def together(*arguments):
        barrier.wait()
        return real(*arguments)

    monkeypatch.setattr(folders, "_fill", together)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(data.describe(str(ten)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert results[0] == results[1]


@given(
    st.lists(
        st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 5)), min_size=1, max_size=8
    ),
    st.sampled_from(["crop", "pad", "stretch"]),
    st.integers(1, 12),
    st.integers(1, 12),
)
@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_folder_gives_disjoint_splits_of_the_right_shape(tmp_path, images, fit, height, width):
    place = tmp_path / "any"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for i, (h, w, seed) in enumerate(images):
        Image.fromarray(noise(seed, h, w)).save(place / f"{i}.png")
    dataset = data.load(str(place), DataOptions(size=f"{height}x{width}", fit=fit, channels=3))
    assert dataset.spec.shape == (3, height, width)
    counts = dataset.info["counts"]
    assert counts["total"] == len(images)
    different = len({(h, w, seed) for h, w, seed in images})
    assert counts["train"] >= 1
    if different >= 3:
        assert min(counts.values()) >= 1


def test_a_file_is_decoded_once(tmp_path, monkeypatch):
    """At the first reading; what is too large to keep is decoded again, with the same result."""
    names = ("colour.png", "grey.png", "clear.png")
    for k, (name, mode) in enumerate(zip(names, ("RGB", "L", "RGBA"))):
        picture = Image.fromarray(noise(k)).convert("RGB").convert(mode)
        if mode == "RGBA":
            picture.putpixel((0, 0), (1, 2, 3, 100))
        (tmp_path / "set").mkdir(exist_ok=True)
        picture.save(tmp_path / "set" / name)
    decoded: list[int] = []
    real = wide.content

    def counting(data, name, reading):
        decoded.append(len(data))
        return real(data, name, reading)

    for module in (wide, index):
        monkeypatch.setattr(module, "content", counting)
    found = []
    for largest, times in ((kept.LARGEST, 3), (0, 6)):
        monkeypatch.setattr(kept, "LARGEST", largest)
        decoded.clear()
        cache = str(tmp_path / f"cache {largest}")
        found.append(data.load(str(tmp_path / "set"), DataOptions(cache=cache)))
        assert len(decoded) == times
        assert not list(Path(cache).glob(".kept-*"))
    one, other = found
    assert one.manifest == other.manifest
    for split in ("train", "validation", "test"):
        assert equal(one.split(split).images, other.split(split).images)
