"""Downloads against a server on this machine; nothing here needs a network."""

import gzip
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from genarium import data
from genarium.data import DataOptions, download, idx
from genarium.data.download import Official, Wrong, content
from genarium.data.sources import mnist
from genarium.errors import UserError

ARRAYS = {
    "train-images": np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8),
    "train-labels": np.arange(60, dtype=np.uint8) % 10,
    "t10k-images": np.random.default_rng(1).integers(0, 256, (20, 28, 28), dtype=np.uint8),
    "t10k-labels": np.arange(20, dtype=np.uint8) % 10,
}
PLAIN = {key: idx.dump(array) for key, array in ARRAYS.items()}
FILES = tuple(
    Official(
        key,
        f"{key}-idx{ARRAYS[key].ndim}-ubyte.gz",
        hashlib.sha256(plain).hexdigest(),
        len(plain),
    )
    for key, plain in PLAIN.items()
)
PACKED = {file.name: gzip.compress(PLAIN[file.key]) for file in FILES}


class Server(ThreadingHTTPServer):
    """Serves `files` with Range; `cut` bytes at most for each answer where it is set."""

    files: dict[str, bytes]
    cut: int | None = None
    ranges: bool = True
    log: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        asked = self.headers.get("Range")
        self.server.log.append((name, asked))
        if name not in self.server.files:
            self.send_error(404)
            return
        body, start = self.server.files[name], 0
        match = re.match(r"bytes=(\d+)-", asked or "")
        if match and self.server.ranges:
            start = int(match.group(1))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.server.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    httpd = Server(("127.0.0.1", 0), Handler)
    httpd.files, httpd.log = dict(PACKED), []
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(download, "TIMEOUT", 5)
    monkeypatch.setattr(mnist, "MNIST", FILES)
    monkeypatch.setattr(mnist, "VALIDATION", 5)
    mirrors = ("http://127.0.0.1:9/nobody/", f"http://127.0.0.1:{httpd.server_port}/mnist/")
    monkeypatch.setattr(mnist, "MNIST_MIRRORS", mirrors)
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def images_of(dataset: data.Dataset) -> int:
    return dataset.info["counts"]["total"]


def test_downloaded_once_from_the_first_mirror_that_answers(server):
    dataset = data.load("mnist")
    assert [len(dataset.split(s)) for s in ("train", "validation", "test")] == [55, 5, 20]
    assert dataset.test.images[:, 0].numpy().tolist() == ARRAYS["t10k-images"].tolist()
    assert dataset.test.labels.tolist() == ARRAYS["t10k-labels"].tolist()
    assert len(server.log) == 4
    data.load("mnist")
    data.load("mnist", DataOptions(size="8"))  # another cache from the same files
    assert len(server.log) == 4


def test_a_download_that_is_cut_short_goes_on_where_it_stopped(server):
    server.cut = 20_000
    assert images_of(data.load("mnist")) == 80
    (name, size) = FILES[0].name, len(PACKED[FILES[0].name])
    asked = [r for n, r in server.log if n == name]
    assert asked == [None, *(f"bytes={start}-" for start in range(20_000, size, 20_000))]


def test_a_part_from_an_earlier_run_is_used(server, cache_root):
    folder = cache_root / "downloads" / "mnist"
    folder.mkdir(parents=True)
    name = FILES[0].name
    (folder / f"{name}.part").write_bytes(PACKED[name][:1000])
    assert images_of(data.load("mnist")) == 80
    assert (name, "bytes=1000-") in server.log
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("part", [b"something else", PACKED[FILES[0].name] + b"more"])
def test_a_wrong_part_is_thrown_away(server, cache_root, part):
    folder = cache_root / "downloads" / "mnist"
    folder.mkdir(parents=True)
    (folder / f"{FILES[0].name}.part").write_bytes(part)
    assert images_of(data.load("mnist")) == 80


def test_a_server_without_ranges(server, cache_root):
    server.ranges = False
    folder = cache_root / "downloads" / "mnist"
    folder.mkdir(parents=True)
    (folder / f"{FILES[0].name}.part").write_bytes(PACKED[FILES[0].name][:1000])
    assert images_of(data.load("mnist")) == 80
    assert len(server.log) == 4  # it starts anew in the same answer


def test_a_damaged_download_is_fetched_again(server, cache_root):
    data.load("mnist")
    (cache_root / "downloads" / "mnist" / FILES[0].name).write_bytes(b"damaged")
    assert images_of(data.load("mnist", DataOptions(size="8"))) == 80
    assert len(server.log) == 5


def test_a_wrong_file_is_never_used(server, cache_root):
    server.files[FILES[0].name] = gzip.compress(PLAIN["train-images"][:-1] + b"\0")
    with pytest.raises(UserError, match=r"wrong file \(SHA-256.*--from DIR"):
        data.load("mnist")
    assert not (cache_root / "images").exists() or not list((cache_root / "images").iterdir())


@pytest.mark.parametrize("answer", ["none", "404", "silence"])
def test_offline_ends_soon_and_names_the_way_out(server, monkeypatch, answer):
    if answer == "404":
        server.files.clear()
    elif answer == "none":
        monkeypatch.setattr(mnist, "MNIST_MIRRORS", ("http://127.0.0.1:9/",))
    else:
        import socket

        listening = socket.socket()  # accepts and never says a word
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        monkeypatch.setattr(download, "TIMEOUT", 0.2)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        monkeypatch.setattr(mnist, "MNIST_MIRRORS", (address,))
    with pytest.raises(UserError, match=r"cannot be downloaded.*--from DIR"):
        data.load("mnist")


def test_files_that_the_user_has(server, tmp_path):
    for file, unpack in zip(FILES, (True, False, True, False), strict=True):
        name = file.name.removesuffix(".gz") if unpack else file.name
        (tmp_path / name).write_bytes(PLAIN[file.key] if unpack else PACKED[file.name])
    dataset = data.load("mnist", DataOptions(from_dir=str(tmp_path)))
    assert images_of(dataset) == 80
    assert not server.log


def test_wrong_and_missing_files_of_the_user(server, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        data.load("mnist", DataOptions(from_dir=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match=r"--from.*train-images-idx3-ubyte.gz is not in it"):
        data.load("mnist", DataOptions(from_dir=str(tmp_path)))
    (tmp_path / FILES[0].name).write_bytes(gzip.compress(b"something"))
    with pytest.raises(UserError, match=r"--from.*not the official file.*SHA-256"):
        data.load("mnist", DataOptions(from_dir=str(tmp_path)))


def test_a_small_gzip_bomb_does_not_fill_the_memory():
    bomb = gzip.compress(bytes(1 << 24))
    with pytest.raises(Wrong, match="SHA-256"):
        content(Official("x", "x", "0" * 64, 100), bomb)
    with pytest.raises(Wrong, match="broken gzip"):
        content(FILES[0], b"\x1f\x8b" + b"\0" * 50)


def test_the_sums_are_those_of_the_published_files():
    assert [f.sha256[:8] for f in mnist.MNIST] == ["ba891046", "65a50cbb", "0fa7898d", "ff7bcfd4"]
    assert len({f.sha256 for f in (*mnist.MNIST, *mnist.FASHION)}) == 8
