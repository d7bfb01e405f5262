"""The compiled sampler: images pixel by pixel, at less than the cost of one forward pass.

`serving` decides, in this one place, whether it serves a model; where it does not, the PyTorch
sampler does, which gives the same images. It takes:

- the extra `fast` (numba), and a processor with fused multiply-adds (x86 since 2013, every ARM);
- weights on the CPU in float32 or float64;
- the heads of `heads`, the mixture at temperature 1;
- a network made of what `lowering` knows, as those of every recipe here are.

GENARIUM_FAST=0 leaves it out.

`lowering` writes a network down as records, `layout` places its buffers, `kernel` is the compiled
loop over records, `walk` runs it over groups of images on threads.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from genarium import extras
from genarium.models.autoregressive.heads import Head, LogisticMixture, Softmax

if TYPE_CHECKING:
    from genarium.models.autoregressive.fast.walk import Compiled

__all__ = ["Compiled", "serving"]


def serving(
    network: nn.Module,
    head: Head,
    shape: tuple[int, int, int],
    embedded: Tensor,
    classes: int = 0,
    temperature: float = 1.0,
) -> Compiled | None:
    """The compiled sampler of a network and its head, or None: then PyTorch draws.

    shape: C, H, W. embedded: [L], the floats that the network reads, on its device and of its type.
    classes: K of a conditional network.
    """
    if os.environ.get("GENARIUM_FAST") == "0" or extras.missing("fast"):
        return None
    if embedded.device.type != "cpu" or embedded.dtype not in (torch.float32, torch.float64):
        return None
    kind: list[float]
    if type(head) is Softmax:
        kind = [0, head.levels, head.levels, 1 / temperature, 0.0]
    elif type(head) is LogisticMixture and temperature == 1.0:
        kind = [1, head.levels, head.components, 1.0, head.floor]
    else:
        return None
    from genarium.models.autoregressive.fast.lowering import Recorder, Unknown
    from genarium.models.autoregressive.fast.vectors import fuses
    from genarium.models.autoregressive.fast.walk import Compiled

    if not fuses():
        return None
    recorder = Recorder(*shape, head.outputs, embedded)
    labels = torch.zeros(0, dtype=torch.int64) if classes else None
    called: Any = network
    try:
        recorder.record(lambda x, front: called(x, front, labels))
    except Unknown:
        return None
    return Compiled(recorder, embedded, kind, classes)
