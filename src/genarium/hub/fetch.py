"""A shared run as a folder: of the zoo (`genarium.zoo`), or of the Hub, of which this is.

Of the Hub only files that a run has are fetched, of one commit, each sum compared.

Nothing of a repository is executed: what is fetched are JSON, YAML, text, PNG and safetensors, and
only by the names that a run folder has. The Hub's own cache keeps it, so a commit that was fetched
once needs no network. Whoever names no commit is told it: a branch or a tag may move.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from genarium.errors import UserError
from genarium.hub import client
from genarium.hub.address import Address, Shared, Zoo
from genarium.training import checkpoint as checkpoints

FILES = (
    *("run.json", "config.yaml", "metrics.jsonl", "README.md", "samples/*.png"),
    *(f"checkpoints/*/{name}" for name in ("MANIFEST.json", *sorted(checkpoints.FILES))),
)
"""What is fetched of a repository, whatever else it holds."""


def fetch(shared: Shared) -> tuple[Shared, Path]:
    """What a name stands for: the name, on the Hub with its commit, and the folder that holds
    the run.

    Raises UserError where it cannot be had, is no run, or is damaged, on the Hub also where it
    names no revision; what is damaged there is fetched anew first.
    """
    if isinstance(shared, Zoo):
        from genarium.zoo import files

        return shared, files.folder(shared.name)
    return _from_hub(shared)


def _from_hub(address: Address) -> tuple[Address, Path]:
    with client.errors(address):
        if address.revision is None:
            newest = client.api().model_info(address.repository).sha
            raise UserError(f"{address}: name a revision: {address.at(newest)} is the newest")
        folder = _download(address)
        if damaged(folder):
            folder = _download(address, again=True)
    problem = damaged(folder)
    if problem is not None:
        raise UserError(
            f"{address}: {problem}, also after it was fetched again: ask {address.owner} to push "
            "it again"
        )
    if not address.pinned:
        warnings.warn(
            f"{address} is {address.at(folder.name)} now: name that, for a branch or tag may move",
            stacklevel=3,
        )
    return address.at(folder.name), folder


def _download(address: Address, again: bool = False) -> Path:
    folder = client.api().snapshot_download(
        address.repository,
        revision=address.revision,
        allow_patterns=[*FILES],
        force_download=again,
    )
    return Path(folder)


def damaged(folder: Path) -> str | None:
    """What is wrong with a run that was fetched; None where all is as its sums say."""
    if not (folder / "run.json").is_file():
        raise UserError(
            f"{folder.parent.parent.name.removeprefix('models--').replace('--', '/')} holds no run "
            "of Genarium: it has no run.json"
        )
    places = sorted((folder / "checkpoints").glob("[0-9]*"))
    if not places:
        return "it holds no checkpoint"
    for place in places:
        problem = checkpoints.verify(place)
        if problem is not None:
            return f"{place.relative_to(folder)}: {problem}"
    return None
