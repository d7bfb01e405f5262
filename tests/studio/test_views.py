"""What the page gets: a verb's own pictures, and the command and the Python that repeat them."""

from __future__ import annotations

import base64
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium.cli import main
from genarium.drawing.animation import animation
from genarium.errors import UserError
from genarium.studio.repeat import repeated
from tests.studio.conftest import Page

DRAWN = {"n": 9, "seed": 3}


def rows(pictures: torch.Tensor) -> np.ndarray:
    return pictures.permute(0, 2, 3, 1).numpy()


VIEWS: list[tuple[str, dict[str, Any]]] = [
    ("samples", {"run": "vae", **DRAWN, "settings": {"temperature": "0.5"}}),
    ("samples", {"run": "cvae", **DRAWN, "condition": "7"}),
    ("samples", {"run": "pixelcnn", "n": 2, "seed": 1}),
    ("samples", {"run": "autoencoder", **DRAWN}),
    ("decode", {"run": "vae", **DRAWN, "codes": "4", "set": {"1": -1.5, "0": 2}}),
    ("decode", {"run": "cvae", **DRAWN, "condition": "2", "codes": "4", "step": 1}),
    ("decode", {"run": "autoencoder", "codes": "test:5", "set": {"1": 0.5}}),
    ("walk", {"run": "dcgan", **DRAWN, "start": "2", "end": "7", "steps": 5}),
    ("walk", {"run": "vae", **DRAWN, "start": "2", "end": "test:1", "steps": 3, "linear": True}),
    ("sum", {"run": "vae", **DRAWN, "plus": ["1,2", "5"], "minus": ["3"]}),
    ("picture/reconstruct", {"run": "vae", "picture": "test:3"}),
    ("picture/likelihood", {"run": "pixelcnn", "picture": "test:3"}),
    ("picture/beside", {"run": "vae", "picture": "test:3"}),
]


