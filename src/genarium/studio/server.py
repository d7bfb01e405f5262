"""The page and its interface: FastAPI over the library's verbs.

GET  /                            the page            GET /static/NAME   its files
GET  /api/runs                    the runs, the trainings, what can be trained
GET  /api/model?run=&step=        what a model can do; loads it
POST /api/VIEW                    a view (`views`), JSON in and a packet of pictures out
GET  /api/effects?run=&step=      the effects of the numbers of a code, as far as they are measured
POST /api/effects                 measure them although it takes long
POST /api/pictures?name=          a picture's bytes: {key, name}
POST /api/file/KIND               a walk as gif, webp or png
GET  /api/watch?run=&after=       a run's log from a row on, its grids, checkpoints and diagnoses
POST /api/diagnose                a look at the model too
GET  /api/grid?run=&step=         a sample grid, PNG
GET  /api/form?recipe=            the settings of a training as controls
POST /api/trainings               start one        POST /api/trainings/stop?run=   stop it
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

import genarium
from genarium.api import _runs
from genarium.errors import RunError, UserError
from genarium.studio import asked, describe, trainings
from genarium.studio.diagnoses import Diagnoses
from genarium.studio.effects import Effects
from genarium.studio.packets import TYPE
from genarium.studio.pictures import LARGEST, Pictures
from genarium.studio.shelf import Gone, Shelf
from genarium.studio.trainings import Trainings
from genarium.studio.turns import Superseded, Turns
from genarium.studio.views import Views

log = logging.getLogger("genarium.studio")

BODIES = {"/api/pictures": LARGEST, "/api/sum": 1 << 18, "/api/complete": 1 << 18}
"""Larger bodies than others have, by the beginning of the path."""
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
FILES = {"gif": "image/gif", "webp": "image/webp", "png": "image/png"}
NO_STORE = {"cache-control": "no-store"}
Named = Annotated[str, Query(min_length=1, max_length=300)]
At = Annotated[int | None, Query(ge=0, le=10**9)]


class Studio:
    """What the server knows: runs, models, pictures, trainings. Close it at the end."""

    def __init__(self, places: list[str], home: Path, device: str = "auto"):
        self.shelf, self.pictures = Shelf(places, device), Pictures()
        self.views = Views(self.shelf, self.pictures)
        self.trainings = Trainings(home, self.pictures.folder)
        self.quick, self.slow = Turns(), Turns()
        self.diagnoses = Diagnoses()
        self._effects: dict[tuple[str, int], Effects] = {}
        self._lock, self._reading = threading.Lock(), threading.Lock()

    def effects(self, name: str, step: int | None) -> Effects:
        """The effects of a model, whose measuring is started."""
        run = self.shelf.model(name, step)
        why = describe.reasons(run)["code"]
        if why:
            raise UserError(f"{name}: {why}")
        with self._lock:
            effects = self._effects.get((name, run.step))
            if effects is None:
                effects = Effects(run, describe.columns(run), self.quick)
                self._effects[name, run.step] = effects
            return effects

    def read(self, ask: asked.Which) -> None:
        """Read the data of a run where a view needs them, before it takes a turn: that may be long,
        and others go on."""
        run = self.shelf.model(ask.run, ask.step)
        named = [*ask.model_dump().values()]
        named += [name for value in named if isinstance(value, list) for name in value]
        test = any(isinstance(name, str) and name.startswith("test:") for name in named)
        if test or ("prior" not in run.capabilities and "sample" not in run.capabilities):
            with self._reading:
                run.dataset()

    def close(self) -> None:
        self.trainings.close()
        self.pictures.close()


def app(studio: Studio) -> FastAPI:
    """The application; wrap it in `genarium.web.guard.Guard` with `BODIES` before it is served."""
    # no pages of the framework: they would load scripts from elsewhere
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _pages(api)
    _explore(api, studio)
    _pictures(api, studio)
    _watch(api, studio)

    def said(status: int, text: str) -> JSONResponse:
        return JSONResponse({"detail": text}, status, NO_STORE)

    @api.exception_handler(Gone)
    def gone(request: Request, error: Exception) -> JSONResponse:
        return said(404, str(error))

    @api.exception_handler(UserError)
    def refused(request: Request, error: Exception) -> JSONResponse:
        return said(400, str(error))

    @api.exception_handler(RunError)
    def stopped(request: Request, error: Exception) -> JSONResponse:
        return said(503, str(error))

    @api.exception_handler(Superseded)
    def superseded(request: Request, error: Exception) -> JSONResponse:
        return said(409, "superseded")

    @api.exception_handler(RequestValidationError)
    def no_sense(request: Request, error: Exception) -> JSONResponse:
        # without what was sent: it may be nothing that JSON can hold (NaN, half a character)
        return said(400, "this request is not understood: reload the page")

    return api


def _pages(api: FastAPI) -> None:
    folder = files("genarium.studio") / "static"
    static = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}

    @api.get("/")
    def page() -> Response:
        return Response(static["studio.html"], media_type="text/html", headers=NO_STORE)

    @api.get("/static/{name}")
    def static_file(name: str) -> Response:
        if name not in static:
            raise HTTPException(404)
        kind = TYPES.get(Path(name).suffix, "application/octet-stream")
        return Response(static[name], media_type=kind, headers=NO_STORE)


def _explore(api: FastAPI, studio: Studio) -> None:
    views = studio.views

    def reply(turns: Turns, ask: asked.Which, made: Callable[[], bytes]) -> Response:
        studio.read(ask)
        with turns.turn(ask.channel, ask.number):
            return Response(made(), media_type=TYPE, headers=NO_STORE)

    @api.get("/api/model")
    def model(run: Named, step: At = None) -> dict[str, Any]:
        steps = _runs.steps_of(studio.shelf.path(run), "checkpoints")
        return describe.described(studio.shelf.model(run, step), run, steps)

    @api.post("/api/samples")
    def samples(ask: asked.Drawn) -> Response:
        run = studio.shelf.model(ask.run, ask.step)
        turns = studio.slow if describe.is_slow(run) else studio.quick
        return reply(turns, ask, lambda: views.samples(ask))

    @api.post("/api/decode")
    def decode(ask: asked.Coded) -> Response:
        return reply(studio.quick, ask, lambda: views.decode(ask))

    @api.post("/api/alike")
    def alike(ask: asked.Alike) -> Response:
        return reply(studio.quick, ask, lambda: views.alike(ask))

    @api.post("/api/walk")
    def walk(ask: asked.Walked) -> Response:
        return reply(studio.slow, ask, lambda: views.walk(ask))

    @api.post("/api/file/{kind}")
    def file(kind: str, ask: asked.Walked) -> Response:
        if kind not in FILES:
            raise HTTPException(404)
        studio.read(ask)
        with studio.slow.turn():
            return Response(views.walk(ask, kind), media_type=FILES[kind], headers=NO_STORE)

    @api.post("/api/sum")
    def sum_of(ask: asked.Summed) -> Response:
        return reply(studio.slow, ask, lambda: views.sum(ask))

    @api.post("/api/nearest")
    def nearest(ask: asked.Drawn) -> Response:
        def answer() -> bytes:
            run = studio.shelf.model(ask.run, ask.step)
            _ = run.originals  # read once, for this model and all its copies with settings
            return views.nearest(ask, run)

        return reply(studio.slow, ask, answer)

    @api.get("/api/effects")
    def effects(run: Named, step: At = None) -> dict[str, Any]:
        measured = studio.effects(run, step)
        measured.start()
        return measured.to_dict()

    @api.post("/api/effects")
    def measure(ask: asked.Which) -> dict[str, Any]:
        measured = studio.effects(ask.run, ask.step)
        measured.start(whatever=True)
        return measured.to_dict()


def _pictures(api: FastAPI, studio: Studio) -> None:
    views = studio.views

    @api.post("/api/pictures", status_code=201)
    async def keep(request: Request, name: Annotated[str, Query(max_length=300)] = "") -> Any:
        content = await request.body()
        kept = await run_in_threadpool(studio.pictures.keep, content, name)
        return {"key": kept.key, "name": kept.name}

    def beside(ask: asked.Pictured) -> bytes:
        run = studio.shelf.model(ask.run, ask.step)
        _ = run.originals
        return views.beside(ask, run)

    quick = {"seen": views.seen, "reconstruct": views.reconstruct, "translate": views.translate}
    slow = {
        "invert": views.invert,
        "likelihood": views.likelihood,
        "complete": views.complete,
        "beside": beside,
    }
    each = {name: (studio.quick, made) for name, made in quick.items()}
    each |= {name: (studio.slow, made) for name, made in slow.items()}

    @api.post("/api/picture/{view}")
    def picture(view: str, ask: asked.Pictured) -> Response:
        if view not in each:
            raise HTTPException(404)
        turns, made = each[view]
        studio.read(ask)
        with turns.turn(ask.channel, ask.number):
            return Response(made(ask), media_type=TYPE, headers=NO_STORE)


def _watch(api: FastAPI, studio: Studio) -> None:
    recipes: list[dict[str, Any]] = []
    sources: list[dict[str, Any]] = []

    @api.get("/api/runs")
    def runs() -> dict[str, Any]:
        rows = studio.shelf.listed()
        for row in rows:
            training = studio.trainings.of(Path(row["path"])) if "path" in row else None
            row["training"] = training.to_dict() if training is not None else None
        shown = {row.get("path") for row in rows}
        begun = [
            {"name": each.out.name, "training": each.to_dict()}
            for each in studio.trainings.listed()
            if str(each.out) not in shown
        ]
        return {"runs": rows, "begun": begun, "home": str(studio.trainings.home)}

    @api.get("/api/watch")
    def watch(run: Named, after: Annotated[int, Query(ge=0)] = 0) -> dict[str, Any]:
        path = studio.shelf.path(run)
        rows = _runs.history(path)
        start = after if after <= len(rows) else 0  # a resumed run drops rows and writes them anew
        training = studio.trainings.of(path)
        return {
            "start": start,
            "rows": _finite(rows[start:]),
            "grids": _runs.steps_of(path, "samples"),
            "steps": _runs.steps_of(path, "checkpoints"),
            "training": training.to_dict() if training is not None else None,
            "doctor": _finite(studio.diagnoses.of(path)),
        }

    @api.post("/api/diagnose")
    def diagnose(ask: asked.Which) -> dict[str, Any]:
        run = studio.shelf.model(ask.run, ask.step)
        with studio.slow.turn(ask.channel, ask.number):
            made = studio.diagnoses.measured(studio.shelf.path(ask.run), run)
            return dict(_finite(made))

    @api.get("/api/grid")
    def grid(run: Named, step: Annotated[int, Query(ge=0, le=10**8 - 1)]) -> Response:
        path = studio.shelf.path(run) / "samples" / f"{step:08d}.png"
        try:
            return Response(path.read_bytes(), media_type="image/png", headers=NO_STORE)
        except OSError:
            raise Gone(f"{run} has no sample grid of step {step}") from None

    @api.get("/api/recipes")
    def known() -> dict[str, Any]:
        if not recipes:
            sources.extend(genarium.list_data().facts())
            recipes.extend(genarium.list_models().rows)
        short = ("name", "summary", "taxonomy", "paper")
        return {
            "recipes": [{key: row[key] for key in short} for row in recipes],
            "data": [{"name": row["name"], "summary": row["summary"]} for row in sources],
        }

    @api.get("/api/form")
    def form(recipe: Named) -> dict[str, Any]:
        return {"recipe": recipe, "groups": trainings.form(recipe)}

    @api.post("/api/trainings", status_code=201)
    def start(ask: asked.Started) -> dict[str, Any]:
        made = studio.trainings.start(ask.recipe, ask.data, ask.out, ask.preset, ask.settings)
        studio.shelf.add(made.out)
        return {"name": made.out.name, **made.to_dict()}

    @api.post("/api/trainings/stop")
    def stop(run: Named, ask: asked.Nothing) -> dict[str, Any]:
        each = (one for one in studio.trainings.listed() if one.out.name == run)
        training = next(each, None)
        if training is None:
            raise Gone(f"{run} was not started here: stop it where it was started")
        training.stop()
        return {"name": run, **training.to_dict()}


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not have: losses that are not finite."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
