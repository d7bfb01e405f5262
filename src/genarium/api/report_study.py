"""What people said of a study's pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from genarium.api._results import Result
from genarium.api._types import StudyFolder
from genarium.verbs import verb

if TYPE_CHECKING:
    from genarium.study.results import Results


@dataclass(repr=False)
class Judgements(Result):
    """Error rates with intervals, every answer and every picture: `results` holds them."""

    NAME: ClassVar[str] = "report.html"
    SUFFIXES: ClassVar[tuple[str, ...]] = (".html", ".htm")

    results: Results
    folder: Path

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.study.report import write_files

        return write_files(self.results, self.folder, path)

    def to_dict(self) -> dict[str, Any]:
        return self.results.to_dict()

    def facts(self) -> Any:
        return self.to_dict()  # as results.json beside the page has it

    def text(self) -> str:
        from genarium.study.report import table_of

        return table_of(self.results)

    def _repr_html_(self) -> str:
        """The figures, and of each model the fakes that were most often taken for real."""
        from genarium.drawing.inline import figure
        from genarium.study.report import SHOWN, strip_of

        parts = [super()._repr_html_()]
        for number, model in enumerate(self.results.manifest.models):
            if rated := self.results.convincing(number, SHOWN):
                words = f"{model.name}: most often taken for real"
                parts.append(figure(strip_of(rated, self.folder), words, words))
        return "".join(parts)

    def report(self) -> str:
        return f"{self.text()}\n\nreport: {self.saved[0]}" if self.saved else self.text()


@verb("people", name="study report", out="FILE.html: the page (default: FOLDER/report.html)")
def report_study(study: StudyFolder, *, keep_inattentive: bool = False) -> Judgements:
    """Error rates with intervals, the most convincing fakes, CSV.

    The page is one self-contained file; beside it stand results.json, answers.csv (every answer)
    and pictures.csv (how each picture was judged). It may be made while the study is served.

    keep_inattentive: count participants who failed the attention checks too.
    """
    from genarium.runs import inputs
    from genarium.study.report import judged

    folder = inputs.path(study, "study")
    made = Judgements(judged(folder, keep_inattentive), folder)
    made.home = folder
    return made