@pytest.mark.parametrize(("view", "body"), VIEWS, ids=[f"{v}-{b['run']}" for v, b in VIEWS])
def test_command_and_python_repeat_the_view(
    view: str, body: dict[str, Any], page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = page.ask(f"/api/{view}", body)
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    exec(shown["python"], known)
    result = known["result"]
    (saved,) = {p.name for p in tmp_path.iterdir()} - {"scores.png"}
    first = (tmp_path / saved).read_bytes()
    for file in tmp_path.iterdir():
        file.unlink()
    assert main(shlex.split(shown["command"])[1:]) == 0
    assert (tmp_path / saved).read_bytes() == first
    if view == "picture/likelihood":
        assert shown["nats"] == pytest.approx(float(result.nats[0]))
        return
    made = result.neighbours if view == "picture/beside" else result.pictures
    made = made[0] if view == "walk" else made[4:5] if view == "sum" else made
    count = len(made)
    assert (shown["pictures"][:count] == rows(made)).all()


def test_a_step_and_what_needs_quotes_are_repeated() -> None:
    given = {"n": 36, "seed": 0, "condition": "a b", "temperature": -0.5}
    made = repeated("sample", "my runs/x", 7, given, "s.png")
    assert made["command"] == (
        "genarium sample 'my runs/x' -n 36 --class 'a b' --temperature=-0.5 --step 7 --out s.png"
    )
    assert "load('my runs/x', step=7)" in made["python"]
    assert "seed" not in made["python"], "a default needs no word"


def test_the_same_code_in_another_run_or_the_same_seed(page: Page) -> None:
    body = {"run": "vae", **DRAWN, "codes": "4", "set": {"0": 1.0}}
    own = page.ask("/api/decode", body)
    again = page.ask("/api/alike", {**body, "other": {"run": "vae", "step": 1}})
    assert again["same"] == "code"
    assert (again["pictures"] == own["pictures"]).all()
    other = page.ask("/api/alike", {**body, "other": {"run": "pixelcnn"}})
    assert other["same"] == "seed"
    assert "has no code" in other["why"]
    drawn = genarium.sample(page.studio.shelf.model("pixelcnn"), n=9, seed=3)
    assert (other["pictures"] == rows(drawn.pictures[4:5])).all()


def test_positions_are_what_sliders_set(page: Page) -> None:
    body = {"run": "autoencoder", "codes": "test:5"}
    before = page.ask("/api/decode", body)
    assert len(before["positions"]) == page.ask("/api/model?run=autoencoder")["code"]["size"]
    same = {str(d): x for d, x in enumerate(before["positions"])}
    after = page.ask("/api/decode", {**body, "set": same})
    assert np.abs(after["pictures"].astype(int) - before["pictures"]).max() <= 1
    moved = page.ask("/api/decode", {**body, "set": {"1": 2.5}})
    assert moved["positions"][1] == 2.5
    assert moved["positions"][0] == before["positions"][0]


def test_a_dropped_picture_is_read_as_the_run_s_data_are(page: Page) -> None:
    drawing = Image.new("RGB", (320, 320))
    drawing.paste((255, 255, 255), (100, 60, 180, 260))
    file = io.BytesIO()
    drawing.save(file, "PNG")
    status, content, _ = page.raw("POST", "/api/pictures?name=../my%20one.png", file.getvalue())
    assert status == 201
    kept = json.loads(content)
    assert kept["name"] == "my one.png"
    ask = {"run": "vae", "picture": f"picture:{kept['key']}"}
    seen = page.ask("/api/picture/seen", ask)["pictures"]
    assert seen.shape == (1, 16, 16, 1)
    assert seen[0, 8, 7, 0] == 255
    assert seen[0, 8, 1, 0] == 0
    again = page.ask("/api/picture/reconstruct", ask)
    assert again["mse"] > 0
    assert len(again["code"]) == 2 or again["code"]
    assert "'my one.png'" in again["command"]
    walk = page.ask("/api/walk", {"run": "vae", "start": ask["picture"], "end": "1", "steps": 3})
    assert (walk["pictures"][0] == again["pictures"][0]).all()


def test_a_completion_keeps_what_was_not_erased(page: Page) -> None:
    kept = np.zeros((16, 16), bool)
    kept[:11] = True
    bits = base64.b64encode(np.packbits(kept).tobytes()).decode()
    ask = {"run": "pixelcnn", "picture": "test:3", "draws": 2, "seed": 0}
    made = page.ask("/api/picture/complete", {**ask, "keep": bits})["pictures"]
    run = page.studio.shelf.model("pixelcnn")
    wanted = genarium.complete(run, "test:3", keep=torch.from_numpy(kept), draws=2)
    assert (made == rows(wanted.pictures[0])).all()
    assert page.refused("/api/picture/complete", {**ask, "keep": bits[:8]})[0] == 400


def test_an_inversion_says_its_error(page: Page) -> None:
    ask = {"run": "dcgan", "picture": "test:3"}
    found = page.ask("/api/picture/invert", {**ask, "seed": 2})
    seen = page.ask("/api/picture/seen", ask)["pictures"].astype(float)
    error = ((found["pictures"] - seen) / 255) ** 2
    assert found["mse"] == pytest.approx(error.mean(), rel=0.01)
    assert len(found["code"]) == page.studio.shelf.model("dcgan").code_size
    assert "genarium invert" in found["command"]
    assert "--seed 2" in found["command"]


def test_nearest_training_images_and_the_verdict(page: Page) -> None:
    run = page.studio.shelf.model("vae")
    train = run.dataset().train.images
    own = genarium.nearest(run, train[[7, 30]])
    assert own.rows == [7, 30]
    assert max(own.distances) < 0.01
    assert own.verdict == ""
    shifted = genarium.nearest(run, train[[7]].roll(1, 3))
    assert shifted.rows == [7]
    made = page.ask("/api/nearest", {"run": "vae", "n": 24, "seed": 1})
    again = genarium.nearest(run, n=24, seed=1)
    assert made["rows"] == again.rows
    assert made["verdict"] == again.verdict != ""
    copies = genarium.sample(run, n=24, seed=1).pictures
    assert (rows(copies) == rows(again.looked_at)).all()
    with pytest.raises(UserError, match="is of samples, and images were given"):
        genarium.nearest(run, "test:1", condition=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"99": 1}, "set 99=1: say D=X, D from 0 to"),
        (["0=x"], "set 0=x: say D=X, X a number"),
        ({0: float("inf")}, "set 0=inf: give a finite number"),
        ("1", "set 1=: say D=X, X a number"),
    ],
)
def test_numbers_of_a_code_that_are_none(given: Any, message: str, page: Page) -> None:
    with pytest.raises(UserError, match=message):
        genarium.decode(page.studio.shelf.model("vae"), "1", set=given)


def test_a_walk_as_a_film_goes_there_and_back(page: Page, tmp_path: Path) -> None:
    frames = torch.arange(0, 250, 50).view(5, 1, 1, 1).expand(5, 3, 8, 8).to(torch.uint8)
    for kind in ("gif", "webp"):
        film = Image.open(io.BytesIO(animation(frames, kind)))
        shades = []
        for number in range(film.n_frames):
            film.seek(number)
            shades.append(film.convert("RGB").getpixel((3, 3))[0])
        assert shades == [0, 50, 100, 150, 200, 150, 100, 50]
        assert film.info["loop"] == 0
    body = {"run": "vae", **DRAWN, "start": "2", "end": "7", "steps": 4}
    walk = page.ask("/api/walk", body)["pictures"]
    status, content, headers = page.raw(
        "POST", "/api/file/webp", json.dumps(body).encode(),
        content_type="application/json",
    )  # fmt: skip
    assert (status, headers["content-type"]) == (200, "image/webp")
    film = Image.open(io.BytesIO(content))
    times = film.width // 16
    first = np.asarray(film.convert("L"))[::times, ::times]
    assert (first == walk[0, :, :, 0]).all()
    assert film.n_frames == 6
    out = genarium.traverse(page.studio.shelf.model("vae"), dimension=0).save(tmp_path / "t.gif")
    assert Image.open(out).n_frames == 16
