"""Making a study: people are to say which pictures are real."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from genarium.api._results import Result
from genarium.api._types import AcceptChanges, Count, Device, Named, Runs, Seed, Source
from genarium.study.manifest import Mode, Scaling
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from genarium.study.manifest import Manifest


@dataclass(repr=False)
class Study(Result):
    """A study that was made. folder: where it is; manifest: its pictures and models."""

    folder: Path
    manifest: Manifest

    def to_dict(self) -> dict[str, Any]:
        return {
            "study": str(self.folder),
            "mode": self.manifest.mode,
            "models": [model.name for model in self.manifest.models],
            "pictures": len(self.manifest.pictures),
            "trials": self.manifest.trials,
        }

    def text(self) -> str:
        pictures, trials = len(self.manifest.pictures), self.manifest.trials
        return (
            f"{self.folder}: {pictures} pictures, a participant judges {trials}\n"
            f"next: genarium study serve {self.folder}"
        )


@verb("people", name="study create")
def create_study(
    runs: Runs,
    data: Source | None = None,
    *,
    accept_changes: AcceptChanges = False,
    out: Annotated[Named, Flag(metavar="FOLDER", raw=True)] = "study",
    mode: Mode = "untimed",
    n: Count = 50,
    show: Annotated[int, Gt(0)] | None = None,
    practice: Annotated[int, Ge(0)] = 10,
    checks: Annotated[int, Ge(0)] = 4,
    scaling: Scaling = "pixelated",
    title: str = "",
    seed: Seed = 0,
    device: Device = "auto",
    **sampler: Any,
) -> Study:
    """Draw the pictures of a study from runs and from real data.

    A setting of the sampler is that of each model that has it.

    runs: run folders: the models.
    data: real pictures: its test split, read as the first run's data were (default: these).
    accept_changes: go on although the first run's data changed since training.
    out: a new folder.
    mode: timed: each picture is seen for a moment that adapts to the answers.
    n: pictures drawn a model, and as many real ones for each.
    show: of these, how many a participant sees (default: 20, in the timed mode 50).
    practice: pictures of the practice round.
    checks: attention checks a participant.
    scaling: how small pictures are enlarged, all alike.
    title: heading of the start screen.
    seed: of samples and real pictures.
    """
    from genarium.study.create import create

    manifest = create(
        runs,
        data,
        accept_changes=accept_changes,
        out=out,
        mode=mode,
        n=n,
        show=show,
        practice=practice,
        checks=checks,
        scaling=scaling,
        title=title,
        seed=seed,
        device=device,
        settings=sampler,
    )
    return Study(Path(out), manifest)
