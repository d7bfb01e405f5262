"""A small study, and a server of it in a process of its own that a test may kill."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import genarium
from genarium.recipes import get
from genarium.study.create import create
from tests.conftest import tiny_dataset


@dataclass
class Served:
    """A running `genarium study serve`."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def raw(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """One request as it is: no normalised path, no headers but those needed and given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        sent = None if body is None else json.dumps(body).encode()
        given = {"content-type": "application/json"} if sent else {}
        try:
            connection.request(method, path, sent, {**given, **(headers or {})})
            reply = connection.getresponse()
            return reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()}
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, text, _ = self.raw(method, path, body)
        assert status < 300, (status, text)
        return json.loads(text)

    def join(self) -> str:
        token: str = self.ask("POST", "/api/participants", {})["token"]
        return token

    def state(self, token: str) -> Any:
        return self.ask("GET", f"/api/participants/{token}")

    def answer(self, token: str, position: int, answer: str, **more: Any) -> Any:
        body = {"position": position, "answer": answer, "response_ms": 700.5, **more}
        return self.ask("POST", f"/api/participants/{token}/answers", body)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps on 16x16 blobs; its pictures are easily told from the blobs."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    genarium.train("vae", tiny_dataset(), out=out, steps=2, batch=8, **get("vae").tiny)
    return out


@pytest.fixture(scope="session")
def made(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one model, as it was created: copy it before anybody answers."""
    out = tmp_path_factory.mktemp("made") / "study"
    create([tiny_run], tiny_dataset(), out=out, n=20, practice=4, checks=2, title="Blobs")
    return out


@pytest.fixture(scope="session")
def made_timed(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("timed") / "study"
    create([tiny_run], tiny_dataset(), out=out, mode="timed", n=10, practice=2, checks=2)
    return out


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "study"))


@pytest.fixture
def timed(made_timed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_timed, tmp_path / "timed"))


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    """A server of the study in `folder`; killed at the end if it still runs."""
    command = [sys.executable, "-m", "genarium", "study", "serve", str(folder)]
    process = subprocess.Popen(
        [*command, *(arguments or ("--port", "0"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        match = None
        for line in process.stdout:
            match = re.search(r"participants: http://.*:(\d+)/", line)
            if match:
                break
        assert match, f"the server did not start: {process.communicate()[1]}"
        yield Served(process, int(match.group(1)))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers and stops them after the test."""
    with ExitStack() as stack:
        yield lambda folder, *more: stack.enter_context(served(folder, *more))
