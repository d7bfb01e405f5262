"""The library's door: what a caller gives, as the tensors that the program computes with.

Images are [N,C,H,W] inside, of the type that the data are stored as (`Values`): mostly uint8.
`images` takes them as

    tensors      [N,C,H,W]
    arrays       [N,C,H,W] or [N,H,W,C], as the model's shape says; where none is known the former
                 if the second axis is 1 or 3 or the last is not, else the latter; [N,H,W] is grey
    lists        of pictures of Pillow, or of such tensors or arrays of one image each
    results      of a verb, that say in `values` what they are as stored

of these values, C that of the model's data:

    data of uint8, uint16    the same type: stored values. Floats: on [-1, 1] as samples are
    data of float32          floats: stored values, in the data's units. So a model's own output, on
                             [-1, 1], is brought back by `run.stored(x)` first

Floats on [-1, 1] are rounded as samples are when they are saved: clamped to [-1, 1], of 8 bits
x -> 127.5 (x + 1). What can not be meant is refused: values beyond ±1.5 (0 .. 255, or another
normalization), no value below 0 (floats on [0, 1]), for data of floats on a far wider range none
beyond ±1.5 (a model's output), values that are not finite, other types.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from genarium.contract import EIGHT_BIT, Values
from genarium.errors import UserError

if TYPE_CHECKING:
    from genarium.data import DataOptions, Dataset

Pictures = (
    Tensor
    | NDArray[Any]
    | Image.Image
    | Sequence[Image.Image]
    | Sequence[Tensor]
    | Sequence[NDArray[Any]]
)

BEYOND = 1.5
"""Floats to here are clamped: a linear decoder overshoots a little."""

FAR = 30.0
"""Length of a range of floats from which on values within ±1.5 are not meant as stored ones."""

ACCEPTED = (
    "give uint8 [N,C,H,W], floats on [-1, 1], an array [N,H,W,C], or a list of pictures of Pillow"
)


def images(
    value: Any,
    where: str,
    shape: tuple[int, int, int] | None = None,
    values: Values = EIGHT_BIT,
) -> Tensor:
    """Images [N,C,H,W] as `values` says that they are stored, on the CPU; see above.

    where: the function and its argument, for errors. shape: (C, H, W) that they must have. Raises
    UserError for anything else.
    """
    result = _tensor(_stored_of(value), where, shape)
    if result.ndim != 4 or (shape is None and not result.shape[1]):
        hint = "; of one image, images[None]" if result.ndim in (2, 3) else ""
        raise UserError(f"{where}: of shape {list(result.shape)}: give [N,C,H,W]{hint}")
    if shape is not None and tuple(result.shape[1:]) != shape:
        wanted = ",".join(map(str, shape))
        raise UserError(
            f"{where}: of shape {list(result.shape)}, the model's are [N,{wanted}]: resize them, "
            "or name a file or a folder, which is read as the run's data were"
        )
    if not len(result):
        raise UserError(f"{where}: there are none: give at least one")
    if values.integer and result.dtype == values.torch_dtype:
        return result
    if not result.is_floating_point():
        how = ACCEPTED if values.eight_bit else f"the data are {values.dtype}, {values.span}"
        raise UserError(f"{where}: of type {_type(result)}: {how}")
    result = result.float()
    if not bool(result.isfinite().all()):
        raise UserError(f"{where}: some values are not finite: leave those images out")
    low, high = (float(end) for end in result.aminmax())
    if not values.integer:
        _expect_units(low, high, values, where)
        return result
    if max(-low, high) > BEYOND:
        raise UserError(
            f"{where}: floats from {low:g} to {high:g}: bring them to [-1, 1], or give "
            f"{values.dtype}"
        )
    if low >= 0:
        call = "genarium.to_uint8(images)" if values.eight_bit else "run.stored(images)"
        raise UserError(
            f"{where}: floats from {low:g} to {high:g}, none below 0: say whether they are on "
            f"[0, 1] (give 2 * images - 1) or on [-1, 1] (give {call})"
        )
    return values.stored(result)


def _expect_units(low: float, high: float, values: Values, where: str) -> None:
    """UserError for floats that cannot be meant in the units of data of floats."""
    lengths = (top - bottom for bottom, top in zip(values.low, values.high, strict=True))
    if max(-low, high) <= BEYOND and min(lengths) > FAR:
        raise UserError(
            f"{where}: floats from {low:g} to {high:g}, the data are {values.span}: give values as "
            "they are stored, of what a model gave run.stored(images)"
        )


def _stored_of(value: Any) -> Any:
    """The stored values of a verb's result; anything else as it is."""
    if isinstance(value, Tensor | np.ndarray | Image.Image | Sequence):
        return value
    stored = getattr(value, "values", None)
    return stored if isinstance(stored, Tensor) else value


