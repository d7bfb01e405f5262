"""A model as one HTML page that needs nothing but itself: no network, no server, no installation.

The page holds the graph of the decoder (and of the encoder, where there is one), the weights in
half precision, and what PyTorch made of a few codes, with which it checks itself when it opens.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genarium.contract.exports import Function, functions
from genarium.data.showing import EACH, usual
from genarium.drawing.images import legend
from genarium.errors import UserError
from genarium.exports import arithmetic, wasm
from genarium.exports.effects import sliders
from genarium.exports.graph import Graph
from genarium.exports.interpret import interpret
from genarium.exports.prior import PagePrior, prior_of
from genarium.exports.program import program
from genarium.exports.record import Unwritable, record
from genarium.latent import DEAD
from genarium.runs.loading import of_images
from genarium.runs.trained import Trained

MOST_PRODUCTS = 3_000_000_000
"""Multiplications of a picture, about a second of a browser."""
MOST_BYTES = 64 << 20
REFERENCES = 8
TRIED, TRIED_PRODUCTS = 32, 20_000_000_000
"""Pictures that half precision is judged by, and their multiplications: more than the page carries,
since a few may be far off where most are exact."""
REFERENCE_NUMBERS = 100_000
"""Numbers of reference pictures that a page carries, at most about."""
HALF = 0.5
"""Grey levels by which half precision may be off, so that pictures not tried stay within one."""
LEVELS = 65535
"""Reference pictures are stored on so many steps, far finer than what is compared."""


@dataclass
class Page:
    """html: the file. difference: of half precision to PyTorch, in grey levels of 255, as Python
    computes it; the page says its own. half: whether weights are in half precision. products: of a
    picture. effects: grey levels that the strongest numbers move."""

    html: str
    functions: tuple[str, ...]
    difference: float
    half: bool
    products: int
    weights: int
    dead: int
    sliders: int


def page(trained: Trained, *, title: str = "", scores: Mapping[str, Any] | None = None) -> Page:
    """The page of a run. UserError for a model whose pictures no page can draw in a moment."""
    every = functions(of_images(trained).model, trained.settings)
    name = "decode" if "decode" in every else "translate"
    if name not in every:
        raise UserError(
            f"--page: {trained.path} is a {trained.recipe.name}, whose pictures are drawn pixel "
            f"by pixel, {trained.spec.height * trained.spec.width:,} passes of its network each, "
            "too slow in a page: export a model that decodes codes"
        )
    graphs = {name: _graph(trained, every[name])}
    notes = []
    for further in ("encode", "text"):
        if further in every and name == "decode":
            try:
                graphs[further] = _graph(trained, every[further])
            except UserError as error:
                notes.append(f"{further}: {error}")
    prior = prior_of(trained) if name == "decode" else None
    if "text" in graphs and not _reads(graphs["text"], trained, prior):
        del graphs["text"]
    references = _references(trained, every, graphs, prior)
    half = references.difference <= HALF
    written, weights = program(graphs, half)
    if len(weights) > MOST_BYTES:
        raise UserError(
            f"--page: {trained.path} has weights of {len(weights) / 2**20:.0f} MiB, too many for a "
            "page that is sent: train one with fewer channels (--width)"
        )
    moves = sliders(trained, prior) if prior is not None else []
    about = {
        **_about(trained, title, half, scores),
        "program": written,
        "prior": None if prior is None else _prior(prior),
        "sliders": [
            [s.column, round(s.effect, 3), round(s.low, 5), round(s.high, 5), round(s.middle, 5)]
            for s in moves
        ],
        "dead": DEAD,
        "references": references.written,
    }
    return Page(
        _document(about, weights),
        tuple(graphs),
        references.difference if half else references.exact,
        half,
        graphs[name].products,
        len(weights),
        sum(s.effect < DEAD for s in moves),
        len(moves),
    )


def _graph(trained: Trained, function: Function) -> Graph:
    """The graph of a function; UserError where it cannot be written, or costs too much."""
    try:
        graph = record(function.call, function.inputs)
    except Unwritable as error:
        raise UserError(
            f"--page: {function.name} of {trained.path} ({trained.recipe.name}) cannot be written "
            f"as a graph: {error.reason}: leave --page out"
        ) from None
    if graph.products > MOST_PRODUCTS:
        seconds, settings = graph.products / MOST_PRODUCTS, trained.model.settings
        remedy = "train one with fewer channels (--width)"
        if settings is not None and hasattr(settings(), "steps"):
            remedy = "ask for fewer --steps"
        raise UserError(
            f"--page: a picture of {trained.path} takes {graph.products / 1e9:.1f} billion "
            f"multiplications, about {seconds:.0f} s in a browser: {remedy}"
        )
    return graph


def _reads(graph: Graph, trained: Trained, prior: Any) -> bool:
    """Whether a graph of captions gives the embeddings that the model gives; one that looks words
    up in Python's memory cannot be recorded."""
    rows = np.frombuffer(
        b"".join(
            text.encode()[: trained.spec.caption_bytes].ljust(trained.spec.caption_bytes, b"\0")
            for text in prior.texts[:3]
        ),
        np.uint8,
    ).reshape(-1, trained.spec.caption_bytes)
    made = [interpret(graph, {"captions": row}) for row in rows]
    return bool(np.abs(np.stack(made) - prior.rows[: len(made)]).max() < 1e-3)


