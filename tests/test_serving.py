"""The guard and the port of the local server, without a server."""

from __future__ import annotations

import socket

import pytest

from genarium.errors import UserError
from genarium.web.guard import BODY, Guard, listen


async def nothing(*_: object) -> None:
    raise AssertionError("a refused request reached the application")


def refusal(
    path: str = "/",
    *,
    host: str = "",
    names: tuple[str, ...] = (),
    method: str = "GET",
    **headers: str,
) -> int | None:
    """The status with which a request is refused, None if it passes."""
    given = {"host": "127.0.0.1:8765", **{k.replace("_", "-"): v for k, v in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "path": path.split("?")[0],
        "raw_path": path.encode("latin-1"),
        "headers": [(k.encode(), v.encode()) for k, v in given.items()],
    }
    guard = Guard(nothing, 8765, host or "127.0.0.1", names)
    result = guard.refusal({**scope, "headers": [h for h in scope["headers"] if h[1] != b"none"]})
    return result[0] if result else None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765", "[::1]:8765"]
)
def test_its_own_addresses_pass(host: str) -> None:
    guard = Guard(nothing, 8765)
    headers = [(b"host", host.encode()), (b"origin", f"http://{host}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "headers": headers}
    assert guard.refusal(scope) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:8766"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:8765.evil.example"},
        {"host": "none"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8766"},
        {"origin": "http://127.0.0.1:8765@evil.example"},
        {"origin": "http://127.0.0.1:8765/path"},
        {"origin": "file://127.0.0.1:8765"},
        {"origin": "null"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
    ],
)
def test_foreign_requests_are_refused(headers: dict[str, str]) -> None:
    given = dict(headers)
    if "host" in given:
        scope_host = given.pop("host")
        guard = Guard(nothing, 8765)
        pairs = [] if scope_host == "none" else [(b"host", scope_host.encode())]
        scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": pairs}
        result = guard.refusal(scope)
        assert result is not None
        assert result[0] == 403
    else:
        assert refusal(**given) == 403


def test_two_hosts_are_refused() -> None:
    pairs = [(b"host", b"127.0.0.1:8765"), (b"host", b"evil.example")]
    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "headers": pairs}
    assert Guard(nothing, 8765).refusal(scope) == (403, "foreign Host")


def test_a_followed_link_passes_and_a_foreign_form_does_not() -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert refusal(**link) is None
    assert refusal(method="POST", **link) == 403


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/static/../../secret",
        "/static/%2e%2e/secret",
        "/static/%2E%2e%2fsecret",
        "/static/..%2fsecret",
        "/static/%252e%252e%252fsecret",
        "/static/..",
        "/static\\..\\secret",
        "/static/%5c..%5csecret",
        "/static/a%00.png",
        "/static/a%2500",
    ],
)
def test_paths_that_leave_are_refused(path: str) -> None:
    assert refusal(path) == 403


@pytest.mark.parametrize("path", ["/", "/p/a..b", "/static/study.js", "/a%20b", "/..."])
def test_ordinary_paths_pass(path: str) -> None:
    assert refusal(path) is None


def test_bodies_have_a_known_and_moderate_length() -> None:
    assert refusal(method="POST", content_length=str(BODY)) is None
    assert refusal(method="POST", content_length=str(BODY + 1)) == 413
    assert refusal(method="POST", content_length="-1") == 413
    assert refusal(method="POST", transfer_encoding="chunked") == 411


def test_names_that_were_allowed_pass_on_any_port() -> None:
    for host in ("lab.example", "lab.example:8765", "lab.example:443"):
        guard = Guard(nothing, 8765, "0.0.0.0", ["lab.example"])
        headers = [(b"host", host.encode()), (b"origin", b"https://lab.example")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "headers": headers,
        }
        assert guard.refusal(scope) is None
        assert Guard(nothing, 8765, "0.0.0.0").refusal(scope) is not None


def test_a_busy_port_gives_the_next() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with listen("127.0.0.1", port) as second:
            assert port < second.getsockname()[1] <= port + 20
            assert second.getsockname()[0] == "127.0.0.1"


def test_all_ports_busy_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genarium.web.guard.TRIES", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port}: .*busy"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(UserError, match=r"--host 192\.0\.2\.1 --port"):
        listen("192.0.2.1", 0)


def test_small_replies_are_sent_at_once() -> None:
    """asyncio asks for it (TCP_NODELAY) of sockets that say their protocol: else 40 ms a reply."""
    with listen("127.0.0.1", 0) as listening:
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP
