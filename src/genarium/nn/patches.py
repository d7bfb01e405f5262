"""4×4 convolutions of padding 1 as one matrix product over patches, where a CPU is faster so.

A convolution is the product of its input's patches [B·h·w, 16·C] with its kernel [16·C, F]. The
direct kernels of a CPU work along the rows of a map and starve where maps are small and channels
many: the inner half of DCGAN, most of a U-Net, the end of a PatchGAN. There copying the patches
costs little beside one large product on the matrix units. The same terms are summed in another
order, so results agree up to rounding.

With x the larger map, y the smaller one and W the kernel there are three maps, each linear in each
of its two arguments, and closed under differentiation, so that penalties on gradients pass:

    down(x, W) = y      the strided convolution              d/dx up(·, W)     d/dW kernel(x, ·)
    up(y, W) = x        its transpose                        d/dy down(·, W)   d/dW kernel(·, y)
    kernel(x, y) = W    the kernel's gradient                d/dx up(y, ·)     d/dy down(x, ·)

`Conv2d` and `ConvTranspose2d` are PyTorch's layers, weights and arguments alike; each call chooses
by the size of what it is given (`pays`). On a GPU they are PyTorch's own.

    B batch · C, F channels of the larger and the smaller map · H, W and h, w their sides · S stride
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

KERNEL, PADDING = 4, 1

FEWEST = 32
"""Channels of either map from which on rows of patches are long and products are not thin."""

PIXELS = {torch.bfloat16: 64, torch.float32: 16}
"""Pixels of the smaller map up to which products are faster, whatever the batch."""

TOGETHER = 1024
"""Pixels of all smaller maps of a batch up to which they are, for the kernel outweighs these."""


def pays(pixels: int, batch: int, channels: int, dtype: torch.dtype) -> bool:
    """Whether products over patches are faster for smaller maps of so many pixels."""
    few = pixels <= PIXELS.get(dtype, 0) or pixels * batch <= TOGETHER
    return channels >= FEWEST and few


def sides(height: int, width: int, stride: int) -> tuple[int, int]:
    """(h, w): the sides of the smaller map."""
    return (height - 2) // stride + 1, (width - 2) // stride + 1


# ---------------------------------------------------------------------------------------------
# On memory: maps [B,H,W,C], kernels [F, 16·C]


def _windows(x: Tensor, side: int, stride: int) -> Tensor:
    """x [B,H,W,C] -> [B·h·w, side²·C]: what a side×side kernel of padding 1 sees at each place."""
    batch, height, width, channels = x.shape
    padded = x.new_empty(batch, height + 2, width + 2, channels)
    padded[:, 1:-1, 1:-1] = x
    for rim in (padded[:, 0], padded[:, -1], padded[:, 1:-1, 0], padded[:, 1:-1, -1]):
        rim.zero_()
    h, w = ((n + 2 - side) // stride + 1 for n in (height, width))
    image, row, pixel, _ = padded.stride()
    # A row of a window is a run of side·C numbers, and neighbours overlap.
    shape = (batch, h, w, side, side * channels)
    steps = (image, stride * row, stride * pixel, row, 1)
    return padded.as_strided(shape, steps).reshape(batch * h * w, -1)


def patches(x: Tensor, stride: int) -> Tensor:
    """x [B,H,W,C] -> [B·h·w, 16·C]: row (b, i, j) holds 4×4 pixels from (S·i - 1, S·j - 1) on."""
    return _windows(x, KERNEL, stride)


def overlaid(rows: Tensor, height: int, width: int, stride: int) -> Tensor:
    """Patches [B·h·w, 16·C] laid back and summed, [B,H,W,C]: the adjoint of `patches`."""
    h, w = sides(height, width, stride)
    n = KERNEL // stride  # a patch is n×n blocks of S×S pixels, and so is the canvas
    rows = rows.reshape(-1, h, w, n, stride, n, stride * (rows.shape[1] // KERNEL**2))
    canvas = rows.new_zeros(len(rows), h + n - 1, stride, w + n - 1, rows.shape[-1])
    for down in range(n):
        for right in range(n):
            block = rows[:, :, :, down, :, right].transpose(2, 3)
            canvas[:, down : down + h, :, right : right + w] += block
    full = canvas.view(len(rows), (h + n - 1) * stride, (w + n - 1) * stride, -1)
    return full[:, PADDING : PADDING + height, PADDING : PADDING + width].contiguous()


def _by_phases(y: Tensor, weight: Tensor, height: int, width: int) -> Tensor:
    """`up` of stride 2 from y [B,h,w,F]: a 2×2 window of y gives a 2×2 block of the result.

    It writes a quarter of what `overlaid` reads, and its sums are the product's own; but the kernel
    is laid out anew, which pays for more than a few pixels only.
    """
    batch, h, w, narrow = y.shape
    # [F, 2, 2, 2, 2, C]: row block, row in it, column block, column in it. A window's first row
    # of y meets the kernel's second row block.
    blocks = weight.view(narrow, 2, 2, 2, 2, -1)
    table = weight.new_empty(2, 2, narrow, 2, 2, blocks.shape[-1])
    for down in range(2):
        for right in range(2):
            table[down, right] = blocks[:, 1 - down, :, 1 - right]
    result = _windows(y, 2, 1) @ table.view(4 * narrow, -1)
    result = result.view(batch, h + 1, w + 1, 2, 2, -1)
    x = y.new_empty(batch, height, width, result.shape[-1])
    for row in range(2):  # a block's first row lies in the rim for the first window
        for column in range(2):
            part = x[:, 1 - row :: 2, 1 - column :: 2]
            start = result[:, 1 - row :, 1 - column :, row, column]
            part.copy_(start[:, : part.shape[1], : part.shape[2]])
    return x


def _up(y: Tensor, weight: Tensor, height: int, width: int, stride: int) -> Tensor:
    """y [B,h,w,F] -> [B,H,W,C]."""
    rows = y.flatten(0, 2)
    if stride == 2 and len(rows) > TOGETHER:
        return _by_phases(y, weight, height, width)
    return overlaid(rows @ weight, height, width, stride)


# ---------------------------------------------------------------------------------------------
# With gradients. `seen`, the patches of x, are made once for all that need them; the gradient by x
# stands for them.


class _Down(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, seen: Tensor) -> Tensor:
        ctx.stride = stride
        ctx.save_for_backward(x, weight, seen)
        h, w = sides(x.shape[1], x.shape[2], stride)
        return (seen @ weight.t()).view(len(x), h, w, -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, seen = ctx.saved_tensors
        grad = grad.contiguous()
        first, second, *_ = ctx.needs_input_grad
        return (
            up(grad, weight, x.shape[1], x.shape[2], ctx.stride) if first else None,
            _Kernel.apply(x, grad, ctx.stride, seen) if second else None,
            None,
            None,
        )


class _Up(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, weight: Tensor, height: int, width: int, stride: int
    ) -> Tensor:
        ctx.stride = stride
        ctx.save_for_backward(y, weight)
        return _up(y, weight, height, width, stride)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, weight = ctx.saved_tensors
        grad = grad.contiguous()
        seen = patches(grad.detach(), ctx.stride)  # for both
        first, second, *_ = ctx.needs_input_grad
        return (
            _Down.apply(grad, weight, ctx.stride, seen) if first else None,
            _Kernel.apply(grad, y, ctx.stride, seen) if second else None,
            None,
            None,
            None,
        )


class _Kernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, stride: int, seen: Tensor) -> Tensor:
        ctx.stride = stride
        ctx.save_for_backward(x, y, seen)
        return y.flatten(0, 2).t().contiguous() @ seen

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, seen = ctx.saved_tensors
        grad = grad.contiguous()
        first, second, *_ = ctx.needs_input_grad
        return (
            up(y, grad, x.shape[1], x.shape[2], ctx.stride) if first else None,
            _Down.apply(x, grad, ctx.stride, seen) if second else None,
            None,
            None,
        )


def down(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """x [B,H,W,C], weight [F, 16·C] -> [B,h,w,F]: a convolution without bias."""
    result: Tensor = _Down.apply(x, weight, stride, patches(x.detach(), stride))
    return result


def up(y: Tensor, weight: Tensor, height: int, width: int, stride: int) -> Tensor:
    """y [B,h,w,F], weight [F, 16·C] -> [B,H,W,C]: ⟨down(x, W), y⟩ = ⟨x, up(y, W)⟩."""
    result: Tensor = _Up.apply(y, weight, height, width, stride)
    return result


def kernel(x: Tensor, y: Tensor, stride: int) -> Tensor:
    """x [B,H,W,C], y [B,h,w,F] -> [F, 16·C]: ⟨down(x, W), y⟩ = ⟨W, kernel(x, y)⟩."""
    result: Tensor = _Kernel.apply(x, y, stride, patches(x.detach(), stride))
    return result


# ---------------------------------------------------------------------------------------------
# Layers


def _dtype(x: Tensor) -> torch.dtype:
    """What a convolution computes in."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def _takes(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> bool:
    """Whether it is a 4×4 convolution, and x a batch of maps on a CPU that lie channels-last."""
    return (
        layer.kernel_size == (KERNEL, KERNEL)
        and layer.padding == (PADDING, PADDING)
        and layer.stride in ((1, 1), (2, 2))
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and x.device.type == "cpu"
        and x.ndim == 4
        and x.is_contiguous(memory_format=torch.channels_last)
    )


