"""One picture has the same pixels by every name, in every verb: the run's own policy reads it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import genarium
from genarium.cli import main
from genarium.data import DataOptions
from genarium.errors import UserError
from genarium.runs import selection as given
from genarium.runs import sources
from genarium.runs.trained import Trained
from tests.conftest import VERBS

POLICIES = {
    "pad": ["--size", "12x16", "--fit", "pad", "--background", "#20a050", "--range", "8-bit"],
    "grey": ["--size", "16", "--channels", "1", "--fit", "stretch", "--background", "black"],
    "static": ["--size", "16", "--channels", "1", "--binarize", "static", "--range", "8-bit"],
    "plain": [],
}
TINY = ["--steps", "1", "--batch", "4", "--width", "2", "--device", "cpu", "--quiet"]


def paint(folder: Path) -> None:
    """Pictures of many kinds: sizes, transparency, 16 bits, a camera's orientation, a palette."""
    draw = np.random.default_rng(0)
    for number in range(40):
        place = folder / ("left", "right")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        height, width = draw.integers(9, 40, 2)
        pixels = draw.integers(0, 256, (height, width, 4), dtype=np.uint8)
        file = place / f"{number}.png"
        if number % 5 == 0:
            Image.fromarray(pixels, "RGBA").save(file)
        elif number % 5 == 1:
            Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(file)
        elif number % 5 == 2:
            exif = Image.Exif()
            exif[0x0112] = 6
            Image.fromarray(pixels[..., :3]).save(file.with_suffix(".jpg"), exif=exif)
        elif number % 5 == 3:
            Image.fromarray(pixels[..., :3]).quantize(16).save(file)
        else:
            Image.fromarray(pixels[..., :3]).save(file)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/, photos.zip, a VAE for each policy, and a pix2pix and a PixelCNN."""
    home = tmp_path_factory.mktemp("home")
    photos = home / "photos"
    paint(photos)
    with zipfile.ZipFile(home / "photos.zip", "w") as archive:
        for file in sorted(photos.rglob("*.*")):
            archive.write(file, file.relative_to(photos))
    for name, flags in POLICIES.items():
        command = ["train", "vae", "--data", str(photos), *TINY, "--latent", "2", *flags]
        assert main([*command, "--out", str(home / name)]) == 0
    pairs = ["train", "pix2pix", "--data", f"pairs:a={photos},b={photos}", *TINY]
    more = ["--patch", "16", "--disc-width", "2", "--size", "16", *POLICIES["pad"][2:]]
    assert main([*pairs, *more, "--out", str(home / "pix2pix")]) == 0
    pixels = ["train", "pixelcnn", "--data", str(photos), *TINY, "--blocks", "0", "--levels", "2"]
    assert main([*pixels, *POLICIES["static"], "--out", str(home / "pixelcnn")]) == 0
    return home


def own(run: Trained) -> dict[str, Tensor]:
    """The pixels of every picture in the run's own data, by name."""
    data = run.dataset()
    return {
        name: image
        for split in (data.train, data.validation, data.test)
        for name, image in zip(split.names, split.images)
    }


@pytest.mark.parametrize("policy", [*POLICIES, "pix2pix", "pixelcnn"])
def test_by_every_path(policy: str, home: Path) -> None:
    run = genarium.load(home / policy)
    expected = own(run)
    photos = home / "photos"
    assert len(expected) == 40
    assert len({image.numpy().tobytes() for image in expected.values()}) == 40
    test = run.dataset().test
    for row, name in enumerate(test.names):
        assert torch.equal(given.given(run, "", f"test:{row}").images[0], expected[name])
    for name, image in expected.items():  # by itself: a path of text, a Path, opened by Pillow
        file = photos / name
        for value in (str(file), file, Image.open(file), [Image.open(file)]):
            assert torch.equal(given.pictures(run, value, "images")[0], image), name
    # a folder, an archive, several names
    for path in (photos, home / "photos.zip"):
        result = given.given(run, "", str(path))
        names = [str(Path(name).relative_to(path)) for name in result.names]
        assert sorted(names) == sorted(expected)
        for name, image in zip(names, result.images):
            assert torch.equal(image, expected[name])
    some = [str(photos / name) for name in list(expected)[:3]]
    assert torch.equal(given.all_given(run, some, "").images, torch.stack([*expected.values()][:3]))
    if policy != "pix2pix":
        # with splits and labels, and as the referee of `evaluate` reads them
        seen = [run.spec.values.pictures(known[None])[0] for known in expected.values()]
        again = given.dataset_for(run, photos)
        assert torch.equal(again.train.images, run.dataset().train.images)
        for path in (photos, photos / "left"):
            images = sources.images(
                path, "", None, 0, given.options(run), values=run.spec.values
            ).images
            for image in torch.cat(list(images.batches(7))):
                assert any(torch.equal(image, known) for known in seen)


