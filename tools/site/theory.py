"""The map of the subject: what the theory says, where it is in the code, what was measured.

Each experiment stands under one topic; its verdicts and pictures come from experiments/results.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODELS = "src/genarium/models"


@dataclass(frozen=True)
class Topic:
    """title and theory (one or two sentences); page: under docs/; code: files; experiments."""

    title: str
    theory: str
    page: str
    code: tuple[str, ...]
    experiments: tuple[str, ...] = ()


TOPICS = (
    Topic(
        "Autoencoders",
        "A bottleneck between encoder and decoder learns features; noise at the input, or layers "
        "trained one by one, make better ones. There is no density, so nothing is drawn.",
        "autoencoders.md",
        (f"{MODELS}/autoencoder/autoencoder.py", f"{MODELS}/autoencoder/denoising.py"),
        ("denoising_features", "pretraining"),
    ),
    Topic(
        "Variational autoencoders",
        "ln p(x) ≥ E_q[ln p(x|z)] − KL(q(z|x) ‖ p(z)): a bound that is maximized over encoder and "
        "decoder together; k importance samples tighten it.",
        "vae.md",
        (f"{MODELS}/vae/model.py", f"{MODELS}/vae/bounds.py", f"{MODELS}/vae/vae_gan.py"),
        ("vae_blur", "cvae_classes", "shapes_factors"),
    ),
    Topic(
        "The latent space",
        "Codes between two codes, and code arithmetic, give images that change in one respect.",
        "latent.md",
        ("src/genarium/latent/paths.py", "src/genarium/latent/directions.py"),
        ("latent_space", "vector_arithmetic"),
    ),
    Topic(
        "Autoregressive models",
        "ln p(x) = Σ ln p(xᵢ | x before i): exact, one pixel after another; masks or recurrent "
        "layers see that none looks ahead.",
        "likelihood.md",
        (f"{MODELS}/autoregressive/masked.py", f"{MODELS}/autoregressive/pixelrnn.py"),
        ("blind_spot", "pixelcnn_epoch", "depth_and_dilation", "anomaly"),
    ),
    Topic(
        "Normalizing flows",
        "ln p(x) = ln p(f(x)) + ln|det ∂f/∂x| for an invertible f: exact densities and codes.",
        "flows.md",
        (f"{MODELS}/flow/bijections.py", f"{MODELS}/flow/couplings.py"),
    ),
    Topic(
        "Diffusion and flow matching",
        "A path leads from images to noise; a network learns the way back, which a solver goes.",
        "diffusion.md",
        (f"{MODELS}/diffusion/paths.py", f"{MODELS}/diffusion/solvers.py"),
        ("few_evaluations", "guidance", "image_prediction", "small_sets_copied"),
    ),
    Topic(
        "Adversarial training: objectives",
        "A discriminator and a generator train against each other. The minimax loss loses its "
        "gradient early; least squares and the Wasserstein distance are answers to that.",
        "adversarial.md",
        (f"{MODELS}/gan/objectives.py", f"{MODELS}/gan/wgan.py"),
        ("minimax_gradients", "lsgan_learning_rate", "wasserstein_tracks_quality"),
    ),
    Topic(
        "Adversarial training: modes and stability",
        "A generator may leave out what it need not draw. Minibatch discrimination, feature "
        "matching, groups of samples, codes and smoothing are the means against it.",
        "adversarial.md",
        (f"{MODELS}/gan/regularizers.py", f"{MODELS}/gan/latent_codes.py"),
        (
            *("ring8", "grid25", "stacked_mnist", "mode_recovery"),
            *("label_smoothing", "virtual_batch_norm"),
        ),
    ),
    Topic(
        "Conditions and learned codes",
        "A condition is asked for; a learned code is found, by maximizing I(c; G(z, c)).",
        "adversarial.md",
        (f"{MODELS}/gan/infogan.py", f"{MODELS}/conditioning.py"),
        ("cgan_classes", "infogan_classes"),
    ),
    Topic(
        "Image to image",
        "From pairs by L1 and a conditional GAN; without pairs by a cycle that has to close.",
        "translation.md",
        (f"{MODELS}/translation/pix2pix.py", f"{MODELS}/translation/cyclegan.py"),
        ("pix2pix_l1_and_gan", "patch_size", "cycle_consistency", "paired_vs_unpaired"),
    ),
    Topic(
        "Text to image",
        "A discriminator that knows a right picture with a wrong caption to be wrong.",
        "text.md",
        (f"{MODELS}/text_to_image/text_to_image.py",),
        ("text_to_image",),
    ),
    Topic(
        "Scores and their errors",
        "A score is a number of finitely many images: biased, uncertain, and blind to something.",
        "evaluation.md",
        ("src/genarium/evaluation/metrics/frechet.py", "src/genarium/evaluation/metrics/kid.py"),
        (
            *("fid_sample_bias", "inception_score_blind", "which_score_notices"),
            "interval_coverage",
        ),
    ),
    Topic(
        "Copying, repeats, missing classes",
        "A sampler that copies its training images has the best FID: that has to be tested.",
        "copying.md",
        (
            "src/genarium/evaluation/diagnostics/copying.py",
            "src/genarium/evaluation/diagnostics/dropping.py",
        ),
        ("copying_detection", "dropping_detection", "fld_copies"),
    ),
)


def results(root: Path) -> dict[str, dict[str, Any]]:
    """What each experiment measured, by its name."""
    files = sorted((root / "experiments" / "results").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def placed(root: Path) -> tuple[Topic, ...]:
    """The topics, and a last one of experiments that stand under none."""
    named = {name for topic in TOPICS for name in topic.experiments}
    rest = tuple(name for name in results(root) if name not in named)
    if not rest:
        return TOPICS
    more = Topic("Further", "Measured, and not yet placed.", "glossary.md", (), rest)
    return (*TOPICS, more)


def page(root: Path) -> str:
    """theory.md."""
    known = results(root)
    verdicts = [c["verdict"] for result in known.values() for c in result["criteria"]]
    counts = ", ".join(
        f"{verdicts.count(word)} {word}" for word in ("supported", "not supported", "cannot tell")
    )
    lines = [
        "# Theory, code, experiment",
        "",
        "What the theory says, where the code does it, and what was measured. Bounds were set "
        f"before the runs: of {len(verdicts)} claims in {len(known)} experiments {counts} (for "
        "some seeds only). [How a verdict comes about](experiments/README.md).",
    ]
    for topic in placed(root):
        code = ", ".join(f"[{Path(file).name}]({file})" for file in topic.code)
        lines += ["", f"## {topic.title}", "", topic.theory, ""]
        lines += [
            f"Page: [{Path(topic.page).stem}](docs/{topic.page}). Code: {code or 'none named'}."
        ]
        for name in topic.experiments:
            if name in known:
                lines += ["", *_experiment(name, known[name], root)]
    return "\n".join(lines) + "\n"


def _experiment(name: str, result: dict[str, Any], root: Path) -> list[str]:
    lines = [f"### {result['title']}", "", f"*{result['paper']}*", ""]
    lines += ["| claim | needed | verdict |", "|---|---|---|"]
    for criterion in result["criteria"]:
        needed = "; ".join(f"{b['number']} {b['words']}" for b in criterion["bounds"])
        cells = (criterion["statement"], needed, f"**{criterion['verdict']}**")
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|").replace("_", "\\_") for cell in cells) + " |"
        )
    if (root / "experiments" / "results" / f"{name}.png").is_file():
        lines += ["", f"![{result['title']}](experiments/results/{name}.png)"]
    lines += [
        "",
        f"[{name}.py](experiments/{name}.py), {result['cpu_seconds'] / 60:.1f} CPU minutes",
    ]
    return lines
