"""The evaluator on models made for the purpose, each with one capability."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from genarium.contract import Model, Spec, from_uint8
from genarium.errors import UserError
from genarium.evaluation import plan
from genarium.evaluation.evaluate import evaluate_images, evaluate_model
from genarium.evaluation.extractors.extractor import from_module
from genarium.evaluation.images import as_images
from genarium.evaluation.scores.score import Score, Scores, number, require_comparable

SPEC = Spec(1, 8, 8, ("dark", "middle", "bright"))


class Brightness(nn.Module):
    """A classifier that is right: three classes by mean brightness; its features are averages."""

    def __init__(self, sharpness=400.0):
        super().__init__()
        self.centres = nn.Parameter(torch.tensor([0.1, 0.5, 0.9]))
        self.sharpness = sharpness

    def forward(self, x):
        mean = x.mean(dim=(1, 2, 3))
        pool = nn.functional.avg_pool2d(x, 4).flatten(1)
        return pool, -self.sharpness * (mean[:, None] - self.centres).square()


def brightness(name="bright"):
    return from_module(
        Brightness(),
        name=name,
        dims=4,
        prepare=lambda images: images.float() / 255,
        resize="none",
        classes=SPEC.classes,
    )


def made(n, seed=0, classes=3):
    """Noisy flat images of the three classes in turn, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    level = torch.tensor([26, 128, 229])[labels].view(n, 1, 1, 1)
    noise = torch.randint(-20, 21, (n, 1, 8, 8), generator=generator)
    return (level + noise).clamp(0, 255).to(torch.uint8), labels


class Bare(Model):
    """Can do nothing; has five parameters."""

    spec = SPEC

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5))
        self.frozen = nn.Dropout()
        self.modes = []


class Sampler(Bare):
    """Draws images of the given classes."""

    def __init__(self, classes=3):
        super().__init__()
        self.classes = classes

    def sample(self, n, *, condition=None, generator=None):
        self.modes.append(self.training)
        seed = int(torch.randint(1 << 30, (), generator=generator))
        return from_uint8(made(n, seed, self.classes)[0])


class Uniform(Bare):
    """Exact likelihood of 4 equally likely levels: 2 bits per dimension."""

    density = "4 grey levels"

    def log_prob(self, images, condition=None):
        self.modes.append(self.training)
        return torch.full((len(images),), -images[0].numel() * math.log(4))


class Bound(Bare):
    density = "4 grey levels"

    def elbo(self, images, condition=None, *, k=1, generator=None):
        exact = -images[0].numel() * math.log(4)
        return exact - torch.rand(len(images), generator=generator)


class Darkener(Bare):
    """Gives every pixel back lower by 51 of 255."""

    def reconstruct(self, images):
        return from_uint8(images) - 0.4


def evaluate(model, n=60, **options):
    reference, labels = made(60, seed=99)
    options = {"extractor": brightness(), "reference": reference, "labels": labels} | options
    return evaluate_model(model, n=n, **options)


def names(scores):
    return [row.name for row in scores.rows]


def test_a_good_sampler():
    scores = evaluate(Sampler())
    assert names(scores) == [
        "FID (bright)",
        "KID (bright)",
        "precision (bright)",
        "recall (bright)",
        "IS (bright)",
        "recognised",
        "classes found",
        "class entropy",
        "sharpness",
        "samples/s",
        "parameters",
    ]
    assert scores.warnings == []
    assert scores.get("FID").value < 1e-3
    assert scores.get("IS").value == pytest.approx(scores.get("IS").reference, rel=0.05)
    assert scores.get("recognised").value == scores.get("recognised").reference == 1
    assert scores.get("classes found").value == 3
    assert scores.get("class entropy").value == pytest.approx(math.log(3), rel=1e-3)
    ratio = scores.get("sharpness").value / scores.get("sharpness").reference
    assert ratio == pytest.approx(1, rel=0.1)
    assert scores.get("samples/s").value > 0
    assert scores.get("parameters").value == 5
    assert scores.context["classes"]["samples"] == [20, 20, 20]
    assert scores.context["samples"] == scores.context["reference"]["count"] == 60
    assert scores.context["reference"]["split"] == "test"
    assert "60 test images" in scores.get("FID").note