def test_of_the_second_domain(tmp_path: Path) -> None:
    """Grey drawings and pictures in colour: each domain has its own channels."""
    draw = np.random.default_rng(1)
    for side, shape in (("a", (20, 20)), ("b", (20, 20, 3))):
        (tmp_path / side).mkdir()
        for number in range(20):
            pixels = draw.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / side / f"{number}.png")
    run = genarium.train(
        "pix2pix", f"pairs:a={tmp_path / 'a'},b={tmp_path / 'b'}", out=tmp_path / "run", steps=1,
        batch=4, width=2, size=16, patch=16, disc_width=2,
    )  # fmt: skip
    test = run.dataset().test
    for domain, channels in (("a", 1), ("b", 3)):
        files = [tmp_path / domain / name for name in test.names]
        result = given.pictures(run, files, "images", domain)
        assert torch.equal(result, test.domain(domain))
        assert result.shape[1] == channels
        named = given.given(run, "", run.config["data"]["source"], domain=domain)
        assert torch.equal(named.images, test.domain(domain))


def test_by_the_name_of_a_data_set(tmp_path: Path) -> None:
    run = genarium.train(
        "vae", "digits", out=tmp_path / "run", steps=1, batch=4, width=2, latent=2,
        size=14, binarize="static",
    )  # fmt: skip
    test = run.dataset().test.images[:50]
    assert set(test.unique().tolist()) == {0, 255}
    raw = genarium.data.load("digits").test.images[:50]
    for row, image in enumerate(raw):
        Image.fromarray(image[0].numpy()).save(tmp_path / f"{row:02}.png")
    np.savez(tmp_path / "some.npz", images=raw[:, 0].numpy())
    for value in (
        "digits",
        "test:0-49",
        [tmp_path / f"{row:02}.png" for row in range(50)],
        tmp_path / "some.npz",
    ):
        result = given.pictures(run, value, "images")[:50]
        assert torch.equal(result, test)
    codes = genarium.encode(run, "digits", splits=("test",)).codes[:50]
    assert torch.allclose(codes, run.encode(test), atol=1e-6)


# Verbs that take pictures by name, with the run that can and the flags that make them few.
TAKE = {
    "reconstruct": "reconstruct pad IMAGES",
    "denoise": "denoise pad IMAGES",
    "encode": "encode pad IMAGES",
    "score": "score pad IMAGES",
    "complete": "complete pixelcnn IMAGES --draws 1",
    "translate": "translate pix2pix IMAGES",
    "invert": "invert pad IMAGES --steps 1 --restarts 1",
    "interpolate": "interpolate pad --from IMAGES --to IMAGES --steps 2",
    "arithmetic": "arithmetic pad --plus IMAGES",
    "traverse": "traverse pad --from IMAGES --dimension 0 --steps 2",
    "decode": "decode pad IMAGES",
    "nearest": "nearest pad IMAGES",
    "manifold": "manifold pad --from IMAGES --side 2",
    "cluster": "cluster pad IMAGES --groups 2",
    "map": "map pad IMAGES --method pca",
}
LEAST = {"cluster": 2, "map": 4}
"""Files that a verb needs, where one is not enough."""
# Those that need labels and splits, or sets of images: no single file.
SETS = {
    "probe": "probe grey DATA --labels 20",
    "finetune": "finetune grey DATA --labels 8 --seeds 1 --steps 1 --batch 4",
    "evaluate": "evaluate grey --against DATA -n 4 --metrics fid",
    "study create": "study create grey --data DATA -n 2 --show 1 --practice 0 --checks 1",
}
SUFFIX = {
    "encode": ".npz", "score": ".csv", "probe": ".json", "cluster": ".json", "finetune": ".json",
    "evaluate": "", "study create": "",
}  # fmt: skip
NONE = {
    *("models", "data list", "data show", "data prepare", "train", "resume", "sample", "compare"),
    *("demo", "diagnose", "environment", "features train", "study serve", "study report"),
    *("show", "studio", "export", "push", "zoo list", "zoo show", "zoo fetch"),
}


