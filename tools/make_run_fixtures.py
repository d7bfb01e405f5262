"""Train one tiny run of each recipe and pack them: what later versions must still load.

    .venv/bin/python tools/make_run_fixtures.py tests/fixtures/runs-0.1.zip

Made once by the version that the file's name says, and never again: `tests/test_old_runs.py` loads
the runs with the code of today, draws the same samples, gets the same scores and goes on training
to the same weights. A run has 3 steps; beside it lies what that version then drew, scored, and
where 2 more steps of training led (as float32 means of each weight, and the SHA-256 of all weights,
which agrees on the same kind of processor only).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

SOURCES = {"pairs": "shape-masks:n=96", "domains": "shape-domains:n=96", "captions": "shapes:n=96"}
FURTHER: dict[str, tuple[str, dict[str, Any]]] = {
    "gan-packing": ("gan", {"architecture": "dcgan", "width": 2, "packing": 2}),
    "gan-tricks": (
        "gan",
        {
            "architecture": "dcgan",
            "width": 2,
            "regularizers": ("r1", "diffaugment", "spectral-norm"),
        },
    ),
    "gan-clipping": (
        "gan",
        {
            "architecture": "dcgan",
            "width": 2,
            "objective": "wasserstein",
            "regularizers": ("weight-clipping",),
        },
    ),
    "pixelcnn-binary": ("pixelcnn", {"levels": 2}),
    # 0.1 compared interpolated texts with the wrong targets
    "text-to-image": ("text-to-image", {"interpolation": 0.0}),
    "cyclegan": ("cyclegan", {"width": 2, "disc_width": 2}),
    "pix2pix": ("pix2pix", {"width": 2, "disc_width": 2}),
}
READERS = ("discriminator.", "conditioning.")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
METRICS = "fid,precision,sharpness"


def kept(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What later versions must reproduce: all but the running statistics of what reads images.

    0.1 took those of a discriminator, and of what reads InfoGAN's codes, of real and of generated
    images, later versions of real ones alone; no sample and no gradient depends on them.
    """
    return {
        name: value
        for name, value in sorted(state.items())
        if not (name.startswith(READERS) and name.endswith(STATISTICS))
    }


def weights_digest(state: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names and bytes of a state dict."""
    digest = hashlib.sha256()
    for name in state:
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def weights_means(state: dict[str, torch.Tensor]) -> dict[str, float]:
    """The mean absolute value of each floating-point tensor."""
    return {
        name: value.detach().double().abs().mean().item()
        for name, value in state.items()
        if value.is_floating_point() and value.numel()
    }


def outcome(run: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What a run draws and rebuilds (uint8), and its numbers."""
    from genarium.contract import to_uint8

    images: dict[str, np.ndarray] = {}
    data = run.dataset()
    if "sample" in run.capabilities:
        images["sample"] = to_uint8(run.sample(8, seed=1)).numpy()
    if "reconstruct" in run.capabilities:
        images["reconstruct"] = to_uint8(run.reconstruct(data.test.images[:8])).numpy()
    if "translate" in run.capabilities:
        images["translate"] = to_uint8(run.translate(data.test.images[:4], seed=1)).numpy()
    numbers: dict[str, Any] = {"step": run.step, "manifest": data.manifest}
    state = kept(run.model.state_dict())
    numbers["weights"], numbers["sha256"] = weights_means(state), weights_digest(state)
    if "log_prob" in run.capabilities:
        with torch.no_grad():
            numbers["log_prob"] = run.model.log_prob(data.test.images[:8]).tolist()
    return images, numbers


def scores(run: Any) -> dict[str, float]:
    """A few scores of a run, by name."""
    import genarium

    # the extractor of that time, whatever today's default is
    result = genarium.evaluate(run, n=64, metrics=METRICS, extractor="fashion-proxy")
    return {row.name: row.value for row in result.rows if "/s" not in row.name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipes", nargs="*", help="some only")
    asked = parser.parse_args()
    out = asked.out.resolve()
    torch.set_num_threads(1)
    import genarium
    from genarium import recipes

    cases: dict[str, tuple[str, dict[str, Any]]] = {
        name: (name, {}) for name in sorted(recipes.catalogue())
    } | FURTHER
    outcomes: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for case, (name, arguments) in cases.items():
            if asked.recipes and case not in asked.recipes:
                continue
            recipe = recipes.get(name)
            source = next((SOURCES[n] for n in recipe.needs if n in SOURCES), "shapes:n=96")
            settings: dict[str, Any] = {"size": "16", "steps": 3, "batch": 8, "seed": 5}
            settings |= {"device": "cpu", "ema": 0.9 if case == "dcgan" else 0.0}
            if case == "gan" or name in ("pixelcnn", "row-lstm", "diagonal-bilstm"):
                settings["size"] = "8"
            run = genarium.train(
                name, data=source, out=case, **{**recipe.tiny, **arguments, **settings}
            )
            images, numbers = outcome(run)
            if "sample" in run.capabilities and case in ("vae", "dcgan"):
                numbers["scores"] = scores(run)
            shutil.copytree(case, case + "-resumed")
            again = genarium.resume(case + "-resumed", steps=5)
            later, after = outcome(again)
            shutil.rmtree(case + "-resumed")
            for folder in (Path(case) / "samples",):
                shutil.rmtree(folder, ignore_errors=True)
            np.savez_compressed(
                Path(case) / "expected.npz",
                **images,
                **{f"resumed_{k}": v for k, v in later.items()},
            )
            outcomes[case] = {"now": numbers, "resumed": after}
            print(case, sum(f.stat().st_size for f in Path(case).rglob("*") if f.is_file()))
        Path("expected.json").write_text(json.dumps(outcomes, indent=1))
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(Path().rglob("*")):
                if file.is_file() and file.name != ".lock":
                    packed.write(file)
    print(f"{out}: {out.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
