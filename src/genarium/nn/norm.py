"""Batch normalization over the global batch.

Two processes that share a batch must train the model that one process would train, so in
training the mean and the variance are those of the *global* batch (Ioffe & Szegedy 2015, taken
over every process). On one process this is PyTorch's own kernel at its full speed.

Each call normalizes with the statistics of its own input. A discriminator that sees the real and
the fake images in two calls therefore keeps the two halves apart, as the GAN literature asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from genarium.nn.patches import is_plain


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes. Every process's loss sees every addend, so backward is a sum again.

    Because the backward calls the function itself, gradients of gradients (penalties) are right.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return all_reduce_sum(grad)


def all_reduce_sum(x: Tensor) -> Tensor:
    """Σ over processes of x, differentiable any number of times; x itself on one process.

    The gradient is that of the *sum* of the processes' losses: with DistributedDataParallel,
    which averages gradients, that is the gradient of the mean loss.
    """
    if not several_processes():
        return x
    total: Tensor = _AllReduceSum.apply(x)
    return total


def several_processes() -> bool:
    """Whether torch.distributed is running with more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def full_precision(x: Tensor) -> Tensor:
    """x in float32, where mixed precision made it less; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


def gather_rows(x: Tensor) -> Tensor:
    """The rows [n,...] of every process, [world·n, ...] in the order of the ranks; differentiable
    any number of times, with the gradient that `all_reduce_sum` documents; x on one process."""
    if not several_processes():
        return x
    world, rank = dist.get_world_size(), dist.get_rank()
    # Own rows among zeros, then a sum: one collective whose backward is right by construction.
    before, after = (
        x.new_zeros(rank * len(x), *x.shape[1:]),
        x.new_zeros((world - rank - 1) * len(x), *x.shape[1:]),
    )
    return all_reduce_sum(torch.cat([before, x, after]))


def global_mean(x: Tensor) -> Tensor:
    """Mean over the rows [n,...] of every process; gradients as for `all_reduce_sum`."""
    mean = x.mean(0)
    return all_reduce_sum(mean) / dist.get_world_size() if several_processes() else mean


class _GlobalBatchNorm(nn.modules.batchnorm._BatchNorm):
    def forward(self, input: Tensor) -> Tensor:
        statistics_of_batch = self.training or self.running_mean is None
        if not (statistics_of_batch and several_processes()):
            return super().forward(input)
        self._check_input_dim(input)
        axes = [0, *range(2, input.dim())]
        shape = [1, -1, *[1] * (input.dim() - 2)]
        x = full_precision(input)
        mean, variance, count = _global_moments(x, axes)
        if self.training and self.running_mean is not None:
            self._update(mean.detach(), variance.detach(), count)
        scale = torch.rsqrt(variance + self.eps).to(x.dtype)
        if self.weight is not None:
            scale = scale * self.weight
        # Centred first: x·scale - mean·scale would cancel where the mean is far from 0.
        y = (x - mean.to(x.dtype).view(shape)) * scale.view(shape)
        if self.bias is not None:
            y = y + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum: Any = self.momentum
        if momentum is None:  # PyTorch's meaning of None: the plain average over all batches
            momentum = 1.0 / float(self.num_batches_tracked)
        unbiased = variance * (count / (count - 1).clamp_min(1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


def _global_moments(x: Tensor, axes: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C], biased variance [C] and element count [] over all processes, in float64.

    One collective carries count·(mean, E[x²], 1). Each process's own moments are taken stably;
    E[x²] - mean² cancels, so that last step is done in float64, on C numbers.
    """
    variance, mean = torch.var_mean(x, axes, correction=0)
    variance, mean = variance.double(), mean.double()
    count = x.numel() // x.shape[1]
    total = all_reduce_sum(torch.cat([mean, variance + mean**2, mean.new_ones(1)]) * count)
    means, squares = (total[:-1] / total[-1]).chunk(2)
    return means, (squares - means**2).clamp_min(0), total[-1].detach()


