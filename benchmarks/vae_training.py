"""Images a second of dense VAE training against pythae's trainer, in one run.

    pip install --target /tmp/pythae pythae==0.1.2 --no-deps
    pip install --target /tmp/pythae cloudpickle imageio tqdm --no-deps
    PYTHONPATH=/tmp/pythae python benchmarks/vae_training.py [--batch 128] [--epochs 2] [--rounds 5]
        [--precision fp32]
    python benchmarks/vae_training.py --against plain            # without pythae

Both train 784-400-20-400-784 (ReLU) with a Bernoulli loss and Adam on the digits in the package.
pythae gets the images as it asks for them, floats on [0, 1] in its `BaseDataset`, and the same
layers as its own encoder and decoder classes; its loss is the cross-entropy of grey values. The
other side is `vae` under the trainer with all that it does for a run (seeds, checks, means); it
also draws the binary pixels anew in each step. `plain` is pythae's loop of a step written afresh: a
DataLoader that collates single images, sigmoid and binary cross-entropy, Adam without fusion, the
loss read each step. Each side has its process, and the rounds alternate, one side at a time; the
ratio is theirs / ours in seconds. The floor is what the products of a step and the optimizer's
reading and writing take at the machine's rates (`_floor.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import logging
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from typing import Any

import torch
from _floor import step_floor
from torch import Tensor, nn
from torch.nn import functional as F

from genarium import data, recipes
from genarium.runs.building import build
from genarium.training import allocator
from genarium.training.engine import has_fast_bf16
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

HIDDEN, LATENT, LR = 400, 20, 1e-3


class Ours:
    """The recipe under the trainer, with the memory kept as the command keeps it."""

    def __init__(self, images: Tensor, batch: int, precision: str):
        allocator.keep_memory()
        sizes = {"hidden": HIDDEN, "layers": 1, "latent": LATENT}
        arguments = {"net": "dense", "prior": "fixed", "lr": LR, **sizes}
        spec = data.load("digits").spec
        self.model: nn.Module = build(recipes.get("vae"), spec, arguments, 0)
        self.options: dict[str, Any] = {"batch": batch, "device": "cpu", "precision": precision}
        self.steps = len(images) // batch
        options = TrainOptions(steps=1, **self.options)
        self.trainer = Trainer(self.model, TrainingData(images), options)  # type: ignore[arg-type]
        self.model.train()
        self.floor, words = step_floor(self.trainer)
        print(words, flush=True)

    def run(self, epochs: int) -> float:
        steps = self.trainer.step + epochs * self.steps
        self.trainer.options = TrainOptions(steps=steps, **self.options)
        self.trainer.budget.options = self.trainer.options
        start = time.perf_counter()
        self.trainer.fit()
        assert self.trainer.step == steps
        return time.perf_counter() - start


class Plain:
    """pythae's loop of a step, written afresh."""

    floor = 0.0

    def __init__(self, images: Tensor, batch: int, _: str):
        self.encoder = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784), nn.Sigmoid()
        )
        self.model = nn.ModuleList([self.encoder, self.mean, self.log_variance, self.decoder])
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LR)
        grey = images.float() / 255
        self.loader: Any = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(grey), batch_size=batch, shuffle=True, drop_last=True
        )

    def run(self, epochs: int) -> float:
        start = time.perf_counter()
        for _ in range(epochs):
            total = 0.0
            for (x,) in self.loader:
                features = self.encoder(x.flatten(1))
                mean, log_variance = self.mean(features), self.log_variance(features)
                z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
                rebuilt = self.decoder(z)
                error = F.binary_cross_entropy(rebuilt, x.flatten(1), reduction="none").sum(1)
                kl = -0.5 * (1 + log_variance - mean.pow(2) - log_variance.exp()).sum(1)
                loss = (error + kl).mean()
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total += loss.item()
        return time.perf_counter() - start


