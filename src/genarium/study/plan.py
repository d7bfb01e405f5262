"""What one participant is shown, and for how long: pure functions.

The staircase is the weighted up-down method: each right answer takes one step of 10 ms off the
exposure and each wrong one adds three, so it settles where steps down and up balance,
p · 1 = (1 − p) · 3, at p = 75 % right answers (C. Kaernbach, "Simple adaptive testing with the
weighted up-down method", 1991). Start, steps and limits are those of HYPE's timed form.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from genarium.study.manifest import Answer, Manifest, Picture

START_MS, DOWN_MS, UP_MS = 500, 10, 30
LEAST_MS, MOST_MS = 100, 1000

Kind = Literal["practice", "test", "check"]


class Trial(NamedTuple):
    """One thing to answer.

    picture: the file's name; None for an attention check, which asks for an answer in words.
    wanted: the right answer. block: the model whose staircase the answer moves (a real picture
    is given to the block of one model, as many as that model has fakes); None in practice.
    """

    kind: Kind
    picture: str | None
    wanted: Answer
    block: int | None


def staircase(right: Sequence[bool]) -> int:
    """The exposure in ms after these answers, right or wrong, of one block."""
    exposure = START_MS
    for each in right:
        exposure += -DOWN_MS if each else UP_MS
        exposure = min(MOST_MS, max(LEAST_MS, exposure))
    return exposure


def plan(manifest: Manifest, used: Mapping[str, int], draw: random.Random) -> list[Trial]:
    """The trials of one participant, in their order.

    First the practice pictures, then `shown` fakes of each model and as many real pictures for
    each, in random order, with the attention checks spread over them (never first; half of them
    ask for each answer). Among the pictures of a kind those that were given to the fewest
    participants so far are taken (`used`), so all are judged about equally often.
    """
    practice = [Trial("practice", p.name, p.truth, None) for p in manifest.pictures if p.practice]
    pools: dict[int | None, list[Picture]] = {}
    for picture in manifest.pictures:
        if not picture.practice:
            pools.setdefault(picture.model, []).append(picture)
    blocks = range(len(manifest.models))
    reals = _least_used(pools[None], manifest.shown * len(blocks), used, draw)
    test = []
    for block in blocks:
        fakes = _least_used(pools[block], manifest.shown, used, draw)
        mine = reals[block * manifest.shown : (block + 1) * manifest.shown]
        test += [Trial("test", p.name, p.truth, block) for p in (*fakes, *mine)]
    draw.shuffle(practice)
    draw.shuffle(test)
    return [*practice, *_with_checks(test, manifest.checks, draw)]


def _least_used(
    pool: Sequence[Picture], count: int, used: Mapping[str, int], draw: random.Random
) -> list[Picture]:
    """`count` pictures, those first that were used least; equal ones, and the result, shuffled."""
    order = draw.sample(pool, len(pool))
    order.sort(key=lambda picture: used.get(picture.name, 0))
    return draw.sample(order[:count], count)


def _with_checks(test: list[Trial], checks: int, draw: random.Random) -> list[Trial]:
    """Attention checks put at random places, one in each of `checks` equal stretches."""
    answers: list[Answer] = ["real" if i % 2 else "fake" for i in range(checks)]
    draw.shuffle(answers)
    edges = [max(1, len(test) * i // checks) for i in range(checks + 1)] if checks else []
    places = [draw.randint(low, high) for low, high in itertools.pairwise(edges)]
    for place, wanted in sorted(zip(places, answers, strict=True), reverse=True):
        test = [*test[:place], Trial("check", None, wanted, None), *test[place:]]
    return test
