"""A graph gives what the model gives, for every recipe and every function of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genarium.exports.graph import Graph, planned
from genarium.exports.interpret import interpret
from genarium.exports.record import Unwritable, record
from tests.export.models import NAMES, SEQUENTIAL, functions_of, row_of

WITHOUT = {"text-to-image-fusion": {"text"}}
"""Functions that look numbers up in Python: no graph can."""


def graphs(name: str) -> dict[str, Graph]:
    known = functions_of(name)
    return {
        key: record(f.call, f.inputs)
        for key, f in known.items()
        if key not in WITHOUT.get(name, ())
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_gives_what_the_model_gives(name: str) -> None:
    every = functions_of(name)
    if name not in SEQUENTIAL:
        assert {"decode", "translate"} & {*every}
    for key, graph in graphs(name).items():
        for seed in (0, 1):
            row = row_of(every[key], seed)
            with torch.no_grad():
                wanted = every[key].call(*row.values())[0].numpy()
            made = interpret(graph, {k: v.numpy() for k, v in row.items()})
            assert made.shape == wanted.shape
            scale = max(1.0, float(np.abs(wanted).max()))
            assert np.abs(made - wanted).max() / scale < 1e-4, key


@pytest.mark.parametrize("name", NAMES)
def test_buffers_that_are_alive_do_not_overlap(name: str) -> None:
    for graph in graphs(name).values():
        places, end = planned(graph, dict.fromkeys(graph.constants, -1), 0)
        alive: dict[int, int] = {}
        for number, op in enumerate(graph.ops):
            for view in op.views:
                alive[view.buffer] = number
        ranges = {}
        for number, op in enumerate(graph.ops):
            ranges = {b: r for b, r in ranges.items() if alive[b] >= number or b == graph.output}
            for view in op.views:
                at = places[view.buffer]
                if at < 0:
                    continue
                assert at + graph.sizes[view.buffer] <= end
                mine = (at, at + graph.sizes[view.buffer])
                for other, (low, high) in ranges.items():
                    assert other == view.buffer or mine[1] <= low or high <= mine[0]
                ranges[view.buffer] = mine


def test_batch_norm_and_activations_are_part_of_what_comes_before() -> None:
    names = [op.name for op in graphs("dcgan")["decode"].ops]
    assert names.count("map") <= 2  # two enlargements by repeated pixels
    assert {"gemv", "conv"} <= {*names}


def test_what_the_input_decides_is_refused() -> None:
    def decided(x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x

    with pytest.raises(Unwritable, match="depends on numbers of the input"):
        record(decided, {"x": torch.ones(2, 3)})
    with pytest.raises(Unwritable, match="depends on numbers of the input"):
        record(lambda x: x + float(x.numpy().max()), {"x": torch.ones(2, 3)})
    with pytest.raises(Unwritable, match="does not depend on its input"):
        record(lambda x: torch.ones(1, 3), {"x": torch.ones(2, 3)})
    with pytest.raises(Unwritable, match="the operation sort"):
        record(lambda x: x.sort(1).values, {"x": torch.ones(2, 3)})


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.flip(2).cumsum(1).relu_().mul_(2.0) + x.amax(1, keepdim=True),
        lambda x: torch.cat([x[:, ::2], x.new_zeros(1, 1, 4)], 1).transpose(1, 2).reshape(1, -1),
        lambda x: x.view(1, 12)[:, torch.tensor([3, 3, 0])].softmax(1).log(),
        lambda x: torch.where(x > 0.1, x, -x).clamp(max=0.5).pow(3).round(),
        lambda x: torch.nn.functional.pad(x, (1, -1), value=2.0).var(2),
        lambda x: torch.einsum("bij,bkj->bik", x, x.sin()).argmax(2).float(),
    ],
)
def test_operations_that_no_recipe_has_today(call) -> None:
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    made = interpret(record(call, {"x": x}), {"x": x[0].numpy()})
    assert np.allclose(made, call(x[:1])[0].numpy(), atol=1e-5)
