"""A function of a model as one ONNX file, with what one must know to use it in its metadata.

PyTorch's own exporter writes the graph (`torch.onnx`, which needs the extra `onnx`); the batch is
an axis of any length. Here are the choice of the function, the metadata, and the proof: the file is
run by ONNX Runtime, where it is installed, on batches of 1, 2 and 5 rows and held against PyTorch.

Metadata (`onnx.load(FILE).metadata_props`, texts): function, recipe, run, data, output, values
(JSON: type, low, high, unit of the stored images), classes (JSON), code (JSON: its length, how it
is drawn), path (JSON: x_t = α·x + σ·ε at times between 0 and `end`), genarium.

B batch · D numbers of a code · S of them the condition
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genarium import extras
from genarium.contract.exports import Function, functions
from genarium.errors import UserError
from genarium.exports.eight_bit import eight_bit
from genarium.exports.record import Unwritable, record
from genarium.nn.patches import plain_convolutions
from genarium.runs.trained import Trained

BATCHES = (1, 2, 5)
PARITY = 1e-4
"""Largest difference to PyTorch that a file may have, where the numbers are of order one."""
OPSET = 20


@dataclass
class OnnxFile:
    """content: the file. function: its name. inputs: shapes by name, the batch as "batch". parity:
    largest difference to PyTorch over `BATCHES`, relative to the largest number where that is
    above one; None where ONNX Runtime is not installed. int8: the same difference of the file with
    its weights in 8 bits, which `content` then is; None where they are not."""

    content: bytes
    function: str
    inputs: dict[str, list[Any]]
    output: str
    parity: float | None
    int8: float | None = None


def expect_exporter() -> None:
    """Raise UserError where the extra is not installed."""
    extras.expect("onnx", "--onnx", "onnx", "onnxscript")


def chosen(trained: Trained, name: str | None) -> Function:
    """The function of that name, the model's first for None. UserError for one it has not."""
    every = {n: f for n, f in functions(trained.model, trained.settings).items() if n != "text"}
    if not every:
        raise UserError(
            f"--onnx: {trained.path} is a {trained.recipe.name}, which has no function that is one "
            "pass through a network"
        )
    if name is None:
        return next(iter(every.values()))
    if name not in every:
        raise UserError(
            f"--function {name}: {trained.path} is a {trained.recipe.name}: choose "
            f"{' or '.join(every)}"
        )
    return every[name]


def onnx_file(trained: Trained, name: str | None = None, *, int8: bool = False) -> OnnxFile:
    """A function of a run as an ONNX file. UserError for what cannot be written, or is not what
    PyTorch gives; int8: weights in 8 bits, of the file that is."""
    expect_exporter()
    if int8:
        extras.expect("onnx", "--int8", "onnxruntime")
    function = chosen(trained, name)
    inputs = dict(function.inputs)
    try:
        record(function.call, inputs)  # what depends on numbers of the input is refused in words
    except Unwritable as error:
        raise UserError(
            f"--function {function.name}: of {trained.path} ({trained.recipe.name}) it cannot be "
            f"written as a graph: {error.reason}: choose another"
        ) from None
    content = _exported(trained, function, inputs)
    parity = _parity(trained, function, content)
    shapes = {n: ["batch", *x.shape[1:]] for n, x in function.inputs.items()}
    difference = None
    if int8:
        content = eight_bit(content)
        difference = _difference(trained, function, content)
    return OnnxFile(content, function.name, shapes, output_of(function), parity, difference)


def output_of(function: Function) -> str:
    """What the file calls its output: "images", or "made" where images go in too."""
    return function.output if function.output not in function.inputs else "made"


class _Call(nn.Module):
    """A function as a module, for the exporter."""

    def __init__(self, function: Function, model: nn.Module):
        super().__init__()
        self.call = function.call
        self.parts = nn.ModuleList([model, *function.modules])

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(*inputs)


