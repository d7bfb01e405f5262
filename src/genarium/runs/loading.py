"""A run, however it was given, ready to use on a device."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genarium.errors import UserError
from genarium.runs import inputs
from genarium.runs.folder import RunFolder
from genarium.runs.trained import Trained
from genarium.training import best
from genarium.training.device import device_of

if TYPE_CHECKING:
    from genarium.data import Dataset

    Data = Dataset | str | os.PathLike[str]


def load(
    path: str | os.PathLike[str],
    step: int | str | None = None,
    device: str = "auto",
    *,
    data: Data | None = None,
    accept_changes: bool = False,
) -> Trained:
    """A trained run, ready to use; needs only the run folder, never the data.

    step: take the checkpoint of this step, "best" or "last"; None takes the best where the run
    keeps it (`keep_best`), else the newest. device: "auto" takes a GPU where there is one. data:
    where the run's data are now, if they were moved, or the `Dataset` for a run that was given
    one. accept_changes: take them with a warning where they changed since. Both
    count when the data are asked for.
    """
    folder = RunFolder.open(inputs.path(path, "load: path"))
    where = device_of(device)
    return Trained(folder, step, where, data=data, accept_changes=accept_changes)


def opened(
    run: Trained | str | os.PathLike[str],
    step: int | str | None = None,
    device: str = "auto",
    *,
    data: Data | None = None,
    accept_changes: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Trained:
    """`run` itself if it is loaded, else what lies at the path; arguments as for `load`.

    settings: how it is to sample, see `Trained.with_settings`. A loaded run stays on its device.
    Raises UserError for another step of it: that asks for the folder.
    """
    if not isinstance(run, Trained):
        path = inputs.path(run, "run")
        run = load(path, step, device, data=data, accept_changes=accept_changes)
        return run.with_settings(settings) if settings else run
    if isinstance(step, str):
        step = best.load(run.folder.checkpoints, step).step
    if step is not None and step != run.step:
        raise UserError(
            f"--step {step}: this run is loaded at step {run.step}: give its folder instead"
        )
    if data is not None or accept_changes:
        run.data_at(data, accept_changes)
    return run.with_settings(settings) if settings else run


def several(
    runs: Sequence[Trained | str | os.PathLike[str]] | Trained | str | os.PathLike[str],
) -> list[Trained | str | os.PathLike[str]]:
    """Runs as a list, also where only one is given."""
    return [runs] if isinstance(runs, Trained | str | os.PathLike) else list(runs)


def that_decodes(run: Any, *arguments: Any, **settings: Any) -> Trained:
    """`opened`, for verbs that draw what lies in the latent space.

    Raises UserError for a model that does not decode, or whose images are points of the plane.
    """
    trained = opened(run, *arguments, **settings)
    trained.can("decode")
    return of_images(trained)


def of_images(trained: Trained) -> Trained:
    """`trained`. Raises UserError where its images are points of the plane."""
    if trained.spec.planar:
        raise UserError(f"{trained.path} makes points of the plane: this verb needs images")
    return trained
