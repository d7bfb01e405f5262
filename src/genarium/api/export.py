"""A trained model for those who have no Python: as a page of the browser, as an ONNX file."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from genarium.api._results import Result, of_run
from genarium.api._types import AcceptChanges, Named, Place, Run, Step
from genarium.errors import UserError
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from genarium.exports.onnx import OnnxFile
    from genarium.runs.trained import Trained

JUDGED = 1000
"""Codes that 8-bit weights are judged by."""
FunctionName = Literal[
    "decode", "encode", "reconstruct", "translate", "translate_b2a", "denoise", "log_prob"
]


@dataclass(repr=False)
class Exported(Result):
    """What was written. page, onnx: the facts of each file, None where there is none."""

    run: str
    page: dict[str, Any] | None = None
    onnx: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        facts = {"run": self.run, "page": self.page, "onnx": self.onnx}
        return {name: value for name, value in facts.items() if value is not None}

    def text(self) -> str:
        lines = []
        if self.page is not None:
            precision = "half" if self.page["half"] else "single"
            lines.append(
                "{file}: {kilobytes:,.0f} kB, {functions}; {million:,.1f} million multiplications "
                "a picture; {precision} precision is within {difference:.2f} of 255 grey levels "
                "of PyTorch".format(
                    kilobytes=self.page["bytes"] / 1000,
                    million=self.page["products"] / 1e6,
                    precision=precision,
                    **{**self.page, "functions": " and ".join(self.page["functions"])},
                )
            )
            lines.append("open it by a double click")
        if self.onnx is not None:
            shapes = ", ".join(f"{n} {x}".replace("'", "") for n, x in self.onnx["inputs"].items())
            parity = self.onnx["parity"]
            proof = "not compared, as ONNX Runtime is not installed"
            if parity is not None:
                proof = f"within {parity:.1e} of PyTorch"
            lines.append(
                f"{self.onnx['file']}: {self.onnx['bytes'] / 1000:,.0f} kB, "
                f"{self.onnx['function']} of {shapes}; {proof}"
            )
            if "int8" in self.onnx:
                lines.append(_verdict(self.onnx["int8"]))
        return "\n".join(lines)


def _verdict(int8: dict[str, Any]) -> str:
    """What 8 bits change, in words."""
    if "score" not in int8:
        return (
            f"weights in 8 bits: within {int8['difference']:.1e} of PyTorch (of the largest number)"
        )
    low, high = int8["interval"]
    inside = low <= int8["eight_bit"] <= high
    words = "within its interval" if inside else "outside of its interval: leave --int8 out"
    return (
        f"weights in 8 bits: {int8['score']} {int8['eight_bit']:.4g}, in single precision "
        f"{int8['single']:.4g} ({low:.4g} to {high:.4g}), of the same {JUDGED:,} codes: {words}"
    )


@verb("about")
def export(
    run: Run,
    *,
    page: Annotated[Named | None, Flag(metavar="FILE.html", raw=True)] = None,
    onnx: Annotated[Named | None, Flag(metavar="FILE.onnx", raw=True)] = None,
    function: FunctionName | None = None,
    int8: bool = False,
    title: str | None = None,
    scores: Annotated[Named | None, Flag(metavar="FILE.json", raw=True)] = None,
    data: Place | None = None,
    accept_changes: AcceptChanges = False,
    step: Step | None = None,
    **sampler: Any,
) -> Exported:
    """Write a trained model for people without Python: a page, an ONNX file.

    page: one HTML file that runs the model in any browser, without a network
    onnx: one ONNX file; needs the extra onnx
    function: what the ONNX file computes (default: decode, of a model that translates translate)
    int8: weights of the ONNX file in 8 bits, a quarter of the size; says what that does to FID
    title: heading of the page (default: the run's name)
    scores: shown on the page: what `genarium evaluate RUN --out FILE.json` wrote
    """
    from genarium.exports import onnx as onnx_files
    from genarium.exports import page as pages
    from genarium.runs.loading import opened

    html, file = _place("--page", page, ".html"), _place("--onnx", onnx, ".onnx")
    if html is None and file is None:
        raise UserError("nothing to write: name a file with --page FILE.html or --onnx FILE.onnx")
    if html is None:
        for flag, value in {"--title": title, "--scores": scores}.items():
            if value is not None:
                raise UserError(f"{flag} {value}: it is of the page: add --page FILE.html")
    if file is None and function is not None:
        raise UserError(f"--function {function}: it is of the ONNX file: add --onnx FILE.onnx")
    if file is None and int8:
        raise UserError("--int8: it is of the ONNX file: add --onnx FILE.onnx")
    if file is not None:
        onnx_files.expect_exporter()
    shown = None if scores is None else _read(scores)
    trained = _on_cpu(
        opened(run, step, "cpu", data=data, accept_changes=accept_changes, settings=sampler)
    )
    result = Exported(str(trained.path))
    # both are made before either is written
    made = None if html is None else pages.page(trained, title=title or "", scores=shown)
    graph = None if file is None else onnx_files.onnx_file(trained, function, int8=int8)
    judged = None if graph is None or graph.int8 is None else _judged(trained, graph)
    if html is not None and made is not None:
        content = made.html.encode()
        _write(html, content, "--page")
        result.page = {
            "file": str(html),
            "bytes": len(content),
            "functions": list(made.functions),
            "products": made.products,
            "half": made.half,
            "difference": made.difference,
            "sliders": made.sliders,
            "dead": made.dead,
        }
    if file is not None and graph is not None:
        _write(file, graph.content, "--onnx")
        result.onnx = {
            "file": str(file),
            "bytes": len(graph.content),
            "function": graph.function,
            "inputs": graph.inputs,
            "output": graph.output,
            "parity": graph.parity,
            **({} if judged is None else {"int8": judged}),
        }
    return of_run(result, trained)


def _judged(trained: Trained, graph: OnnxFile) -> dict[str, Any]:
    """What 8 bits change: FID of the same codes decoded by the file and by PyTorch, where there are
    codes to draw; else the difference of numbers. UserError where the run's data are not there."""
    import torch

    from genarium.evaluation import plan
    from genarium.evaluation.images import Stored
    from genarium.exports import prior
    from genarium.exports.onnx import session_of

    result: dict[str, Any] = {"difference": graph.int8}
    if graph.function != "decode" or "sample" not in trained.capabilities:
        return result
    data, codes = trained.dataset(), prior.codes(trained, 0, JUDGED)
    (made,) = session_of(graph.content).run(None, {"codes": codes.numpy()})
    sets = [
        Stored(trained.stored(images), values=data.spec.values)
        for images in (torch.from_numpy(made), trained.decode(codes))
    ]
    held = Stored(data.test.images, values=data.spec.values)
    eight_bit, single = plan.fid_of_each(sets, held, split="test", data=data.name, n=JUDGED)
    assert single.interval is not None
    return {
        **result,
        "score": single.name,
        "eight_bit": eight_bit.value,
        "single": single.value,
        "interval": list(single.interval),
    }


def _write(path: Path, content: bytes, flag: str) -> None:
    from genarium.drawing.files import write

    try:
        write(path, content)
    except UserError as error:
        raise UserError(str(error).replace("--out", flag)) from error


def _on_cpu(trained: Trained) -> Trained:
    """The run with its model on the CPU, where it is recorded; the given one stays where it is."""
    if trained.device.type == "cpu":
        return trained
    result = copy.copy(trained)
    result.model = copy.deepcopy(trained.model).to("cpu")
    return result


def _place(flag: str, value: Any, ending: str) -> Path | None:
    """A file to write, checked before anything is computed."""
    from genarium.runs import inputs

    if value is None:
        return None
    path = inputs.path(value, flag)
    if path.suffix.lower() != ending:
        raise UserError(f"{flag} {value}: end it in {ending}")
    if path.is_dir():
        raise UserError(f"{flag} {value}: that is a folder: name a file")
    return path


def _read(file: Any) -> dict[str, Any]:
    import json

    from genarium.runs import inputs

    path = inputs.path(file, "--scores")
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"--scores {file}: {reason}: name a file of scores") from None
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise UserError(
            f"--scores {file}: not JSON of scores: name what `genarium evaluate RUN --out "
            "FILE.json` wrote"
        )
    return result
