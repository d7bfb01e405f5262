"""The page and its interface: FastAPI over the store; no participant ever gets the truth.

GET  /                                    the page, to start        GET /p/TOKEN   to go on
GET  /static/NAME, /pictures/NAME         its files; only names that the study has
GET  /api/study                           what the start screen says
POST /api/participants                    a new participant: {token}
GET  /api/participants/TOKEN              where the participant is
POST /api/participants/TOKEN/answers      one answer; replies with where the participant is now
"""

from __future__ import annotations

import logging
import random
import secrets
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from genarium.study.manifest import PICTURES, Answer, Manifest
from genarium.study.pictures import as_served, mode_of
from genarium.study.plan import plan
from genarium.study.store import OutOfTurn, Row, Store, exposure_of

log = logging.getLogger("genarium.study")

AHEAD = 4
"""Pictures whose names the page gets in advance, to load them before they are needed."""

TYPES = {"study.html": "text/html", "study.css": "text/css", "study.js": "text/javascript"}
NO_STORE = {"cache-control": "no-store"}


class Nothing(BaseModel):
    """The body of a request that says nothing: {}."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Sent(BaseModel):
    """The body of an answer. Times are milliseconds."""

    model_config = ConfigDict(strict=True, extra="forbid")

    position: int = Field(ge=0, le=100_000)
    answer: Answer
    response_ms: float = Field(ge=0, le=1e9, allow_inf_nan=False)
    shown_ms: float | None = Field(None, ge=0, le=1e9, allow_inf_nan=False)


def app(folder: Path, manifest: Manifest, store: Store) -> FastAPI:
    """The application of one study; wrap it in `genarium.web.guard.Guard` before it is served."""
    # no pages of the framework: they would load scripts from elsewhere
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    static = {name: (files("genarium.study") / "static" / name).read_bytes() for name in TYPES}
    names = {*manifest.masks, *(picture.name for picture in manifest.pictures)}
    # from memory, all of one length: neither size nor time tells real from generated
    mode = mode_of(folder / PICTURES / manifest.pictures[0].name)
    pictures = {name: as_served(folder / PICTURES / name, mode) for name in names}
    draw = random.Random(secrets.randbits(128))

    def page() -> Response:
        return Response(static["study.html"], media_type="text/html", headers=NO_STORE)

    @api.get("/")
    def start() -> Response:
        return page()

    @api.get("/p/{token}")
    def go_on(token: str) -> Response:
        return page()  # which asks for the state, and says so when the token is unknown

    @api.get("/static/{name}")
    def static_file(name: str) -> Response:
        if name not in static:
            raise HTTPException(404)
        return Response(static[name], media_type=TYPES[name], headers=NO_STORE)

    @api.get("/pictures/{name}")
    def picture(name: str) -> Response:
        if name not in pictures:
            raise HTTPException(404)
        return Response(pictures[name], media_type="image/png", headers=NO_STORE)

    @api.get("/api/study")
    def study() -> dict[str, Any]:
        height, width = manifest.size
        return {
            "id": manifest.id,
            "title": manifest.title,
            "mode": manifest.mode,
            "pictures": manifest.trials,
            "practice": sum(picture.practice for picture in manifest.pictures),
            "checks": manifest.checks,
            "height": height,
            "width": width,
            "scaling": manifest.scaling,
            "masks": manifest.masks,
        }

    @api.post("/api/participants", status_code=201)
    def join(sent: Nothing) -> dict[str, str]:
        return {"token": store.join(lambda used: plan(manifest, used, draw))}

    @api.get("/api/participants/{token}")
    def where(token: str) -> dict[str, Any]:
        rows = store.of(token)
        if not rows:
            raise HTTPException(404, "this link is not of this study")
        return state(manifest, rows)

    @api.post("/api/participants/{token}/answers")
    def answer(token: str, sent: Sent) -> dict[str, Any]:
        timed = manifest.mode == "timed"
        rows = store.of(token)
        if not rows:
            raise HTTPException(404, "this link is not of this study")
        seen = timed and sent.position < len(rows) and rows[sent.position].trial.picture
        if seen and sent.shown_ms is None:
            raise HTTPException(400, "shown_ms is missing")
        shown = sent.shown_ms if seen else None
        try:
            kept = store.answer(token, sent.position, sent.answer, sent.response_ms, shown)
        except OutOfTurn as error:
            raise HTTPException(409, str(error)) from None
        rows = store.of(token)
        reply = {"repeated": not kept, **state(manifest, rows)}
        judged = rows[sent.position]
        if judged.trial.kind == "practice":
            reply["feedback"] = {"right": judged.right, "truth": judged.trial.wanted}
        return reply

    @api.exception_handler(RequestValidationError)
    def no_sense(request: Request, error: Exception) -> JSONResponse:
        # without what was sent: it may be nothing that JSON can hold (NaN, half a character)
        return JSONResponse({"detail": "this is no answer"}, 400, NO_STORE)

    @api.exception_handler(sqlite3.DatabaseError)
    def not_kept(request: Request, error: Exception) -> JSONResponse:
        log.error("an answer could not be stored: %s", error)
        return JSONResponse({"detail": "the answer could not be stored"}, 503, NO_STORE)

    return api


def state(manifest: Manifest, rows: list[Row]) -> dict[str, Any]:
    """Where a participant is: the next trial, without its truth, and what to load for later."""
    done = next((row.position for row in rows if row.given is None), len(rows))
    practice = sum(row.trial.kind == "practice" for row in rows)
    reply: dict[str, Any] = {
        "position": done,
        "practice": practice,
        "total": len(rows),
        "ahead": [row.trial.picture for row in rows[done : done + AHEAD] if row.trial.picture],
        "trial": None,
    }
    if done < len(rows):
        trial = rows[done].trial
        reply["trial"] = {
            "kind": trial.kind,
            "picture": trial.picture,
            # of a check the page must say which answer it asks for
            "asked": trial.wanted if trial.kind == "check" else None,
            "exposure_ms": exposure_of(rows, done)
            if manifest.mode == "timed" and trial.picture
            else None,
        }
    return reply
