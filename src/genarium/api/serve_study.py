"""Showing a study to participants in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from genarium.api._results import Result
from genarium.api._types import StudyFolder
from genarium.errors import UserError
from genarium.verbs import Flag, verb


@dataclass(repr=False)
class Served(Result):
    """A study that was shown until somebody stopped it. answers: that are stored in `folder`."""

    folder: Path
    answers: int

    def to_dict(self) -> dict[str, Any]:
        return {"study": str(self.folder), "answers": self.answers}

    def text(self) -> str:
        return f"stopped: {self.answers} answers are stored in {self.folder}"


@verb("people", name="study serve")
def serve_study(
    study: StudyFolder,
    *,
    port: Annotated[int, Ge(0), Le(65535)] = 8765,
    host: str = "127.0.0.1",
    allow_host: Annotated[Sequence[str], Flag(metavar="NAME", repeat=True)] = (),
) -> Served:
    """Show a study to participants in the browser and keep their answers, until Ctrl-C.

    port: if it is busy the next free one is taken; 0: any.
    host: address to listen at; others than 127.0.0.1 open the study to the network.
    allow_host: a further name that participants reach it by; may be repeated.
    """
    from genarium.runs import inputs
    from genarium.study import manifest as manifests
    from genarium.study.store import Store
    from genarium.web import guard as serving

    folder = inputs.path(study, "study")
    serving.require("study serve")
    from genarium.study import server

    if host in serving.ANY and not allow_host:
        raise UserError(
            f"--host {host}: listens at every address, so say with --allow-host NAME by "
            "which name or address participants reach this machine"
        )
    manifest = manifests.read(folder)
    sock = serving.listen(host, port)
    store = Store(folder / manifests.ANSWERS, manifest.id)
    taken = sock.getsockname()[1]
    names = list(allow_host)
    guard = serving.Guard(server.app(folder, manifest, store), taken, host, names)
    if port not in (0, taken):
        print(f"port {port} is busy, so this is {taken}")
    for name in names or [f"[{host}]" if ":" in host else host]:
        print(f"participants: http://{name}:{taken}/")
    print(f"report: genarium study report {folder}    stop: Ctrl-C", flush=True)
    try:
        serving.run(guard, sock)
    except KeyboardInterrupt:
        pass
    finally:
        answers = sum(row.given is not None for row in store.everything())
        store.close()
    return Served(folder, answers)