def test_a_sampler_that_drops_classes():
    good, bad = evaluate(Sampler()), evaluate(Sampler(classes=1))
    assert bad.get("classes found").value == 1
    assert bad.get("class entropy").value == 0
    assert bad.get("IS").value == pytest.approx(1, abs=0.01)
    assert bad.get("FID").value > 100 * good.get("FID").value


class Grey(Bare):
    def sample(self, n, *, condition=None, generator=None):
        return torch.full((n, 1, 8, 8), -0.4)  # between dark and middle


def test_a_sampler_that_nobody_recognises():
    scores = evaluate(Grey())
    assert scores.get("recognised").value == 0
    assert scores.get("classes found").value == 0
    assert scores.get("class entropy") is None
    assert scores.warnings == ["left out class entropy: no sample image was recognised"]
    assert scores.get("sharpness").value == 0


def test_exact_likelihood():
    scores = evaluate(Uniform())
    row = scores.get("bits/dim")
    assert names(scores) == ["bits/dim", "parameters"]
    assert row.value == pytest.approx(2, rel=1e-6)
    assert row.std == pytest.approx(0, abs=1e-6)
    assert row.note.startswith("exact, of 4 grey levels; 88.72 nats an image; 60 test images")


def test_bound():
    scores = evaluate(Bound())
    row = scores.get("bits/dim")
    assert row.name == "bits/dim (upper bound)"
    assert 2 < row.value < 2 + 1 / (64 * math.log(2))
    assert row.value == evaluate(Bound()).get("bits/dim").value
    assert row.value != evaluate(Bound(), seed=1).get("bits/dim").value
    assert "from the ELBO" in row.note


def test_reconstruction():
    scores = evaluate(Darkener())
    assert names(scores) == ["reconstruction MSE", "PSNR", "parameters"]
    assert scores.get("reconstruction MSE").value == pytest.approx(0.04, rel=1e-5)
    assert scores.get("PSNR").value == pytest.approx(-10 * math.log10(0.04), rel=1e-5)


def test_reconstruction_without_loss_has_no_psnr():
    model = Darkener()
    model.reconstruct = lambda images: (images.double() / 255) * 2 - 1
    scores = evaluate(model)
    assert names(scores)[0] == "reconstruction MSE"
    assert scores.get("reconstruction MSE").value < 1e-30


def test_heldout_images_may_differ_from_the_reference():
    heldout = made(30, seed=5)[0]
    scores = evaluate(Uniform(), heldout=heldout)
    assert scores.context["heldout"]["count"] == 30
    assert "30 test images" in scores.get("bits/dim").note


class Infinite(Uniform):
    def log_prob(self, images, condition=None):
        return super().log_prob(images).index_fill(0, torch.tensor([0]), -math.inf)


class Broken(Sampler):
    def sample(self, n, *, condition=None, generator=None):
        return super().sample(n, generator=generator).index_fill(0, torch.tensor([1]), math.nan)

    def reconstruct(self, images):
        return from_uint8(images) * math.nan


def test_what_is_not_finite_is_left_out_with_a_warning():
    scores = evaluate(Infinite(), batch=20)
    assert names(scores) == ["parameters"]
    assert scores.warnings == ["left out bits/dim: not finite for 3 of 60 images"]
    scores = evaluate(Broken())
    assert names(scores) == ["parameters"]
    assert [w.split(":")[0] for w in scores.warnings] == [
        "left out the scores of samples",
        "left out reconstruction MSE",
    ]


