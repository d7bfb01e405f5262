"""What the numbers of each family mean, in words.

The words hang on the taxonomy and on the capabilities, never on a recipe's name: a new recipe
gets the right ones by where its file lies and by what its model can do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A branch of the taxonomy. speaks_of: the capabilities that `text` has already explained."""

    title: str
    text: str
    speaks_of: frozenset[str] = frozenset()


FAMILIES: dict[tuple[str, ...], Family] = {
    ("nonprobabilistic",): Family(
        "Non-probabilistic",
        "An autoencoder learns to reconstruct an image from a small code. It defines no "
        "distribution over images: there is nothing to sample from and no likelihood to report, "
        "and scores of samples do not apply. Judge it by its reconstructions of test images, "
        "which it has never seen. They are blurred where the code lacks detail, as the squared "
        "error prefers a mean. Interpolations pass through codes that no image was encoded to, "
        "and may decode to images unlike the data; so decoding random codes would not sample "
        "from any distribution.",
        frozenset({"encode", "decode", "reconstruct"}),
    ),
    ("explicit", "tractable"): Family(
        "Explicit density, tractable",
        "The model writes p(x) as a product of conditional probabilities, one pixel value after "
        "the other, so its likelihood is exact. Bits per dimension, −log₂ p(x) / D averaged "
        "over the test images, is the length of the shortest code that the model allows for one "
        "pixel value: lower is better, and log₂ of the number of grey levels (8 for 256) is what "
        "a uniform distribution has. Two such figures compare when they are of the same density "
        "on the same images. A better likelihood does not imply better-looking samples, nor the "
        "other way round (Theis et al. 2016). Sampling is slow, as it draws one pixel after the "
        "other.",
        frozenset({"log_prob", "sample"}),
    ),
    ("explicit", "tractable", "change of variables"): Family(
        "Explicit density, tractable by a change of variables",
        "The model is an invertible network f from images to as many Gaussian numbers: "
        "ln p(x) = ln N(f(x); 0, I) + ln|det ∂f/∂x|, exact, and a sample is f run backwards. "
        "Codes are exact both ways, so the reconstruction of an image is the image and is not "
        "scored. Grey levels are given noise first (dequantization), and the likelihood is the "
        "density of what comes out: on average a lower bound on the probability of the levels, "
        "so that its bits per dimension are an upper bound on theirs. They compare between "
        "models whose density has the same name. With Gaussian noise in place of it they are of "
        "noisy images, and bound nothing. A likelihood counts every pixel alike: one that is "
        "good can go with samples whose strokes do not join.",
        frozenset({"log_prob", "sample", "encode", "decode", "prior"}),
    ),
    ("explicit", "approximate"): Family(
        "Explicit density, approximate",
        "The likelihood needs an integral over codes that cannot be computed; training raises a "
        "lower bound on it, the ELBO: ln p(x) ≥ E[ln p(x|z)] − KL(q(z|x) ‖ p(z)). The bits or "
        "nats in the table are therefore an upper bound on the true value: the model may be "
        "better than its figure, never worse, and the gap is how far q(z|x) is from the true "
        "posterior. The decoder's kind decides what is measured: a Bernoulli decoder gives a "
        "density of black-and-white pixels and is not comparable to one over 256 grey levels. "
        "Samples decode draws of the prior and mostly show the mean of the pixels: they are then "
        "smoother than the data.",
        frozenset({"elbo", "sample", "encode", "decode", "prior", "reconstruct"}),
    ),
    ("explicit", "path"): Family(
        "Explicit density, by a path of distributions",
        "Noise is added to an image little by little until nothing else is left, and a network "
        "learns to take it away again. Its guess at each moment defines a differential equation "
        "that carries noise to images and back, so an image has a code of its own size, and a "
        "density. The density is never exact in the table: either it is estimated along the "
        "equation (by a solver with a tolerance and random signs for the trace, both said with the "
        "figure), or it is a variational bound of a chain of steps. A sample takes several passes "
        "of the network; how many is part of the model's name here, for quality and speed both "
        "follow from it. A code has as many numbers as the image, so a reconstruction shows how "
        "exactly the solver leads there and back, also before any training, and is not ranked "
        "beside those from small codes. A model of few images reproduces them: see the section on "
        "copying.",
        frozenset({"sample", "encode", "decode", "prior", "estimate_log_prob", "elbo"})
        | {"reconstruct"},
    ),
    ("implicit",): Family(
        "Implicit density",
        "The generator maps noise to images and defines no computable density: there is no "
        "likelihood, neither exact nor a bound, and its cells in the table are empty. "
        "Only samples can be judged. The losses are adversarial: neither player's "
        "falls to zero while both learn, a falling loss is not progress in the pictures, and a "
        "discriminator's loss near zero means that the generator has stopped learning from it. "
        "Look for samples that repeat (mode collapse) and for samples too close to training "
        "images: neither shows in the loss, and the Fréchet distance does not see copying.",
        frozenset({"sample", "decode", "prior"}),
    ),
    ("hybrid",): Family(
        "Hybrid",
        "The model joins objectives of several families, for example the code of a variational "
        "autoencoder with the loss of a discriminator, for sharper pictures. Its losses are on "
        "different scales: read each by itself.",
    ),
    ("yours",): Family(
        "Your recipes",
        "Recipes from outside the package: the notes below follow from what the models can do.",
    ),
}

CAPABILITIES: dict[str, str] = {
    "sample": "Its samples are judged like those of any other family: by eye, by the scores on "
    "features, and by their distance to the training images.",
    "log_prob": "It has an exact likelihood: bits per dimension are those of its own density, "
    "and compare with other models of the same density only.",
    "elbo": "It has a lower bound on its likelihood: the figure in the table is an upper bound "
    "on the true value.",
    "estimate_log_prob": "It has an estimate of its likelihood: the figure in the table comes with "
    "how it was estimated, and compares with estimates of the same kind only.",
    "reconstruct": "Its reconstructions of test images show what its code keeps.",
    "translate": "It translates an image of one domain into another: each translation is to be "
    "judged beside the image that it was made from.",
}


def family(taxonomy: Sequence[str]) -> Family:
    """The entry with the longest prefix of `taxonomy`; unknown branches get their own names."""
    for length in range(len(taxonomy), 0, -1):
        result = FAMILIES.get(tuple(taxonomy[:length]))
        if result:
            return result
    title = ", ".join(taxonomy).capitalize() if taxonomy else "Other"
    return Family(title, "The notes below follow from what the models of this branch can do.")


def meaning(taxonomy: Sequence[str], capabilities: Iterable[str]) -> list[str]:
    """The paragraphs for models of one family: its own, then what else these models can do."""
    result = family(taxonomy)
    able = set(capabilities)
    extra = [text for name, text in CAPABILITIES.items() if name in able - result.speaks_of]
    return [result.text, *([" ".join(extra)] if extra else [])]


def no_samples(taxonomy: Sequence[str], capabilities: Iterable[str]) -> str:
    """Why a model without `sample` shows none."""
    if tuple(taxonomy[:1]) == ("nonprobabilistic",):
        return "An autoencoder has no distribution to sample from."
    if "translate" in capabilities:
        return "This model translates given images: it does not sample."
    return "This model does not draw images."