@dataclass
class _References:
    written: dict[str, Any]
    difference: float  # with weights in half precision
    exact: float  # with weights as they are


@torch.no_grad()
def _references(
    trained: Trained, every: Mapping[str, Function], graphs: Mapping[str, Graph], prior: Any
) -> _References:
    """What PyTorch makes of some inputs, and how far the graphs are from it in Python."""
    shape = graphs[next(iter(graphs))].shapes["output"]
    count = max(1, min(REFERENCES, REFERENCE_NUMBERS // int(np.prod(shape))))
    products = max(1, graphs[next(iter(graphs))].products)
    tried = max(count, min(TRIED, TRIED_PRODUCTS // products))
    written: dict[str, Any] = {"count": count}
    if prior is None:
        pixels = _inputs(trained, tried)
        made = torch.stack([every["translate"].call(x[None])[0] for x in pixels])
        inputs = [{"images": x.numpy()} for x in pixels]
        written["given"] = _packed(pixels[:count].to(torch.float32).numpy(), "<f4")
        graph = graphs["translate"]
    else:
        codes = prior.draw(0, 0, tried)
        made = every["decode"].call(torch.from_numpy(codes).to(trained.device)).cpu()
        inputs = [{"codes": row} for row in codes]
        written["codes"] = _packed(codes[:count], "<f4")
        graph = graphs["decode"]
    worst = {}
    for half in (True, False):
        given = zip(inputs, made)
        worst[half] = max(
            127.5 * float(np.abs(interpret(graph, x, half) - y.numpy()).max()) for x, y in given
        )
        if half and worst[half] <= HALF:
            worst[False] = worst[half]
            break
    if not worst[False] <= 1.0:
        raise UserError(
            f"--page: {trained.path}: the page would differ from the model by "
            f"{worst[False]:.2g} of 255 grey levels: leave --page out"
        )
    made = made[:count]  # what the page carries
    steps = ((made.clamp(-1, 1) + 1) / 2 * LEVELS).round().numpy()
    written["images"] = _packed(steps, "<u2")
    if "encode" in graphs:
        stored = trained.stored(made)
        function = every["encode"]
        more = [
            x[:1].expand(count, *x.shape[1:]) for n, x in function.inputs.items() if n != "images"
        ]
        back = function.call(stored.to(trained.device), *more).cpu()
        beside = (n for n in function.inputs if n != "images")
        conditions = dict(zip(beside, (x[0].numpy() for x in more)))
        for picture, wanted in zip(stored, back):
            made_code = interpret(
                graphs["encode"], {"images": picture.to(torch.float32), **conditions}
            )
            off = float(np.abs(made_code - wanted.numpy()).max())
            if not off <= 1e-2 * max(1.0, float(wanted.abs().max())):
                raise UserError(
                    f"--page: {trained.path}: codes of the page would differ by {off:.2g}: leave "
                    "--page out"
                )
        written["back"] = _packed(back.numpy(), "<f4")
        written["stored"] = _packed(stored.to(torch.float32).numpy(), "<f4")
    return _References(written, worst[True], worst[False])


def _inputs(trained: Trained, count: int) -> Tensor:
    """Pictures to translate: smooth ones of chance, stored [count,C,H,W]."""
    domain = trained.model.directions[0][0]
    spec, generator = trained.spec, torch.Generator().manual_seed(0)
    channels, height, width = spec.domain(domain)
    coarse = 2 * torch.rand(count, channels, 4, 4, generator=generator) - 1
    x = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return spec.values_of(domain).stored(x)


def _packed(values: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def _prior(prior: PagePrior) -> dict[str, Any]:
    return {
        "size": prior.size,
        "latent": prior.latent,
        "parts": [[p.name, list(p.values), p.low, p.high] for p in prior.parts],
        "rows": None if prior.rows is None else _packed(prior.rows, "<f4"),
        "texts": list(prior.texts),
        "table": None if prior.table is None else _packed(prior.table, "<f4"),
        "temperature": prior.temperature,
        "outside": prior.outside,
    }


def _about(
    trained: Trained, title: str, half: bool, scores: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The model in words, and how its images are shown."""
    spec, data = trained.spec, trained.about["data"]
    translates = "decode" not in trained.capabilities
    source, target = ("a", "b") if translates else ("a", "a")
    if translates:
        source, target = trained.model.directions[0].split("2")
    values = spec.values_of(source)
    info = data.get("info", {})
    counts = info.get("counts") or {}
    facts = {
        "Model": f"{trained.label}, a {trained.recipe.name}",
        "Trained on": _data(data, counts),
        "Step": f"{trained.step:,}",
        "Paper": trained.recipe.paper,
        "Weights": "half precision" if half else "single precision",
        "Pictures": legend(spec, target),
        "Data by": str(info.get("attribution") or ""),
        "Genarium": str(trained.about.get("versions", {}).get("genarium", "")),
    }
    shown = spec.shown_of(target)
    channels = spec.domain(target)[0]
    return {
        "title": title or trained.name,
        "run": trained.name,
        "recipe": trained.recipe.name,
        "settings": {} if trained.settings is None else trained.settings.changed(),
        "summary": trained.recipe.doc.splitlines()[0],
        "taxonomy": list(trained.taxonomy),
        "facts": [[name, value] for name, value in facts.items() if value],
        "scores": [] if scores is None else _scores(scores),
        "shape": list(spec.domain(target)),
        "given": list(spec.domain(source)),
        "each": shown == EACH,
        "shown": [] if shown == EACH else list(shown or usual(channels)),
        "values": {
            "eight_bit": values.eight_bit,
            "low": list(values.low),
            "high": list(values.high),
            "dtype": values.dtype,
        },
        "direction": trained.model.directions[0] if translates else "",
        "caption_bytes": spec.caption_bytes,
    }


def _data(data: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    name = str(data.get("name", "")).rstrip("/").rsplit("/", 1)[-1]
    number = counts.get("train")
    return f"{name}, {number:,} pictures" if number else name


def _scores(scores: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the scores that `genarium evaluate --out FILE.json` wrote: name, value, interval."""
    try:
        rows = [
            [str(row["name"]), float(row["value"]), row.get("interval")] for row in scores["rows"]
        ]
    except (KeyError, TypeError, ValueError):
        raise UserError(
            "--scores: not what `genarium evaluate RUN --out FILE.json` writes: name such a file"
        ) from None
    return [
        [name, f"{value:.4g}", "" if not ends else f"{ends[0]:.4g} to {ends[1]:.4g}"]
        for name, value, ends in rows
    ]


def script() -> str:
    """The engine, with the elementwise functions in their places."""
    text = _static("engine.js")
    for operands in (1, 2, 3):
        text = text.replace(f"/*MAP{operands}*/ {{}}", arithmetic.scripts(operands))
    return text


def _static(name: str) -> str:
    return (files("genarium.exports") / "static" / name).read_text(encoding="utf-8")


def _document(about: Mapping[str, Any], weights: bytes) -> str:
    # within a script nothing may look like its end
    words = json.dumps(about, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    parts = {
        "TITLE": _escaped(str(about["title"])),
        "STYLE": _static("page.css"),
        "ABOUT": words,
        "WASM": base64.b64encode(wasm.module()).decode(),
        "ENGINE": script(),
        "WEIGHTS": base64.b64encode(weights).decode(),
        "PAGE": _static("page.js"),
    }
    pieces = _static("page.html").split("@@")
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def _escaped(text: str) -> str:
    import html

    return html.escape(text)