def test_same_seed_same_scores_and_another_seed_others():
    def values(seed):
        rows = evaluate(Sampler(), seed=seed).rows
        return [row.value for row in rows if row.name != "samples/s"]

    assert values(0) == values(0)
    assert values(0) != values(1)


def test_modes_are_restored_and_evaluation_uses_eval():
    model = Sampler().train()
    model.frozen.eval()
    evaluate(model)
    assert model.modes == [False]
    assert model.training
    assert not model.frozen.training


def test_modes_are_restored_after_an_error():
    model = Sampler().train()
    model.sample = lambda n, generator: torch.zeros(n, 3, 8, 8)
    with pytest.raises(ValueError, match="sample gave"):
        evaluate(model)
    assert model.training


def test_progress_counts_every_part():
    seen = []
    evaluate(Sampler(), batch=25, progress=lambda *what: seen.append(what))
    assert seen[:3] == [("test", 25, 60), ("test", 50, 60), ("test", 60, 60)]
    assert seen[3:] == [("sample", 25, 60), ("sample", 50, 60), ("sample", 60, 60)]


def test_few_images_warn_and_never_give_nan():
    scores = evaluate(Sampler(), n=1)
    assert "FID (bright)" not in names(scores)
    assert "at least 2" in scores.warnings[0]
    scores = evaluate(Sampler(), n=3)
    assert math.isfinite(scores.get("FID").value)
    assert "strongly biased" in scores.get("FID").note
    scores = evaluate(Sampler(), n=500)
    assert scores.context["samples"] == 60
    assert "only 60 test images" in scores.warnings[-1]
    json.loads(scores.to_json())


@pytest.mark.parametrize("arrange", [torch.arange, lambda n: made(n)[1].argsort()])
def test_a_part_of_the_reference_keeps_all_classes(arrange):
    """Whether it is sorted by class or goes through the classes in turn."""
    reference, labels = made(300)
    order = arrange(300)
    scores = evaluate(Sampler(), n=100, reference=reference[order], labels=labels[order])
    assert scores.warnings == []
    assert min(scores.context["classes"]["reference"]) > 20
    assert sum(scores.context["classes"]["reference"]) == 100


def test_an_extractor_that_does_not_know_the_classes_says_so():
    reference, labels = made(60)
    scores = evaluate(Sampler(), reference=reference, labels=(labels + 1) % 3)
    assert "bright is right about 0%" in scores.warnings[0]
    with pytest.raises(ValueError, match="labels"):
        evaluate(Sampler(), reference=reference, labels=labels[:9])


def test_without_classes_only_the_distance_is_left():
    proxy = from_module(
        Brightness(),
        name="proxy",
        dims=4,
        prepare=lambda images: images.float() / 255,
        resize="none",
    )
    scores = evaluate(Sampler(), extractor=proxy)
    assert [name.split(" (")[0] for name in names(scores)] == [
        "FID",
        "KID",
        "precision",
        "recall",
        "sharpness",
        "samples/s",
        "parameters",
    ]
    assert "rough guide" in scores.get("FID").note
    assert "classes" not in scores.context


def test_bad_arguments_are_one_line():
    for options in ({"n": 0}, {"batch": 0}, {"extractor": "digts"}, {"reference": made(0)[0]}):
        if "reference" in options:
            options["labels"] = None
        with pytest.raises(UserError) as caught:
            evaluate(Sampler(), **options)
        assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------
# Plain images


def test_images_against_images():
    images, reference = made(50)[0], made(80, seed=1)[0]
    scores = evaluate_images(images, reference, extractor=brightness(), split="folder")
    assert names(scores)[0] == "FID (bright)"
    assert names(scores)[-1] == "sharpness"
    assert scores.context["reference"] | {"sha256": ""} == {
        "split": "folder",
        "count": 50,
        "sha256": "",
    }
    same = evaluate_images(images, images, extractor=brightness())
    assert same.get("FID").value == 0
    assert evaluate_images(images, reference, extractor=brightness(), n=20).context["samples"] == 20


