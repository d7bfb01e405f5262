"""A run made ready to be shared, and sent to the Hub: one checkpoint's weights, what describes the
run, and a card.

What is not sent: the optimizer's state, other checkpoints, and where the data lay on this machine
(of an absolute path the last part stays).
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genarium.errors import UserError
from genarium.evaluation.scores.score import Scores
from genarium.hub import client
from genarium.hub.address import Address, Shared
from genarium.hub.card import card
from genarium.runs.configuration import write_yaml
from genarium.runs.folder import digest
from genarium.runs.trained import Trained
from genarium.training import checkpoint as checkpoints

PATH = re.compile(r"(?<![\w.:/])/(?:[^/,=:]+/)+")
"""The folders in front of a file's name in an absolute path, as in `a=/home/me/masks`."""
PICTURE = "samples/samples.png"


def push(
    run: Trained,
    address: Address,
    *,
    scores: Scores | None = None,
    licence: str | None = None,
    private: bool = False,
    half: bool = False,
) -> tuple[Address, dict[str, int]]:
    """Send a run; gives its address with the commit, and the bytes of each file.

    half: weights in half precision.

    Raises UserError where the Hub refuses or is not there, or the client is not installed.
    """
    with tempfile.TemporaryDirectory() as temporary, client.errors(address):
        folder = Path(temporary)
        stage(run, folder, address, scores=scores, licence=licence, half=half)
        sizes = {
            str(file.relative_to(folder)): file.stat().st_size
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        api = client.api()
        api.create_repo(address.repository, private=private or None, exist_ok=True)
        done = api.upload_folder(
            repo_id=address.repository,
            folder_path=folder,
            commit_message=f"{run.recipe.name} at step {run.step}",
            delete_patterns=["checkpoints/*", "samples/*"],  # of an earlier push
        )
    return address.at(done.oid), sizes


def stage(
    run: Trained,
    folder: Path,
    address: Shared,
    *,
    scores: Scores | None = None,
    licence: str | None = None,
    half: bool = False,
) -> None:
    """Write what is shared into an empty folder: a run folder that can be sampled, not resumed."""
    about = without_paths(run.about)
    (folder / "run.json").write_text(
        json.dumps({**about, "sha256": digest(about)}, indent=1), encoding="utf-8"
    )
    config = run.folder.config()
    data = {**without_paths(config.data), "from_dir": None, "cache": None}
    write_yaml(folder / "config.yaml", replace(config, data=data))
    if run.folder.metrics.is_file():
        shutil.copyfile(run.folder.metrics, folder / "metrics.jsonl")
    saved = checkpoints.load(run.folder.checkpoints, run.step, weights_only=True)
    checkpoints.save_weights(folder / "checkpoints", saved, half=half)
    picture = None
    grids = sorted(run.folder.samples.glob("*.png"))
    if grids:
        picture = PICTURE
        (folder / PICTURE).parent.mkdir()
        shutil.copyfile(grids[-1], folder / PICTURE)
    page = card(run, address, about=about, scores=scores, licence=licence, picture=picture)
    (folder / "README.md").write_text(page, encoding="utf-8")


def without_paths(value: Any) -> Any:
    """A description whose texts name no folders of this machine."""
    if isinstance(value, str):
        return PATH.sub("", value)
    if isinstance(value, Mapping):
        return {name: without_paths(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(each) for each in value]
    return value


def scores_of(run: Trained, file: Path) -> Scores:
    """The scores that `genarium evaluate RUN --out FILE` wrote.

    Raises UserError for another file, and for scores of another run.
    """
    remedy = f"write it with `genarium evaluate {run.path} --out {file}`"
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
        scores = Scores.from_dict(saved)
        of = (saved["recipe"], Path(saved["run"]).resolve())
    except FileNotFoundError:
        raise UserError(f"--scores {file} does not exist: {remedy}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"--scores {file} holds no scores of a run: {remedy}") from None
    if of != (run.recipe.name, run.path.resolve()):
        raise UserError(f"--scores {file} is of {saved['run']}, not of {run.path}: {remedy}")
    return scores
