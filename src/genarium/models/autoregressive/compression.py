"""Lossless compression: an entropy coder driven by an autoregressive model's conditionals.

A symbol of probability p costs -log2 p bits, so an image costs what its likelihood says: -log2 p(x)
bits. The coder is rANS (Duda 2013, "Asymmetric numeral systems"): its state is a whole number,
coding a symbol of frequency f out of 2^P multiplies it by about 2^P/f, and the last symbol coded is
the first one decoded. The decoder draws an image as the sampler does, but the choice at each pixel
comes from the file. The encoder goes the same way with the choices known, so that both compute each
distribution by the same operations in the same order: they must agree to the last bit.

Where the compiled sampler serves (see `fast`), both are its walk, whose sums do not depend on the
machine, and the file says so: it is decoded by that walk alone. Elsewhere they are PyTorch's, which
agree on one machine with the same version and number of threads, and otherwise only by chance. A
check sum in the file decides: what cannot be decoded here is refused, never wrong.

Shapes: B images · C colours · L grey levels · M choices made at once
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genarium import extras
from genarium.contract import Condition
from genarium.errors import UserError
from genarium.models.autoregressive.autoregressive import Autoregressive
from genarium.models.autoregressive.fast.program import CODED, PRECISION, WORD

LOW = 1 << WORD
"""The state stays in [2^32, 2^64)."""
TOP = 2 * WORD - PRECISION
CHUNK = 256
"""Images that PyTorch codes together; part of the format, for sums may depend on it."""

LEVELS = 1 << 16
"""Levels are kept modulo this: no model has none."""
TABLE = 1 << 22
"""Entries of a table of levels of several pixels."""

HEAD = struct.Struct("<8sIHHHHI")  # magic, images, C, H, W, L, CRC-32 of the levels
MAGIC, FAST = b"GENARIUM", b"GENAFAST"
"""Which walk a file is of: PyTorch's, or the compiled one."""


def compress(model: Autoregressive, images: Tensor, condition: Condition = None) -> bytes:
    """Images [B,C,H,W] as stored -> the file from which `decompress` gives their levels back.

    What the model reduces (`model.density`) is reduced here: nothing, where its levels are all that
    the data have. Of a conditional model the labels [B]
    must be given, here and there.
    """
    _expect(model, condition, len(images))
    levels = model.quantize(images.cpu())
    walk = model.compiled()
    if walk is not None:
        parts = [_code(*coded.T) for coded in walk.encode(levels, condition)]
    else:
        parts = [_encode(model, *part) for part in _chunks(levels, condition)]
    head = HEAD.pack(
        MAGIC if walk is None else FAST,
        len(levels),
        *model.spec.shape,
        model.levels % LEVELS,
        _sum(levels, model),
    )
    return head + b"".join(struct.pack("<I", len(part)) + part for part in parts)


def decompress(model: Autoregressive, data: bytes, condition: Condition = None) -> Tensor:
    """The grey levels of what `compress` wrote, int64 [B,C,H,W].

    Raises UserError for other data, for a damaged file, and where the machine's arithmetic differs
    from that of the one that wrote it or the walk that wrote it does not serve.
    """
    if len(data) < HEAD.size or data[: len(MAGIC)] not in (MAGIC, FAST):
        raise UserError("not compressed images: give what `compress` wrote")
    by, n, *rest, checksum = HEAD.unpack_from(data)
    if tuple(rest) != (*model.spec.shape, model.levels % LEVELS):
        raise UserError(
            "{}x{}x{} images of {} levels were compressed, by another model: use that one".format(
                *rest
            )
        )
    _expect(model, condition, n)
    size = CHUNK if by == MAGIC else CODED
    coded = _parts(data, -(-n // size))
    if by == FAST:
        walk = model.compiled()
        if walk is None:
            raise UserError(
                "these images were compressed by the compiled sampler, which does not serve here: "
                f"{extras.command('fast')}, no GENARIUM_FAST=0, and the model on the CPU"
            )
        result = walk.decode([_words(part).astype(np.int64) for part in coded], n, condition)
    else:
        blank = torch.zeros(n, *model.spec.shape, dtype=torch.int64)
        chunks = zip(coded, _chunks(blank, condition), strict=True)
        parts = [_decode(model, part, *rest) for part, rest in chunks]
        result = torch.cat(parts) if parts else blank
    if _sum(result, model) != checksum:
        raise UserError(
            "the images do not come back: the file is damaged, the model is not the one that wrote "
            "it, or this machine rounds otherwise than the one that wrote it"
        )
    return result


def _encode(model: Autoregressive, levels: Tensor, labels: Tensor | None) -> bytes:
    starts: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.int64]] = []

    def choose(outputs: Tensor, symbols: Tensor) -> Tensor:
        chosen = symbols.long()
        for some, own in zip(_pieces(model, outputs), _pieces(model, chosen), strict=True):
            edges, at = _edges(model, some), own.cpu().numpy()
            rows = np.arange(len(edges))
            starts.append(edges[rows, at])
            counts.append(edges[rows, at + 1] - edges[rows, at])
        return chosen

    model.walk(levels, choose, labels)
    return _code(np.concatenate(starts), np.concatenate(counts))


