"""Likelihood against training time: held-out nats an image, or bits per dimension, of several nets.

    python benchmarks/likelihood_curves.py binary --from DIR        # MNIST, statically binarized
    python benchmarks/likelihood_curves.py grey --from DIR          # Fashion-MNIST, 256 levels
    python benchmarks/likelihood_curves.py families --from DIR     # MNIST, 256 levels, all families

Each net gets the same time, `--minutes`, on `--threads` processor cores. Time is the process's own
processor time divided by the cores: that of the clock on an idle machine, and no less fair on one
that others use too. A short trial says how many steps that is, and the learning rate falls to zero
over them; the minutes reported are those that were really spent. `--points` times on the way the
averaged weights are scored on the first `--images` validation images (which is not counted as
training time), at the end on the whole test split too. What a likelihood is, exact, a bound or an
estimate, is in the table; those that take hundreds of passes an image are of fewer images.

Every net is an ordinary run in `--out`: the command, given again, goes on where it was stopped.
Beside the runs it writes NAME.json (settings, curves, machine), NAME.png and prints the table.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import genarium
from genarium import recipes
from genarium.contract import likelihood_of
from genarium.data import DataOptions, Dataset
from genarium.data import load as load_data
from genarium.errors import Interrupted
from genarium.evaluation.metrics.likelihood import bits_per_dim
from genarium.runs.building import build
from genarium.runs.configuration import resolve, route
from genarium.training import allocator
from genarium.training import checkpoint as checkpoints
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

CLOCK = "clock.json"  # in a run's folder: step -> processor seconds


@dataclass(frozen=True)
class Net:
    """A recipe with its arguments and the batch it is trained on."""

    recipe: str
    arguments: dict[str, Any] = field(default_factory=dict)
    batch: int = 16
    training: dict[str, Any] = field(default_factory=dict)  # instead of `TRAINING`'s
    most: tuple[int, int] | None = None  # images that are scored: of validation, of the test


@dataclass(frozen=True)
class Task:
    """What is trained on what. unit: of the scores. published: lines for the picture, by name."""

    data: str
    options: dict[str, Any]
    nets: dict[str, Net]
    unit: str
    published: dict[str, float] = field(default_factory=dict)


BINARY = {"levels": 2, "width": 32, "head": 32}
GREY = {"levels": 256, "width": 32, "head": 64, "blocks": 8, "lr": 5e-3}
PATHS = {"patch": 2, "width": 32, "lr": 1e-3}
OWN: dict[str, Any] = {"ema": 0.999, "channels_last": True, "precision": "auto"}
TASKS = {
    "binary": Task(
        "mnist",
        {"binarize": "static"},
        {
            "pixelcnn": Net("pixelcnn", {**BINARY, "blocks": 8, "dilation": 8, "lr": 8e-3}),
            "row-lstm": Net("row-lstm", {**BINARY, "layers": 3, "lr": 6e-3}),
            "diagonal-bilstm": Net("diagonal-bilstm", {**BINARY, "layers": 2, "lr": 6e-3}),
        },
        "nats/image",
        # van den Oord et al. 2016, "Pixel Recurrent Neural Networks", table 4
        {"pixelcnn": 81.30, "row-lstm": 80.54, "diagonal-bilstm": 79.20},
    ),
    "grey": Task(
        "fashion-mnist",
        {},
        {
            "plain": Net("pixelcnn", {**GREY, "dilation": 1}),
            "dilated": Net("pixelcnn", {**GREY, "dilation": 8}),
            "gated": Net("pixelcnn", {**GREY, "net": "gated", "blocks": 5, "width": 24}),
        },
        "bits/dim",
    ),
    "families": Task(
        "mnist",
        {},
        {
            "pixelcnn": Net("pixelcnn", {**GREY, "dilation": 8}),
            "spline-flow": Net("spline-flow", {}, 64, OWN),
            "glow": Net("glow", {}, 64, OWN),
            "realnvp": Net("realnvp", {}, 64, OWN),
            "tarflow": Net("tarflow", {"noise": 0.0}, 64, OWN),
            # what each of the two brings is in docs/diffusion.md
            "flow-matching": Net(
                "flow-matching",
                {**PATHS, "times": "likelihood", "fourier": True},
                128,
                OWN,
                (64, 512),
            ),
            "flow-matching, uniform": Net(
                "flow-matching", {**PATHS, "times": "uniform"}, 128, OWN, (64, 512)
            ),
            "flow-matching, logit-normal": Net("flow-matching", PATHS, 128, OWN, (64, 512)),
            "ddpm": Net("ddpm", {**PATHS, "fourier": True}, 128, OWN, (256, 2000)),
        },
        "bits/dim",
        # RealNVP and FFJORD: Grathwohl et al. 2019, table 2; Glow: the same
        {"realnvp": 1.06, "glow": 1.05},
    ),
}
TRAINING = {
    "schedule": "linear",
    "warmup": 100,
    "ema": 0.998,
    "clip": 1.0,
    "channels_last": False,  # on a CPU and at these sizes the faster order
    "device": "cpu",
    "precision": "fp32",
}


class Stopwatch:
    """Notes the processor seconds of a run's steps, and goes on counting where a stopped run was.

    path: of the notes. every: steps between two. The first step's seconds come on top.
    """

    def __init__(self, path: Path, every: int, step: int = 0):
        self.path, self.every = path, every
        notes = json.loads(path.read_text()) if path.is_file() else {}
        self.notes: dict[int, float] = {int(k): v for k, v in notes.items() if int(k) <= step}
        self.start = time.process_time() - self.notes.get(step, 0.0)
        self.step = step

    def update(
        self, step: int, budget_used: float, rate: float, row: dict[str, Any] | None
    ) -> None:
        if step == self.step:  # told once more at the end
            return
        if self.step % self.every:
            self.notes.pop(self.step, None)
        self.step = step
        self.notes[step] = time.process_time() - self.start
        if step % self.every == 0:
            self.close()
            loss = next(iter(row["losses"].values())) if row else math.nan
            minutes = self.notes[step] / 60
            print(f"  step {step}  {minutes:.2f} CPU min  {rate:.0f} img/s  {loss:.4f}", flush=True)

    def note(self, text: str) -> None:
        print(text, flush=True)

    def close(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.notes))
        new.replace(self.path)


def seconds_a_step(net: Net, data: Dataset, trials: int = 24) -> float:
    """Processor seconds of a training step, by the trainer and with the settings of the training:
    the median of the later half of a short trial."""
    recipe = recipes.get(net.recipe)
    arguments = resolve(recipe, route(recipe, net.arguments)).arguments
    settings = {**TRAINING, **net.training, "batch": net.batch, "steps": trials}
    model = build(recipe, data.spec, arguments, 0).train()
    images = TrainingData(data.train.images, data.train.labels)
    trainer = Trainer(model, images, TrainOptions(**settings))
    spent = []
    for _ in range(trials):
        start = time.process_time()
        trainer.one_step()
        spent.append(time.process_time() - start)
    return statistics.median(spent[trials // 2 :])


def train(name: str, net: Net, data: Dataset, folder: Path, o: argparse.Namespace) -> None:
    """Train a net for its minutes, or go on with it; its checkpoints are the curve's points."""
    # beside the run, whose folder must be new when it starts
    clock = folder.with_suffix("." + CLOCK)
    result = checkpoints.steps(folder / "checkpoints")
    if result:
        config = genarium.load(folder).config["training"]
        last = max(result)
        if last < config["steps"]:
            print(f"{name}: goes on at step {last} of {config['steps']}", flush=True)
            watch = Stopwatch(clock, config["checkpoint_every"], last)
            genarium.resume(folder, data=data, progress=watch)
        return
    cost = seconds_a_step(net, data) / o.threads
    steps = max(o.points, round(60 * o.minutes / cost))
    every = max(1, steps // o.points)
    steps = every * o.points
    print(f"{name}: {1000 * cost:.0f} ms a step, so {steps} steps", flush=True)
    settings = {**TRAINING, **net.training, "steps": steps, "batch": net.batch, "seed": o.seed}
    keeping = {"checkpoint_every": every, "keep": o.points + 2, "sample_every": steps + 1}
    settings["warmup"] = min(settings["warmup"], steps // 10)
    genarium.train(
        net.recipe,
        data,
        out=folder,
        progress=Stopwatch(clock, every),
        **net.arguments,
        **settings,
        **keeping,
        log_every=every,
    )


def scored(images: torch.Tensor, run: Any, unit: str) -> tuple[torch.Tensor, str]:
    """The unit's number for each image, float64 [N], and what kind of a likelihood it is."""
    nats = -run.likelihoods(images).value.double()
    kind = likelihood_of(run.capabilities)
    said = {"log_prob": "exact", "elbo": "upper bound"}.get(kind) or f"by {run.model.estimator}"
    return (nats if unit == "nats/image" else bits_per_dim(nats, images[0].numel())), said


def curve(net: Net, folder: Path, data: Dataset, task: Task, o: argparse.Namespace) -> dict:
    """Minutes and validation scores of a run's checkpoints, and the last one's test score."""
    notes = json.loads(folder.with_suffix("." + CLOCK).read_text())
    few, many = net.most or (o.images, o.test)
    points = []
    result = sorted(checkpoints.steps(folder / "checkpoints"))
    for step in (step for step in result if str(step) in notes):  # not where a run was stopped
        run = genarium.load(folder, step)
        value = scored(data.validation.images[:few], run, task.unit)[0].mean().item()
        points.append([notes[str(step)] / 60 / o.threads, step, round(value, 5)])
    test, kind = scored(data.test.images[: min(many, o.test)], run, task.unit)
    return {
        "recipe": net.recipe,
        "arguments": net.arguments,
        "batch": net.batch,
        "kind": kind,
        "density": run.model.density,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "epochs": round(points[-1][1] * net.batch / len(data.train), 3),
        "minutes": round(points[-1][0], 3),
        "curve": points,
        "test": round(test.mean().item(), 5),
        "test_error": round(test.std().item() / math.sqrt(len(test)), 5),
        "test_images": len(test),
    }


def draw(path: Path, task: Task, result: dict[str, dict], o: argparse.Namespace) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(task.nets):
        colour = f"C{number}"
        if name in result:
            minutes, _, values = zip(*result[name]["curve"])
            axes.plot(minutes, values, "o-", color=colour, ms=3, label=name)
        if name in task.published:
            level = task.published[name]
            label = f"{name}, published (test) {level:.2f}"
            axes.axhline(level, color=colour, ls="--", lw=0.8, label=label)
    values = [p[2] for f in result.values() for p in f["curve"][len(f["curve"]) // 6 :]]
    low = min([*values, *task.published.values()])
    axes.set_ylim(low - 0.03 * (max(values) - low) - 1e-9, max(values))
    cores = "one core" if o.threads == 1 else f"{o.threads} cores"
    axes.set(xlabel=f"minutes of training on {cores}", ylabel=f"validation {task.unit}")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def table(task: Task, result: dict[str, dict]) -> str:
    lines = [
        f"| net | minutes | epochs | parameters | test {task.unit} | images | is | published |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, f in result.items():
        level = task.published.get(name)
        lines.append(
            f"| {name} | {f['minutes']:.1f} | {f['epochs']:.1f} | {f['parameters']:,} "
            f"| {f['test']:.3f} ± {f['test_error']:.3f} | {f['test_images']:,} "
            f"| {f.get('kind', 'exact')} | {'' if level is None else level} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--data", help="another data set than the task's (digits: no download)")
    parser.add_argument("--from", dest="from_dir", help="folder of the official files")
    parser.add_argument("--minutes", type=float, default=30.0, help="each net's")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--nets", help="only these, separated by commas")
    parser.add_argument("--points", type=int, default=15, help="of a curve")
    parser.add_argument("--images", type=int, default=1000, help="validation images a point")
    parser.add_argument("--test", type=int, default=10_000, help="test images at the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of runs and results")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    allocator.keep_memory()
    task = TASKS[o.task]
    source = o.data or task.data
    if source != task.data:  # published figures are of the task's data
        task = replace(task, published={})
    data = load_data(source, DataOptions(**task.options, from_dir=o.from_dir))
    name = f"{source}-{o.task}"
    results: dict[str, Any] = {
        "task": o.task,
        "data": source,
        "manifest": data.manifest,
        "unit": task.unit,
        "published": task.published,
        "minutes": o.minutes,
        "threads": o.threads,
        "time": "processor time of the process / threads",
        "training": {**TRAINING, "seed": o.seed},
        "validation_images": min(o.images, len(data.validation)),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "nets": {},
    }
    o.out.mkdir(parents=True, exist_ok=True)
    path = o.out / f"{name}.json"
    if path.is_file():  # of the nets that another call of this command trained
        results["nets"] = json.loads(path.read_text())["nets"]
    for label in o.nets.split(",") if o.nets else task.nets:
        folder = o.out / f"{name}-{label}"
        try:
            train(label, task.nets[label], data, folder, o)
        except Interrupted as stopped:
            raise SystemExit(f"{stopped}, or by this command again") from None
        results["nets"][label] = curve(task.nets[label], folder, data, task, o)
        path.write_text(json.dumps(results, indent=1) + "\n")
        draw(o.out / f"{name}.png", task, results["nets"], o)
    print(table(task, results["nets"]))


if __name__ == "__main__":
    main()
