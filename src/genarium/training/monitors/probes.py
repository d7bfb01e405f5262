"""What is asked of a model, through the contract: each probe gives numbers by name.

A probe changes nothing: gradients are off, random numbers are its own, buffers are put back, and
the model is left in the mode in which it was.

    data       range, spread and distinct images of the training split
    players    norm of each player's gradient, and of its update over that of its weights
    losses     of a model with one player, on fixed training and held-out images
    judgement  how each discriminator tells held-out images from samples, and training from held-out
    codes      KL of each latent, code units that stand still, R² of reconstructions
    samples    diversity, repeats, sharpness and distance to the data of a fixed set of samples
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from genarium.contract import Batch, Encodes, HasPosterior, Judges, Model, Reconstructs, Samples
from genarium.contract.modes import evaluation_mode
from genarium.nn.distributions import kl_standard_normal
from genarium.nn.norm import several_processes
from genarium.training.batches import TrainingData
from genarium.training.engine import Engine
from genarium.training.monitors import measures
from genarium.training.monitors.fixed import MOST, Fixed
from genarium.training.players import Player
from genarium.training.randomness import seeded

REAL = 256  # training images that samples are compared with
LOOKED_AT = 512  # training images whose values are looked at
LOOKED_THROUGH = 2**22  # weights after which no further layer is compared with itself
ACTIVE = 0.01  # variance of a latent's posterior mean from which on it is used (Burda et al. 2016)
STILL = 0.01  # of the liveliest code unit's deviation: less is a unit that stands still
CLOSE = 0.25  # of the usual distance to the nearest other image: closer is a repetition
Numbers = dict[str, float]


class Probes:
    """The probes of one model on one data set.

    heldout: images that are not trained on, None where there are none. engine: for its device and
    precision. seed: of the choice of images.
    """

    def __init__(
        self,
        model: Model,
        train: TrainingData,
        heldout: TrainingData | None,
        engine: Engine,
        seed: int,
    ):
        self.model, self.train, self.engine = model, train, engine
        group = model.group_size
        self.fixed: dict[str, Fixed] = {}
        for name, data in (("train", train), ("heldout", heldout)):
            if data is not None and len(data) >= group:
                self.fixed[name] = Fixed(data, seed, name, group)
        self.alike: list[tuple[Tensor, Tensor]] = []  # small samples and their kinds, the last two

    # ---------------------------------------------------------------------------- looking

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Within, the model is in evaluation mode and no gradients are taken; then all is as it
        was, buffers and modes of every module included."""
        kept = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        with evaluation_mode(self.model), torch.no_grad():
            try:
                with seeded(0, self.engine.device), self.engine.autocast():
                    yield
            finally:
                for buffer, value in kept:
                    buffer.copy_(value)

    @cached_property
    def _norms(self) -> list[nn.Module]:
        """Batch norms that keep running statistics; none where processes would have to meet."""
        if several_processes():
            return []
        kind = nn.modules.batchnorm._BatchNorm
        norms = [m for m in self.model.modules() if isinstance(m, kind)]
        return [norm for norm in norms if norm.running_mean is not None]

    # ---------------------------------------------------------------------------- probes

    def data(self) -> Numbers:
        """range: of [-1, 1], the share between the 0.5 % darkest and brightest values. spread: mean
        distance of two images, on [0, 1]. distinct: share of the images that are not equal to
        another. images: how many there are."""
        rows = self.fixed["train"].rows(0, LOOKED_AT)
        images = self.train.images[rows]
        x = self.train.values.signed(images).flatten(1)
        ends = torch.stack([_quantile(x, share) for share in (0.005, 0.995)])
        distinct = len(x.unique(dim=0)) / len(x)
        return {
            "data/range": ((ends[1] - ends[0]) / 2).item(),
            "data/spread": measures.spread(self._small_real) / 2,
            "data/distinct": distinct,
            "data/images": float(len(self.train)),
        }

    def players(
        self, players: Sequence[Player], before: Sequence[Tensor], start: Sequence[float]
    ) -> Numbers:
        """gradient: its norm in the last turn. update: |Δw| / |w| of the last step; before: the
        weights of each player before it, flat, or nothing. growth: |w| over that at the start,
        whose norms are in `start`, or nothing. rate: the learning rate."""
        result: Numbers = {}
        for number, player in enumerate(players):
            name = f"player/{player.phase.name}/"
            now = flat(player)
            size = now.norm().clamp_min(1e-12)
            grads = [p.grad.float() for p in player.parameters if p.grad is not None]
            if grads:
                norms = torch.stack(torch._foreach_norm(grads))
                result[name + "gradient"] = norms.norm().item()
            if before:
                result[name + "update"] = ((now - before[number]).norm() / size).item()
            if start:
                result[name + "growth"] = size.item() / max(start[number], 1e-12)
            result[name + "rate"] = player.rate
        return result

    def losses(self, step: int, number: int = 0) -> Numbers:
        """loss/train and loss/heldout: the summed loss in evaluation mode, of the same images and
        the same noise for the same `number`; nothing for several players, whose losses do not add
        up."""
        playing = self.alone(step)
        if playing is None:
            return {}
        return {
            f"loss/{name}": self.loss(fixed.batch(self.engine.device, number), playing)
            for name, fixed in self.fixed.items()
        }

    def alone(self, step: int) -> str | None:
        """The phase that plays at a step, None where several do, or against each other."""
        playing = [phase.name for phase in self.model.phases if phase.plays(step)]
        return playing[0] if len(playing) == 1 and not isinstance(self.model, Judges) else None

    def loss(self, batch: Batch, phase: str) -> float:
        """The summed loss of a batch."""
        losses = self.model.step(batch, phase).losses
        return sum(v.float().sum().item() for v in losses.values())

    def judgement(self, number: int) -> Numbers:
        """Of each discriminator, on other images each time (`number`): judge/NAME/heldout, the
        chance that a held-out image has a higher logit than a sample; judge/NAME/gap, their
        distance in standard deviations; judge/NAME/known, the chance that a training image has a
        higher logit than a held-out one."""
        if not isinstance(self.model, Judges):
            return {}
        judged = {
            name: self.model.judgements(fixed.batch(self.engine.device, number))
            for name, fixed in self.fixed.items()
        }
        result: Numbers = {}
        for name in judged.get("train", {}):
            of = {split: _whole(some[name].real) for split, some in judged.items()}
            fake = _whole(judged["train"][name].fake)
            start = f"judge/{name}/"
            real = of.get("heldout", of["train"])
            result[start + "heldout"] = measures.auc(real, fake)
            result[start + "gap"] = measures.gap(real, fake) if len(real) > 2 else math.nan
            if "heldout" in of:
                result[start + "known"] = measures.auc(of["train"], of["heldout"])
                result[start + "images"] = float(len(of["heldout"]))
        return result

    def codes(self, number: int = 0) -> Numbers:
        """Of a model with a code and a reconstruction: kl, nats of all latents; dead, the share of
        latents that do not follow the image; explained, R² of reconstructions; sharpness, theirs
        over that of the images."""
        model: Any = self.model
        gaussian = isinstance(self.model, HasPosterior)
        plain = isinstance(self.model, Encodes) and not isinstance(self.model, Samples)
        if not (gaussian or plain) or not isinstance(self.model, Reconstructs):
            return {}
        fixed = self.fixed.get("heldout", self.fixed["train"])
        batch = fixed.batch(self.engine.device, number)
        condition = batch.labels if model.conditional else None
        result: Numbers = {}
        if gaussian:
            q = model.posterior(batch.images, condition)
            result["code/kl"] = kl_standard_normal(*q).sum(1).mean().item()
            dead = q.mean.float().var(0, correction=0) <= ACTIVE
        else:
            deviation = model.encode(batch.images, condition).float().std(0)
            dead = deviation <= STILL * deviation.max().clamp_min(1e-12)
        result["code/latents"] = float(len(dead))
        result["code/dead"] = dead.double().mean().item()
        x, rebuilt = batch.signed(), model.reconstruct(batch.images, condition).float()
        result["code/explained"] = measures.explained(x, rebuilt)
        sharp = measures.sharpness(x)
        if sharp:
            result["code/sharpness"] = measures.sharpness(rebuilt) / sharp
        if norms := self._norms:
            again = self._in_training(norms, lambda: model.reconstruct(batch.images, condition))
            result["norm/gap"] = _relative(again.float(), rebuilt, x)
        return result

    def _in_training(self, norms: list[nn.Module], made: Any) -> Tensor:
        """What `made` gives with batch norm by the batch's own statistics."""
        for norm in norms:
            norm.train()
        try:
            return cast(Tensor, made())
        finally:
            for norm in norms:
                norm.eval()

    def norms(self, number: int = 0) -> Numbers:
        """norm/gap: how far samples lie from those of the same codes with the batch's own
        statistics, over the spread of the latter."""
        model: Any = self.model
        if not self._norms or not all(hasattr(model, name) for name in ("prior", "decode")):
            return {}
        if isinstance(model, HasPosterior):
            return {}  # `codes` has it of reconstructions
        codes = model.prior(MOST, torch.Generator().manual_seed(number))
        usual = model.decode(codes).float()
        other = self._in_training(self._norms, lambda: model.decode(codes)).float()
        return {"norm/gap": _relative(other, usual, other)}

    def samples(self, drawn: Tensor) -> Numbers:
        """Of samples [n,C,H,W] on [-1, 1], always of the same noise: diversity and modes (mean
        distance of two, kinds that occur), repeats, sharpness, distance (energy distance to the
        data); motion, how far each moved since the last time; shift, the share that changed its
        kind."""
        whole = drawn.detach().float().flatten(1).isfinite().all(1)
        result: Numbers = {"sample/finite": whole.double().mean().item()}
        drawn = drawn[whole][:MOST]
        if len(drawn) < 8:
            return result
        x, real = measures.small(drawn), self._small_real
        own = max(measures.spread(real), 1e-6)
        result["sample/diversity"] = measures.spread(x) / own
        kinds, usual = measures.histogram(x, self._anchors), self._usual[: len(x)]
        among = measures.histogram(usual, self._anchors)
        result["sample/modes"] = measures.effective(kinds) / measures.effective(among)
        near = measures.alone(x) < CLOSE * measures.alone(usual).median()
        result["sample/repeats"] = near.double().mean().item()
        result["sample/distance"] = measures.energy(x, real)
        if sharp := self._sharpness:
            result["sample/sharpness"] = measures.sharpness(drawn.clamp(-1, 1)) / sharp
        before = [old for old in self.alike if len(old[0]) == len(x)]
        if before:
            rms = (x - before[-1][0]).square().mean(1).sqrt().mean()
            result["sample/motion"] = rms.item() / own
            result["sample/shift"] = (kinds - before[-1][1]).abs().sum().item() / 2
        self.alike = [*before[-1:], (x, kinds)]
        return result

    # ---------------------------------------------------------------------------- real images

    @cached_property
    def _real(self) -> Tensor:
        """Training images, on [-1, 1]."""
        rows = self.fixed["train"].rows(1, REAL)
        return self.train.values.signed(self.train.images[rows])

    @cached_property
    def _small_real(self) -> Tensor:
        return measures.small(self._real)

    @property
    def _anchors(self) -> Tensor:
        """Real images [A,F] that stand for the kinds of images that there are."""
        return self._small_real[: min(MOST, len(self._small_real) // 2)]

    @property
    def _usual(self) -> Tensor:
        """Other real images, as many as there are samples or fewer."""
        return self._small_real[len(self._anchors) :]

    @cached_property
    def _sharpness(self) -> float:
        return measures.sharpness(self._real)


def flat(player: Player) -> Tensor:
    """A player's weights as one copy; of a large one the first layers."""
    parts, count = [], 0
    for parameter in player.parameters:
        if count < LOOKED_THROUGH:
            parts.append(parameter.detach().float().reshape(-1))
            count += len(parts[-1])
    return torch.cat(parts) if len(parts) > 1 else parts[0].clone()


def _quantile(x: Tensor, share: float) -> Tensor:
    """The value below which a share of the numbers lies; `torch.quantile` refuses many."""
    values = x.flatten()
    return values.kthvalue(max(1, min(len(values), round(share * len(values))))).values


def _whole(logits: Tensor) -> Tensor:
    """One logit an image, [B]: the mean of its parts."""
    return logits.detach().float().flatten(1).mean(1).cpu() if logits.ndim > 1 else logits.cpu()


def _relative(x: Tensor, y: Tensor, data: Tensor) -> float:
    """Root mean square of x - y over the deviation of `data` about its mean image."""
    deviation = (data - data.mean(0)).square().mean().sqrt()
    return ((x - y).square().mean().sqrt() / deviation.clamp_min(1e-6)).item()
