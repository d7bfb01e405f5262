"""How often is the doctor right? Planted failures and healthy controls, over families and seeds.

    python tools/campaigns/doctor.py --out DIR [--seeds 0-5] [--only WORDS] [--seconds 600]
    python tools/campaigns/doctor.py --out DIR --fit      # the thresholds
    python tools/campaigns/doctor.py --out DIR --table    # the tables of docs/doctor.md
    python tools/campaigns/doctor.py --out OTHER --data shapes --size 16 --seeds 0-1
    python tools/campaigns/doctor.py --out OTHER --table --shipped      # a test of what ships

Each case trains a small model on 2,000 digits for a second or two of one core, with one thing wrong
that is planted on purpose, or with nothing wrong, and adds its readings as a row to
DIR/doctor.jsonl; a second call goes on where the first was stopped. Readings are taken six times as
often as in a usual training, which has ten times as many steps or more. Rules and thresholds are
applied to the rows afterwards, so a rule that changes needs no new training.

--fit puts each threshold between the scores of controls and those of planted failures and writes
src/genarium/training/monitors/thresholds.py. --table judges each case by thresholds that were
fitted without it, all its seeds left out; with --shipped by those that ship, of pictures that these
were not fitted on. The cases are in doctor_cases.py, the remedies in
doctor_remedies.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from doctor_cases import CASES, Case, Known, case_named

from genarium.errors import RunError
from genarium.training import allocator
from genarium.training.monitors import rules
from genarium.training.monitors.course import Course, Reading
from genarium.training.monitors.diagnosis import KINDS

HERE = Path(__file__).parent
THRESHOLDS = HERE.parent.parent / "src/genarium/training/monitors/thresholds.py"
MARGIN = 0.5  # where a threshold lies between the two sides
PLAIN = 0.25  # of the failures that stand out, what a quarter does not reach


def trained(case: Case, seed: int, known: Known) -> dict[str, Any]:
    """Train one case; the row that holds all that rules go by."""
    start = time.process_time()
    trainer, monitor = case.trainer(seed, known)
    failed = ""
    try:
        trainer.fit()
    except RunError as error:
        failed = str(error)
    return {
        "case": case.name,
        "family": case.family,
        "planted": list(case.planted),
        "seed": seed,
        "steps": trainer.step,
        "failed": failed,
        "rollbacks": trainer.rollbacks,
        "readings": [[r.step, r.used, dict(r.values)] for r in monitor.readings],
        "losses": monitor.losses,
        "rates": monitor.rates,
        "trained": round(monitor.trained, 3),
        "spent": {part: round(seconds, 3) for part, seconds in monitor.spent.items()},
        "cpu": round(time.process_time() - start, 2),
    }


def course_of(row: dict[str, Any]) -> Course:
    """The course of a row."""
    readings = [Reading(*reading) for reading in row["readings"]]
    losses = [(step, value) for step, value in row["losses"]]
    rates = row.get("rates", ())
    return Course(readings, losses, row["rollbacks"], not row["failed"], rates)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows so far; what a case plants is said by the case as it is now."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return [{**row, "planted": list(case_named(row["case"]).planted)} for row in rows]


def run(out: Path, seeds: Sequence[int], only: str, seconds: float, known: Known) -> None:
    log = out / "doctor.jsonl"
    done = {(row["case"], row["seed"]) for row in read(log)}
    start = time.process_time()
    for seed in seeds:
        for case in CASES:
            if (case.name, seed) in done or only not in case.name:
                continue
            if seconds and time.process_time() - start > seconds:
                return
            row = trained(case, seed, known)
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            names = [f"{d.name} {d.step}" for d in rules.along(course_of(row))]
            shown = {key: row[key] for key in ("steps", "cpu", "rollbacks")}
            print(
                f"{case.name} {seed} {shown} {len(row['readings'])} readings: {names}", flush=True
            )


# ------------------------------------------------------------------------------------ thresholds


def highest(course: Course, name: str) -> float | None:
    """The highest score that a rule has along a course."""
    steps = {r.step for r in course.readings} | {course.step}
    signs = [rules.RULES[name](course.upto(step)) for step in sorted(steps)]
    return max((sign.score for sign in signs if sign is not None), default=None)


KNOWN: dict[tuple[str, int, str], float | None] = {}


def _highest(row: dict[str, Any], name: str) -> float | None:
    """The same of a row, worked out once."""
    key = (row["case"], row["seed"], name)
    if key not in KNOWN:
        KNOWN[key] = highest(course_of(row), name)
    return KNOWN[key]


def scores(rows: Iterable[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """The highest scores of healthy controls, and of the cases that plant this failure."""
    controls, planted = [], []
    for row in rows:
        value = _highest(row, name)
        if value is not None:
            if not row["planted"] and name not in case_named(row["case"]).true:
                controls.append(value)
            elif name in row["planted"]:
                planted.append(value)
    return sorted(controls), sorted(planted)


UNSETTLED: dict[str, Callable[[Course], float]] = {
    "posterior-collapse": lambda c: -math.log10(max(c.last("code/kl", 1)[0], 1e-6)),
    "over-regularised": lambda c: 1 - c.last("code/explained", 1)[0],
}
"""What controls that still learn would score, of rules that wait until nothing gets better: the
trainings here are so short that none of the controls has come that far."""


def unsettled(rows: Iterable[dict[str, Any]], name: str) -> list[float]:
    """Those scores at the end of each control."""
    courses = [course_of(row) for row in rows if not row["planted"]]
    return sorted(UNSETTLED[name](c) for c in courses if name in UNSETTLED and c.of("code/kl"))


def quantile(values: Sequence[float], share: float) -> float:
    return float(torch.tensor(values, dtype=torch.float64).quantile(share))


def fitted(rows: list[dict[str, Any]], show: bool = True) -> dict[str, float]:
    """At `MARGIN` of the way from the controls' highest score to that which all but `PLAIN` of the
    failures that stand out above it reach: some that are planted do not show in so short a training
    and say nothing of where to part. Where none stands out, as far above the controls as they are
    from each other."""
    result = dict(rules.THRESHOLDS)
    for name in rules.RULES:
        controls, planted = scores(rows, name)
        controls = controls or unsettled(rows, name)
        if not controls:
            continue
        low = max(controls)
        out = [score for score in planted if score > low]
        high = quantile(out, PLAIN) if out else low + max(0.2, 2 * (low - min(controls)))
        result[name] = float(f"{low + MARGIN * (high - low):.3g}")
        if not show or not planted:
            continue
        few = f"{controls[0]:.3g}..{controls[-1]:.3g}", f"{planted[0]:.3g}..{planted[-1]:.3g}"
        print(f"{name:26} controls {few[0]:>18} planted {few[1]:>18} threshold {result[name]}")
    return result


def write_thresholds(values: dict[str, float]) -> None:
    head = THRESHOLDS.read_text().partition("THRESHOLDS")[0]
    lines = [f'    "{name}": {value!r},' for name, value in values.items()]
    text = "THRESHOLDS: dict[str, float] = {\n" + "\n".join(lines) + "\n}\n"
    THRESHOLDS.write_text(head + text)


# ------------------------------------------------------------------------------------ tables


def tables(rows: list[dict[str, Any]], shipped: bool = False) -> str:
    """Of each diagnosis: found, false alarms, step; of each case, what was said. What is said of a
    case is said by thresholds that were fitted without it; shipped: by those that ship."""
    lines = ["| diagnosis | planted failures | found | false alarms | first said (median) |"]
    lines.append("|---|---|---|---|---|")
    said = []
    for row in rows:
        thresholds = dict(rules.THRESHOLDS)
        if not shipped:
            thresholds = fitted([other for other in rows if other["case"] != row["case"]], False)
        made = rules.along(course_of(row), thresholds)
        said.append((row, {each.name: each.step for each in made}))
    controls = [(row, names) for row, names in said if not row["planted"]]
    right = total = 0
    for name in KINDS:
        mine = [(row, names) for row, names in said if name in row["planted"]]
        hits = [(row, names) for row, names in mine if accepted(row, names)]
        applies = [
            names
            for row, names in controls
            if name not in case_named(row["case"]).true and _highest(row, name) is not None
        ]
        wrong = [n for n in applies if name in n]
        steps = sorted(min(names[p] for p in row["planted"] if p in names) for row, names in hits)
        shares = sorted(
            min(n[p] for p in row["planted"] if p in n) / max(1, row["steps"]) for row, n in hits
        )
        when = "" if not steps else f"step {steps[len(steps) // 2]} ({shares[len(steps) // 2]:.0%})"
        lines.append(
            f"| {name} | {', '.join(dict.fromkeys(row['case'] for row, _ in mine))} | "
            f"{part(len(hits), len(mine))} | {part(len(wrong), len(applies))} | {when} |"
        )
    mine = [(row, names) for row, names in said if row["planted"]]
    right, total = sum(accepted(row, names) for row, names in mine), len(mine)
    anything = sum(bool({*names} - {*case_named(row["case"]).true}) for row, names in controls)
    lines.append(f"| any | all | {part(right, total)} | {part(anything, len(controls))} | |")
    lines += ["", "| case | family | runs | what was said, in how many |", "|---|---|---|---|"]
    for case in dict.fromkeys(row["case"] for row in rows):
        some = [names for row, names in said if row["case"] == case]
        counts = {name: sum(name in names for names in some) for name in KINDS}
        words = ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "nothing"
        lines.append(f"| {case} | {case_named(case).family} | {len(some)} | {words} |")
    return "\n".join(lines)


def accepted(row: dict[str, Any], names: Iterable[str]) -> bool:
    """Whether one of the diagnoses that the planted failure deserves was said."""
    return bool({*row["planted"]} & {*names})


def part(count: int, total: int) -> str:
    return f"{count} of {total} ({count / total:.0%})" if total else "none tried"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0-5", help="FIRST-LAST")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--seconds", type=float, default=0.0, help="of processor time (0: all)")
    parser.add_argument("--fit", action="store_true", help="write the thresholds")
    parser.add_argument("--table", action="store_true", help="print the tables, train nothing")
    parser.add_argument("--shipped", action="store_true", help="tables by the thresholds that ship")
    parser.add_argument("--data", default="digits", help="the pictures: a data set or a folder")
    parser.add_argument("--size", type=int, default=0, help="of them (0: as each case has it)")
    given = parser.parse_args()
    rows = [row for row in read(given.out / "doctor.jsonl") if given.only in row["case"]]
    if given.fit:
        write_thresholds(fitted(rows))
        return
    if given.table:
        print(tables(rows, given.shipped))
        return
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    allocator.keep_memory()
    given.out.mkdir(parents=True, exist_ok=True)
    first, _, last = given.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    run(given.out, seeds, given.only, given.seconds, Known(given.data, given.size))


if __name__ == "__main__":
    main()