def _code(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> bytes:
    """The words of choices that have so many units of 2^-P from there on, in their order."""
    state, words = LOW, []
    pairs = zip(starts.tolist(), counts.tolist(), strict=True)
    for start, count in reversed(list(pairs)):
        if state >= count << TOP:
            words.append(state & (LOW - 1))
            state >>= WORD
        state = (state // count << PRECISION) + state % count + start
    words += [state & (LOW - 1), state >> WORD]
    return np.array(words[::-1], dtype="<u4").tobytes()


def _decode(model: Autoregressive, coded: bytes, blank: Tensor, labels: Tensor | None) -> Tensor:
    words = iter(_words(coded).tolist())
    # A damaged file may end too soon; the check sum decides.
    state = (next(words, 0) << WORD) + next(words, 0)
    mask = (1 << PRECISION) - 1

    def choose(outputs: Tensor, symbols: Tensor) -> Tensor:
        nonlocal state
        results = []
        for edges in (edges for some in _pieces(model, outputs) for edges in _edges(model, some)):
            slot = state & mask
            level = int(edges.searchsorted(slot, side="right")) - 1
            start, end = int(edges[level]), int(edges[level + 1])
            state = (end - start) * (state >> PRECISION) + slot - start
            if state < LOW:
                state = (state << WORD) + next(words, 0)
            results.append(level)
        return torch.tensor(results, dtype=torch.int64, device=symbols.device)

    return model.walk(blank, choose, labels)


def _parts(data: bytes, n: int) -> list[bytes]:
    """The n parts of a file, each behind its length."""
    place, parts = HEAD.size, []
    for _ in range(n):
        (size,) = struct.unpack_from("<I", data.ljust(place + 4, b"\0"), place)
        parts.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return parts


def _words(coded: bytes) -> NDArray[np.uint32]:
    return np.frombuffer(coded[: len(coded) // 4 * 4], dtype="<u4")


def _pieces(model: Autoregressive, outputs: Tensor) -> tuple[Tensor, ...]:
    """Choices of which a table of all levels takes little memory: all of them up to 256 levels."""
    return outputs.split(TABLE // model.levels) if model.levels > 256 else (outputs,)


def _edges(model: Autoregressive, outputs: Tensor) -> NDArray[np.int64]:
    """The distribution functions of [M,O] in units of 2^-P, [M,L+1]: 0 first, 2^P last."""
    chances = model.head.probabilities(outputs.double())
    levels = model.levels
    upper = chances.cumsum(1)[:, :-1].clamp(0, 1)
    units = (1 << PRECISION) - levels
    inner = (upper * units).round().long() + torch.arange(1, levels, device=upper.device)
    first = inner.new_zeros(len(inner), 1)
    edges: NDArray[np.int64] = torch.cat([first, inner, first + (1 << PRECISION)], 1).cpu().numpy()
    return edges


def _chunks(levels: Tensor, condition: Condition) -> list[tuple[Tensor, Tensor | None]]:
    parts = levels.split(CHUNK) if len(levels) else ()
    labels = [None] * len(parts) if condition is None else condition.split(CHUNK)
    return list(zip(parts, labels, strict=True))


def _sum(levels: Tensor, model: Autoregressive) -> int:
    kind = torch.uint8 if model.levels <= 256 else torch.int32
    return zlib.crc32(levels.to(kind).contiguous().numpy().tobytes())


def _expect(model: Autoregressive, condition: Condition, n: int) -> None:
    if model.conditional and condition is None:
        raise UserError("a conditional model codes images of known classes: give their labels")
    if condition is not None and len(condition) != n:
        raise UserError(f"{len(condition)} labels for {n} images: give one for each")