def test_images_of_another_size_warn_and_none_is_an_error():
    small, large = made(20)[0], made(20)[0].repeat(1, 3, 2, 2)
    scores = evaluate_images(large, small, extractor="fashion-proxy")
    assert "3x16x16" in scores.warnings[0]
    assert math.isfinite(scores.get("FID").value)
    with pytest.raises(UserError, match="0 images"):
        evaluate_images(small[:0], small, extractor=brightness())


# ---------------------------------------------------------------------------------------------
# Scores as objects


def test_scores_survive_json():
    scores = evaluate(Sampler())
    again = Scores.from_dict(json.loads(scores.to_json()))
    assert again == scores


def test_json_is_standard():
    with pytest.raises(ValueError, match="JSON"):
        Scores([], {"seconds": math.nan}).to_json()


def test_the_table_is_aligned_and_complete():
    scores = evaluate(Sampler())
    lines = scores.table().splitlines()
    assert len(lines) == 1 + len(scores.rows)
    assert lines[1].startswith("FID (bright) ↓")
    column = lines[0].index("value")
    assert all(line[column - 1] == " " != line[column] for line in lines)


def test_scores_of_another_basis_refuse_comparison():
    scores = evaluate(Sampler())
    labels = ("A", "B")
    require_comparable(scores, evaluate(Sampler(), seed=3), "FID", labels)
    for other, word in [
        (evaluate(Sampler(), n=30), "samples 60 against 30"),
        (evaluate(Sampler(), extractor=brightness("dim")), "extractor bright"),
        (evaluate(Sampler(), split="validation"), "split test against validation"),
        (evaluate(Sampler(), reference=made(60, seed=7)[0]), "SHA-256"),
    ]:
        with pytest.raises(UserError, match=word):
            require_comparable(scores, other, "FID", labels)
    with pytest.raises(UserError, match="A has no score 'PSNR'"):
        require_comparable(scores, scores, "PSNR", labels)
    uniform, levels = Uniform(), Uniform()
    levels.density = "256 grey levels"
    with pytest.raises(UserError, match="density"):
        require_comparable(evaluate(uniform), evaluate(levels), "bits/dim", labels)
    # Sharpness is no matter of the extractor.
    other = evaluate(Sampler(), extractor=brightness("dim"))
    require_comparable(scores, other, "sharpness", labels)


def test_a_score_is_a_finite_number():
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            Score("FID", value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12.3456, "12.35"),
        (0.000123456, "0.0001235"),
        (1234567, "1,234,567"),
        (3.0, "3"),
        (1e-12, "1e-12"),
        (-0.5, "-0.5000"),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_the_metric_of_the_documentation():
    """The code under "Adding a metric" runs as it stands."""
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    section = text.split("## Adding a metric")[1]
    names_there = {}
    exec(section.split("```python")[1].split("```")[0], names_there)
    scores = evaluate(Sampler(), metrics=names_there["metrics"])
    row = scores.get("brightness")
    assert row.value == pytest.approx(row.reference, rel=0.02)
    assert row.basis["samples"] == 60
    assert "extractor" not in row.basis


def test_several_sets_against_one_reference_that_is_measured_once(monkeypatch):
    """Each FID is that of `score_images`, whose calls would measure the reference each."""
    seen: list[int] = []
    extractor = brightness()
    extractor.network.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    monkeypatch.setattr(plan.by_name, "extractor", lambda name, **_: extractor)
    images, _ = made(40)
    reference = as_images(images)
    sets = [as_images(made(50, seed)[0]) for seed in (1, 2)]
    both = plan.fid_of_each(sets, reference, split="test", data="", n=30)
    assert seen == [30, 30, 30]
    for score, own in zip(both, sets, strict=True):
        (alone,) = plan.score_images(own, reference, split="test", n=30, metrics="fid").rows
        assert (score.value, score.interval) == (alone.value, alone.interval)
    assert both[0].value != both[1].value
