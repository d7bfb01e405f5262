"""A real server process: what it refuses, what it tells, and what it never loses."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest

from genarium.cli import main
from genarium.study import manifest as manifests
from genarium.study.store import Store
from tests.study.conftest import Served

Serve = Callable[..., Served]


def stored(study: Path) -> dict[tuple[str, int], str]:
    """(token, position) -> answer, of every answer in the database."""
    with sqlite3.connect(study / "answers.sqlite") as connection:
        rows = connection.execute(
            "SELECT token, position, answer FROM answer"
            " JOIN participant ON participant.id = answer.participant"
        ).fetchall()
    connection.close()
    return {(token, position): answer for token, position, answer in rows}


def test_foreign_requests_and_paths_get_403_and_pages_load_nothing(
    study: Path, serve: Serve
) -> None:
    server = serve(study)
    own = f"127.0.0.1:{server.port}"
    assert server.raw("GET", "/", headers={"Host": own, "Origin": f"http://{own}"})[0] == 200
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        assert server.raw("GET", "/", headers=headers)[0] == 403, headers
        status = server.raw("POST", "/api/participants", {}, headers)[0]
        assert status == 403, headers
    for path in (
        "/../study.json",
        "/pictures/../study.json",
        "/pictures/%2e%2e/study.json",
        "/pictures/..%2fstudy.json",
        "/pictures/%252e%252e%252fstudy.json",
        "/static/..%5c..%5cstudy.json",
        "/pictures/a.png%00",
    ):
        assert server.raw("GET", path)[0] == 403, path
    for path in (
        "/study.json",
        "/answers.sqlite",
        "/pictures/study.json",
        "/docs",
        "/openapi.json",
    ):
        assert server.raw("GET", path)[0] == 404, path
    pages_load_nothing_from_elsewhere(server)
    assert stored(study) == {}
    with sqlite3.connect(study / "answers.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM participant").fetchone() == (0,)
    connection.close()


def pages_load_nothing_from_elsewhere(server: Served) -> None:
    for path in ("/", "/p/any", "/static/study.js", "/static/study.css"):
        status, body, headers = server.raw("GET", path)
        assert status == 200
        assert b"http://" not in body
        assert b"https://" not in body
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in headers


def test_replies_hold_no_truth(study: Path, serve: Serve) -> None:
    """The same words whatever is next; pictures give away nothing in their headers."""
    server = serve(study)
    manifest = manifests.read(study)
    token = server.join()
    kinds = set()
    for position in range(46):
        state = server.state(token)
        trial = state["trial"]
        kinds.add(trial["kind"])
        assert set(state) == {"position", "practice", "total", "ahead", "trial"}
        assert set(trial) == {"kind", "picture", "asked", "exposure_ms"}
        assert (trial["asked"] is None) == (trial["kind"] != "check")
        reply = server.answer(token, position, "real")
        assert ("feedback" in reply) == (trial["kind"] == "practice")
        if trial["kind"] == "practice":
            assert reply["feedback"]["truth"] == manifest.by_name[trial["picture"]].truth
        else:
            assert not {"truth", "right", "model", "wanted"} & set(json.dumps(reply).split('"'))
    assert kinds == {"practice", "test", "check"}
    assert server.state(token)["trial"] is None
    assert "study.json" not in json.dumps(server.ask("GET", "/api/study"))
    heads = set()
    for picture in manifest.pictures:
        status, _, headers = server.raw("GET", f"/pictures/{picture.name}")
        assert status == 200
        heads.add(tuple(sorted(set(headers) - {"date", "content-length"})))
    assert len(heads) == 1
    assert "last-modified" not in next(iter(heads))


def test_double_submit_back_and_refresh_count_once(study: Path, serve: Serve) -> None:
    server = serve(study)
    token = server.join()
    first = server.answer(token, 0, "real")
    assert (first["repeated"], first["position"]) == (False, 1)
    again = server.answer(token, 0, "fake")
    assert (again["repeated"], again["position"]) == (True, 1)
    assert server.state(token)["position"] == 1  # refresh
    assert server.answer(token, 0, "fake")["repeated"]  # back
    body = {"position": 3, "answer": "real", "response_ms": 1}
    assert server.raw("POST", f"/api/participants/{token}/answers", body)[0] == 409
    assert stored(study) == {(token, 0): "real"}


def test_answers_that_make_no_sense_are_refused(study: Path, serve: Serve) -> None:
    server = serve(study)
    token = server.join()
    whole = {"position": 0, "answer": "real", "response_ms": 1}
    wrong = ({"answer": "maybe"}, {"position": -1}, {"response_ms": -5}, {"response_ms": "NaN"})
    for body in ({}, [1], *({**whole, **change} for change in wrong)):
        assert server.raw("POST", f"/api/participants/{token}/answers", body)[0] == 400, body
    assert server.raw("POST", "/api/participants/nobody/answers", whole)[0] == 404
    assert server.raw("GET", "/api/participants/nobody")[0] == 404
    assert stored(study) == {}


def test_eight_participants_at_once_lose_nothing(study: Path, serve: Serve) -> None:
    server = serve(study)
    said: dict[tuple[str, int], str] = {}
    failures: list[BaseException] = []
    together = threading.Barrier(8)

    def take_part(number: int) -> None:
        try:
            draw = random.Random(number)
            together.wait()
            token = server.join()
            for position in range(46):
                answer = draw.choice(["real", "fake"])
                reply = server.answer(token, position, answer)
                assert reply["position"] == position + 1
                said[token, position] = answer
                if position % 7 == 0:  # a second click
                    assert server.answer(token, position, "real")["repeated"]
        except BaseException as error:  # noqa: BLE001 (a thread's failure is the test's)
            failures.append(error)

    threads = [threading.Thread(target=take_part, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(said) == 8 * 46
    assert stored(study) == said


def test_sigkill_loses_no_acknowledged_answer(study: Path, serve: Serve) -> None:
    server = serve(study)
    tokens = [server.join() for _ in range(3)]
    acknowledged: dict[tuple[str, int], str] = {}
    enough = threading.Event()

    def take_part(token: str) -> None:
        for position in range(46):
            answer = "real" if position % 3 else "fake"
            try:
                server.answer(token, position, answer)
            except (OSError, HTTPException, AssertionError, ValueError):
                return  # the server is gone, maybe in the middle of a reply
            acknowledged[token, position] = answer
            if len(acknowledged) >= 40:
                enough.set()

    threads = [threading.Thread(target=take_part, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    server.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert 40 <= len(acknowledged) < 3 * 46, "it was killed in the middle"

    again = serve(study)
    kept = stored(study)
    assert acknowledged.items() <= kept.items()
    assert len(kept) <= len(acknowledged) + 3, "at most one unacknowledged answer each"
    for token in tokens:  # each goes on where the last acknowledged answer left off
        mine = [position for one, position in kept if one == token]
        position = again.state(token)["position"]
        assert sorted(mine) == list(range(position)), "none is missing, and none is asked for twice"
        assert not again.answer(token, position, "real")["repeated"]


def test_a_busy_port_gives_the_next_and_says_so(study: Path, serve: Serve) -> None:
    first = serve(study)
    second = serve(study, "--port", str(first.port))
    assert first.port < second.port <= first.port + 20
    token = first.join()
    second.answer(token, 0, "real")  # two servers of one study share its answers
    assert first.state(token)["position"] == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_server_says_what_it_has(study: Path, serve: Serve, how: int) -> None:
    server = serve(study)
    server.answer(server.join(), 0, "real")
    server.process.send_signal(how)
    out, err = server.process.communicate(timeout=300)
    assert server.process.returncode == (0 if how == signal.SIGINT else -signal.SIGTERM)
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert "1 answers are stored" in out or "1 answer is stored" in out


def test_timed_answers_keep_planned_and_real_exposure(timed: Path, serve: Serve) -> None:
    server = serve(timed)
    token = server.join()
    manifest = manifests.read(timed)
    expected = 500
    for position in range(server.state(token)["total"]):
        trial = server.state(token)["trial"]
        if trial["picture"] is None:
            assert trial["exposure_ms"] is None
            server.answer(token, position, trial["asked"])
            continue
        assert trial["exposure_ms"] == (500 if trial["kind"] == "practice" else expected)
        body = {"position": position, "answer": "real", "response_ms": 1}
        assert server.raw("POST", f"/api/participants/{token}/answers", body)[0] == 400
        server.answer(token, position, "real", shown_ms=trial["exposure_ms"] + 3.0)
        if trial["kind"] == "test":
            right = manifest.by_name[trial["picture"]].truth == "real"
            expected = min(1000, max(100, expected + (-10 if right else 30)))
    rows = Store(timed / "answers.sqlite", manifest.id).of(token)
    for row in rows:
        assert row.given is not None
        if row.trial.picture:
            assert row.given.exposure_ms is not None
            assert row.given.shown_ms == row.given.exposure_ms + 3.0
        else:
            assert row.given.shown_ms is None


def test_serving_a_damaged_study_is_one_line(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "answers.sqlite").write_bytes(b"no database\n" * 500)
    assert main(["study", "serve", str(study), "--port", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (study / "answers.sqlite").read_bytes() == b"no database\n" * 500


def test_all_addresses_need_a_name(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "serve", str(study), "--host", "0.0.0.0"]) == 2
    assert "--allow-host" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["study", "serve", str(study)]) == 2
    assert "pip install 'genarium[studio]'" in capsys.readouterr().err
