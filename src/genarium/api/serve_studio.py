"""The studio: trained models in the browser."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from genarium.api._results import Result
from genarium.api._types import Device
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    Places = Sequence[str | os.PathLike[str]] | str | os.PathLike[str]
else:
    Places = Any

RUNS = "runs"


@dataclass(repr=False)
class Shown(Result):
    """A studio that was open until somebody closed it. runs: that it listed at the end."""

    runs: int

    def to_dict(self) -> dict[str, Any]:
        return {"runs": self.runs}

    def text(self) -> str:
        return f"closed: {self.runs} runs were listed"


@verb("people", name="studio")
def serve_studio(
    runs: Annotated[Places | None, Flag(metavar="RUN", raw=True, repeat=True)] = None,
    *,
    port: Annotated[int, Ge(0), Le(65535)] = 8766,
    host: str = "127.0.0.1",
    allow_host: Annotated[list[str] | None, Flag(metavar="NAME", repeat=True)] = None,
    device: Device = "auto",
) -> Shown:
    """Open the studio in the browser: move codes, draw, watch trainings and start them.

    runs: run folders, folders of them, and zoo:NAME (default: runs).
    port: if it is busy the next free one is taken; 0: any.
    host: address to listen at; others than 127.0.0.1 open the studio, which can start trainings, to
        the network.
    allow_host: a further name that it is reached by; may be repeated.
    """
    from genarium.api import _runs
    from genarium.hub import address
    from genarium.runs import inputs
    from genarium.runs.folder import RunFolder
    from genarium.training.device import device_of
    from genarium.web import guard as serving

    device_of(device)  # one that is not here is refused first
    places = [runs] if isinstance(runs, str | os.PathLike) else list(runs or [RUNS])
    shared = [address.of(place) is not None for place in places]
    paths = [
        RunFolder.open(place).path if elsewhere else inputs.path(place, "runs")
        for place, elsewhere in zip(places, shared, strict=True)
    ]
    for path in paths:
        if runs is not None and not path.is_dir():
            raise UserError(f"{path} does not exist: name run folders, or a folder of them")
        if runs is not None and not _runs.run_folders([path]):
            raise UserError(f"{path} is no run folder and holds none: name others")
    serving.require("studio")
    import torch

    from genarium.studio import server

    # a picture by itself is too small for many threads, and the browser wants a core too
    torch.set_num_threads(min(torch.get_num_threads(), max(1, (os.cpu_count() or 2) // 2)))

    if host in serving.ANY and not allow_host:
        raise UserError(
            f"--host {host}: listens at every address, so say with --allow-host NAME by which name "
            "or address this machine is reached"
        )
    sock = serving.listen(host, port)
    # where trainings go that the page starts
    own = paths[0].parent if _runs.is_run(paths[0]) else paths[0]
    home = Path(RUNS) if shared[0] else own
    studio = server.Studio([str(path) for path in paths], home, device)
    taken = sock.getsockname()[1]
    names = list(allow_host or ())
    guard = serving.Guard(server.app(studio), taken, host, names, server.BODIES)
    if port not in (0, taken):
        print(f"port {port} is busy, so this is {taken}")
    for name in names or [f"[{host}]" if ":" in host else host]:
        print(f"studio: http://{name}:{taken}/")
    print("stop: Ctrl-C", flush=True)
    try:
        serving.run(guard, sock)
    except KeyboardInterrupt:
        pass
    finally:
        count = len(studio.shelf.paths())
        studio.close()
    return Shown(count)
