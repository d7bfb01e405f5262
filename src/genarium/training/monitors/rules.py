"""Rules: how much a course looks like each diagnosis, as one number, and when that is enough.

A rule's score is larger the worse it is. What must hold together is a minimum, and what must last
is the least of the last readings, so that one bad reading says nothing. The thresholds come from
`tools/campaigns/doctor.py`, which plants each failure and trains healthy controls; `thresholds`
holds them. A rule without what it needs has no score.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from genarium.training.monitors.course import Course
from genarium.training.monitors.diagnosis import Diagnosis, of_kind
from genarium.training.monitors.sample_rules import copying, mode_collapse, oscillation, repetition
from genarium.training.monitors.signs import LASTS, STILL_BETTER, Rule, Sign, changes
from genarium.training.monitors.thresholds import THRESHOLDS

SETTLED = 4  # readings before anything is said: the first ones are of a net that begins
FEWEST = 6  # losses, or readings, for a verdict on how a training goes on
SURE = 1.645  # standard errors
NOTHING = 0.1  # of the data's variety: less is nothing


def diagnoses(course: Course, thresholds: Mapping[str, float] = THRESHOLDS) -> list[Diagnosis]:
    """What is wrong at the end of a course."""
    results, judged = [], bool(_judges(course))
    for name, rule in RULES.items():
        sign = rule(course)
        if sign is not None and sign.score >= thresholds[name]:
            numbers = {**sign.numbers, "score": sign.score, "threshold": thresholds[name]}
            results.append(of_kind(name, course.step, sign.evidence, numbers, judged))
    names = {each.name for each in results}
    return [each for each in results if not names & IMPLIED_BY.get(each.name, set())]


def along(course: Course, thresholds: Mapping[str, float] = THRESHOLDS) -> list[Diagnosis]:
    """What would have been said during a course, each at the step at which it was first true."""
    first: dict[str, Diagnosis] = {}
    steps = {r.step for r in course.readings} | ({course.step} if course.ended else set())
    for step in sorted(steps):
        for each in diagnoses(course.upto(step), thresholds):
            first.setdefault(each.name, each)
    return list(first.values())


IMPLIED_BY = {
    "posterior-collapse": {"diverging"},
    "over-regularised": {"posterior-collapse", "diverging"},
    "dead-latents": {"posterior-collapse"},
    "repetition": {"mode-collapse"},
    "schedule-too-short": {"no-progress", "diverging"},
}
"""What need not be said beside another that says more."""


# ------------------------------------------------------------------------------------ the data


def data_constant(course: Course) -> Sign | None:
    """-log10 of the spread of images over the range of their values, or of the share of them that
    are not copies of another."""
    spread, distinct = course.last("data/spread", 1), course.last("data/distinct", 1)
    used = course.last("data/range", 1)
    if not spread or not distinct or not used:
        return None
    part = spread[0] / max(used[0], 1e-9)
    score = -math.log10(max(1e-6, min(part, distinct[0])))
    text = f"two images differ by {100 * part:.2g} % of the range of their values on average"
    if distinct[0] < 0.5:
        text += f", and {100 * distinct[0]:.2g} % of them are different"
    return Sign(score, text, {"spread": part, "distinct": distinct[0]})


def data_scale(course: Course) -> Sign | None:
    """-log2 of the share of the range that the values use."""
    used = course.last("data/range", 1)
    if not used:
        return None
    text = f"99 % of the values lie in {100 * used[0]:.2g} % of the range"
    return Sign(-math.log2(max(1e-9, used[0])), text, {"range": used[0]})


# ------------------------------------------------------------------------------------ the losses


def diverging(course: Course) -> Sign | None:
    """log2 of how much a player's weights grew within 200 steps, of a model that learns nothing;
    more where a loss was not finite."""
    if course.rollbacks:
        text = f"a loss was not finite {course.rollbacks} times"
        return Sign(9.0 + course.rollbacks, text, {"rollbacks": float(course.rollbacks)})
    grown = {}
    for name in course.names("player/"):
        if name.endswith("/growth"):
            known = [(0, 1.0), *course.of(name)]
            pairs = itertools.pairwise(known)
            grown[name] = max(
                math.log2(max(b, 1e-12) / max(a, 1e-12)) / max(1.0, (t - s) / 200)
                for (s, a), (t, b) in pairs
            )
    if not grown:
        return None
    name = max(grown, key=lambda name: grown[name])
    times = 2 ** grown[name]
    text = (
        f"the {name.split('/')[1]}'s weights grew {times:.2g} times within 200 steps, and nothing "
        "was learned"
    )
    score = grown[name] if _learned_nothing(course) else min(0.0, grown[name])
    return Sign(score, text, {"growth": times})


def _learned_nothing(course: Course) -> bool:
    """Whether images of the model, or its reconstructions, show nothing of the data."""
    if explained := course.last("code/explained", LASTS):
        return max(explained) < NOTHING
    if spread := course.last("sample/diversity", LASTS):
        return max(spread) < NOTHING
    losses = [v for _, v in course.losses if math.isfinite(v)]
    return len(losses) >= FEWEST and losses[-1] >= losses[0]


def no_progress(course: Course) -> Sign | None:
    """The share of the training since which the held-out loss is not lower, or samples stand
    still."""
    losses = course.of("loss/heldout")
    if losses and len(losses) < FEWEST:
        return None  # samples of what has a loss may stand still while that falls
    if losses:
        values = [v for _, v in losses]
        smooth = [
            (s, sum(values[max(0, i - 1) : i + 1]) / len(values[max(0, i - 1) : i + 1]))
            for i, (s, _) in enumerate(losses)
        ]
        best, value = min(smooth, key=lambda pair: pair[1])
        now, step = smooth[-1][1], smooth[-1][0]
        share = (step - best) / max(1, step)
        text = f"the held-out loss was lowest at step {best:,} ({value:.4g}; now {now:.4g})"
        return Sign(share, text, {"best": float(best), "lowest": value, "now": now})
    motion = course.last("sample/motion", LASTS)
    if len(course.of("sample/motion")) < SETTLED or not motion:
        return None
    score = 1.0 - min(1.0, max(motion) / 0.05)
    text = f"samples of the same noise moved by {100 * max(motion):.2g} % of the data's spread"
    return Sign(score, text, {"motion": max(motion)})


def schedule_too_short(course: Course) -> Sign | None:
    """At the end: what the second half of the learning gained over what all of it did.

    Half of it is where half of the learning rate was spent, for a rate that falls to 0 makes every
    curve flat.
    """
    losses = [v for _, v in course.losses]
    if not course.ended or len(losses) < FEWEST or not all(map(math.isfinite, losses)):
        return None
    rates = course.rates if len(course.rates) == len(losses) else [1.0] * len(losses)
    steps = [0, *(s for s, _ in course.losses)]
    spent = [r * (b - a) for r, (a, b) in zip(rates, itertools.pairwise(steps), strict=True)]
    share = [value / max(sum(spent), 1e-30) for value in itertools.accumulate(spent)]
    half = [v for v, at in zip(losses, share, strict=True) if 0.35 <= at <= 0.65]
    last = [v for v, at in zip(losses, share, strict=True) if at > 0.85]
    if not half or not last:
        return None
    now, then = sum(last) / len(last), sum(half) / len(half)
    error = math.sqrt(_variance(last) / len(last) + _variance(half) / len(half))
    gain, whole = then - now, max(1e-12, losses[0] - now)
    text = f"the second half of the learning still brought {100 * gain / whole:.2g} % of the gain"
    return Sign((gain - error) / whole, text, {"gain": gain, "whole": whole})


# ------------------------------------------------------------------------------------ two players


def saturated(course: Course) -> Sign | None:
    """Gap of held-out images and samples in standard deviations, while none is misjudged."""
    signs = []
    for start in _judges(course):
        right, gaps = course.last(start + "heldout", LASTS), course.last(start + "gap", LASTS)
        falls = changes(course, start + "gap")
        if right and gaps and falls >= -0.1 * max(gaps):
            score = min(gaps) if min(right) >= 0.999 else min(min(gaps), 2.0)
            text = (
                f"held-out images are above samples in {100 * min(right):.1f} % of pairs, "
                f"{min(gaps):.1f} standard deviations apart"
            )
            signs.append(Sign(score, _dying(course, text), {"auc": min(right), "gap": min(gaps)}))
    return max(signs, key=lambda sign: sign.score, default=None)


def _dying(course: Course, text: str) -> str:
    """The evidence, with what became of the generator's gradient."""
    for name in ("generator", "decoder", "generators"):
        values = [v for _, v in course.of(f"player/{name}/gradient")]
        if values and max(values) > 0:
            share = 100 * values[-1] / max(values)
            text += f"; the generator's gradient is {share:.2g} % of its largest"
    return text


