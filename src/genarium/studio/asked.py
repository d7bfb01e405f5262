"""What the page may ask for: the bodies of its requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=300)]
Codes = Annotated[str, Field(min_length=1, max_length=2000)]
"""Samples by number ("3,17"), test images ("test:5"), or a picture that was dropped
("picture:KEY")."""
Value = str | bool | int | float
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Which(Strict):
    """A run, at a step (None: its best or newest). channel, number: see `turns`."""

    run: Name
    step: Annotated[int, Field(ge=0, le=10**9)] | None = None
    channel: Annotated[str, Field(max_length=60)] = ""
    number: Annotated[int, Field(ge=0)] = 0


class Drawn(Which):
    """Samples of it: how many, by which seed, of what, and how."""

    n: Annotated[int, Field(ge=1, le=256)] = 36
    seed: Seed = 0
    condition: Annotated[str, Field(max_length=500)] | None = None
    text: Annotated[str, Field(max_length=2000)] | None = None
    code: Annotated[str, Field(max_length=500)] | None = None
    settings: Annotated[dict[str, Value], Field(max_length=20)] = {}


class Coded(Drawn):
    """Some of them, numbers of their codes set to other values."""

    codes: Codes
    set: Annotated[dict[int, float], Field(max_length=4096)] = {}


class Alike(Coded):
    """The same codes in another run, or at another step."""

    other: Which


class Walked(Drawn):
    """The interpolation of two of them. kind: how it is sent, as pictures or as a file."""

    start: Codes
    end: Codes
    steps: Annotated[int, Field(ge=2, le=120)] = 9
    linear: bool = False


class Summed(Drawn):
    """Sums and differences of their means."""

    plus: Annotated[list[Codes], Field(min_length=1, max_length=4)]
    minus: Annotated[list[Codes], Field(max_length=4)] = []


class Pictured(Which):
    """A picture: "picture:KEY" or "test:5". keep: for a completion, the bits of what stays, row by
    row, in base64. direction: of a translation."""

    picture: Codes
    seed: Seed = 0
    condition: Annotated[str, Field(max_length=500)] | None = None
    settings: Annotated[dict[str, Value], Field(max_length=20)] = {}
    keep: Annotated[str, Field(max_length=60_000)] | None = None
    draws: Annotated[int, Field(ge=1, le=16)] = 4
    direction: str | None = None


class Started(Strict):
    """A training to start: a recipe, data, and settings by name, as texts of the form."""

    recipe: Name
    data: Annotated[str, Field(min_length=1, max_length=2000)]
    out: Annotated[str, Field(max_length=300)] = ""
    preset: str | None = None
    settings: Annotated[dict[str, Value | list[str]], Field(max_length=200)] = {}


class Nothing(Strict):
    """The body of a request that says nothing: {}."""
