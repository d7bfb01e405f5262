"""What the trainer costs over a hand-written loop of the same model: a ratio in one process.

    python benchmarks/trainer_overhead.py [--recipe vae] [--set net=dense ...] [--steps 150]
        [--rounds 7] [--precision fp32] [--clock processor]

Both loops train the same recipe on the same uint8 images with the same batch, optimizer and
precision. The hand-written one does the least that trains the model; the trainer also derives its
seeds, checks every loss, keeps means, logs and averages weights where asked. The rounds alternate,
and each round's ratio is trainer / hand-written seconds: above 1 the trainer costs something.
`--clock processor` counts this process's seconds on the processor, which other programs change
less; take one thread for it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from genarium import recipes
from genarium.contract import Batch, Noise
from genarium.data import load
from genarium.runs import configuration
from genarium.runs.building import build
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions
from genarium.training.players import make_optimizer
from genarium.training.trainer import Trainer, TrainingData

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def by_hand(
    model: torch.nn.Module,
    images: torch.Tensor,
    batch: int,
    steps: int,
    engine: Engine,
    clock: Callable[[], float],
) -> float:
    """Seconds of the shortest honest loop."""
    model.train()
    players = [
        (
            phase,
            make_optimizer(
                phase.optim,
                [p for net in phase.nets for p in model.get_submodule(net).parameters()],
            ),
        )
        for phase in model.phases
    ]
    every = {phase.name: list(model.parameters()) for phase in model.phases}
    several = len(players) > 1
    start = clock()
    for step in range(steps):
        rows = torch.randint(len(images), (batch,))
        shown = images[rows].contiguous(memory_format=torch.channels_last)
        for phase, optimizer in players:
            if several:
                own = {id(p) for group in optimizer.param_groups for p in group["params"]}
                for p in every[phase.name]:
                    p.requires_grad_(id(p) in own)
            with engine.autocast():
                losses = model.step(Batch(shown, None, Noise(step, batch)), phase.name).losses
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
    return clock() - start


def by_trainer(trainer: Trainer, steps: int, clock: Callable[[], float]) -> float:
    """Seconds of as many steps of the trainer, its log included."""
    start = clock()
    trainer.options = replace(trainer.options, steps=trainer.step + steps)
    trainer.budget.options = trainer.options
    begin = trainer.step
    trainer.fit()
    assert trainer.step == begin + steps
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="vae")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--set", nargs="*", default=[], metavar="ARGUMENT=VALUE")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    recipe, clock = recipes.get(args.recipe), CLOCKS[args.clock]
    given = dict(pair.split("=", 1) for pair in args.set)
    arguments = configuration.resolve(recipe, configuration.route(recipe, given)).arguments
    batch = recipe.training["batch"]
    data = load("digits")
    images, spec = data.train.images, data.spec
    hand = build(recipe, spec, arguments, 0).to(memory_format=torch.channels_last)
    trainer = Trainer(
        build(recipe, spec, arguments, 0),
        TrainingData(images),
        TrainOptions(steps=1, batch=batch, device="cpu", precision=args.precision),
    )
    engine = trainer.engine
    by_hand(hand, images, batch, 10, engine, clock)
    by_trainer(trainer, 10, clock)
    ratios = []
    for number in range(args.rounds):
        order = (0, 1) if number % 2 else (1, 0)
        seconds = [0.0, 0.0]
        for which in order:
            if which == 0:
                seconds[0] = by_hand(hand, images, batch, args.steps, engine, clock)
            else:
                seconds[1] = by_trainer(trainer, args.steps, clock)
        ratios.append(seconds[1] / seconds[0])
        rate = [args.steps * batch / s for s in seconds]
        print(f"by hand {rate[0]:8.0f} images/s   trainer {rate[1]:8.0f}   ratio {ratios[-1]:.3f}")
    print(
        f"{recipe.name} {' '.join(args.set)}, batch {batch}, {torch.get_num_threads()} threads, "
        f"{'bf16' if engine.bf16 else 'fp32'}, {args.clock} seconds: "
        f"median ratio {statistics.median(ratios):.3f} "
        f"(min {min(ratios):.3f}, max {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
