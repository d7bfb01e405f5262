"""A classifier that begins with an encoder, against the same network from scratch.

    Hinton & Salakhutdinov 2006 · Bengio et al. 2007 · Erhan et al. 2010, Why does unsupervised
    pre-training help deep learning?

Shapes: B batch · N images · C channels · H, W pixels · D latent size · K classes
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.contract import Batch, Encodes, Model, Optim, Phase, Step
from genarium.errors import UserError
from genarium.features.subsets import balanced
from genarium.training.options import TrainOptions
from genarium.training.trainer import Trainer, TrainingData

AT_ONCE = 500


class Classifier(Model):
    """softmax(W·encode(x) + b), all of it trained on −ln p(class | x).

    encoder: any model that encodes and lets gradients through. classes: K. W [K,D] and b begin at
    0. What the encoder does not need to encode (its decoder) stays as it is.
    """

    def __init__(self, encoder: Model, classes: int, *, optim: Optim | None = None):
        super().__init__()
        self.spec = encoder.spec
        self.encoder = encoder
        with torch.enable_grad():
            kind, place = self.spec.values.torch_dtype, _device(encoder)
            blank = torch.zeros(1, *self.spec.shape, dtype=kind, device=place)
            code = _encode(encoder, blank)
        if not code.requires_grad:
            raise UserError(
                f"{type(encoder).__name__} encodes without gradients, so it cannot be fine-tuned"
            )
        self.head = nn.Linear(code.shape[1], classes, device=code.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.phases = (Phase("classifier", optim=optim or Optim()),)

    def logits(self, images: Tensor) -> Tensor:
        """Images [B,C,H,W] as stored -> [B,K]."""
        return self.head(_encode(self.encoder, images))

    def step(self, batch: Batch, phase: str) -> Step:
        assert batch.labels is not None
        logits = self.logits(batch.images).float()
        right = (logits.detach().argmax(1) == batch.labels).float().mean()
        return Step({"cross_entropy": F.cross_entropy(logits, batch.labels)}, {"accuracy": right})

    @torch.no_grad()
    def error(self, images: Tensor, labels: Tensor) -> float:
        """Share of images [N,C,H,W] that get another class than labels [N]."""
        training = self.training
        self.eval()
        wrong = 0
        for some, truth in zip(images.split(AT_ONCE), labels.split(AT_ONCE)):
            device = self.head.weight.device
            wrong += int((self.logits(some.to(device)).argmax(1).cpu() != truth).sum())
        self.train(training)
        return wrong / len(labels)


@dataclass(frozen=True)
class FineTuning:
    """Test errors, one a seed: of the classifier that began with the encoder, and of the same
    network from scratch on the same labels in the same order. labels: how many it learnt from."""

    labels: int
    pretrained: tuple[float, ...]
    scratch: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Mean error from scratch less that of the pretrained one; above 0 it helped."""
        return statistics.fmean(self.scratch) - statistics.fmean(self.pretrained)


def finetune(
    model: Model,
    fresh: Callable[[int], Model],
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    classes: int | None = None,
    labels: int | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 500,
    batch: int = 100,
    lr: float = 1e-3,
    progress: Callable[[str], None] = lambda _: None,
) -> FineTuning:
    """Train both classifiers on `labels` labelled images, for each seed, and give test errors.

    Adam at `lr`, falling to 0 as half a cosine, for `steps` batches; nothing is chosen by looking
    at held-out images. A seed decides the labelled images (`balanced`), their order and the
    fresh network. model: trained; it is copied, never changed. fresh: (seed) -> the same
    network, untrained. train, test: (images [N,C,H,W], labels [N]). classes: K, by default those
    of the model's data. labels: None takes all.

    Raises UserError for a model that lets no gradients through or more labels than there are.
    """
    if not isinstance(model, Encodes):
        raise UserError(f"{type(model).__name__} does not encode, so it cannot be fine-tuned")
    images, truth = train
    count = len(images) if labels is None else labels
    if count > len(images):
        raise UserError(f"--labels {count}: there are {len(images)} training images with labels")
    errors: dict[str, list[float]] = {"pretrained": [], "scratch": []}
    for seed in seeds:
        rows = balanced(truth, count, seed)
        data = TrainingData(images[rows], truth[rows], values=model.spec.values)
        for name in errors:
            encoder = copy.deepcopy(model) if name == "pretrained" else fresh(seed)
            encoder.requires_grad_(True)
            made = Classifier(encoder, classes or len(model.spec.classes), optim=Optim(lr=lr))
            options = TrainOptions(
                steps=steps,
                batch=min(batch, count),
                seed=seed,
                schedule="cosine",
                device=_device(model).type,
                precision="fp32",
            )
            Trainer(made, data, options).fit()
            errors[name].append(made.error(*test))
            progress(f"{count} labels, seed {seed}, {name}: error {errors[name][-1]:.4f}")
    return FineTuning(count, tuple(errors["pretrained"]), tuple(errors["scratch"]))


def _encode(encoder: Model, images: Tensor) -> Tensor:
    assert isinstance(encoder, Encodes)
    return encoder.encode(images)


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))
