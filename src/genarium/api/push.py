"""A run sent to the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from genarium.api._results import Result
from genarium.api._types import Run, Step
from genarium.verbs import Flag, Help, verb


@dataclass(repr=False)
class Pushed(Result):
    """Where a run went. address: with the commit, as `load` takes it. files: bytes by name."""

    run: str
    address: str
    files: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run, "address": self.address, "files": self.files}

    def text(self) -> str:
        size = sum(self.files.values()) / 1e6
        return "\n".join(
            [
                f"{self.run} is {self.address} now: {len(self.files)} files, {size:.1f} MB",
                f'next: genarium.load("{self.address}"), or that name for RUN in any command',
            ]
        )


@verb("share")
def push(
    run: Run,
    to: Annotated[str, Flag(metavar="OWNER/NAME"), Help("the repository, made if there is none")],
    *,
    scores: Annotated[str | None, Flag(metavar="FILE")] = None,
    license: Annotated[str | None, Flag(metavar="NAME")] = None,
    private: bool = False,
    half: bool = False,
    step: Step | None = None,
) -> Pushed:
    """Send a run to the Hugging Face Hub, with a model card.

    Its weights, configuration and history go, without optimizer state and without paths of this
    machine. Then hf://OWNER/NAME@COMMIT stands for a run in every verb. Needs a login:
    `hf auth login`, or HF_TOKEN; HF_ENDPOINT names another hub.

    scores: a file that `genarium evaluate RUN --out FILE.json` wrote: goes into the card, each
        score with its extractor, counts and interval.
    license: of the weights, by its name on the Hub, as cc-by-4.0 (default: none is stated).
    private: only you and whom you let see it; of a new repository.
    half: weights in half precision, half the size; evaluate it again, for scores may move.
    """
    from pathlib import Path

    from genarium import extras
    from genarium.hub import address as addresses
    from genarium.hub.push import push as send
    from genarium.hub.push import scores_of
    from genarium.runs.loading import opened

    extras.expect("hub", "`genarium push`")
    where = addresses.repository(to, "push: OWNER/NAME")
    trained = opened(run, step, "cpu")
    known = None if scores is None else scores_of(trained, Path(scores))
    address, files = send(trained, where, scores=known, licence=license, private=private, half=half)
    return Pushed(str(trained.path), str(address), files)