def _channels_second(value: NDArray[Any], shape: tuple[int, int, int] | None) -> NDArray[Any]:
    """[N,C,H,W] or [N,H,W,C] -> [N,C,H,W]."""
    if shape is not None and tuple(value.shape[1:]) == shape:
        return value
    last = shape is not None and tuple(value.shape[1:]) == (*shape[1:], shape[0])
    if last or (value.shape[1] not in (1, 3) and value.shape[3] in (1, 3)):
        return value.transpose(0, 3, 1, 2)
    return value


def _tensor(value: Any, where: str, shape: tuple[int, int, int] | None = None) -> Tensor:
    """Tensors, arrays and lists of them as one tensor on the CPU, channels second."""
    if isinstance(value, Image.Image):
        value = [value]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return _list(list(value), where, shape)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "uifb":
            raise UserError(f"{where}: an array of type {value.dtype}: {ACCEPTED}")
        if value.ndim == 3 and value.shape[2] not in (1, 3):
            value = value[:, None]
        elif value.ndim == 4:
            value = _channels_second(value, shape)
        if not value.dtype.isnative:
            value = value.astype(value.dtype.newbyteorder("="))
        return torch.from_numpy(np.array(value, order="C"))  # torch has no read-only tensors
    if isinstance(value, Tensor):
        return value.detach().cpu()
    raise UserError(f"{where}: {_article(type(value).__name__)}: {ACCEPTED}")


def _list(items: list[Any], where: str, shape: tuple[int, int, int] | None = None) -> Tensor:
    if not items:
        raise UserError(f"{where}: there are none: give at least one")
    if all(isinstance(item, Image.Image) for item in items):
        return pillow(items, where)
    parts = []
    for item in items:
        if not isinstance(item, Tensor | np.ndarray):
            raise UserError(f"{where}: a list with {_article(type(item).__name__)}: {ACCEPTED}")
        if item.ndim not in (2, 3):
            raise UserError(
                f"{where}: a list with images of shape {list(item.shape)}: give [C,H,W] each"
            )
        if isinstance(item, np.ndarray):
            grey = item.ndim == 2
            one = item[None, None] if grey else item[None]
            parts.append(_tensor(one, where, shape)[0])
        else:
            parts.append(item.detach().cpu() if item.ndim == 3 else item.detach().cpu()[None])
    if len({(part.shape, part.dtype) for part in parts}) > 1:
        shapes = sorted({f"{_type(part)} {list(part.shape)}" for part in parts})
        raise UserError(f"{where}: images of {' and '.join(shapes)}: give one type and shape")
    return torch.stack(parts)


def pillow(items: Sequence[Image.Image], where: str, options: Any = None) -> Tensor:
    """Pictures of Pillow as `options` (a `DataOptions`) say, uint8 [N,C,H,W]; default: as they are,
    all RGB where one is."""
    from genarium.data.decode import Bad, of_pillow, strict
    from genarium.data.files.wide import Content
    from genarium.data.options import DataOptions
    from genarium.data.stream import images_of

    parts = []
    with strict():
        for number, item in enumerate(items):
            try:
                made = Content(of_pillow(item))
                parts.append(images_of(made, options or DataOptions())[0])
            except Bad as bad:
                raise UserError(f"{where}: picture {number}: {bad}: leave it out") from None
    channels = max(len(part) for part in parts)
    parts = [part.expand(channels, -1, -1) for part in parts]
    if len({part.shape for part in parts}) > 1:
        sizes = sorted({f"{part.shape[1]}x{part.shape[2]}" for part in parts})
        raise UserError(f"{where}: pictures of {' and '.join(sizes)}: bring them to one size")
    return torch.stack(parts)