class BatchNorm1d(_GlobalBatchNorm, nn.BatchNorm1d):
    """y = γ·(x - E[x]) / √(Var[x] + ε) + β per channel, for x [B,C] or [B,C,L].

    In training E and Var are taken over the global batch (all processes) and the running
    statistics move by `momentum` towards them (the variance unbiased); in evaluation the running
    statistics are used. Arguments and state dict are those of `torch.nn.BatchNorm1d`.
    """


class BatchNorm2d(_GlobalBatchNorm, nn.BatchNorm2d):
    """y = γ·(x - E[x]) / √(Var[x] + ε) + β per channel, for x [B,C,H,W]; see `BatchNorm1d`."""


@contextmanager
def unrecorded(network: nn.Module) -> Iterator[None]:
    """Within, batch norm normalizes as ever but leaves its running statistics as they are; then all
    is as before. For a pass of images of another kind than those that are judged by them later."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta: list[Any] = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum


class _InstanceNorm(torch.autograd.Function):
    """Instance norm of maps that lie channels-last, by kernels that take them as they lie.

    PyTorch's instance norm copies such maps to channels-first, and under autocast to 32 bits, and
    leaves them there for the next layer to copy back. Here each image is a batch norm of one, which
    has kernels for channels-last and mixed precision, so that an image's numbers are the same to
    the last bit whatever stands beside it. The statistics are in 32 bits here too.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        y = torch.empty_like(x)
        # weights in 32 bits ask for statistics in 32 bits
        gain = x.new_ones(x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))
        offset = torch.zeros_like(gain)
        mean, scale = gain.new_empty(2, len(x), len(gain))
        for image in range(len(x)):
            torch.native_batch_norm(
                x[image : image + 1],
                gain,
                offset,
                None,
                None,
                training=True,
                momentum=0.0,
                eps=eps,
                out=(y[image : image + 1], mean[image], scale[image]),
            )
        ctx.eps = eps
        ctx.save_for_backward(x, mean, scale, gain)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, mean, scale, gain = ctx.saved_tensors
        result = torch.empty_like(x)
        for image in range(len(x)):
            one = slice(image, image + 1)
            result[one], _, _ = torch.ops.aten.native_batch_norm_backward(
                grad[one],
                x[one],
                gain,
                None,
                None,
                mean[image],
                scale[image],
                True,
                ctx.eps,
                [True, False, False],
            )
        return result, None


class InstanceNorm2d(nn.Module):
    """y = (x - E[x]) / √(Var[x] + ε) for every image and channel alone, x [B,C,H,W] (Ulyanov,
    Vedaldi & Lempitsky 2016). It has no weights and no memory: training and evaluation are alike,
    and an image's result never depends on its neighbours.

    channels: C, for symmetry with `BatchNorm2d`. A map of a single pixel would become 0.
    """

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__()
        self.channels, self.eps = channels, eps

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[2] * input.shape[3] == 1:
            raise ValueError("instance norm of a single pixel is 0 whatever the pixel is")
        lies = input.is_contiguous(memory_format=torch.channels_last)
        if is_plain():
            return nn.functional.instance_norm(input, eps=self.eps)
        if input.device.type == "cpu" and lies:
            result: Tensor = _InstanceNorm.apply(input, self.eps)
            return result
        if len(input) == 1:
            # The same, by a kernel whose gradient is right: PyTorch's instance norm (2.13) gives a
            # wrong one for a single image where the gradient that comes in lies channels-last.
            return nn.functional.batch_norm(input, None, None, training=True, eps=self.eps)
        return nn.functional.instance_norm(input, eps=self.eps)


NormName = Literal["instance", "batch"]


def norm_of(name: NormName, channels: int) -> nn.Module:
    """The normalization of a map. Batch norm takes the statistics of the batch at test time too."""
    if name == "batch":
        return BatchNorm2d(channels, track_running_stats=False)
    return InstanceNorm2d(channels)
