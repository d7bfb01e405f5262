"""What is wrong with a training, how that is known, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from genarium.api._results import Figures
from genarium.api._types import Run
from genarium.training.monitors.diagnosis import Diagnosis
from genarium.verbs import verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(repr=False)
class Diagnoses(Figures):
    """What is wrong with a run.

    diagnoses: in the order in which they were first said; empty: nothing wrong was seen. readings:
    the numbers that they rest on, a row of metrics.jsonl each, in the order of the steps.
    """

    NAME: ClassVar[str] = "diagnosis.json"

    run: str
    diagnoses: Sequence[Diagnosis]
    readings: Sequence[Mapping[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        said = [each.to_dict() for each in self.diagnoses]
        return {"run": self.run, "diagnoses": said, "readings": [dict(r) for r in self.readings]}

    def text(self) -> str:
        if not self.readings:
            return f"{self.run}: its training measured nothing"
        count = f"{len(self.readings)} reading{'s' * (len(self.readings) != 1)}"
        if not self.diagnoses:
            return f"{self.run}: nothing wrong was seen in {count}"
        lines = [f"{self.run}: {len(self.diagnoses)} things are wrong, seen in {count}"]
        for each in self.diagnoses:
            lines += [
                f"  {each.severity}: {each.title} ({each.name}, from step {each.step:,})",
                f"    {each.evidence}",
                f"    {each.remedy} ({each.source})",
            ]
        return "\n".join(lines)


@verb("measures", out="FILE.json: the diagnoses and the readings (default: RUN/diagnosis.json)")
def diagnose(run: Run) -> Diagnoses:
    """Say what is wrong with a training, and what to do.

    run: a run folder, also one that is being trained.
    """
    from genarium.runs.checkup import folder_of, rows_of
    from genarium.training.monitors.diagnosis import said

    folder = folder_of(run)
    rows = rows_of(folder)
    readings = [row for row in rows if row.get("event") == "reading"]
    result = Diagnoses(str(folder.path), said(rows), readings)
    result.home = folder.path
    return result
