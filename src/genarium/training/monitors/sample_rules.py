"""Rules of samples: whether they collapse, repeat each other, oscillate, or are copies."""

from __future__ import annotations

from genarium.training.monitors.course import Course
from genarium.training.monitors.signs import LASTS, STILL_BETTER, Sign, changes, learns

FROM_DRAWS = 3.0  # -log10 of the smallest p-value that 1,000 draws can give
NEAR = 0.1  # of the data's spread: samples so near to the data (energy distance) lack no kinds


def mode_collapse(course: Course) -> Sign | None:
    """How much of the data's diversity, or of its kinds, samples lack."""
    spread, kinds = course.last("sample/diversity", LASTS), course.last("sample/modes", LASTS)
    rises = max(changes(course, "sample/diversity"), changes(course, "sample/modes"))
    if not rises < STILL_BETTER or learns(course):
        return None
    score = 1 - max(min(pair) for pair in zip(spread, kinds, strict=True))
    score = 0.0 if _near(course) else score
    text = (
        f"two samples differ by {100 * spread[-1]:.0f} % of what two images do, and "
        f"{100 * kinds[-1]:.0f} % as many kinds occur"
    )
    return Sign(score, text, {"diversity": spread[-1], "modes": kinds[-1]})


def _near(course: Course) -> bool:
    """Whether the law of samples is near to that of the data: blurred ones are alike to few of the
    images that stand for the kinds, and yet differ as the data do."""
    distances = course.last("sample/distance", LASTS)
    return bool(distances) and min(distances) < NEAR


def repetition(course: Course) -> Sign | None:
    """The share of samples that are much nearer to another than images are."""
    shares = course.last("sample/repeats", LASTS)
    if not changes(course, "sample/repeats") > -STILL_BETTER or learns(course):
        return None
    text = f"{100 * min(shares):.0f} % of the samples are nearly equal to another one"
    return Sign(min(shares), text, {"repeats": min(shares)})


def oscillation(course: Course) -> Sign | None:
    """Few kinds at a time, and others at each reading: the lesser of the share of kinds that lack
    and the share of fixed samples that changes its kind."""
    shifts, kinds = course.last("sample/shift", LASTS), course.last("sample/modes", LASTS)
    settled = changes(course, "sample/modes") < STILL_BETTER
    if not shifts or not settled or learns(course):
        return None
    score = 0.0 if _near(course) else min(1 - max(kinds), sum(shifts) / LASTS)
    text = (
        f"{100 * kinds[-1]:.0f} % as many kinds occur as in the data, and from one reading to the "
        f"next {100 * sum(shifts) / LASTS:.0f} % of the same samples become another kind"
    )
    return Sign(score, text, {"shift": sum(shifts) / LASTS, "modes": kinds[-1]})


def copying(course: Course) -> Sign | None:
    """-log10 of the p-value of the verdict on copying, twice in a row; once, half of it. Beyond 3
    is no more: one of the two tests is by 1,000 draws, and the other says nothing of data that
    hold near duplicates themselves."""
    looks = [min(v, FROM_DRAWS) for _, v in course.of("copying/evidence")]
    if not looks:
        return None
    score = max(min(looks[-2:]) if len(looks) > 1 else 0.0, looks[-1] / 2)
    share = course.last("copying/share", 1)[0]
    p = 10 ** -course.last("copying/evidence", 1)[0]
    text = f"{100 * share:.0f} % of the samples are training images (p = {p:.1g})"
    return Sign(score, text, {"share": share})
