"""Does the doctor's advice help? Each failure, and the same training with the advice followed.

    python tools/campaigns/doctor_remedies.py --out DIR [--seeds 0-2] [--only WORDS]
    python tools/campaigns/doctor_remedies.py --out DIR --table

Both sides are measured in the same way on 500 held-out images, which no training saw, and a row of
both is added to DIR/remedies.jsonl:

    distance   energy distance of 256 samples to them (0 is the same law)
    explained  R² of their reconstructions
    loss       the loss on them, by the same noise

A remedy *helps* if that is better for every seed, *does not help* if for none, and for some the
verdict is *cannot tell*. An advice that does not help is taken out of `diagnosis.KINDS`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from doctor_cases import (
    Case,
    Known,
    alone,
    case_named,
    dcgan,
    few,
    gan,
    rates,
    vae,
)

from genarium.contract import Batch, Noise
from genarium.data.dataset import Dataset
from genarium.errors import RunError
from genarium.training import allocator
from genarium.training.monitors import measures, rules
from genarium.training.trainer import Trainer

LOWER = {"distance": True, "loss": True, "explained": False}


@dataclass(frozen=True)
class Remedy:
    """diagnosis: that is said before. advice: as flags. measure: a name of `LOWER`."""

    diagnosis: str
    advice: str
    before: Case
    after: Case
    measure: str
    best: bool = False
    source: str = "digits"

    @property
    def name(self) -> str:
        return f"{self.before.name}: {self.advice}"


def changed(case: Case, **changes: Any) -> Case:
    """A case with other training options or arguments beside its own."""
    training = {**case.training, **changes.pop("training", {})}
    arguments = {**case.arguments, **changes.pop("arguments", {})}
    return dataclasses.replace(case, training=training, arguments=arguments, **changes)


FAST = case_named("vae, rate x30")
COLLAPSED = case_named("vae, beta x5")
FIXED = dataclasses.replace(case_named("vae"), name="vae, fixed prior, shapes", colour=True)
LEARNT_AE = case_named("autoencoder, 40 images")
FEW_CONV = changed(case_named("dcgan, 60 images"), training={"steps": 300})
LONG = dataclasses.replace(
    changed(FEW_CONV, training={"steps": 1500, "log_every": 50}),
    name="dcgan, 60 images, 1,500 steps",
)
FEW = gan("gan, 60 images", "discriminator-overfit", data=few(60))
MINIMAX = {"objective": "minimax"}
SURE = gan("gan, minimax", "discriminator-saturated", model=alone(120), arguments=MINIMAX,
           steps=250)  # fmt: skip
SHORT = case_named("autoencoder, 60 steps")
SQUEEZED = changed(case_named("autoencoder, 12 bits read as 16"), training={"steps": 200})
TWO = changed(dcgan("dcgan, two images a step", "batch-norm", steps=150), training={"batch": 2})
LEARNT = vae("vae, 40 images", "no-progress", data=few(40), steps=400)


def by_data(d: Dataset) -> Dataset:
    """The same 12 bits in 16, with the range that `--range data` would choose."""
    values = dataclasses.replace(d.spec.values, high=(4080.0,))
    return dataclasses.replace(d, spec=dataclasses.replace(d.spec, values=values))


def then(first: Callable[[Any], Any] | None, second: Callable[[Any], Any]) -> Any:
    return lambda x: second(first(x) if first is not None else x)


REMEDIES = (
    Remedy("schedule-too-short", "--steps 300", SHORT, changed(SHORT, training={"steps": 300}),
           "loss"),
    Remedy("data-scale", "--range data", SQUEEZED,
           changed(SQUEEZED, data=then(SQUEEZED.data, by_data)), "explained"),
    Remedy("diverging", "--lr a tenth", FAST, changed(FAST, model=rates(vae=3.0)), "explained"),
    Remedy("diverging", "--lr a tenth, twice", FAST, changed(FAST, model=rates(vae=0.3)),
           "explained"),
    Remedy("no-progress", "stopped at 100 steps", LEARNT,
           changed(LEARNT, training={"steps": 100}), "loss"),
    Remedy("no-progress", "--keep-best", LEARNT, LEARNT, "loss", best=True),
    Remedy("no-progress", "--keep-best", LEARNT_AE, LEARNT_AE, "loss", best=True),
    Remedy("posterior-collapse", "--beta 1", COLLAPSED,
           changed(COLLAPSED, arguments={"beta": 1.0}), "explained"),
    Remedy("discriminator-saturated", "--regularizers r1", SURE,
           changed(SURE, arguments={"regularizers": ("r1",)}), "distance"),
    Remedy("discriminator-saturated", "--objective non-saturating", SURE,
           changed(SURE, arguments={"objective": "non-saturating"}), "distance"),
    Remedy("discriminator-overfit", "--regularizers diffaugment", FEW,
           changed(FEW, arguments={"regularizers": ("diffaugment",)}), "distance"),
    Remedy("discriminator-overfit", "--regularizers diffaugment", FEW_CONV,
           changed(FEW_CONV, arguments={"regularizers": ("diffaugment",)}), "distance"),
    Remedy("discriminator-overfit", "2,000 images", FEW_CONV, changed(FEW_CONV, data=None),
           "distance"),
    Remedy("discriminator-overfit", "--regularizers diffaugment", LONG,
           changed(LONG, arguments={"regularizers": ("diffaugment",)}), "distance"),
    Remedy("discriminator-overfit", "2,000 images", LONG, changed(LONG, data=None), "distance"),
    Remedy("diverging", "--clip 1 --warmup 100", FAST,
           changed(FAST, training={"clip": 1.0, "warmup": 100}), "explained"),
    Remedy("no-progress", "2,000 images", LEARNT, changed(LEARNT, data=None), "loss"),
    Remedy("discriminator-overfit", "2,000 images", FEW, changed(FEW, data=None), "distance"),
    Remedy("posterior-collapse", "--free-bits 0.5", COLLAPSED,
           changed(COLLAPSED, arguments={"free_bits": 0.5}), "explained"),
    Remedy("mode-collapse", "--prior mixture", FIXED,
           changed(FIXED, arguments={"prior": "mixture"}), "distance", source="shapes"),
    Remedy("batch-norm", "--batch 32", TWO, changed(TWO, training={"batch": 32}), "distance"),
)  # fmt: skip


@torch.no_grad()
def quality(trainer: Trainer, dataset: Dataset, measure: str) -> float:
    """The measure on the held-out images, with the weights that the run would give."""
    model: Any = trainer.model.eval()
    held, values = dataset.validation.images, dataset.spec.values
    with trainer.sampling_weights():
        if measure == "distance":
            drawn = model.sample(256, generator=torch.Generator().manual_seed(7))
            if not drawn.isfinite().all():
                return float("inf")
            return measures.energy(measures.small(drawn), measures.small(values.signed(held)))
        if measure == "explained":
            return measures.explained(values.signed(held), model.reconstruct(held))
        batch = Batch(held, noise=Noise(7, len(held)), values=values)
        losses = model.step(batch, model.phases[0].name).losses
        return sum(float(value) for value in losses.values())


def side(case: Case, seed: int, known: Known, measure: str) -> dict[str, Any]:
    """Train one side; its measure and what was said."""
    trainer, monitor = case.trainer(seed, known)
    with suppress(RunError):
        trainer.fit()
    dataset = known.pictures(case.size)
    if case.data is not None:
        dataset = case.data(dataset)
    course = monitor.course(trainer, True)
    said = [each.name for each in rules.along(course)]
    best = min(course.of("loss/heldout"), key=lambda pair: pair[1], default=(trainer.step, 0.0))[0]
    return {"value": quality(trainer, dataset, measure), "said": said, "best": best}


def verdict(rows: list[dict[str, Any]], measure: str) -> str:
    better = [(row["after"]["value"] < row["before"]["value"]) == LOWER[measure] for row in rows]
    return "helps" if all(better) else "cannot tell" if any(better) else "does not help"


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| diagnosis | failure | advice | measure | before | after | verdict |"]
    lines.append("|---|---|---|---|---|---|---|")
    for remedy in REMEDIES:
        mine = [row for row in rows if row["name"] == remedy.name]
        if mine:
            values = (
                ", ".join(f"{row[which]['value']:.3g}" for row in mine)
                for which in ("before", "after")
            )
            lines.append(
                f"| {remedy.diagnosis} | {remedy.before.name} | `{remedy.advice}` | "
                f"{remedy.measure} | {' | '.join(values)} | {verdict(mine, remedy.measure)} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0-2", help="FIRST-LAST")
    parser.add_argument("--only", default="", help="remedies with this in their name")
    parser.add_argument("--table", action="store_true", help="print the table, train nothing")
    given = parser.parse_args()
    log = given.out / "remedies.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if given.table:
        print(table(rows))
        return
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    allocator.keep_memory()
    given.out.mkdir(parents=True, exist_ok=True)
    done = {(row["name"], row["seed"]) for row in rows}
    sources = {"digits": Known(), "shapes": Known("shapes", 16)}
    first, _, last = given.seeds.partition("-")
    sides: dict[tuple[str, str, int], dict[str, Any]] = {}
    for seed in range(int(first), int(last or first) + 1):
        for remedy in REMEDIES:
            if (remedy.name, seed) in done or given.only not in remedy.name:
                continue
            known = sources[remedy.source]
            key = (remedy.before.name, remedy.measure, seed)
            if key not in sides:
                sides[key] = side(remedy.before, seed, known, remedy.measure)
            changes = remedy.after
            if remedy.best:
                changes = changed(changes, training={"steps": sides[key]["best"]})
            after = side(changes, seed, known, remedy.measure)
            row = {"name": remedy.name, "seed": seed, "before": sides[key], "after": after}
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
