"""What the page may offer of a model: what it can do, what may be set, and else why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genarium.signatures import dataclass_fields
from genarium.studio.controls import controls

if TYPE_CHECKING:
    import genarium

MOST = 100_000
"""Values of a picture from which on fewer samples are shown at once."""


def described(run: genarium.Trained, name: str, steps: list[int]) -> dict[str, Any]:
    """A loaded model as JSON. steps: the checkpoints that it has."""
    model, spec, can = run.model, run.spec, {*run.capabilities}
    return {
        "name": name,
        "path": str(run.path),
        "step": run.step,
        "steps": steps,
        "recipe": run.recipe.name,
        "paper": run.recipe.paper,
        "taxonomy": list(run.taxonomy),
        "data": run.about["data"].get("name", ""),
        "shape": list(spec.shape),
        "translated": list(spec.domain("b")) if spec.second else None,
        "planar": spec.planar,
        "density": str(model.density),
        "capabilities": list(run.capabilities),
        "can": {tool: why or True for tool, why in reasons(run).items()},
        "condition": condition(run),
        "sampler": controls(dataclass_fields("sampler", model.settings)) if model.settings else [],
        "code": code(run),
        "directions": list(model.directions) if "translate" in can else [],
        "n": samples(run),
    }


def reasons(run: genarium.Trained) -> dict[str, str]:
    """Why a tool cannot work with this model, by the tool; "" where it can."""
    can, name = {*run.capabilities}, run.recipe.name
    recipe = f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"
    points = "its images are points of the plane" if run.spec.planar else ""
    decodes = "" if "decode" in can else f"{recipe} has no code to decode"
    captions = run.model.conditioned_on == "captions"
    named = "codes with a caption have no names yet: use Python" if captions else ""
    likely = {"log_prob", "elbo", "estimate_log_prob"} & can
    results = {
        "sample": "" if "sample" in can else f"{recipe} draws no samples",
        "code": points or decodes or named,
        "walk": points or decodes or named,
        "sum": points or decodes or named,
        "nearest": points or ("" if "sample" in can else f"{recipe} draws no samples"),
        "reconstruct": points or ("" if "reconstruct" in can else f"{recipe} cannot reconstruct"),
        "encode": points or ("" if "encode" in can else f"{recipe} cannot encode"),
        "invert": points or decodes or named,
        "likelihood": points or ("" if likely else f"{recipe} has no likelihood"),
        "complete": points or ("" if "complete" in can else f"{recipe} cannot complete images"),
        "translate": "" if "translate" in can else f"{recipe} does not translate",
    }
    results["pictures"] = points
    return results


def condition(run: genarium.Trained) -> list[dict[str, Any]]:
    """The controls of what the model is conditioned on: class, attributes, caption, latent code."""
    model, spec = run.model, run.spec
    if model.conditioned_on == "captions":
        return [{"kind": "text", "name": "text", "help": "what the samples are to show"}]
    if model.conditioned_on == "factors":
        return [
            {"kind": "attribute", "name": a.name, "choices": list(a.values), "help": a.name}
            for a in spec.attributes
        ]
    if model.latent_codes:
        text = f"{model.latent_codes} numbers separated by commas; * leaves one to chance"
        return [{"kind": "code", "name": "code", "help": text, "count": model.latent_codes}]
    if model.conditional and spec.classes:
        return [{"kind": "class", "name": "class", "choices": list(spec.classes), "help": "class"}]
    return []


def code(run: genarium.Trained) -> dict[str, Any] | None:
    """The code: its size, the numbers that sliders move, whether there is a prior to draw from."""
    if reasons(run)["code"]:
        return None
    prior = {"prior", "sample"} <= {*run.capabilities}
    return {
        "size": run.code_size,
        "columns": columns(run),
        "prior": prior,
        "noise": is_noise(run),
        "spherical": prior or bool(run.model.gaussian_codes),
        "unit": "as drawn" if prior else "standard deviations of test codes",
    }


def columns(run: genarium.Trained) -> list[int]:
    """The numbers of the code that may be moved: not those that say a category or a class."""
    known = getattr(run.model, "continuous_columns", None)
    return list(known) if known is not None else list(range(run.noise or run.code_size))


def is_noise(run: genarium.Trained) -> bool:
    """Whether each number of a code is the noise of one pixel, so that none says much by itself."""
    return len(columns(run)) >= run.spec.dims and bool(run.model.gaussian_codes)


def samples(run: genarium.Trained) -> int:
    """How many samples the page shows at first: few of what is large or drawn slowly."""
    channels, height, width = run.spec.shape
    if is_slow(run) or channels * height * width > MOST:
        return 16
    return 36


def is_slow(run: genarium.Trained) -> bool:
    """Whether a sample takes many passes of a network: pixel by pixel, or along a path."""
    return "path" in run.taxonomy or "decode" not in run.capabilities
