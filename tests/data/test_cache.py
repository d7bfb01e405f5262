import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genarium import data
from genarium.data import DataOptions, cache, registry
from genarium.data.collection import Collection, Part
from genarium.errors import UserError


@pytest.fixture
def slow(monkeypatch):
    """A cached source that counts how often it is made."""
    registry.registered()
    monkeypatch.setattr(registry._known, "_known", dict(registry._known._known))
    calls: list[int] = []

    @data.source("slow", summary="", licence="")
    def make_slow(request: data.Request) -> Collection:
        def make() -> Collection:
            calls.append(1)
            images = np.random.default_rng(1).integers(0, 256, (50, 3, 6, 5), dtype=np.uint8)
            extra = {"angle": np.linspace(0, 1, 50, dtype=np.float32)}
            part = Part(images, np.arange(50) % 3, extra, [f"image {i}" for i in range(50)])
            return Collection({"train": part}, ("a", "b", "c"), {"note": "made"})

        return cache.cached(request, "slow", "slow:1", (3, 6, 5), make)

    return calls


def entry(root: Path) -> Path:
    (result,) = (root / "images").iterdir()
    return result


def same(a: data.Dataset, b: data.Dataset) -> bool:
    return (a.spec, a.manifest, a.info) == (b.spec, b.manifest, b.info) and all(
        x.images.equal(y.images)
        and x.labels.equal(y.labels)
        and x.extra["angle"].equal(y.extra["angle"])
        and x.captions == y.captions
        for x, y in ((a.split(s), b.split(s)) for s in ("train", "validation", "test"))
    )


def test_made_once_for_each_size_and_policy(slow, cache_root):
    first = data.load("slow")
    assert same(first, data.load("slow"))
    assert len(slow) == 1
    assert same(first, data.load("slow", DataOptions(size="6x5", channels=3)))  # said explicitly
    assert len(slow) == 1
    data.load("slow", DataOptions(size="8", fit="pad"))
    data.load("slow", DataOptions(size="8", fit="pad"))
    assert len(slow) == 2
    cropped = data.load("slow", DataOptions(size="8", fit="crop"))
    assert len(slow) == 3
    assert not cropped.train.images.equal(
        data.load("slow", DataOptions(size="8", fit="pad")).train.images
    )
    assert len(list((cache_root / "images").iterdir())) == 3


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda e: flip(e / "train.bin"),
        lambda e: flip(e / "train.npz"),
        lambda e: flip(e / "test.json"),
        lambda e: os.truncate(e / "validation.bin", 3),
        lambda e: (e / "test.bin").unlink(),
        lambda e: (e / "meta.json").write_text("{"),
        lambda e: (e / "meta.json").write_text("[]"),
        lambda e: (e / "meta.json").unlink(),
        lambda e: (e / "meta.json").write_text(
            json.dumps({**json.loads((e / "meta.json").read_text()), "shape": [9, 9, 9]})
        ),
    ],
    ids=["bin", "npz", "json", "short", "missing", "meta", "list", "nometa", "shape"],
)
def test_a_damaged_cache_is_built_again(slow, cache_root, damage):
    first = data.load("slow")
    for name in ("train", "validation", "test"):  # off the file that is about to be damaged
        first.split(name).images = first.split(name).images.clone()
    damage(entry(cache_root))
    assert same(first, data.load("slow"))
    assert len(slow) == 2
    assert same(first, data.load("slow"))
    assert len(slow) == 2
    assert not list((cache_root / "images").glob(".tmp-*"))


def test_an_interrupted_build_leaves_nothing_behind(slow, cache_root, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache.Writer, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.load("slow")
    assert list((cache_root / "images").iterdir()) == []
    assert len(data.load("slow").train) == 40


def test_what_a_killed_build_left_is_swept_at_once(slow, cache_root):
    """A process builds and is killed; one that lives keeps its folder, however old it is."""
    program = (
        "import sys, time; from pathlib import Path; from genarium.data import cache\n"
        "print(cache.temporary(Path(sys.argv[1])), flush=True); time.sleep(10000)"
    )
    command = [sys.executable, "-c", program, str(cache_root / "images")]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = [Path(builder.stdout.readline().strip()) for builder in builders]
    try:
        for folder in folders:
            (folder / "train.bin").write_bytes(b"half")
            os.utime(folder, (1, 1))
        builders[0].kill()
        builders[0].wait()
        data.load("slow")
        assert not folders[0].exists()
        assert folders[1].exists()
    finally:
        for builder in builders:
            builder.kill()
            builder.communicate()


def test_without_locks_what_is_left_is_swept_after_a_day(slow, cache_root, monkeypatch):
    monkeypatch.setattr(cache, "_lock", lambda *_, **__: None)
    old, new = cache_root / "images/.tmp-old", cache_root / "images/.tmp-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    data.load("slow")
    assert not old.exists()
    assert new.exists()  # perhaps another process is at work
    assert not cache._held


class FullDisk(io.FileIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_an_error_with_a_remedy(slow, cache_root, monkeypatch):
    real = Path.open

    def full(path, mode="r", *arguments, **options):
        if path.suffix == ".bin" and "w" in mode:
            return FullDisk(path, "w")
        return real(path, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(UserError, match=r"No space left on device.*--cache"):
            data.load("slow")
    assert list((cache_root / "images").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_only_when_flushed(slow, cache_root, monkeypatch):
    real = Path.open

    def full(path, mode="r", *arguments, **options):
        if path.suffix == ".bin" and "w" in mode:
            path = Path("/dev/full")
        return real(path, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(UserError, match="No space left on device"):
            data.load("slow")
    assert list((cache_root / "images").iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_folder_that_cannot_be_is_an_error(slow, tmp_path, place):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot be written.*--cache"):
        data.load("slow", DataOptions(cache=str(tmp_path / place)))


def test_a_read_only_disk(slow, cache_root, monkeypatch):
    first = data.load("slow")

    def refuse(*_arguments, **_options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert same(first, data.load("slow"))  # what is there can be used
    shutil.rmtree(entry(cache_root))
    with pytest.raises(UserError, match="Read-only file system"):
        data.load("slow")


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert cache.root(DataOptions(cache="here")) == Path("here")
    monkeypatch.setenv("GENARIUM_CACHE", str(tmp_path))
    assert cache.root(DataOptions()) == tmp_path
    monkeypatch.delenv("GENARIUM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.root(DataOptions()) == tmp_path / "xdg" / "genarium"


def test_writing_into_images_does_not_touch_the_cache(slow):
    dataset = data.load("slow")
    dataset.train.images.zero_()
    assert data.load("slow").train.images.any()