def read(value: Any, where: str, options: Any) -> Tensor:
    """`images`, those of Pillow as `options` (a `DataOptions`) say."""
    items = [value] if isinstance(value, Image.Image) else value
    several = isinstance(items, list | tuple) and len(items) > 0
    if several and all(isinstance(item, Image.Image) for item in items):
        items = pillow(items, where, options)
    return images(items, where)


def floats(value: Any, where: str, columns: int) -> Tensor:
    """Codes, float32 [N,columns] on the CPU. UserError for anything else."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "uif":
        value = torch.from_numpy(np.ascontiguousarray(value))
    if not isinstance(value, Tensor):
        raise UserError(
            f"{where}: {_article(type(value).__name__)}: give floats [N,{columns}], as encode does"
        )
    if value.ndim != 2 or value.shape[1] != columns or not len(value):
        raise UserError(f"{where}: of shape {list(value.shape)}: give floats [N,{columns}]")
    if value.dtype == torch.bool or value.is_complex():
        raise UserError(f"{where}: of type {_type(value)}: give floats [N,{columns}]")
    value = value.float().cpu()
    if not bool(value.isfinite().all()):
        raise UserError(f"{where}: some values are not finite: leave those codes out")
    return value


def mask(value: Any, where: str, images: Tensor) -> Tensor:
    """What is kept of images [N,C,H,W], bool [N,C,H,W], of bool [H,W] or [N,1 or C,H,W]."""
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        value = torch.from_numpy(np.ascontiguousarray(value))
    n, channels, height, width = images.shape
    wanted = f"give bool [{height},{width}] or [{n},1 or {channels},{height},{width}]"
    if not isinstance(value, Tensor) or value.dtype != torch.bool:
        what = _type(value) if isinstance(value, Tensor) else _article(type(value).__name__)
        raise UserError(f"{where}: {what}: {wanted}")
    shape = tuple(value.shape)
    each = len(shape) == 4 and shape[0] in (1, n) and shape[1] in (1, channels)
    if shape[-2:] != (height, width) or not (each or len(shape) == 2):
        raise UserError(f"{where}: of shape {list(shape)}: {wanted}")
    return value.detach().cpu().expand(images.shape)


def path(value: Any, where: str) -> Path:
    """A path of text or a `Path`. UserError for anything else."""
    if not isinstance(value, str | os.PathLike):
        raise UserError(f"{where}: {_article(type(value).__name__)}: give a path")
    result = os.fspath(value)
    if isinstance(result, bytes):
        result = os.fsdecode(result)
    if not result or "\0" in result:
        raise UserError(f"{where} {result!r}: give a path")
    return Path(result)


def dataset(value: Any, where: str, options: DataOptions | None = None) -> Dataset:
    """A `Dataset`, or images given in Python as one, read as `options` say.

    UserError for anything else that is no path or name either.
    """
    from genarium.data import Dataset, given

    if isinstance(value, Dataset):
        return value
    if given.may_be(value):
        return given.dataset(value, options, where=where)
    raise UserError(
        f"{where}: {_article(type(value).__name__)}: give a data set by name, the path of a "
        "folder of images, a Dataset, arrays, tensors or a Sequence of images"
    )


def count(value: Any, where: str, least: int = 0) -> int:
    """A whole number of at least `least`. UserError for anything else."""
    try:
        result = int(value.__index__())
    except AttributeError:
        raise UserError(f"{where} {value!r}: give a whole number") from None
    if result < least:
        raise UserError(f"{where} {result}: give a number of at least {least}")
    return result


def share(value: Any, where: str) -> float:
    """A number from 0 to 1. UserError for anything else."""
    try:
        result = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not 0 <= result <= 1:
        raise UserError(f"{where} {value}: give a number from 0 to 1")
    return result


def _type(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
