"""What the trainer costs over a hand-written loop of the same model: a ratio in one process.

    python benchmarks/trainer_overhead.py [--recipe vae] [--steps 150] [--rounds 7]

Both loops train the same recipe on the same uint8 images with the same batch and optimizer. The
hand-written one does the least that trains the model; the trainer also derives its seeds, checks
every loss, keeps means, logs and averages weights where asked. The rounds alternate, and each
round's ratio is trainer / hand-written seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from genarium import recipes
from genarium.contract import Batch, Noise
from genarium.data import load
from genarium.runs.building import build
from genarium.training.options import TrainOptions
from genarium.training.players import make_optimizer
from genarium.training.trainer import Trainer, TrainingData


def by_hand(model: torch.nn.Module, images: torch.Tensor, batch: int, steps: int) -> float:
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
    start = time.perf_counter()
    for step in range(steps):
        rows = torch.randint(len(images), (batch,))
        shown = images[rows].contiguous(memory_format=torch.channels_last)
        for phase, optimizer in players:
            if several:
                own = {id(p) for group in optimizer.param_groups for p in group["params"]}
                for p in every[phase.name]:
                    p.requires_grad_(id(p) in own)
            losses = model.step(Batch(shown, None, Noise(step, batch)), phase.name).losses
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
    return time.perf_counter() - start


def by_trainer(trainer: Trainer, steps: int) -> float:
    """Seconds of as many steps of the trainer, its log included."""
    start = time.perf_counter()
    trainer.options = TrainOptions(steps=trainer.step + steps, batch=trainer.batch, device="cpu")
    trainer.budget.options = trainer.options
    begin = trainer.step
    trainer.fit()
    assert trainer.step == begin + steps
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="vae")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    recipe = recipes.get(args.recipe)
    batch = recipe.training["batch"]
    data = load("digits")
    images, spec = data.train.images, data.spec
    hand = build(recipe, spec, {}, 0).to(memory_format=torch.channels_last)
    trainer = Trainer(
        build(recipe, spec, {}, 0),
        TrainingData(images),
        TrainOptions(steps=1, batch=batch, device="cpu"),
    )
    by_hand(hand, images, batch, 10)
    by_trainer(trainer, 10)
    ratios = []
    for number in range(args.rounds):
        order = (0, 1) if number % 2 else (1, 0)
        seconds = [0.0, 0.0]
        for which in order:
            if which == 0:
                seconds[0] = by_hand(hand, images, batch, args.steps)
            else:
                seconds[1] = by_trainer(trainer, args.steps)
        ratios.append(seconds[1] / seconds[0])
        rate = [args.steps * batch / s for s in seconds]
        print(f"by hand {rate[0]:8.0f} images/s   trainer {rate[1]:8.0f}   ratio {ratios[-1]:.3f}")
    print(
        f"{recipe.name}, batch {batch}, {torch.get_num_threads()} threads: "
        f"median ratio {statistics.median(ratios):.3f} "
        f"(min {min(ratios):.3f}, max {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
