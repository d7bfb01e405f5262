"""The library's door: every method takes every kind of images, runs and data, or says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import genarium
from genarium import verbs
from genarium.cli import main
from genarium.contract import Batch, from_uint8, quantize, to_uint8
from genarium.errors import UserError
from genarium.runs import inputs
from genarium.runs.trained import Trained
from genarium.study.create import create
from tests.conftest import tiny_dataset, tiny_images, tiny_spec

SMALL: dict[str, dict[str, Any]] = {
    "vae": {"latent": 2},
    "cvae": {"latent": 2},
    "pixelcnn": {"blocks": 0, "levels": 2},
    "pix2pix": {"patch": 16, "disc_width": 2},
    "flow-matching": {},
}


def small_run(recipe: str, folder: Path, channels: int = 1) -> Trained:
    return genarium.train(
        recipe, tiny_dataset(channels, n=24), out=folder, steps=1, batch=4, width=2, **SMALL[recipe]
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    home = tmp_path_factory.mktemp("runs")
    result = {name: small_run(name, home / name) for name in SMALL}
    return {**result, "rgb": small_run("vae", home / "rgb", 3)}


METHODS: dict[str, tuple[str, Callable[[Trained, Any], Tensor]]] = {
    "reconstruct": ("vae", lambda run, x: run.reconstruct(x)),
    "reconstruct-rgb": ("rgb", lambda run, x: run.reconstruct(x)),
    "encode": ("vae", lambda run, x: run.encode(x)),
    "score-bound": ("vae", lambda run, x: run.score(x)),
    "score-exact": ("pixelcnn", lambda run, x: run.score(x)),
    "likelihoods": ("vae", lambda run, x: run.likelihoods(x).value),
    "invert": ("vae", lambda run, x: run.invert(x, steps=1, restarts=1).codes),
    "complete": ("pixelcnn", lambda run, x: run.complete(x, torch.ones(16, 16).bool())),
    "translate": ("pix2pix", lambda run, x: run.translate(x)),
    "edit": ("flow-matching", lambda run, x: run.edit(x, 0.2)),
    "seen": ("vae", lambda run, x: run.seen(x)),
    "table": ("vae", lambda run, x: genarium.encode(run, x).codes),
    "labelled": ("cvae", lambda run, x: run.encode(x, [0, 1, 1])),
}
TAKES_IMAGES = {
    *("reconstruct", "encode", "score", "likelihoods", "invert", "complete", "translate", "edit"),
    "seen",
}


def test_every_method_is_looked_at() -> None:
    import inspect

    result = {
        name
        for name, method in inspect.getmembers(Trained, inspect.isfunction)
        if not name.startswith("_") and "images" in inspect.signature(method).parameters
    }
    assert (
        result == TAKES_IMAGES == {name.split("-")[0] for name in METHODS} - {"table", "labelled"}
    )


def three(spec_channels: int) -> Tensor:
    images = tiny_images(tiny_spec(spec_channels), 3, 5)[0]
    images[:, :, 0, 0] = 0  # no float of them is on [0, 1] alone
    return images


def pillow(images: Tensor) -> list[Image.Image]:
    return [Image.fromarray((x[0] if len(x) == 1 else x.permute(1, 2, 0)).numpy()) for x in images]


KINDS: dict[str, Callable[[Tensor, Path], Any]] = {
    "uint8": lambda x, _: x,
    "floats": lambda x, _: from_uint8(x),
    "doubles": lambda x, _: from_uint8(x).double(),
    "half": lambda x, _: from_uint8(x).half(),  # 2^-11 of 1: less than half a level
    "channels last in memory": lambda x, _: x.contiguous(memory_format=torch.channels_last),
    "with a gradient": lambda x, _: from_uint8(x).requires_grad_(),
    "array [N,C,H,W]": lambda x, _: x.numpy(),
    "array [N,H,W,C]": lambda x, _: x.permute(0, 2, 3, 1).numpy(),
    "array of floats": lambda x, _: from_uint8(x).permute(0, 2, 3, 1).numpy(),
    "read-only array": lambda x, _: np.frombuffer(x.numpy().tobytes(), np.uint8).reshape(x.shape),
    "big-endian floats": lambda x, _: from_uint8(x).numpy().astype(">f4"),
    "list of tensors": lambda x, _: list(x),
    "list of arrays": lambda x, _: [y.permute(1, 2, 0).numpy() for y in x],
    "pictures": lambda x, _: pillow(x),
    "tuple of pictures": lambda x, _: tuple(pillow(x)),
    "folder": lambda x, folder: written(x, folder),
    "folder by text": lambda x, folder: str(written(x, folder)),
    "files": lambda x, folder: sorted(written(x, folder).iterdir()),
}


def written(images: Tensor, folder: Path) -> Path:
    for number, picture in enumerate(pillow(images)):
        picture.save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_every_kind(
    method: str, runs: dict[str, Trained], tmp_path: Path
) -> None:
    name, call = METHODS[method]
    run = runs[name]
    images = three(run.spec.channels)
    expected = call(run, images)
    for kind, make in KINDS.items():
        if method == "table" and "folder" in kind:
            continue  # a folder has splits there
        folder = tmp_path / kind.replace(" ", "-").replace("/", "")
        folder.mkdir()
        result = call(run, make(images, folder))
        assert torch.equal(result, expected), kind
        assert result.device.type == "cpu"
    if run.spec.channels == 1:
        assert torch.equal(call(run, images[:, 0].numpy()), expected)
    assert not call(run, images).requires_grad


WRONG: dict[str, tuple[Any, str]] = {
    "floats on [0, 1]": (torch.rand(3, 1, 16, 16), "none below 0"),
    "floats on 0..255": (torch.rand(3, 1, 16, 16) * 255, "bring them to"),
    "normalized": (torch.randn(3, 1, 16, 16) * 3, "bring them to"),
    "not finite": (torch.full((3, 1, 16, 16), torch.nan), "not finite"),
    "whole numbers": (torch.zeros(3, 1, 16, 16, dtype=torch.int64), "int64"),
    "booleans": (torch.zeros(3, 1, 16, 16, dtype=torch.bool), "bool"),
    "complex": (torch.zeros(3, 1, 16, 16, dtype=torch.complex64), "complex64"),
    "another size": (torch.zeros(3, 1, 15, 16, dtype=torch.uint8), r"\[N,1,16,16\]"),
    "other channels": (torch.zeros(3, 3, 16, 16, dtype=torch.uint8), r"\[N,1,16,16\]"),
    "four channels": (torch.zeros(3, 4, 16, 16, dtype=torch.uint8), r"\[N,1,16,16\]"),
    "one image": (torch.zeros(1, 16, 16, dtype=torch.uint8), "images\\[None\\]"),
    "channels last": (torch.zeros(3, 16, 16, 1, dtype=torch.uint8), r"\[N,1,16,16\]"),
    "none": (torch.zeros(0, 1, 16, 16, dtype=torch.uint8), "none"),
    "an empty list": ([], "none"),
    "None": (None, "a NoneType"),
    "a number": (3, "an int"),
    "bytes": (b"png", "a bytes"),
    "a list of numbers": ([1, 2, 3], "a list with an int"),
    "two sizes": ([torch.zeros(1, 16, 16), torch.zeros(1, 8, 8)], "one type and shape"),
    "an array of objects": (np.array([None, None]), "object"),
    "an array of texts": (np.array(["a"]), "<U1"),
    "a path of nothing": (Path("nowhere.png"), "does not exist"),
    "a folder of nothing": ("nowhere/", "does not exist"),
    "a data set that is none": ("digts", "does not exist"),
    "test images that are none": ("test:5000", "test images 0 to 23"),
}


@pytest.mark.parametrize("method", [m for m in METHODS if "rgb" not in m])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_meant_is_one_line(
    method: str, wrong: str, runs: dict[str, Trained]
) -> None:
    name, call = METHODS[method]
    value, words = WRONG[wrong]
    if method == "table" and (value is None or isinstance(value, str | Path)):
        return  # the run's own data, and what `load` says of a folder
    with pytest.raises(UserError, match=words) as caught:
        call(runs[name], value)
    assert "\n" not in str(caught.value)


def test_samples_go_back_in(runs: dict[str, Trained]) -> None:
    """What they were drawn as is what they are read as: exactly the pixels that would be saved."""
    for name in ("vae", "rgb"):
        run = runs[name]
        drawn = run.sample(4)
        drawn[:, :, 0, 0] = -1.2  # a linear decoder overshoots
        assert torch.equal(run.encode(drawn), run.encode(to_uint8(drawn)))
        assert torch.equal(run.reconstruct(drawn), run.reconstruct(to_uint8(drawn)))


def test_pictures_are_fitted_as_files_are(runs: dict[str, Trained], tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 25, 4), np.uint8))
    picture.save(tmp_path / "a.png")
    for name in ("vae", "rgb"):
        assert torch.equal(runs[name].encode(picture), runs[name].encode(tmp_path / "a.png"))


@pytest.mark.parametrize(
    "condition", [1, "light", [1, 1, 1], np.array([1, 1, 1]), torch.ones(3).long()]
)
def test_conditions(condition: Any, runs: dict[str, Trained]) -> None:
    run = runs["cvae"]
    assert torch.equal(run.encode(three(1), condition), run.encode(three(1), "light"))
    assert torch.equal(run.sample(3, condition=condition), run.sample(3, condition=1))


@pytest.mark.parametrize(
    "condition",
    [2, -1, "bright", [0, 1], [0, 1, 2], torch.zeros(3, 2), torch.zeros(3), {"a": 1},
     [[0], [1], [1]], ["dark", "light", "light"], torch.tensor(1), 0.5],
)  # fmt: skip
def test_wrong_conditions(condition: Any, runs: dict[str, Trained]) -> None:
    for call in (
        lambda run: run.encode(three(1), condition),
        lambda run: run.sample(3, condition=condition),
        lambda run: run.codes(3, condition=condition),
    ):
        with pytest.raises(UserError, match=r"condition|--class"):
            call(runs["cvae"])


def test_codes(runs: dict[str, Trained]) -> None:
    run = runs["vae"]
    codes = run.encode(three(1))
    images = run.decode(codes)
    assert torch.equal(run.decode(codes.numpy()), images)
    assert torch.equal(run.decode(codes.double()), images)
    for wrong in (codes[0], codes[:, :1], codes[:0], codes * torch.nan, "codes", None, [1.0, 2.0]):
        with pytest.raises(UserError, match=r"decode: z: .*(\[N,2\]|not finite)"):
            run.decode(wrong)  # type: ignore[arg-type]
    conditional = runs["cvae"]
    with pytest.raises(UserError, match="relabelled: codes"):
        conditional.relabelled(codes, 1)


@pytest.mark.parametrize(
    "keep",
    [torch.ones(16, 16), torch.ones(15, 16).bool(), torch.ones(2, 1, 16, 16).bool(), None, "top",
     torch.ones(3, 3, 16, 16).bool()],
)  # fmt: skip
def test_masks(keep: Any, runs: dict[str, Trained]) -> None:
    run = runs["pixelcnn"]
    with pytest.raises(UserError, match="complete: keep"):
        run.complete(three(1), keep)
    array = np.ones((16, 16), bool)
    assert torch.equal(
        run.complete(three(1), array), run.complete(three(1), torch.ones(16, 16) > 0)
    )


@pytest.mark.parametrize("n", [-1, 2.5, "3", None])
def test_counts(n: Any, runs: dict[str, Trained]) -> None:
    for call in (runs["vae"].sample, runs["vae"].codes):
        with pytest.raises(UserError, match=": n "):
            call(n)
    assert runs["vae"].sample(np.int64(2)).shape[0] == 2  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ runs and data


def test_runs_by_path_text_and_object(runs: dict[str, Trained], tmp_path: Path) -> None:
    run, data = runs["vae"], tiny_dataset(n=24)
    for value in (run, run.path, str(run.path)):
        assert genarium.encode(value, three(1)).codes.shape == (3, 2)
        assert genarium.evaluate(value, data=data, n=4, metrics="fid").rows
        out = tmp_path / f"{type(value).__name__}"
        create(value, data, out=out, n=2, show=1, practice=0, checks=1)
        page = genarium.compare(value, data=data, n=4)
        assert page.save(out.with_suffix(".html")) == page.path
        assert page.path.is_file()
    assert genarium.load(run.path).step == genarium.load(str(run.path)).step


@pytest.mark.parametrize("wrong", [None, 3, b"runs", "", "nowhere", Path("nowhere"), "\0", ["a"]])
def test_what_is_no_run(wrong: Any, tmp_path: Path) -> None:
    for call in (
        genarium.load,
        genarium.resume,
        genarium.evaluate,
        lambda run: genarium.encode(run, three(1)),
        lambda run: genarium.compare([run]).save(tmp_path / "a.html"),
        lambda run: create([run], out=tmp_path / "study"),
    ):
        with pytest.raises(UserError) as caught:
            call(wrong)
        assert "\n" not in str(caught.value)


def test_data_by_path(runs: dict[str, Trained], tmp_path: Path) -> None:
    images = tiny_images(tiny_spec(), 24)[0]
    (tmp_path / "photos").mkdir()
    photos = written(images, tmp_path / "photos")
    small = {"steps": 1, "batch": 4, "width": 2, "latent": 2}
    by_path = genarium.train("vae", photos, out=tmp_path / "a", **small)
    by_text = genarium.train("vae", str(photos), out=tmp_path / "b", **small)
    assert by_path.about["data"]["manifest"] == by_text.about["data"]["manifest"]
    assert genarium.data.load(photos).manifest == by_path.about["data"]["manifest"]
    assert genarium.encode(by_path, photos).codes.shape == (24, 2)
    assert genarium.evaluate(by_path, data=photos, n=4, metrics="fid").rows
    assert genarium.evaluate(by_path, against=photos, n=4, metrics="fid").rows
    for wrong in (3, [photos]):
        with pytest.raises(UserError, match="data: "):
            genarium.train("vae", wrong, out=tmp_path / "c", **small)  # type: ignore[arg-type]
        assert not (tmp_path / "c").exists()
    for wrong, why in ((3, "data: "), (three(1), "is not what|are needed")):
        with pytest.raises(UserError, match=why):
            genarium.load(by_path.path, data=wrong).dataset()  # type: ignore[arg-type]
        with pytest.raises(UserError, match=why):
            create(by_path, wrong, out=tmp_path / "c")  # type: ignore[arg-type]


def test_images_for_the_referee_and_the_grid(tmp_path: Path) -> None:
    images = three(3)
    for kind, make in KINDS.items():
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()
        given = make(images, folder)
        if kind not in ("files", "folder by text", "folder"):
            genarium.save_grid(given, folder / "grid.png")
            grid = np.asarray(Image.open(folder / "grid.png"))
            genarium.save_grid(images, folder / "other.png")
            assert np.array_equal(grid, np.asarray(Image.open(folder / "other.png")))
        if kind != "files":
            assert genarium.evaluate(given, against=images, metrics="fid").get("FID").value == 0
    for wrong, words in WRONG.values():
        if words in ("does not exist", "test images 0 to 23", r"\[N,1,16,16\]"):
            continue
        with pytest.raises(UserError, match=words):
            genarium.evaluate(wrong, against=images)
    for wrong in (
        torch.zeros(3, 16, 16),
        torch.zeros(0, 1, 4, 4),
        torch.zeros(1, 1, 4, 4).int(),
        None,
        [1],
    ):
        with pytest.raises(UserError, match="save_grid: images"):
            genarium.save_grid(wrong, tmp_path / "no.png")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ dtypes, devices


def test_nothing_is_scaled_twice() -> None:
    images = three(1)
    with pytest.raises(UserError, match="to_uint8: uint8: give floats"):
        to_uint8(images)
    for call in (from_uint8, lambda x: quantize(x, 4), Batch):
        with pytest.raises(UserError, match="float32: give uint8"):
            call(from_uint8(images))
    assert torch.equal(to_uint8(from_uint8(images)), images)


@pytest.mark.parametrize("where", ["inputs.images", "floats"])
def test_any_device_comes_to_the_cpu(where: str) -> None:
    """Shown by what is asked of the tensor, as this machine may have one device only."""

    class Elsewhere(Tensor):
        moved = False

        def cpu(self) -> Tensor:  # type: ignore[override]
            Elsewhere.moved = True
            return self.as_subclass(Tensor)

    if where == "floats":
        inputs.floats(torch.zeros(2, 2).as_subclass(Elsewhere), "x", 2)
    else:
        inputs.images(three(1).as_subclass(Elsewhere), "x")
    assert Elsewhere.moved


@pytest.mark.parametrize(
    ("recipe", "does", "call"),
    [
        ("vae", "encode", lambda run: run.encode(three(1))),
        ("vae", "reconstruct", lambda run: run.reconstruct(three(1))),
        ("vae", "elbo", lambda run: run.score(three(1))),
        ("vae", "decode", lambda run: run.decode(torch.zeros(3, 2))),
        ("cvae", "encode", lambda run: run.encode(three(1), 1)),
        ("pixelcnn", "log_prob", lambda run: run.score(three(1))),
        ("pixelcnn", "complete", lambda run: run.complete(three(1), torch.ones(16, 16) > 0)),
        ("pix2pix", "translate", lambda run: run.translate(three(1))),
    ],
)
def test_images_go_to_the_model_s_device(
    recipe: str, does: str, call: Callable[[Trained], Tensor], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """On the device `meta`, which computes nothing but tells who brought its tensors along."""
    run = small_run(recipe, tmp_path / "run")
    _ = run.code_size if recipe == "vae" else None
    run.model.to("meta")
    asked: list[str] = []

    def there(*arguments: Any, **settings: Any) -> Tensor:
        given = [*arguments, *settings.values()]
        asked.extend(x.device.type for x in given if isinstance(x, Tensor))
        return torch.zeros(3, 2)

    monkeypatch.setattr(run.model, does, there)
    assert call(run).device.type == "cpu"
    assert {*asked} == {"meta"}


@pytest.mark.parametrize("strength", ["half", None, True, float("nan"), -0.1, 1.5])
def test_a_strength_is_a_number_from_0_to_1(strength: Any, runs: dict[str, Trained]) -> None:
    with pytest.raises(UserError, match=r"edit: strength .*: give a number from 0 to 1"):
        runs["flow-matching"].edit(three(1), strength)
    for kind in (np.float32, torch.tensor):
        same = runs["flow-matching"].edit(three(1), kind(0.25))
        assert torch.equal(same, runs["flow-matching"].edit(three(1), 0.25))


NOTHING_TO_COMPUTE = {
    "data list",
    "data prepare",
    "data show",
    "export",  # a graph is recorded on the CPU, wherever the model is
    "environment",
    "models",
    "push",
    "show",
    "study report",
    "study serve",
    "zoo fetch",
    "zoo list",
    "zoo show",
}
PLACES = {"train": ["vae", "--data", "digits"], "demo": [], "arithmetic": ["RUN", "--plus", "1"]}


@pytest.mark.parametrize("name", sorted({*verbs.catalogue()} - NOTHING_TO_COMPUTE))
def test_every_verb_that_computes_says_where_or_refuses_to(
    name: str,
    runs: dict[str, Trained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A device that is not here: one line before anything is read or written."""
    absent = "mps" if torch.cuda.is_available() else "cuda"
    monkeypatch.chdir(tmp_path)
    before = {*runs["vae"].path.rglob("*")}
    words = [w.replace("RUN", str(runs["vae"].path)) for w in PLACES.get(name, ["RUN"])]
    assert main([*name.split(), *words, "--device", absent]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        f"--device {absent} is not available here: leave --device away, or give cpu"
    )
    assert not [*tmp_path.iterdir()]
    assert {*runs["vae"].path.rglob("*")} == before


@pytest.mark.parametrize("device", ["cuda:99", "meta", "nowhere"])
def test_a_device_that_is_not_here_is_refused_in_python_too(
    device: str, runs: dict[str, Trained]
) -> None:
    with pytest.raises(UserError, match="is not available here"):
        genarium.load(runs["vae"].path, device=device)
