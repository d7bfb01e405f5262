"""ONNX files: what ONNX Runtime makes of them is what PyTorch makes. Skipped without the extra."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch

import genarium
from genarium.api.export import FunctionName
from genarium.contract import capabilities
from genarium.errors import UserError
from genarium.exports import eight_bit
from genarium.exports import onnx as written
from genarium.models.row_noise import RowNoise
from genarium.nn.patches import plain_convolutions
from genarium.runs.trained import Trained
from tests.conftest import RECIPES, tiny_dataset
from tests.export.models import functions_of, model_of

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("run")
    return genarium.train(
        "cvae",
        tiny_dataset(3),
        out=home / "cvae",
        steps=2,
        batch=8,
        latent=3,
        width=4,
        device="cpu",
    )


def test_without_the_extra_it_is_one_line(
    run: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="onnx needs onnx and onnxscript: pip install"):
        genarium.export(run, onnx=tmp_path / "a.onnx")
    assert not [*tmp_path.iterdir()]


def test_functions_that_a_model_has_not_are_refused(run: Trained) -> None:
    with pytest.raises(UserError, match="choose decode or encode or reconstruct"):
        written.chosen(run, "log_prob")
    assert written.chosen(run, None).name == "decode"


@pytest.mark.parametrize("function", ["decode", "encode", "reconstruct"])
def test_any_batch_gives_what_the_library_gives(
    function: str, run: Trained, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    result = genarium.export(run, onnx=tmp_path / "a.onnx", function=function)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"], "one file"
    assert result.onnx["parity"] < 1e-5
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    images = tiny_dataset(3).test.images[:7]
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    codes = run.encode(images, labels)
    given = {"images": images.numpy(), "condition": np.eye(2, dtype=np.float32)[labels]}
    wanted = {
        "decode": run.decode(codes),
        "encode": codes,
        "reconstruct": run.reconstruct(images, labels),
    }[function]
    given = {"codes": codes.numpy()} if function == "decode" else given
    (made,) = session.run(None, given)
    assert np.abs(made - wanted.numpy()).max() < 1e-4
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == ["dark", "light"]
    if function == "reconstruct":
        assert "code" not in about
        return
    code = json.loads(about["code"])
    assert (code["length"], code["noise"]) == (5, 3)
    assert code["condition"] == [{"name": "class", "one_hot": ["dark", "light"]}]


def test_every_function_of_every_recipe_can_be_asked_for() -> None:
    for name in RECIPES:
        assert {*functions_of(name)} - {"text"} <= {*get_args(FunctionName)}, name


def test_the_script_of_the_page_samples_without_torch(run: Trained, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    script = re.search(r"<!-- runnable: draw.py -->\n```python\n(.*?)```", PAGE.read_text(), re.S)
    assert script is not None
    assert "torch" not in script[1]
    (tmp_path / "draw.py").write_text(script[1])
    genarium.export(run, onnx=tmp_path / "a.onnx")
    subprocess.run([sys.executable, "draw.py", "a.onnx"], cwd=tmp_path, check=True)
    samples = np.load(tmp_path / "samples.npy")
    assert samples.shape == (16, 3, 16, 16)
    assert samples.dtype == np.uint8
    assert samples.std() > 0


# (recipe, function): what a length in Python once fixed, and what else a family has
LENGTHS = (
    *(("realnvp", "encode"), ("pix2pix", "translate"), ("cyclegan", "translate_b2a")),
    *(("mean-flow", "decode"), ("ddpm", "decode")),
)
FUNCTIONS = (
    *LENGTHS[:3],
    *(("spline-flow", "decode"), ("realnvp", "log_prob"), ("glow-conditional", "log_prob")),
    *(("tarflow", "encode"), ("pixelcnn", "log_prob"), ("flow-matching", "denoise")),
)


@pytest.mark.parametrize(("name", "function"), LENGTHS)
def test_a_graph_takes_any_number_of_rows(name: str, function: str) -> None:
    """PyTorch's own graph, which needs no extra: a `len` of a batch would fix its rows."""
    asked = functions_of(name)[function]
    with torch.no_grad(), plain_convolutions():
        asked.call(*asked.inputs.values())  # as an export does, which records it first
        graph = written.traced(asked, model_of(name)).module()
    for rows in (1, 3):
        given = [
            written._chance(x, rows, asked.drawn.get(n) == "uniform")
            for n, x in asked.inputs.items()
        ]
        with torch.no_grad():
            made, wanted = graph(*given), asked.call(*given)
        assert made.shape == wanted.shape
        assert (made - wanted).abs().max() <= 1e-4 * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_a_file_of_each_family_is_what_the_library_computes(name: str, function: str) -> None:
    """On batches of 1, 2 and 5 rows, by the check of the export itself."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = model_of(name)
    size = getattr(model, "latent", 0)
    run = SimpleNamespace(model=model, settings=None, path=name, name=name, spec=model.spec)
    run.recipe, run.about = SimpleNamespace(name=name), {"data": {}}
    run.device, run.capabilities = torch.device("cpu"), capabilities(model)
    run.noise, run.code_size = None, size
    result = written.onnx_file(run, function)
    assert result.parity is not None
    assert result.parity < written.PARITY


def test_the_likelihood_of_a_flow_takes_the_noise_that_one_draws() -> None:
    """With the noise that the library draws for these images it is the library's number."""
    model = model_of("realnvp")
    asked = functions_of("realnvp")["log_prob"]
    assert asked.drawn == {"noise": "uniform"}
    images = tiny_dataset(1).test.images[:4]
    noise = RowNoise.of_images(images).uniform(*asked.inputs["noise"].shape[1:])
    with torch.no_grad():
        assert torch.allclose(asked.call(images, noise), model.log_prob(images), rtol=1e-5)


