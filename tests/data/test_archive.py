import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from genarium import data
from genarium.data.sources import archive
from genarium.errors import UserError

from .conftest import noise


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise(seed)).save(stream, "PNG")
    return stream.getvalue()


def write_zip(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w", **fields) -> Path:
    with tarfile.open(path, mode) as out:
        for name, content in members.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            for key, value in fields.items():
                setattr(item, key, value)
            out.addfile(item, io.BytesIO(content))
    return path


TWO_CLASSES = {f"photos/{'ab'[i % 2]}/{i}.png": png(i) for i in range(10)}
LITTER = {"__MACOSX/photos/._x.png": b"", "photos/.DS_Store": b"", "photos/readme.txt": b"hi"}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "txz"])
def test_an_archive_is_read_like_its_folder(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    members = {**TWO_CLASSES, **LITTER}
    if kind == "zip":
        write_zip(path, members)
    else:
        write_tar(path, members, {"tar": "w", "tar.gz": "w:gz", "txz": "w:xz"}[kind])
    dataset = data.load(str(path))
    assert dataset.name == f"x.{kind}"
    assert dataset.spec.classes == ("a", "b")
    assert dataset.info["counts"]["total"] == 10
    folder = tmp_path / "folder"
    for name, content in TWO_CLASSES.items():
        target = folder / name.removeprefix("photos/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    assert data.load(str(folder)).manifest == dataset.manifest
    path.rename(tmp_path / f"moved.{kind}")
    assert data.load(str(tmp_path / f"moved.{kind}")).manifest == dataset.manifest


UNSAFE = ["../x.png", "a/../../x.png", "/x.png", "..\\x.png", "C:\\x.png", "\\x.png"]


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_names_that_lead_outside_are_refused(tmp_path, cache_root, name, write):
    path = write(tmp_path / f"x.{write.__name__[-3:]}", {"ok.png": png(1), name: png(2)})
    with pytest.raises(UserError, match=r"refused: .*(outside|absolute)"):
        data.load(str(path))
    assert not list(tmp_path.rglob("*.png"))
    assert not list((cache_root / "archives").iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_special_files_are_refused(tmp_path, kind):
    path = write_tar(tmp_path / "x.tar", {"x.png": b""}, type=kind, linkname="/etc/passwd")
    with pytest.raises(UserError, match=r"x.png is a (link|special file)"):
        data.load(str(path))


def test_links_in_a_zip_are_refused(tmp_path):
    item = zipfile.ZipInfo("x.png")
    item.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
        out.writestr(item, "/etc/passwd")
    with pytest.raises(UserError, match=r"x\.png is a link"):
        data.load(str(tmp_path / "x.zip"))


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bombs_are_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archive, "ALWAYS_ALLOWED", 1 << 20)
    path, bomb = tmp_path / f"x.{kind}", {"a.png": bytes(1 << 22)}
    if kind == "zip":
        write_zip(path, bomb, compression=zipfile.ZIP_DEFLATED)
    else:
        write_tar(path, bomb, "w:gz")
    with pytest.raises(UserError, match="bomb"):
        data.load(str(path))


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_damaged_archives(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        write_zip(path, TWO_CLASSES)
    else:
        write_tar(path, TWO_CLASSES, "w" if kind == "tar" else "w:gz")
    whole = path.read_bytes()
    cuts = [whole[:end] for end in (0, 100, 1536, len(whole) // 2 - 3, len(whole) // 2)]
    for content in (*cuts, b"garbage" * 100):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged|no images"):
            data.load(str(path))