def test_every_verb_is_looked_at() -> None:
    assert {*TAKE} | {*SETS} | NONE == {*VERBS}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The pixels that the model of a run was given."""
    results: list[Tensor] = []
    pictures = given.pictures

    def watched(*arguments: object, **settings: object) -> Tensor:
        images = pictures(*arguments, **settings)  # type: ignore[arg-type]
        results.append(images)
        return images

    monkeypatch.setattr(given, "pictures", watched)
    return results


@pytest.fixture
def go(home: Path, tmp_path: Path) -> Callable[[str, str, Path], int]:
    def do(verb: str, command: str, images: Path) -> int:
        words = [{"IMAGES": str(images), "DATA": str(images)}.get(w, w) for w in command.split()]
        if images.is_file():  # and others beside it, where one is too few
            more = sorted(images.parent.iterdir())[1 : LEAST.get(verb, 1)]
            at = words.index(str(images)) + 1
            words[at:at] = map(str, more)
        place = len(verb.split())
        words[place] = str(home / words[place])
        out = str(tmp_path / f"out{SUFFIX.get(verb, '.png')}")
        return main(words if verb == "evaluate" else [*words, "--out", out])

    return do


@pytest.mark.parametrize("verb", TAKE)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_in_every_verb(
    verb: str, kind: str, home: Path, seen: list[Tensor], go: Callable[[str, str, Path], int]
) -> None:
    expected = own(genarium.load(home / TAKE[verb].split()[1]))
    path = home / "photos" / ("left" if kind == "folder" else "left/0.png")
    assert go(verb, TAKE[verb], path) == 0
    given_images = torch.cat(seen)
    blank = int((given_images == 0).flatten(1).all(1).sum())  # asked for the size of a code
    known = {image.numpy().tobytes() for image in expected.values()}
    results = [image.numpy().tobytes() in known for image in given_images]
    assert results.count(False) <= blank
    wanted = {expected[n].numpy().tobytes() for n in expected if kind == "folder" and "left" in n}
    wanted |= {expected["left/0.png"].numpy().tobytes()}
    if verb not in ("denoise",):  # -n takes the first
        assert wanted <= {image.numpy().tobytes() for image in given_images}


@pytest.mark.parametrize("verb", SETS)
def test_sets_of_images(
    verb: str,
    home: Path,
    seen: list[Tensor],
    go: Callable[[str, str, Path], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Read with the run's policy, told by the options that reach the reader."""
    asked: list[DataOptions] = []
    load, stream = given.load_data, sources.stream
    monkeypatch.setattr(given, "load_data", lambda s, o, **k: asked.append(o) or load(s, o, **k))
    monkeypatch.setattr(sources, "stream", lambda p, o: asked.append(o) or stream(p, o))
    assert go(verb, SETS[verb], home / "photos") == 0, capsys.readouterr().err
    assert asked
    for options in asked:
        assert (options.fit, options.background) == ("stretch", "black")
        assert (options.height_width, options.channels) == ((16, 16), 1)
    # a single file is no set: one line
    capsys.readouterr()
    assert go(verb, SETS[verb], home / "photos" / "left" / "0.png") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_one_file_has_no_splits(home: Path) -> None:
    file = home / "photos" / "left" / "0.png"
    table = genarium.encode(home / "pad", file)
    assert table.names == [str(file)]
    assert table.labels is None
    with pytest.raises(UserError, match="has no splits"):
        genarium.encode(home / "pad", file, splits=("test",))
