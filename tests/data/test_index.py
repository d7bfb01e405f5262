"""What is remembered of the files of a folder, and how they are gone through."""

import contextlib
import gc
import json
import threading
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from genarium import data
from genarium.data import DataOptions, cache, index
from genarium.data.scan import scan, uncollected

from .conftest import noise


def test_folders_below_the_working_directory_keep_their_facts_apart(photos, monkeypatch):
    monkeypatch.setattr(index, "RACY", 0)
    for name, sides in (("ab", (8, 8)), ("bb", (8, 12))):  # alike but for their first letter
        (photos / name).mkdir()
        for i in range(3):
            Image.fromarray(noise(i, *sides)).save(photos / name / f"{i}.png")
    monkeypatch.chdir(photos)
    result = index.Index(Path(), DataOptions())
    files = scan(Path()).files
    facts = result.facts(files, False)
    assert [fact.width for fact in facts] == [8, 8, 8, 12, 12, 12]
    time.sleep(0.02)
    result.save()
    monkeypatch.setattr(index, "inspect", None)  # would fail if called
    again = index.Index(Path(), DataOptions())
    assert again.facts(files, False) == facts
    assert not again.changed
    assert len(again.facts(files[:4], False)) == 4
    assert again.changed


def test_an_index_of_nonsense_is_read_anew(ten, monkeypatch):
    monkeypatch.setattr(index, "RACY", 0)
    whole = data.load(str(ten)).manifest
    (path,) = (cache.root(DataOptions()) / "index").glob("*.json")
    stored = json.loads(path.read_bytes().partition(b"\n")[2])
    for nonsense in (7, [], "x", {"a": 1}, [*next(iter(stored["files"].values())), 1]):
        stored["files"] = dict.fromkeys(stored["files"], nonsense)
        text = json.dumps(stored).encode()
        path.write_bytes(b"%08x\n%s" % (zlib.crc32(text), text))
        assert data.load(str(ten)).manifest == whole


def test_an_index_with_one_wrong_byte_is_read_anew(ten, monkeypatch):
    monkeypatch.setattr(index, "RACY", 0)
    whole = data.load(str(ten)).info
    (path,) = (cache.root(DataOptions()) / "index").glob("*.json")
    content = path.read_bytes()
    at = content.index(b", 8, 8, ") + 2  # the width of a picture, as other digits would be valid
    path.write_bytes(content[:at] + b"9" + content[at + 1 :])
    assert data.load(str(ten)).info == whole


@pytest.mark.parametrize("seconds", [0, 0.002])
def test_only_slow_items_are_worth_threads(seconds, monkeypatch):
    if not seconds:  # whatever else the machine does meanwhile
        monkeypatch.setattr(index, "QUICK", 60)
    threads = set()

    def work(item):
        time.sleep(seconds)
        threads.add(threading.current_thread())
        return 2 * item

    assert list(index.parallel(work, range(600))) == list(range(0, 1200, 2))
    assert (threads == {threading.main_thread()}) == (seconds == 0)
    assert list(index.parallel(work, range(5))) == [0, 2, 4, 6, 8]
    assert list(index.parallel(work, ())) == []


def test_the_garbage_collector_is_as_before():
    for raised in (False, True):
        with contextlib.suppress(ValueError), uncollected():
            assert not gc.isenabled()
            if raised:
                raise ValueError
        assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
