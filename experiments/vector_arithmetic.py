"""Arithmetic with codes: A with an attribute - A without it + B without it gives B with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import SURE, evaluating, load, make, sheet, train, trainer_of
from torch import Tensor, nn
from torch.nn import functional

from genarium.contract import from_uint8, to_uint8
from genarium.evaluation.extractors.by_name import extractor
from genarium.latent import analogy

LARGE, SMALL = 0.28, 0.20  # circumradius, as `shapes` has it: between them neither
BETWEEN = 2  # the class of such sizes


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    side: int = 20  # pixels of the shapes
    width: int = 16
    latent: int = 16
    lr: float = 2e-3
    batch: int = 64
    shapes_steps: int = 1500
    digits_steps: int = 600
    classifier_steps: int = 500
    codes: int = 6000  # samples to pick exemplars from
    exemplars: int = 3
    analogies: int = 500  # of each attribute


class Labels(NamedTuple):
    """What a classifier reads from N images: the likeliest values of two properties, [N] int64
    each. clear: whether it is sure of both, so that the image is an exemplar."""

    attribute: Tensor
    context: Tensor
    clear: Tensor


class Reader(nn.Module):
    """Colour (8), background (3) and size (3: small, large, between) of images of shapes."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 16, 1), (16, 32, 2), (32, 64, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten())
        self.head = nn.Linear(64 * 9, 8 + 3 + 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        return list(self.head(self.trunk(x)).split([8, 3, 3], 1))


FACTORS = ("colour", "background", "size")


def truth(factors: Tensor) -> Tensor:
    """True colour, background and size class, [N,3] int64, of `shapes`' factors [N,7]."""
    radius = factors[:, 2]
    size = torch.where(radius < SMALL, 0, torch.where(radius > LARGE, 1, 2))
    return torch.stack([factors[:, 1].long(), factors[:, 6].long(), size], 1)


@lru_cache
def reader(side: int, steps: int) -> tuple[Reader, list[float]]:
    """The classifier, trained on the true factors, and its accuracy on the test split."""
    dataset = load("shapes", side)
    images, wanted = dataset.train.images, truth(dataset.train.extra["factors"])
    torch.manual_seed(0)
    network = Reader()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, max(steps, 2))
    draws = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(images), (128,), generator=draws)
        logits = network(from_uint8(images[rows]))
        loss = sum(functional.cross_entropy(g, wanted[rows, i]) for i, g in enumerate(logits))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    result, _ = read_shapes(network, dataset.test.images)
    right = (result == truth(dataset.test.extra["factors"])).float().mean(0)
    return network, right.tolist()


@torch.no_grad()
def read_shapes(network: Reader, images: Tensor) -> tuple[Tensor, Tensor]:
    """(the likeliest values, their probabilities), [N,3] each."""
    results = []
    for part in images.split(500):
        best = [logits.softmax(1).max(1) for logits in network(from_uint8(part))]
        results.append([torch.stack(x, 1) for x in zip(*((b.indices, b.values) for b in best))])
    guesses, probabilities = (torch.cat(parts) for parts in zip(*results))
    return guesses, probabilities


def shapes_labels(s: Settings, attribute: str, context: str) -> Callable[[Tensor], Labels]:
    """Reads two factors of `shapes`."""
    network, _ = reader(s.side, s.classifier_steps)
    columns = [FACTORS.index(attribute), FACTORS.index(context)]

    def read(images: Tensor) -> Labels:
        guess, probability = read_shapes(network, images)
        clear = (probability[:, columns] >= SURE).all(1)
        if attribute == "size":
            clear &= guess[:, columns[0]] != BETWEEN
        return Labels(*guess[:, columns].T, clear)

    return read


