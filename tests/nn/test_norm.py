"""Batch norm: PyTorch's own on one process, and the same numbers when two share the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from genarium.nn.norm import BatchNorm1d, BatchNorm2d, InstanceNorm2d, all_reduce_sum

SHAPES = {"1d": (6, 3), "1d-long": (6, 3, 5), "2d": (6, 3, 4, 5)}
CUT = 2  # the first process has 2 of the 6 rows, the second 4: shares need not be equal


def make(name: str, **arguments: Any) -> nn.Module:
    kind = BatchNorm2d if name == "2d" else BatchNorm1d
    module = kind(3, **arguments).train()
    if module.weight is not None:
        nn.init.uniform_(module.weight, 0.5, 1.5, generator=torch.Generator().manual_seed(1))
    return module


def data(name: str, seed: int) -> Tensor:
    """A mean far from 0 beside a small spread: E[x²] - mean² in float32 would fail here."""
    generator = torch.Generator().manual_seed(seed)
    return 30.0 + torch.randn(SHAPES[name], generator=generator)


def play(name: str, kind: torch.dtype, rows: slice, **arguments: Any) -> dict[str, Tensor]:
    """Two calls a step, as of a discriminator; outputs, gradients, gradients of gradients."""
    module = make(name, **arguments).to(kind)
    real = data(name, 2)[rows].to(kind).requires_grad_()
    fake = (2 * data(name, 3) - 7)[rows].to(kind).requires_grad_()
    target = data(name, 4)[rows].to(kind) - 30
    a, b = module(real), module(fake)
    loss = ((a - target) ** 3).sum() + (b**2 * target).sum()
    parameters = list(module.parameters())
    grads = torch.autograd.grad(loss, [real, fake, *parameters], create_graph=True)
    # A penalty on the gradients, as R1 has: the backward pass is itself differentiated.
    second = torch.autograd.grad(grads[0].square().sum(), [real])
    with torch.no_grad():
        module(fake)
    result = {"real out": a, "fake out": b, "second": second[0]}
    result |= {"real grad": grads[0], "fake grad": grads[1]}
    result |= {f"sum grad {i}": g for i, g in enumerate(grads[2:])}
    result |= {f"state {k}": v.to(kind) for k, v in module.state_dict().items()}
    module.eval()
    result["eval out"] = module(real)
    return {k: v.detach() for k, v in result.items()}


CASES: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    ("2d", torch.float64, {}),
    ("2d", torch.float32, {}),
    ("2d", torch.float64, {"momentum": None}),
    ("1d", torch.float64, {"affine": False}),
    ("1d-long", torch.float64, {"track_running_stats": False}),
]


def worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    rows = slice(0, CUT) if rank == 0 else slice(CUT, None)
    results = [play(name, kind, rows, **arguments) for name, kind, arguments in CASES]
    x = torch.full((2,), float(rank + 1), requires_grad=True)
    total = all_reduce_sum(x)
    (total * (10.0 + rank)).sum().backward()
    torch.save({"cases": results, "sum": total.detach(), "grad": x.grad}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    mp.spawn(worker, (str(tmp_path),), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    for half in halves:
        assert half["sum"].tolist() == [3.0, 3.0]
        assert half["grad"].tolist() == [21.0, 21.0]  # of both processes' losses, 10 + 11
    for number, (name, kind, arguments) in enumerate(CASES):
        whole = play(name, kind, slice(None), **arguments)
        tolerance = 1e-10 if kind == torch.float64 else 1e-5
        first, second = (half["cases"][number] for half in halves)
        assert whole.keys() == first.keys()
        for key, expected in whole.items():
            if key.startswith("state "):
                together = first[key]
                assert torch.equal(first[key], second[key]), (name, key)
            elif key.startswith("sum grad"):
                together = first[key] + second[key]
            elif key == "eval out" and not arguments.get("track_running_stats", True):
                continue  # without running statistics the batch's own are used: compared above
            else:
                together = torch.cat([first[key], second[key]])
            error = (together - expected).abs().max()
            assert error <= tolerance * expected.abs().max().clamp_min(1), (name, kind, key)


@pytest.mark.parametrize("name", SHAPES)
def test_one_process_is_torchs_own(name: str) -> None:
    ours = make(name)
    theirs = (nn.BatchNorm2d if name == "2d" else nn.BatchNorm1d)(3)
    theirs.load_state_dict(ours.state_dict())
    x = data(name, 5)
    assert torch.equal(ours(x), theirs(x))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_running_statistics_move_by_the_momentum_with_the_unbiased_variance() -> None:
    module = BatchNorm1d(2, momentum=0.25)
    x = torch.tensor([[0.0, 4.0], [2.0, 4.0], [4.0, 7.0]])
    module(x)
    torch.testing.assert_close(module.running_mean, 0.25 * torch.tensor([2.0, 5.0]))
    torch.testing.assert_close(module.running_var, 0.75 + 0.25 * torch.tensor([4.0, 3.0]))


def test_each_call_has_the_statistics_of_its_own_input() -> None:
    module = make("1d", affine=False)
    real, fake = data("1d", 6), 5 * data("1d", 7) - 100
    for x in (module(real), module(fake)):
        torch.testing.assert_close(x.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(x.var(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)
    mixed = module(torch.cat([real, fake]))[: len(real)]
    assert mixed.mean().abs() > 0.3


def channels_last(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    torch.manual_seed(0)
    x = 3 * torch.randn(*shape, dtype=dtype) + 5
    return x.contiguous(memory_format=torch.channels_last)


def instance_norm(x: torch.Tensor) -> torch.Tensor:
    """The formula."""
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("lies", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("gradient_lies", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_and_its_gradients_are_the_formulas(
    batch: int, lies: torch.memory_format, gradient_lies: torch.memory_format
) -> None:
    x = channels_last(batch, 4, 5, 6).contiguous(memory_format=lies)
    weight = torch.randn_like(x).contiguous(memory_format=gradient_lies)
    results = []
    for norm in (InstanceNorm2d(4), instance_norm):
        at = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = norm(at)
        (once,) = torch.autograd.grad(y, at, weight, retain_graph=True)
        (first,) = torch.autograd.grad(y, at, weight, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), at)
        results.append((y, once, first, second))
    for ours, formula in zip(*results):
        torch.testing.assert_close(ours, formula)
    assert results[0][0].is_contiguous(memory_format=lies)


def test_instance_norm_in_bf16_has_its_statistics_in_32_bits() -> None:
    x = channels_last(2, 4, 32, 32, dtype=torch.bfloat16)
    exact = instance_norm(x.double())
    result = InstanceNorm2d(4)(x)
    assert result.dtype == torch.bfloat16
    # half a unit in the last place of bf16 is 2^-9 of a number
    assert ((result.double() - exact).abs() <= 2**-8 * exact.abs() + 1e-3).all()
