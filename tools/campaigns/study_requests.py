"""Hostile requests to a study's server: every endpoint, method, body, path and host; no 500.

    python tools/campaigns/study_requests.py STUDY

Asks a real server of the study (which is not changed but for new participants) and checks that
each reply is a refusal or a page, that no body is an answer, and that the server still answers.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from study_leak import served

GOOD = '{"position": 0, "answer": "real", "response_ms": 1.5}'

NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "-1",
    "-0.5",
    "1e400",
    "1e308",
    "-1e400",
    "9" * 400,
    "9" * 5000,
    '"700"',
    '"NaN"',
    '""',
    "null",
    "true",
    "false",
    "[]",
    "[1]",
    "{}",
    '{"a": 1}',
    "0x10",
    "1_0",
    '"\\ud800"',
    "[" * 500 + "]" * 500,
    "1e",
    "--1",
    "+1",
    ".5",
    "2000000000",
)

BODIES = (
    "",
    "{",
    "}",
    "[]",
    "[1]",
    "null",
    "5",
    '"x"',
    "{}",
    "NaN",
    "[" * 20000,
    '{"a":' * 10000,
    "\x00",
    GOOD + GOOD,
    GOOD[:-1],
    '{"answer": "real"}',
    '{"position": 0}',
    GOOD.replace("real", "maybe"),
    GOOD.replace("real", "\\ud800"),
    GOOD.replace("real", "REAL"),
    GOOD.replace('"real"', "null"),
    GOOD.replace('"real"', '["real"]'),
    GOOD[:-1] + ', "extra": 1}',
    GOOD.replace('"position"', '"Position"'),
    GOOD.replace("0", "0.5"),
    GOOD.replace("0", "100001"),
    GOOD.replace("{", '{"\\ud800": 1, '),
    "<xml/>",
    "position=0&answer=real",
    *(GOOD.replace("1.5", number) for number in NUMBERS if number not in ("1e308",)),
    *(GOOD.replace(" 0,", f" {number},") for number in NUMBERS),
    *(GOOD[:-1] + f', "shown_ms": {number}}}' for number in NUMBERS if number not in ("null",)),
)
"""Bodies of which none is an answer."""

RAW = (b"\xff\xfe", b"\x80" * 50, GOOD.encode("utf-16")[:-3], b"\0" * 1000)

PATHS = (
    "/",
    "/p/x",
    "/p/" + "x" * 5000,
    "/p/%ff",
    "/p/%ed%a0%80",
    "/p/%00",
    "/p/..",
    "/p/%2e%2e/x",
    "/static/study.js",
    "/static/x",
    "/static/%ff",
    "/static/../x",
    "/static/",
    "/static/study.html%00",
    "/pictures/x.png",
    "/pictures/%ff.png",
    "/pictures/..%2fstudy.json",
    "/pictures/%5c",
    "/pictures/",
    "/pictures/" + "a" * 6000,
    "/api",
    "/api/study",
    "/api/study?x=%ff",
    "/api/participants",
    "/api/participants/x",
    "/api/participants/%ff",
    "/api/participants/%27%20OR%201=1",
    "//",
    "/%",
    "/%zz",
    "/api/participants/{token}",
    "/api/participants/{token}/answers",
    "/api/participants/%ed%a0%80/answers",
    "/api/participants/{token}/answers/0",
    "/docs",
    "/openapi.json",
    "/study.json",
    "/?" + "a" * 6000,
    "/api/participants/x/answers",
    "*",
    "http://evil/",
    "/é",
)

METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "X",
    "get",
)

HOSTS = (
    None,
    "",
    "evil",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1:{port}\r\nHost: evil",
    "[::1]:{port}",
    "localhost:{port}",
    "\xff",
    "127.0.0.1:{port}:1",
    "a" * 5000,
    "127.0.0.1:{port}@evil",
    "evil:{port}",
)

HEADS = (
    "Content-Length: -1",
    "Content-Length: x",
    "Content-Length: 99999999",
    "Content-Length: 5\r\nContent-Length: 6",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: x",
    "Origin: null",
    "Origin: http://evil",
    "Origin: \xff",
    "Origin: http://[",
    "Sec-Fetch-Site: cross-site",
    "Content-Type: x",
    "Content-Type: application/json; charset=\xff",
    "Range: bytes=-1",
    "Upgrade: websocket\r\nConnection: Upgrade",
    "Cookie: " + "x" * 6000,
    "Expect: 100-continue",
    "If-None-Match: *",
    "If-Modified-Since: x",
    "Accept-Encoding: \xff",
    "X: " + "\x01",
)


def ask(port: int, head: str, body: bytes = b"") -> int:
    """The status of a request as it is; 0 where the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        try:
            link.sendall(head.encode() + b"\r\nConnection: close\r\n\r\n" + body)
            file = link.makefile("rb")
            line = file.readline()
            while line.split()[1:2] == [b"100"]:  # go on
                while file.readline() not in (b"\r\n", b""):
                    pass
                line = file.readline()
        except OSError:
            return 0
    words = line.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def requests(port: int, token: str) -> Iterator[tuple[str, str, bytes, tuple[int, ...]]]:
    """(what, head, body, statuses that are right: () any below 500)."""
    own = f"Host: 127.0.0.1:{port}"
    kind = "Content-Type: application/json"
    answers = f"/api/participants/{token}/answers"
    for body in (*(b.encode("utf-8", "surrogatepass") for b in BODIES), *RAW):
        size = f"Content-Length: {len(body)}"
        # too large is 413; a request without a body is no answer either
        wanted = (413,) if len(body) > 64 * 1024 else (400,)
        yield "answer", f"POST {answers} HTTP/1.1\r\n{own}\r\n{kind}\r\n{size}", body, wanted
        if body != b"{}":
            join = f"POST /api/participants HTTP/1.1\r\n{own}\r\n{kind}\r\n{size}"
            yield "join", join, body, wanted
        unknown = f"POST /api/participants/nobody/answers HTTP/1.1\r\n{own}\r\n{kind}\r\n{size}"
        yield "unknown", unknown, body, wanted
    for method, path in itertools.product(METHODS, PATHS):
        yield "path", f"{method} {path.format(token=token)} HTTP/1.1\r\n{own}", b"", ()
    for host, path in itertools.product(HOSTS, ("/", "/api/study", answers)):
        line = "" if host is None else f"\r\nHost: {host.replace('{port}', str(port))}"
        yield "host", f"GET {path} HTTP/1.1{line}", b"", ()
    for head, (method, path) in itertools.product(
        HEADS, (("GET", "/"), ("POST", answers), ("POST", "/api/participants"))
    ):
        yield "header", f"{method} {path} HTTP/1.1\r\n{own}\r\n{head}", b"", ()