def _exported(trained: Trained, function: Function, inputs: Mapping[str, Tensor]) -> bytes:
    import onnx

    with _quiet(), torch.no_grad(), plain_convolutions():
        try:
            graph = traced(function, trained.model)
        except torch._dynamo.exc.UserError:  # a length became a number on the way
            raise UserError(
                f"--function {function.name}: {trained.path} ({trained.recipe.name}) computes it "
                "for a number of rows that is fixed when it is written: choose another"
            ) from None
        except torch.fx.experimental.symbolic_shapes.GuardOnDataDependentSymNode:
            raise UserError(
                f"--function {function.name}: {trained.path} ({trained.recipe.name}) decides by "
                "numbers that it computes, which no graph can: choose another"
            ) from None
        program = torch.onnx.export(
            graph,
            input_names=list(inputs),
            output_names=[output_of(function)],
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for key, value in _metadata(trained, function).items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def traced(function: Function, model: nn.Module) -> torch.export.ExportedProgram:
    """A function as PyTorch's graph of any number of rows, within `plain_convolutions`; its error
    where one was fixed on the way."""
    batch = torch.export.Dim("batch", min=1)
    module = _Call(function, model).eval()
    rows = (tuple({0: batch} for _ in function.inputs),)
    return torch.export.export(
        module, tuple(function.inputs.values()), dynamic_shapes=rows, strict=False
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its passes on stdout, stderr and in warnings."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    silent = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(silent),
            contextlib.redirect_stderr(silent),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _metadata(trained: Trained, function: Function) -> dict[str, str]:
    spec, model = trained.spec, trained.model
    values = spec.values_of("a")
    result: dict[str, Any] = {
        "function": function.name,
        "output": function.output,
        "recipe": trained.recipe.name,
        "run": trained.name,
        "data": str(trained.about["data"].get("name", "")),
        "values": {
            "dtype": values.dtype,
            "low": list(values.low),
            "high": list(values.high),
            "unit": values.unit,
            "stored": "round((x + 1) / 2 * (high - low) + low) of images x on [-1, 1]",
        },
        "classes": list(spec.classes),
        "genarium": str(trained.about.get("versions", {}).get("genarium", "")),
    }
    if "codes" in (function.output, *function.inputs):
        noise, size = trained.noise, trained.code_size
        conditioning: Any = getattr(model, "conditioning", None)
        parts = conditioning.parts(spec) if conditioning is not None and conditioning.size else ()
        drawn = "N(0, 1) each" if "prior" in trained.capabilities else "no prior: codes of images"
        result["code"] = {
            "length": size,
            "noise": size if noise is None else noise,
            "drawn": drawn,
            "condition": [
                {"name": p.name, "one_hot": list(p.values)}
                if p.values
                else {"name": p.name, "low": p.low, "high": p.high}
                for p in parts
            ],
        }
    if function.drawn:
        result["drawn"] = dict(function.drawn)
    path = getattr(model, "path", None)
    if path is not None:
        result["path"] = {"name": type(path).__name__, "end": float(path.end)}
    return {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in result.items()
    }


def _parity(trained: Trained, function: Function, content: bytes) -> float | None:
    """The largest difference of the file to PyTorch; UserError where it is too large."""
    if extras.missing("onnx", "onnxruntime"):
        return None
    worst = _difference(trained, function, content)
    if not worst <= PARITY:
        raise UserError(
            f"--onnx: the file differs from PyTorch by {worst:.2g}, more than {PARITY:g}: leave "
            "--onnx out"
        )
    return worst


def session_of(content: bytes) -> Any:
    """A file as ONNX Runtime has it, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _difference(trained: Trained, function: Function, content: bytes) -> float:
    """The largest difference of the file to PyTorch over batches of several sizes, of the largest
    number where that is above one."""
    return max(each.largest / max(1.0, each.scale) for each in compared(trained, function, content))


@dataclass
class Compared:
    """A file against PyTorch on a batch of so many rows: the largest difference of two numbers, and
    the largest number (scale) of PyTorch's."""

    rows: int
    largest: float
    scale: float


@torch.no_grad()
def compared(trained: Trained, function: Function, content: bytes) -> list[Compared]:
    """The file run by ONNX Runtime on batches of `BATCHES` rows. UserError where it gives another
    shape."""
    session, results = session_of(content), []
    for rows in BATCHES:
        given = {
            n: _chance(x, rows, function.drawn.get(n) == "uniform")
            for n, x in function.inputs.items()
        }
        wanted = function.call(*(x.to(trained.device) for x in given.values())).cpu().numpy()
        (made,) = session.run(None, {n: x.numpy() for n, x in given.items()})
        if made.shape != wanted.shape:
            raise UserError(
                f"--onnx: the file gives {list(made.shape)} for {rows} rows, PyTorch "
                f"{list(wanted.shape)}: leave --onnx out"
            )
        largest, scale = (float(np.abs(x).max()) for x in (made - wanted, wanted))
        results.append(Compared(rows, largest, scale))
    return results


def _chance(example: Tensor, rows: int, uniform: bool = False) -> Tensor:
    """Rows like an example: of codes and noised images N(0, 1), of stored images any levels."""
    generator = torch.Generator().manual_seed(rows)
    shape = (rows, *example.shape[1:])
    if uniform:
        return torch.rand(shape, generator=generator)
    if example.is_floating_point() and example.ndim > 1:
        return torch.randn(shape, generator=generator)
    if example.is_floating_point():  # times, about the example's
        return example[0] * (0.5 + torch.rand(shape, generator=generator))
    low, high = 0, int(torch.iinfo(example.dtype).max) + 1
    return torch.randint(low, min(high, 256), shape, generator=generator).to(example.dtype)
