"""Going on with a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from genarium.api._types import AcceptChanges, Named, Place
from genarium.runs import configuration
from genarium.training.options import CHANGEABLE
from genarium.verbs import Flag, Help, Settings, verb

if TYPE_CHECKING:
    import os

    from genarium.runs.trained import Trained
    from genarium.training.progress import Progress


def settings_of(words: Sequence[str]) -> Settings:
    """The training settings that may change."""
    fields = configuration.common_fields()
    return {"training settings that may change": [f for f in fields if f.name in CHANGEABLE]}


def is_a_run(path: str | os.PathLike[str], **_: object) -> None:
    """Raises UserError unless there is a run at `path`."""
    from genarium.runs import inputs
    from genarium.runs.folder import RunFolder

    RunFolder.to_resume(inputs.path(path, "resume: path"))


@verb("training", settings=settings_of, processes=is_a_run)
def resume(
    path: Annotated[Named, Flag(metavar="RUN", raw=True), Help("a run folder")],
    *,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    progress: Progress | bool | None = None,
    **training: Any,
) -> Trained:
    """Go on with a run exactly where it stopped.

    That is where its newest whole checkpoint stands, or step 0. In Python, `training` may be a
    budget (steps, epochs, minutes), which replaces the run's, log_every, sample_every,
    checkpoint_every, keep, patience, tensorboard, device and threads; and `data` the Dataset
    again, for a run that was given one.

    accept_changes: go on although the data, the number of processes or config.yaml changed.

    Raises UserError for a budget that is used already and for other settings.
    """
    from genarium.runs import fitting

    return fitting.go_on(
        path, data=data, accept_changes=accept_changes, progress=progress, **training
    )