def overfit(course: Course) -> Sign | None:
    """How far training images are above held-out ones, with 0 for chance: the mean of the last
    readings less its error."""
    signs = []
    for start in _judges(course):
        known, images = course.last(start + "known", LASTS), course.last(start + "images", LASTS)
        if known and images:
            mean = sum(known) / len(known)
            # of m held-out images: they may be the same ones each time
            error = math.sqrt((1 / 64 + 1 / min(images)) / 12)
            text = (
                f"a training image is above a held-out one in {100 * mean:.0f} % of pairs "
                f"(50 % by chance)"
            )
            signs.append(Sign(mean - SURE * error - 0.5, text, {"auc": mean, "error": error}))
    return max(signs, key=lambda sign: sign.score, default=None)


def _judges(course: Course) -> list[str]:
    return [n.removesuffix("heldout") for n in course.names("judge/") if n.endswith("/heldout")]


# ------------------------------------------------------------------------------------ codes


def posterior_collapse(course: Course) -> Sign | None:
    """-log10 of the nats of the code, where reconstructions explain nearly nothing."""
    explained, kl = course.last("code/explained", LASTS), course.last("code/kl", LASTS)
    if not kl or not changes(course, "code/explained") < STILL_BETTER:
        return None
    text = (
        f"the code has {max(kl):.2g} nats, and reconstructions explain "
        f"{100 * max(0.0, max(explained)):.0f} % of how images differ"
    )
    score = -math.log10(max(max(kl), 1e-6)) if max(explained) < 2 * NOTHING else -9.0
    return Sign(score, text, {"kl": max(kl), "explained": max(explained)})