# ------------------------------------------------------------------------------- 8 bits


@pytest.mark.parametrize(("shape", "axis"), [((5, 3, 3, 3), 0), ((5, 7, 4, 4), 1), ((6, 9), 1)])
def test_8_bits_are_within_half_of_a_step_of_each_channel(
    shape: tuple[int, ...], axis: int
) -> None:
    weight = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    weight = np.moveaxis(weight, axis, 0)
    weight *= 10.0 ** -np.arange(len(weight)).reshape(-1, *[1] * (weight.ndim - 1))  # apart
    weight[0] = 0
    weight = np.moveaxis(weight, 0, axis)
    q, scale = eight_bit.quantized(weight, axis)
    assert q.dtype == np.int8
    assert q.shape == weight.shape
    assert len(scale) == shape[axis]
    steps = scale.reshape([-1 if a == axis else 1 for a in range(weight.ndim)])
    assert (np.abs(q * steps - weight) <= steps / 2 * (1 + 1e-5)).all()
    channels = np.moveaxis(q, axis, 0).reshape(shape[axis], -1)
    assert not channels[0].any()
    assert (np.abs(channels[1:]).max(1) == 127).all()


def test_8_bits_are_of_the_onnx_file(run: Trained) -> None:
    with pytest.raises(UserError, match=r"int8: it is of the ONNX file: add onnx FILE\.onnx"):
        genarium.export(run, page="a.html", int8=True)


def test_a_file_of_8_bits_is_small_and_near(run: Trained, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    single = genarium.export(run, onnx=tmp_path / "a.onnx", function="encode").onnx
    small = genarium.export(run, onnx=tmp_path / "b.onnx", function="encode", int8=True)
    assert "int8" not in single
    assert small.onnx["bytes"] < single["bytes"]
    assert small.onnx["parity"] < 1e-5, "of the file before its weights were made small"
    assert 1e-6 < small.onnx["int8"]["difference"] < 0.1
    assert "weights in 8 bits: within" in small.text()
    model = onnx.load(tmp_path / "b.onnx")
    large = [i for i in model.graph.initializer if np.prod(i.dims) >= eight_bit.LEAST]
    kinds = {each.name: each.data_type for each in large}
    assert onnx.TensorProto.INT8 in kinds.values()
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            weight = node.input[1]
            assert kinds.get(weight) != onnx.TensorProto.FLOAT
    assert onnxruntime.InferenceSession(str(tmp_path / "b.onnx")) is not None


def test_the_integers_are_those_of_onnx_runtime_s_quantizer() -> None:
    onnx = pytest.importorskip("onnx")
    quantization = pytest.importorskip("onnxruntime.quantization")
    weight = np.random.default_rng(1).normal(size=(16, 12)).astype(np.float32)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", kind, ["n", 16])],
        [helper.make_tensor_value_info("y", kind, ["n", 12])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 20)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()

    def integers(model: Any) -> np.ndarray:
        (weights,) = (
            i
            for i in model.graph.initializer
            if i.data_type == onnx.TensorProto.INT8 and [*i.dims] == [16, 12]
        )
        return onnx.numpy_helper.to_array(weights).astype(int)

    ours = integers(onnx.load_from_string(eight_bit.eight_bit(content)))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "a.onnx").write_bytes(content)
        quantization.quantize_dynamic(
            place / "a.onnx",
            place / "b.onnx",
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"WeightSymmetric": True},
        )
        theirs = integers(onnx.load(place / "b.onnx"))
    assert np.abs(ours - theirs).max() <= 1  # they round as the scale's last bit has it
    assert (ours == theirs).mean() > 0.9
