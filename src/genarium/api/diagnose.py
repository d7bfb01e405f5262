"""What is wrong with a training, how that is known, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge

from genarium.api._results import Figures
from genarium.api._types import AcceptChanges, Device, Place, Run, Seed, Step
from genarium.errors import UserError
from genarium.training.monitors.diagnosis import Diagnosis
from genarium.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(repr=False)
class Diagnoses(Figures):
    """What is wrong with a run.

    diagnoses: in the order in which they were first said; empty: nothing wrong was seen. readings:
    the numbers that they rest on, a row of metrics.jsonl each, in the order of the steps. passed:
    names of diagnoses that were said in training and held no longer at its end.
    """

    NAME: ClassVar[str] = "diagnosis.json"

    run: str
    diagnoses: Sequence[Diagnosis]
    readings: Sequence[Mapping[str, Any]]
    passed: Sequence[str] = field(default=())

    def get(self, name: str) -> Diagnosis | None:
        """The diagnosis of this name, None where it was not said."""
        return next((each for each in self.diagnoses if each.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "diagnoses": [each.to_dict() for each in self.diagnoses],
            "passed": list(self.passed),
            "readings": [dict(row) for row in self.readings],
        }

    def text(self) -> str:
        if not self.readings and not self.diagnoses:
            return f"{self.run}: its training measured nothing"
        count = f"{len(self.readings)} reading{'s' * (len(self.readings) != 1)}"
        if not self.diagnoses:
            return f"{self.run}: nothing wrong was seen in {count}"
        lines = [f"{self.run}, by {count}:"]
        for each in self.diagnoses:
            over = "; no longer so at the end" if each.name in self.passed else ""
            lines += [
                f"  {each.severity}: {each.title} ({each.name}, from step {each.step:,}{over})",
                f"    {each.evidence}",
                f"    {each.remedy} ({each.source})",
            ]
        return "\n".join(lines)


@verb("measures", out="FILE.json: the diagnoses and the readings (default: RUN/diagnosis.json)")
def diagnose(
    run: Run,
    *,
    measure: bool = True,
    n: Annotated[int, Ge(64)] = 384,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    seed: Seed = 0,
    step: Step | None = None,
    device: Device = "auto",
    progress: bool | None = None,
) -> Diagnoses:
    """Say what is wrong with a training, and what to do.

    run: a run folder; with --no-measure also one that is in training.
    measure: look at the model and its data too; without, only what the training noted is said, at
        once and without reading either
    n: samples that are looked at
    seed: of the samples and of the images that are looked at
    """
    from genarium.runs import checkup

    if measure:
        from genarium.data.progress import stages
        from genarium.runs.loading import opened

        trained = opened(run, step, device, data=data, accept_changes=accept_changes)
        with stages(bool(progress)) as tell:
            result = checkup.measured(trained, n, seed, tell)
    else:
        given = {"--step": step, "--data": data, "--accept-changes": accept_changes or None}
        for flag, value in given.items():
            if value is not None:
                raise UserError(
                    f"{flag}: with --no-measure no model is read: leave one of them out"
                )
        result = checkup.noted(run)
    made = Diagnoses(str(result.folder.path), result.diagnoses, result.readings, result.passed)
    made.home = result.folder.path
    return made
