"""The page in Chromium: from a file, without a network, on a desktop and on a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genarium
from genarium import latent
from genarium.cli import main
from genarium.errors import UserError
from genarium.exports import page as pages_of
from genarium.exports.prior import codes, prior_of
from genarium.runs.trained import Trained
from tests.conftest import tiny_dataset
from tests.study.browser import browser

KINDS: dict[str, dict[str, Any]] = {
    "cvae": {"latent": 3, "width": 4},
    "autoencoder": {"latent": 2, "width": 4},
    "infogan": {"latent": 4, "width": 4, "categories": (3,), "continuous": 1, "hidden": 8},
    "text-to-image": {"latent": 4, "width": 4, "embedding": 8, "compressed": 6},
    "pix2pix": {"width": 4, "disc_width": 4, "patch": 16},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    home = tmp_path_factory.mktemp("runs")
    return {
        name: genarium.train(
            name, tiny_dataset(3), out=home / name, steps=2, batch=8, device="cpu", **arguments
        )
        for name, arguments in KINDS.items()
    }


@pytest.fixture(scope="module")
def pages(runs: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("pages")
    for name, run in runs.items():
        genarium.export(run, page=home / f"{name}.html", title=f"A <b>{name}</b> & more")
    return {name: home / f"{name}.html" for name in runs}


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with browser() as result:
        yield result


def opened(running: Any, file: Path, width: int = 1280) -> tuple[Any, list[str]]:
    said: list[str] = []
    page = running.new_page(viewport={"width": width, "height": 800})
    page.on("console", lambda m: None if "willRead" in m.text else said.append(m.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "blob:", "data:")) else said.append(r.url),
    )
    page.goto(file.as_uri())
    return page, said


def idle(page: Any) -> None:
    """Wait until nothing is left to be computed; the page allows no `eval`, so no polling of it."""
    page.evaluate(
        "new Promise((done) => { const look = () => "
        "genarium.runner.busy || genarium.runner.waiting.size ? setTimeout(look, 20) : done(); "
        "setTimeout(look, 20); })"
    )


@pytest.mark.parametrize("name", KINDS)
def test_a_page_checks_itself(
    name: str, runs: dict[str, Trained], pages: dict[str, Path], running: Any
) -> None:
    page, said = opened(running, pages[name])
    found = page.evaluate("genarium.checked")
    assert found["fast"]
    assert 0 < found["difference"] <= 1.0
    assert found["draws"] <= 1e-6
    assert found["codes"] <= 0.02
    idle(page)
    assert "Checked" in page.inner_text("#check")
    assert page.inner_text("h1") == f"A <b>{name}</b> & more"
    assert page.is_visible("#pad-box") == (name not in ("infogan", "text-to-image"))
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert said == []
    page.close()


def shown(page: Any, canvas: str = "#picture") -> Any:
    data = f"document.querySelector('{canvas}').getContext('2d').getImageData(0, 0, 16, 16).data"
    return np.array(page.evaluate(f"Array.from({data})")).reshape(16, 16, 4)[..., :3]


def test_what_is_shown_is_what_python_makes(
    runs: dict[str, Trained], pages: dict[str, Path], running: Any
) -> None:
    run = runs["cvae"]
    page, said = opened(running, pages["cvae"])
    page.fill("#seed", "1234567890123")
    page.press("#seed", "Enter")
    page.click("#after")
    idle(page)
    made = run.decode(codes(run, seed=1234567890123, n=1, first=1))[0]
    wanted = (127.5 + 127.5 * made).permute(1, 2, 0).numpy()
    assert np.abs(shown(page) - wanted).max() <= 1.5  # rounded, and in half precision
    # a class: the condition of the code changes, its noise stays
    page.click("#conditions button:has-text('light')")
    idle(page)
    code = codes(run, seed=1234567890123, n=1, first=1)
    made = run.decode(run.relabelled(code, "light"))[0]
    wanted = (127.5 + 127.5 * made).permute(1, 2, 0).numpy()
    assert np.abs(shown(page) - wanted).max() <= 1.5
    # a number of the code
    before = shown(page)
    first = page.locator("#sliders input").first
    first.evaluate("(e) => { e.value = e.max; e.dispatchEvent(new Event('input')); }")
    idle(page)
    assert (shown(page) != before).any()
    assert "changed" in page.inner_text("#which")
    # a walk, with its ends, and a picture of one's own
    page.click("#as-b")
    idle(page)
    assert (shown(page, "#strip button:last-child canvas") == shown(page)).all()
    page.mouse.move(*_middle(page, "#pad"))
    back = shown(page, "#back")
    page.mouse.down()
    page.mouse.move(*(x + 20 for x in _middle(page, "#pad")))
    page.mouse.up()
    idle(page)
    assert (shown(page, "#back") != back).any()
    page.click("#take")
    idle(page)
    assert page.inner_text("#which") == "your picture"
    assert said == []
    page.close()


def _middle(page: Any, selector: str) -> tuple[float, float]:
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_words_become_pictures(
    runs: dict[str, Trained], pages: dict[str, Path], running: Any
) -> None:
    run = runs["text-to-image"]
    page, said = opened(running, pages["text-to-image"])
    page.fill("#conditions input[type=text]", "a dark ☂")
    idle(page)
    code = codes(run, n=1)
    with torch.no_grad():
        code = torch.cat([code[:, :4], run.model.conditioning.encoded(run.text("a dark ☂"))], 1)
    made = run.decode(code)[0]
    wanted = (127.5 + 127.5 * made).permute(1, 2, 0).numpy()
    assert np.abs(shown(page) - wanted).max() <= 1.5
    assert said == []
    page.close()


def test_without_simd_the_page_works_too(pages: dict[str, Path], running: Any) -> None:
    page = running.new_page()
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(pages["cvae"].as_uri())
    found = page.evaluate("genarium.checked")
    assert not found["fast"]
    assert found["difference"] <= 1.0
    page.close()


def test_half_precision_is_judged_by_more_pictures_than_the_page_carries(
    runs: dict[str, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = codes(runs["cvae"], seed=0, n=1, first=pages_of.TRIED - 1)[0].numpy()
    exact = pages_of.interpret

    def off(graph: Any, inputs: Any, half: bool = False) -> Any:
        made = exact(graph, inputs, half)
        return made + 0.1 if half and np.array_equal(inputs.get("codes"), rare) else made

    monkeypatch.setattr(pages_of, "interpret", off)
    result = genarium.export(runs["cvae"], page=tmp_path / "a.html")
    assert not result.page["half"]
    assert read(tmp_path / "a.html")["references"]["count"] == pages_of.REFERENCES


def test_numbers_that_move_nothing_come_last(runs: dict[str, Trained], tmp_path: Path) -> None:
    run = genarium.train(
        "vae", tiny_dataset(1), out=tmp_path / "run", steps=1, latent=3, width=4, device="cpu"
    )
    with torch.no_grad():
        run.model.decoder.head.weight[:, 1] = 0
    result = genarium.export(run, page=tmp_path / "a.html")
    about = read(tmp_path / "a.html")
    columns, effects = [s[0] for s in about["sliders"]], [s[1] for s in about["sliders"]]
    assert columns[-1] == 1
    assert effects[-1] == 0
    assert effects == sorted(effects, reverse=True)
    assert result.page["dead"] == sum(effect < latent.DEAD for effect in effects) >= 1
    # the same number as the verb's, but for its bases and for pixels that are whole levels there
    moved = genarium.traverse(run, dimension=columns[0], range=(-2, 2), steps=5, start="0-31")
    assert moved.effect == pytest.approx(effects[0], rel=0.3)


def read(file: Path) -> dict[str, Any]:
    text = file.read_text()
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    return json.loads(found[1])


def test_settings_of_the_sampler_are_the_page_s_too(
    runs: dict[str, Trained], tmp_path: Path
) -> None:
    run = runs["infogan"].with_settings({"truncation": 0.5})
    drawn = prior_of(run).draw(0, 0, 50)
    assert np.abs(drawn[:, : run.noise]).max() <= 0.5
    assert np.abs(drawn[:, : run.noise]).max() > 0.45
    assert (drawn[:, run.noise : run.noise + 3].sum(1) == 1).all()
    warm = prior_of(runs["cvae"].with_settings({"temperature": 2.0})).draw(0, 0, 5)
    cold = prior_of(runs["cvae"]).draw(0, 0, 5)
    assert np.allclose(warm[:, :3], 2 * cold[:, :3], rtol=1e-6)


def test_weights_that_half_precision_cannot_hold_stay_single(
    runs: dict[str, Trained], tmp_path: Path
) -> None:
    run = genarium.train(
        "vae", tiny_dataset(1), out=tmp_path / "run", steps=1, latent=3, width=4, device="cpu"
    )
    with torch.no_grad():  # edges so hard that a rounded weight moves a pixel
        run.model.decoder.image.convolution.weight.mul_(3000)
    result = genarium.export(run, page=tmp_path / "a.html")
    assert not result.page["half"]
    assert result.page["difference"] <= 1.0
    about = read(tmp_path / "a.html")
    assert not any(half for _, _, half, _ in about["program"]["constants"])


def test_scores_are_shown(runs: dict[str, Trained], tmp_path: Path) -> None:
    row = {"name": "FID", "value": 12.345678, "interval": [11.0, 13.5]}
    (tmp_path / "s.json").write_text(json.dumps({"rows": [row]}))
    genarium.export(runs["infogan"], page=tmp_path / "a.html", scores=tmp_path / "s.json")
    assert read(tmp_path / "a.html")["scores"] == [["FID", "12.35", "11 to 13.5"]]
    (tmp_path / "t.json").write_text("[1]")
    with pytest.raises(UserError, match="not JSON of scores"):
        genarium.export(runs["infogan"], page=tmp_path / "b.html", scores=tmp_path / "t.json")


def test_errors_are_one_line_and_nothing_is_written(
    runs: dict[str, Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vae, gan = str(runs["cvae"].path), str(runs["infogan"].path)
    pixels = genarium.train(
        "pixelcnn", tiny_dataset(1), out=tmp_path / "p", steps=1, width=4, blocks=1, device="cpu"
    )
    out = str(tmp_path / "a.html")
    asked = {
        "name a file with --page": [vae],
        "end it in .html": [vae, "--page", str(tmp_path / "a.txt")],
        "choose another place with --page": [vae, "--page", f"{gan}/run.json/a.html"],
        "end it in .onnx": [vae, "--onnx", out],
        "it is of the page": [vae, "--onnx", str(tmp_path / "a.onnx"), "--title", "x"],
        "it is of the ONNX file": [vae, "--page", out, "--function", "encode"],
        "name a file of scores": [vae, "--page", out, "--scores", "nothing.json"],
        "whose sampler has --truncation only": [gan, "--page", out, "--temperature", "2"],
        "drawn pixel by pixel, 256 passes": [str(pixels.path), "--page", out],
    }
    for words, arguments in asked.items():
        assert main(["export", *arguments]) == 2, words
        err = capsys.readouterr().err
        assert words in err
        assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.html")) + list(tmp_path.glob("*.onnx"))


def test_a_model_without_a_prior_needs_its_data(runs: dict[str, Trained], tmp_path: Path) -> None:
    run = genarium.load(runs["autoencoder"].path)  # trained on a data set that was given in Python
    with pytest.raises(UserError, match="data"):
        genarium.export(run, page=tmp_path / "a.html")
    genarium.export(run, page=tmp_path / "a.html", data=tiny_dataset(3))
    table = prior_of(run).table
    test = tiny_dataset(3).test.images
    assert table.shape == (48, 2)
    every = run.encode(test).numpy()
    assert all(np.abs(every - row).max(1).min() == 0 for row in table)


def test_too_much_is_refused_in_words(
    runs: dict[str, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genarium.exports import page

    monkeypatch.setattr(page, "MOST_PRODUCTS", 1000)
    with pytest.raises(UserError, match=r"multiplications.*train one with fewer channels"):
        genarium.export(runs["infogan"], page=tmp_path / "a.html")
    monkeypatch.undo()
    monkeypatch.setattr(page, "MOST_BYTES", 100)
    with pytest.raises(UserError, match="too many for a page"):
        genarium.export(runs["infogan"], page=tmp_path / "a.html")
