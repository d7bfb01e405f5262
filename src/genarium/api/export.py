"""A trained model for those who have no Python: as a page of the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from genarium.api._results import Result, of_run
from genarium.api._types import AcceptChanges, Device, Named, Place, Run, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    pass


@dataclass(repr=False)
class Exported(Result):
    """What was written. files: their paths. facts of each stand in `to_dict`."""

    run: str
    files: list[Path]
    about: dict[str, Any]
    lines: list[str]

    def to_dict(self) -> dict[str, Any]:
        return {"run": self.run, "files": [str(path) for path in self.files], **self.about}

    def text(self) -> str:
        return "\n".join(self.lines)


@verb("about")
def export(
    run: Run,
    *,
    page: Annotated[Named | None, Flag(metavar="FILE.html", raw=True)] = None,
    title: str = "",
    scores: Annotated[Named | None, Flag(metavar="FILE.json", raw=True)] = None,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    device: Device = "auto",
    **sampler: Any,
) -> Exported:
    """Write a trained model as a page that runs it in any browser.

    page: one HTML file that needs no network and no installation.
    title: heading of the page (default: the run's name).
    scores: what `genarium evaluate RUN --out FILE.json` wrote, to be shown on the page.
    """
    from genarium.exports.page import page as paged
    from genarium.runs import inputs
    from genarium.runs.loading import opened

    if page is None:
        raise UserError("export: nothing to write: name a file with --page FILE.html")
    out = inputs.path(page, "--page")
    if out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--page {page}: end it in .html")
    trained = opened(run, step, device, data=data, accept_changes=accept_changes, settings=sampler)
    made = paged(trained, title=title)
    from genarium.drawing.files import write

    write(out, made.html.encode())
    facts = {"difference": made.difference}
    return of_run(Exported(str(trained.path), [out], facts, [f"{out}"]), trained)
