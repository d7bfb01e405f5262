"""Tiny runs, and a server of them in a thread of this process."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genarium.web import guard as serving
from tests.conftest import short_runs

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
import uvicorn

from genarium.studio import server

RECIPES = ("vae", "cvae", "dcgan", "pixelcnn", "autoencoder", "flow-matching")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs of one step each, of digits of 16 pixels, named by their recipes."""
    folder = tmp_path_factory.mktemp("studio") / "runs"
    short_runs(folder, RECIPES)
    return folder


@dataclass
class Page:
    """What a page sees of a server, and the studio behind it."""

    studio: server.Studio
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def raw(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """One request as it is: no normalised path, no headers but those needed and given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        try:
            connection.request(method, path, body, given)
            reply = connection.getresponse()
            return reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()}
        finally:
            connection.close()

    def ask(self, path: str, body: Any = None) -> Any:
        """JSON, or of a packet its facts with `pictures`, uint8 [N,H,W,C]."""
        sent = None if body is None else json.dumps(body).encode()
        kind = {"content_type": "application/json"} if sent else {}
        status, content, headers = self.raw("POST" if sent else "GET", path, sent, **kind)
        assert status < 300, (status, content)
        if headers["content-type"].startswith("application/json"):
            return json.loads(content)
        size = int.from_bytes(content[:4], "little")
        facts = json.loads(content[4 : 4 + size])
        pixels = np.frombuffer(content[4 + size :], np.uint8).reshape(facts["shape"])
        return {**facts, "pictures": pixels}

    def refused(self, path: str, body: Any = None) -> tuple[int, str]:
        """The status and the one line of a request that is refused."""
        sent = None if body is None else json.dumps(body).encode()
        kind = {"content_type": "application/json"} if sent else {}
        status, content, _ = self.raw("POST" if sent else "GET", path, sent, **kind)
        assert status >= 400, content
        said = json.loads(content)["detail"]
        assert "\n" not in said
        return status, said


def serve(places: list[Path], home: Path, port: int = 0) -> Iterator[Page]:
    """A server of these runs, guarded as `genarium studio` guards it, until the generator ends."""
    studio = server.Studio([str(place) for place in places], home, "cpu")
    sock = serving.listen("127.0.0.1", port)
    port = sock.getsockname()[1]
    guard = serving.Guard(server.app(studio), port, bodies=server.BODIES)
    config = uvicorn.Config(guard, log_level="error", access_log=False, lifespan="off")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield Page(studio, port)
    finally:
        running.should_exit = True
        thread.join()
        sock.close()
        studio.close()


@pytest.fixture(scope="session")
def page(home: Path) -> Iterator[Page]:
    yield from serve([home], home)