def digits_labels(reference: Tensor) -> Callable[[Tensor], Labels]:
    """Reads thin (0) or bold (1), and the digit. Bold: more ink than the median of the digit's
    images in `reference`; clear are the outer thirds."""

    def look(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        probability, digit = extractor("digits")(images).logits.softmax(1).max(1)
        return digit, probability, images.float().mean((1, 2, 3))

    digit, _, ink = look(reference)
    places = torch.tensor([1 / 3, 1 / 2, 2 / 3])
    of_digit = torch.stack(
        [ink[digit == k].quantile(places) if (digit == k).any() else places for k in range(10)]
    )

    def read(images: Tensor) -> Labels:
        digit, probability, ink = look(images)
        low, middle, high = of_digit[digit].T
        clear = (probability >= SURE) & ((ink < low) | (ink > high))
        return Labels((ink > middle).long(), digit, clear)

    return read


class Score(NamedTuple):
    """Shares of the analogies, by the likeliest values. moved: have the attribute asked for. both:
    and B's context. by_chance: `both` for a difference of two random groups in place of A's."""

    moved: float
    both: float
    by_chance: float


def decode(model: Any, codes: Tensor) -> Tensor:
    with evaluating(model):
        return to_uint8(torch.cat([model.decode(z) for z in codes.split(500)]))


def analogies(
    model: Any, read: Callable[[Tensor], Labels], s: Settings, seed: int
) -> tuple[Score, Tensor]:
    """The score of one attribute, and images [6·5] of A with, A without, B without, the result and
    B without plus a random difference."""
    draws = torch.Generator().manual_seed(seed)
    codes = model.prior(s.codes, draws)
    images = decode(model, codes)
    labels = read(images)
    clear = labels.clear

    def pick(attribute: int, context: int) -> Tensor | None:
        rows = (clear & (labels.attribute == attribute) & (labels.context == context)).nonzero()[
            :, 0
        ]
        if len(rows) < s.exemplars:
            return None
        return rows[torch.randperm(len(rows), generator=draws)[: s.exemplars]]

    values, contexts = (x[clear].unique().tolist() for x in labels[:2])
    results, controls, wanted, shown = [], [], [], []
    for _ in range(20 * s.analogies if len(values) > 1 and len(contexts) > 1 else 0):
        if len(results) == s.analogies:
            break
        a1, a0 = (values[i] for i in torch.randperm(len(values), generator=draws)[:2])
        ca, cb = (contexts[i] for i in torch.randperm(len(contexts), generator=draws)[:2])
        groups = [pick(a1, ca), pick(a0, ca), pick(a0, cb)]
        if any(g is None for g in groups):
            continue
        plus, minus, base = (codes[g] for g in groups)
        other = codes[torch.randint(len(codes), (2, s.exemplars), generator=draws)]
        results.append(analogy([plus, base], [minus]))
        controls.append(analogy([other[0], base], [other[1]]))
        wanted.append((a1, cb))
        shown.append([g[0].item() for g in groups])
    if not results:
        return Score(0.0, 0.0, 0.0), images[:0]
    goal = torch.tensor(wanted)
    made, random = decode(model, torch.stack(results)), decode(model, torch.stack(controls))
    result, chance = read(made), read(random)
    moved = result.attribute == goal[:, 0]
    both = moved & (result.context == goal[:, 1])
    by_chance = (chance.attribute == goal[:, 0]) & (chance.context == goal[:, 1])
    score = Score(*(x.float().mean().item() for x in (moved, both, by_chance)))
    rows = [torch.stack([*images[row], made[i], random[i]]) for i, row in enumerate(shown[:6])]
    return score, torch.cat(rows)


ATTRIBUTES = {  # of shapes: whose context is
    "background": "colour",
    "colour": "background",
    "size": "background",
}


def measure(seed: int, s: Settings) -> Measured:
    _, right = reader(s.side, s.classifier_steps)
    numbers = {f"classifier_{name}": value for name, value in zip(FACTORS, right)}
    images = {}
    settings = {"latent": s.latent, "width": s.width, "lr": s.lr, "beta1": 0.0}
    for source, side, steps in (
        ("shapes", s.side, s.shapes_steps),
        ("digits", None, s.digits_steps),
    ):
        dataset = load(source, side)
        model = make("dcgan", dataset.spec, seed, **settings)
        trainer = trainer_of(
            model, source, seed, size=side, steps=steps, batch=s.batch, ema=0.99, schedule="linear"
        )
        for _ in train(trainer):
            pass
        with trainer.sampling_weights():
            if source == "shapes":
                tasks = {a: shapes_labels(s, a, c) for a, c in ATTRIBUTES.items()}
            else:
                codes = model.prior(s.codes, torch.Generator().manual_seed(seed))
                tasks = {"boldness": digits_labels(decode(model, codes))}
            for name, read in tasks.items():
                score, images[name] = analogies(model, read, s, seed)
                numbers |= {f"{name}_{k}": v for k, v in score._asdict().items()}
                numbers[f"{name}_lift"] = score.both / max(score.by_chance, 1 / s.analogies)
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    first = next(iter(measured.values()))
    for axes, (name, images) in zip(left.subplots(1, len(first.images)), first.images.items()):
        if len(images):
            axes.imshow(sheet(images, 5), cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"{name}\n A+   A−   B−  result  random", fontsize=8)
        axes.axis("off")
    axes = right.subplots()
    names = list(first.images)
    kinds = {"moved": "C0", "both": "C2", "by_chance": "0.7"}
    words = ("attribute as asked", "and the rest of B kept", "the same, random difference")
    for offset, ((kind, colour), label) in enumerate(zip(kinds.items(), words)):
        values = [[m.numbers[f"{n}_{kind}"] for m in measured.values()] for n in names]
        x = [i + 0.27 * (offset - 1) for i in range(len(names))]
        axes.bar(x, [sum(v) / len(v) for v in values], 0.25, color=colour, label=label)
        for place, v in zip(x, values):
            axes.plot([place] * len(v), v, "k.", ms=3)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel=f"share of {s.analogies} analogies (dots: seeds)", ylim=(0, 1.25))
    axes.legend(loc="upper center", fontsize=8)


def criterion(name: str, statement: str) -> Criterion:
    return Criterion(
        statement,
        (
            Bound(f"{name}_moved", at_least=0.5, unit="of the analogies"),
            Bound(f"{name}_lift", at_least=2, unit="times a random difference"),
        ),
    )


CLAIM = Claim(
    name="vector_arithmetic",
    title="Vector arithmetic moves the attribute that it should",
    paper="Radford et al. 2016, section 6.3.2",
    setup="DCGAN of width 16 on shapes of 20x20 pixels and on the digits. Three samples a group, "
    "labelled by a classifier trained on the true factors of `shapes` (or the shipped one of "
    "digits, and the ink): A with - A without + B without. moved: the result has the attribute; "
    "lift: how much likelier it has that and B's other property than if two random groups took "
    "A's place. In size a class lies between small and large, and does not count as moved.",
    criteria=(
        criterion("background", "The background of A's difference arrives at shapes of a colour."),
        criterion("colour", "A's difference of colour arrives at shapes on another background."),
        criterion("size", "A's difference of size arrives at shapes on another background."),
        criterion("boldness", "Bold 3 - thin 3 + thin 7 is a bold 7, for all pairs of digits."),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(
        16, 4, 4, shapes_steps=2, digits_steps=2, classifier_steps=2, codes=200, analogies=10
    ),
    size=(12.0, 4.6),
)

if __name__ == "__main__":
    CLAIM.main()
