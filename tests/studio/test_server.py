"""The studio's server: what may be asked, what is refused in one line, who computes when."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import torch
from annotated_types import Ge, Gt, Le

import genarium
from genarium import latent
from genarium.cli import main
from genarium.recipes import get
from genarium.signatures import Default, Field, Flag
from genarium.studio import describe, effects, pictures
from genarium.studio.controls import control
from genarium.studio.turns import Superseded, Turns
from tests.studio.conftest import Page, serve

# ------------------------------------------------------------------ what a model can do


def test_runs_are_listed_and_a_damaged_one_says_why(home: Path, tmp_path: Path) -> None:
    places = tmp_path / "runs"
    for name in ("vae", "dcgan"):
        shutil.copytree(home / name, places / name)
    (places / "dcgan" / "config.yaml").write_text("recipe: [")
    (places / "other").mkdir()
    shutil.copytree(home / "vae", tmp_path / "more" / "vae")
    for page in serve([places, tmp_path / "more" / "vae"], places):
        listed = {row["name"]: row for row in page.ask("/api/runs")["runs"]}
        assert [*listed] == ["dcgan", "vae", "vae (2)"]
        assert listed["vae"]["steps"] == [1]
        assert listed["vae"]["shape"] == [1, 16, 16]
        assert "config.yaml" in listed["dcgan"]["problem"]
        assert page.refused("/api/model?run=dcgan")[0] == 400
        body = {"run": "vae", "n": 4}
        assert page.ask("/api/samples", body)["shape"] == [4, 16, 16, 1]
        shutil.rmtree(places / "vae")  # deleted meanwhile: loaded or not, it is not there
        assert page.refused("/api/samples", body) == (
            404,
            "the run vae is not here any more: choose another",
        )
        assert page.refused("/api/watch?run=vae")[0] == 404
        assert [row["name"] for row in page.ask("/api/runs")["runs"]] == ["dcgan", "vae (2)"]


def test_what_a_model_cannot_do_says_why_and_what_it_can_is_offered(page: Page) -> None:
    vae, pixelcnn, cvae, plain = (
        page.ask(f"/api/model?run={name}") for name in ("vae", "pixelcnn", "cvae", "autoencoder")
    )
    assert vae["can"]["code"] is True
    assert vae["can"]["complete"] == "a vae cannot complete images"
    assert pixelcnn["can"]["walk"] == "a pixelcnn has no code to decode"
    assert pixelcnn["code"] is None
    assert plain["can"]["nearest"] == "an autoencoder draws no samples"
    assert plain["code"]["unit"] == "standard deviations of test codes"
    assert cvae["condition"][0]["choices"] == [str(n) for n in range(10)]
    assert vae["condition"] == []
    assert page.ask("/api/model?run=flow-matching")["code"]["noise"]
    assert not vae["code"]["noise"]
    assert len(cvae["code"]["columns"]) < cvae["code"]["size"], "a class is no slider"
    assert [c["name"] for c in vae["sampler"]] == ["temperature"]
    assert [c["name"] for c in page.ask("/api/model?run=flow-matching")["sampler"]] == [
        field.name for field in genarium.signatures.dataclass_fields(
            "sampler", page.studio.shelf.model("flow-matching").model.settings
        )
    ]  # fmt: skip


def test_every_recipe_has_a_form_and_every_setting_a_kind(page: Page) -> None:
    known = page.ask("/api/recipes")
    assert {row["name"] for row in known["recipes"]} == {*genarium.recipes.catalogue()}
    for name in genarium.recipes.catalogue():
        groups = page.ask(f"/api/form?recipe={name}")["groups"]
        made = {one["name"]: one for group in groups for one in group["controls"]}
        assert {*get(name).parameters()} <= {*made}
        for one in made.values():
            assert one["help"]
            assert one["kind"] in ("flag", "choice", "int", "float", "list", "text")
            assert one["kind"] != "choice" or one["default"] in (None, *one["choices"])


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        (Annotated[int, Gt(0)], 3, {"kind": "int", "above": 0, "optional": False}),
        (Annotated[float, Ge(0), Le(1)] | None, None, {"kind": "float", "least": 0, "most": 1,
                                                       "optional": True}),
        (Literal["a", "b"], "b", {"kind": "choice", "choices": ["a", "b"]}),
        (bool, True, {"kind": "flag", "default": True}),
        (tuple[str, ...], ("x",), {"kind": "list", "default": ["x"]}),
        (str | None, None, {"kind": "text", "optional": True}),
        (Annotated[Literal["a"], Default("a")], "a", {"kind": "choice", "choices": ["a"]}),
    ],
)  # fmt: skip
def test_types_become_controls(kind: Any, default: Any, expected: dict[str, Any]) -> None:
    made = control(Field("verb", "some_thing", kind, default, "what it is.", Flag()))
    assert made["flag"] == "--some-thing"
    assert made["help"] == "what it is"
    assert {key: made[key] for key in expected} == expected


# ------------------------------------------------------------------ effects


def test_a_number_that_changes_nothing_is_dead_and_the_rest_are_in_order(home: Path) -> None:
    run = genarium.load(home / "vae")
    size = run.code_size
    decode = type(run.model).decode
    weight = 0.5 / torch.arange(1, size + 1).float()
    weight[0] = 0

    def planted(self: Any, z: torch.Tensor) -> torch.Tensor:
        return (z * weight.to(z)).sum(1).tanh().view(-1, 1, 1, 1).expand(-1, *run.spec.shape)

    type(run.model).decode = planted
    try:
        found = effects.Effects(run, describe.columns(run), Turns())
        found.start()
        while not found.done and not found.problem:
            time.sleep(0.01)
    finally:
        type(run.model).decode = decode
    facts = found.to_dict()
    assert [number for number, _ in facts["effects"]] == [*range(1, size), 0]
    assert facts["effects"][-1] == [0, 0.0]
    assert all(value > latent.DEAD for _, value in facts["effects"][:-1])


def test_effects_that_take_long_wait_to_be_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "PATIENCE", 0.0)
    found = effects.Effects(genarium.load(home / "vae"), [*range(2)] * 3, Turns())
    monkeypatch.setattr(effects.Effects, "_effect", lambda self, number: time.sleep(0.001) or 5.0)
    monkeypatch.setattr(effects, "TRIED", 1)
    found.columns = [0, 1, 0]
    found.start()
    while found._thread is not None and found._thread.is_alive():
        time.sleep(0.01)
    assert found.to_dict()["waits"]
    assert len(found.to_dict()["effects"]) == 1


# ------------------------------------------------------------------ who computes


def test_of_requests_that_wait_only_the_latest_is_computed(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun, computed = threading.Event(), threading.Event(), []
    decode = page.studio.views.decode

    def slow(ask: Any) -> bytes:
        computed.append(ask.number)
        begun.set()
        assert go.wait(60)
        return decode(ask)

    monkeypatch.setattr(page.studio.views, "decode", slow)
    statuses: dict[int, int] = {}

    def send(number: int) -> None:
        body = {"run": "vae", "codes": "1", "channel": "tab-1", "number": number}
        sent = json.dumps(body).encode()
        statuses[number] = page.raw(
            "POST", "/api/decode", sent, content_type="application/json"
        )[0]  # fmt: skip

    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 8)]
    threads[0].start()
    assert begun.wait(60)
    for number, thread in enumerate(threads[1:], start=2):
        thread.start()
        while page.studio.quick._latest.get("tab-1", 0) < number:
            time.sleep(0.002)
    go.set()
    for thread in threads:
        thread.join()
    assert computed == [1, 7]
    assert statuses == {1: 200, 7: 200, **dict.fromkeys(range(2, 7), 409)}


def test_turns_of_other_channels_are_not_dropped() -> None:
    turns, done = Turns(), []
    with turns.turn("a", 2):
        pass
    with pytest.raises(Superseded), turns.turn("a", 1):
        done.append("late")
    for channel, number in (("b", 1), ("", 0), ("", 0), ("a", 3), ("a", 3)):
        with turns.turn(channel, number):
            done.append(channel)
    assert done == ["b", "", "", "a", "a"]
    assert turns._waiting == 0


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/runs", {"host": "evil.example"}, 403),
        ("/api/runs", {"origin": "http://evil.example"}, 403),
        ("/api/runs", {"origin": "null"}, 403),
        ("/static/../server.py", {}, 403),
        ("/static/%2e%2e/server.py", {}, 403),
        ("/static/..%2f..%2fserver.py", {}, 403),
        ("/static/nothing.js", {}, 404),
        ("/api/grid?run=vae&step=99", {}, 404),
        ("/api/grid?run=..%2F..%2Fetc&step=0", {}, 404),
        ("/api/model?run=nothing", {}, 404),
        ("/api/model?run=vae&step=99", {}, 400),
        ("/api/model", {}, 400),
        ("/api/effects?run=pixelcnn", {}, 400),
        ("/docs", {}, 404),
        ("/openapi.json", {}, 404),
    ],
)
def test_requests_that_are_not_its_page_s(
    path: str, headers: dict[str, str], status: int, page: Page
) -> None:
    assert page.raw("GET", path, **headers)[0] == status


VAE = {"run": "vae"}
WRONG: list[tuple[str, Any, int]] = [
    ("/api/samples", {}, 400),
    ("/api/samples", {**VAE, "n": 10**9}, 400),
    ("/api/samples", {**VAE, "seed": -1}, 400),
    ("/api/samples", {**VAE, "condition": "3"}, 400),
    ("/api/samples", {"run": "cvae", "condition": "eleven"}, 400),
    ("/api/samples", {**VAE, "settings": {"truncation": 1}}, 400),
    ("/api/samples", {**VAE, "settings": {"data": "/etc"}}, 400),
    ("/api/samples", {**VAE, "settings": {"n": 5}}, 400),
    ("/api/samples", {**VAE, "more": 1}, 400),
    ("/api/decode", {**VAE, "codes": "99999"}, 400),
    ("/api/decode", {**VAE, "codes": "/etc/passwd"}, 400),
    ("/api/decode", {**VAE, "codes": "class:3"}, 400),
    ("/api/decode", {**VAE, "codes": "1", "set": {"9999": 1}}, 400),
    ("/api/decode", {"run": "pixelcnn", "codes": "1"}, 400),
    ("/api/walk", {**VAE, "start": "1", "end": "picture:gone.png"}, 400),
    ("/api/walk", {**VAE, "start": "1", "end": "picture:../x"}, 400),
    ("/api/walk", {**VAE, "start": "1,2,3", "end": "4,5"}, 400),
    ("/api/sum", {**VAE, "plus": []}, 400),
    ("/api/picture/seen", {**VAE, "picture": "3"}, 400),
    ("/api/picture/seen", {**VAE, "picture": "test:99999"}, 400),
    ("/api/picture/translate", {**VAE, "picture": "test:3"}, 400),
    ("/api/picture/nothing", {**VAE, "picture": "test:3"}, 404),
    ("/api/picture/complete", {"run": "pixelcnn", "picture": "test:3", "keep": "%%%"}, 400),
    ("/api/trainings", {"recipe": "vea", "data": "digits"}, 400),
    ("/api/trainings", {"recipe": "vae", "data": "digits", "out": "../x"}, 400),
    ("/api/trainings", {"recipe": "vae", "data": "digits", "out": "vae"}, 400),
    ("/api/trainings", {"recipe": "vae", "data": "digits", "settings": {"width": 0}}, 400),
    ("/api/trainings", {"recipe": "vae", "data": "digits", "settings": {"x; rm": "1"}}, 400),
    ("/api/trainings/stop?run=vae", {}, 404),
    ("/api/file/exe", {**VAE, "start": "1", "end": "2"}, 404),
]


@pytest.mark.parametrize(("path", "body", "status"), WRONG, ids=[f"{p}-{b}" for p, b, _ in WRONG])
def test_wrong_wishes_are_one_line(path: str, body: Any, status: int, page: Page) -> None:
    got, said = page.refused(path, body)
    assert got == status, said
    assert said
    assert not page.studio.trainings.listed()


def test_bodies_have_limits_by_route(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    large = b"x" * 70_000
    assert page.raw("POST", "/api/samples", large)[0] == 413
    status, content, _ = page.raw("POST", "/api/pictures?name=a.png", large)
    assert status == 201, "a picture may be larger than other bodies"
    key = json.loads(content)["key"]
    got, said = page.refused("/api/picture/seen", {**VAE, "picture": f"picture:{key}"})
    assert got == 400, "and is no picture"
    assert key in said
    too = {"content_length": str(pictures.LARGEST + 1)}
    assert page.raw("POST", "/api/pictures?name=a.png", None, **too)[0] == 413
    assert page.raw("POST", "/api/pictures", b"")[0] == 400
    assert page.raw("POST", "/api/samples", b"{", content_type="application/json")[0] == 400


def test_few_pictures_are_kept_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "KEPT", 2)
    store = pictures.Pictures()
    keys = [store.keep(bytes([n]), "a.png").key for n in (1, 2, 1, 3)]
    assert keys[0] == keys[2]
    assert {p.name for p in store.folder.iterdir()} == {keys[0], keys[3]}
    assert store.keep(b"x", "../../etc/pass wd").path.parent == store.folder
    store.close()
    assert not store.folder.exists()


def test_the_verb_refuses_what_it_cannot_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, message in (
        (["nowhere"], "nowhere does not exist"),
        ([str(tmp_path)], "is no run folder and holds none"),
        ([".", "--host", "0.0.0.0"], "is no run folder"),
    ):
        monkeypatch.chdir(tmp_path)
        assert main(["studio", *words]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


# ------------------------------------------------------------------ watching and training


@pytest.fixture
def own(home: Path, tmp_path: Path) -> Iterator[Page]:
    shutil.copytree(home / "vae", tmp_path / "runs" / "vae")
    yield from serve([tmp_path / "runs"], tmp_path / "runs")


def test_a_training_is_started_watched_and_stopped_with_a_checkpoint(own: Page) -> None:
    settings = {"width": "4", "latent": "2", "batch": "8", "size": "16", "steps": "100000"}
    settings |= {"log_every": "1"}
    begun = own.ask("/api/trainings", {"recipe": "vae", "data": "digits", "settings": settings})
    assert begun["name"] == "vae-digits-1"
    assert "--width=4" in begun["command"]
    rows: list[Any] = []
    until = time.monotonic() + 300
    while len(rows) < 3:
        assert time.monotonic() < until
        time.sleep(0.1)
        state = own.ask("/api/runs")
        one = next(row for row in [*state["runs"], *state["begun"]] if row["name"] == begun["name"])
        assert one["training"]["state"] == "runs", one["training"]["said"]
        if "path" in one:
            got = own.ask(f"/api/watch?run=vae-digits-1&after={len(rows)}")
            assert got["start"] in (0, len(rows))
            rows = [*rows[: got["start"]], *got["rows"]]
    steps = [row["step"] for row in rows if "losses" in row]
    assert steps == sorted({*steps})
    stopped = own.ask("/api/trainings/stop?run=vae-digits-1", {})
    assert stopped["state"] in ("stopping", "stopped")
    training = own.studio.trainings.listed()[0]
    assert training.process.wait(300) == 130
    assert own.ask("/api/watch?run=vae-digits-1")["training"]["state"] == "stopped"
    assert own.ask("/api/model?run=vae-digits-1")["step"] >= max(steps)


def test_a_run_s_log_comes_from_a_row_on_and_its_grids_too(own: Page) -> None:
    all_rows = own.ask("/api/watch?run=vae")
    count = len(all_rows["rows"])
    assert count
    assert own.ask(f"/api/watch?run=vae&after={count}")["rows"] == []
    assert own.ask(f"/api/watch?run=vae&after={count + 5}")["start"] == 0
    step = all_rows["grids"][-1]
    status, content, headers = own.raw("GET", f"/api/grid?run=vae&step={step}")
    assert (status, headers["content-type"]) == (200, "image/png")
    assert content == (own.studio.shelf.path("vae") / "samples" / f"{step:08d}.png").read_bytes()


def test_the_doctor_s_notes_are_those_of_the_verb(own: Page) -> None:
    noted = own.ask("/api/watch?run=vae")["doctor"]
    assert not noted["measured"]
    run = own.studio.shelf.path("vae")
    row = {"step": 1, "event": "diagnosis", "name": "diverging", "severity": "failure",
           "evidence": "e", "remedy": "r", "source": "s", "numbers": {}, "title": "t"}  # fmt: skip
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    said = genarium.diagnose(run, measure=False).to_dict()["diagnoses"]
    assert own.ask("/api/watch?run=vae")["doctor"]["diagnoses"] == json.loads(json.dumps(said))


def test_losses_that_are_not_finite_are_null(own: Page) -> None:
    metrics = own.studio.shelf.path("vae") / "metrics.jsonl"
    with metrics.open("a") as file:
        file.write('{"step": 2, "losses": {"vae/loss": NaN}}\n')
    status, content, _ = own.raw("GET", "/api/watch?run=vae")
    assert status == 200
    rows = json.loads(content, parse_constant=lambda name: pytest.fail(name))["rows"]
    assert rows[-1]["losses"] == {"vae/loss": None}
