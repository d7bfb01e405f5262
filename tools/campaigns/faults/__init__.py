"""The table of planted faults, a file a part of the package.

An old text is one short line of a formula, so that work elsewhere does not touch it.
"""

from __future__ import annotations

from faults import (
    codes_and_latent,
    command,
    data,
    diffusion,
    distributions,
    evaluation,
    files,
    flow,
    models,
    networks,
    studio,
    study_and_report,
    training,
    values,
)
from faults.fault import Fault

__all__ = ["FAULTS", "Fault"]

FAULTS: tuple[Fault, ...] = (
    *distributions.FAULTS,
    *models.FAULTS,
    *diffusion.FAULTS,
    *flow.FAULTS,
    *networks.FAULTS,
    *training.FAULTS,
    *data.FAULTS,
    *values.FAULTS,
    *files.FAULTS,
    *evaluation.FAULTS,
    *codes_and_latent.FAULTS,
    *study_and_report.FAULTS,
    *studio.FAULTS,
    *command.FAULTS,
)