class Pythae:
    """pythae's VAE under its BaseTrainer."""

    floor = 0.0

    def __init__(self, images: Tensor, batch: int, _: str):
        from pythae.data.datasets import BaseDataset
        from pythae.models import VAE, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder

        logging.disable(logging.INFO)

        class Encoder(BaseEncoder):
            def __init__(self) -> None:
                super().__init__()
                self.first = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU())
                self.mean, self.spread = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)

            def forward(self, x: Tensor) -> Any:
                result = self.first(x.flatten(1))
                return ModelOutput(embedding=self.mean(result), log_covariance=self.spread(result))

        class Decoder(BaseDecoder):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.Sequential(
                    nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 784), nn.Sigmoid()
                )

            def forward(self, z: Tensor) -> Any:
                return ModelOutput(reconstruction=self.layers(z).unflatten(1, (1, 28, 28)))

        config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
        self.model: nn.Module = VAE(config, encoder=Encoder(), decoder=Decoder())
        grey = images.float() / 255
        self.data = BaseDataset(grey, torch.zeros(len(images)))
        self.batch = batch

    def run(self, epochs: int) -> float:
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                learning_rate=LR,
                per_device_train_batch_size=self.batch,
                no_cuda=True,
            )
            trainer = BaseTrainer(self.model, self.data, training_config=config)
            start = time.perf_counter()
            with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
                trainer.train()
            return time.perf_counter() - start


SIDES = {"ours": Ours, "plain": Plain, "pythae": Pythae}


def serve(side: str, pipe: Connection, batch: int, precision: str) -> None:
    """A process of its own: asked for a number of epochs, it answers with the seconds."""
    images = data.load("digits").train.images
    images = images[: len(images) // batch * batch]
    contestant = SIDES[side](images, batch, precision)
    count = sum(p.numel() for p in contestant.model.parameters())
    pipe.send((count, len(images), contestant.floor))
    while epochs := pipe.recv():
        pipe.send(contestant.run(epochs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", choices=("pythae", "plain"), default="pythae")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2, help="a round (default: 2)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    args = parser.parse_args()
    if args.against == "pythae" and importlib.util.find_spec("pythae") is None:
        raise SystemExit("pythae is missing: the head of this file says how to install it aside")
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    images, floor = 0, 0.0
    for name in (args.against, "ours"):  # one after the other: the floor is measured in peace
        pipes[name], theirs = context.Pipe()
        given = (name, theirs, args.batch, args.precision)
        context.Process(target=serve, args=given, daemon=True).start()
        count, images, floor = pipes[name].recv()
        print(f"{name}: {count:,} parameters, {images:,} images an epoch")

    def run(name: str, epochs: int) -> float:
        pipes[name].send(epochs)
        seconds: float = pipes[name].recv()
        return seconds

    for name in pipes:
        run(name, 1)
    ratios, floors = [], []
    for number in range(args.rounds):
        order = list(pipes)[:: 1 if number % 2 else -1]
        seconds = {name: run(name, args.epochs) for name in order}
        ratios.append(seconds[args.against] / seconds["ours"])
        floors.append(seconds["ours"] / (args.epochs * (images // args.batch) * floor))
        rates = {k: args.epochs * images / s for k, s in seconds.items()}
        print(
            f"{args.against} {rates[args.against]:7.0f} images/s   ours {rates['ours']:7.0f}   "
            f"ratio {ratios[-1]:.2f}",
            flush=True,
        )
    for pipe in pipes.values():
        pipe.send(0)
    print(
        f"batch {args.batch}, {torch.get_num_threads()} threads, "
        f"bf16 units {has_fast_bf16(torch.device('cpu'))}, --precision {args.precision}: "
        f"median ratio {statistics.median(ratios):.2f} (min {min(ratios):.2f}, "
        f"max {max(ratios):.2f}), ours {statistics.median(floors):.2f} of the floor"
    )


if __name__ == "__main__":
    main()