def attack(study: Path) -> tuple[Counter[int], list[str]]:
    """Statuses counted, and what is wrong."""
    counted: Counter[int] = Counter()
    faults = []
    with served(study) as port:
        own = f"Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: 2"
        with socket.create_connection(("127.0.0.1", port)) as link:
            head = f"POST /api/participants HTTP/1.1\r\n{own}\r\nConnection: close\r\n\r\n"
            link.sendall(head.encode() + b"{}")
            token = json.loads(link.makefile("rb").read().split(b"\r\n\r\n")[1])["token"]
        for what, head, body, wanted in requests(port, token):
            status = ask(port, head, body)
            counted[status] += 1
            if status >= 500 or not status or (wanted and status not in wanted):
                faults.append(f"{what}: {status}, wanted {wanted}: {head[:150]!r} {body[:100]!r}")
        if ask(port, f"GET /api/study HTTP/1.1\r\nHost: 127.0.0.1:{port}") != 200:
            faults.append("the server does not answer any more")
    import sqlite3

    with sqlite3.connect(study / "answers.sqlite") as connection:
        if connection.execute("SELECT count(*) FROM answer").fetchone() != (0,):
            faults.append("an answer was stored")
    connection.close()
    return counted, faults


def main() -> int:
    counted, faults = attack(Path(sys.argv[1]))
    print(*faults, sep="\n")
    print(
        f"{counted.total():,} hostile requests, {len(faults)} faults, "
        f"{dict(sorted(counted.items()))}"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