_plain: ContextVar[bool] = ContextVar("_plain", default=False)


@contextmanager
def plain_convolutions() -> Iterator[None]:
    """Within, the layers are PyTorch's own: a graph of them is written down for any batch and other
    machines, and what pays here says nothing there."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain() -> bool:
    """Whether a graph is written down: nothing may depend on how many rows a batch has."""
    return _plain.get()


def _pays(layer: nn.Conv2d | nn.ConvTranspose2d, pixels: int, x: Tensor) -> bool:
    if _plain.get():
        return False
    return pays(pixels, len(x), min(layer.in_channels, layer.out_channels), _dtype(x))


def _apply(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, function: Any, *sizes: int) -> Tensor:
    """`function` of x [B,C,H,W] and the layer's kernel, and its bias, as autocast has it."""
    dtype = _dtype(x)
    weight = layer.weight.to(dtype).permute(0, 2, 3, 1).flatten(1)
    result = function(x.to(dtype).permute(0, 2, 3, 1).contiguous(), weight, *sizes)
    if layer.bias is not None:
        result = result + layer.bias.to(dtype)
    image: Tensor = result.permute(0, 3, 1, 2)
    return image


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d`, [B,C,H,W] -> [B,F,h,w]; over patches where that pays."""

    def forward(self, input: Tensor) -> Tensor:
        if _takes(self, input):
            h, w = sides(input.shape[2], input.shape[3], self.stride[0])
            if min(h, w) > 0 and _pays(self, h * w, input):
                return _apply(self, input, down, self.stride[0])
        return super().forward(input)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d`, [B,F,h,w] -> [B,C,H,W]; over patches where that pays."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or not _takes(self, input):
            return super().forward(input, output_size)
        h, w = input.shape[2:]
        if not _pays(self, h * w, input):
            return super().forward(input)
        stride, (more_down, more_right) = self.stride[0], self.output_padding
        rim = KERNEL - 2 * PADDING
        height, width = (h - 1) * stride + rim + more_down, (w - 1) * stride + rim + more_right
        return _apply(self, input, up, height, width, stride)