def over_regularised(course: Course) -> Sign | None:
    """What reconstructions do not explain of the images, of a model whose code has a prior."""
    explained, sharp = course.last("code/explained", LASTS), course.last("code/sharpness", LASTS)
    settled = changes(course, "code/explained") < STILL_BETTER
    if not settled or not course.last("code/kl", LASTS):
        return None
    text = f"reconstructions explain {100 * max(0.0, max(explained)):.0f} % of how images differ"
    if sharp:
        text += f" and are {100 * max(sharp):.0f} % as sharp"
    return Sign(1 - max(explained), text, {"explained": max(explained)})


def dead_latents(course: Course) -> Sign | None:
    """The share of latents, or code units, that do not follow the image."""
    dead, count = course.last("code/dead", LASTS), course.last("code/latents", LASTS)
    if not dead or not count:
        return None
    still = round(min(dead) * count[-1])
    text = f"{still} of {count[-1]:.0f} latents do not follow the image"
    return Sign(min(dead), text, {"dead": min(dead), "latents": count[-1]})


def batch_norm(course: Course) -> Sign | None:
    """How far images by the running statistics lie from those by the batch's, in deviations."""
    gaps = course.last("norm/gap", LASTS)
    if len(course.of("norm/gap")) < SETTLED or not gaps:
        return None
    text = (
        "pictures by the running statistics differ from those by the batch's by "
        f"{min(gaps):.2g} of the data's deviation"
    )
    return Sign(min(gaps), text, {"gap": min(gaps)})


def _variance(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)


RULES: dict[str, Rule] = {
    "data-constant": data_constant,
    "data-scale": data_scale,
    "diverging": diverging,
    "no-progress": no_progress,
    "schedule-too-short": schedule_too_short,
    "discriminator-saturated": saturated,
    "discriminator-overfit": overfit,
    "mode-collapse": mode_collapse,
    "repetition": repetition,
    "oscillation": oscillation,
    "posterior-collapse": posterior_collapse,
    "over-regularised": over_regularised,
    "dead-latents": dead_latents,
    "copying": copying,
    "batch-norm": batch_norm,
}
