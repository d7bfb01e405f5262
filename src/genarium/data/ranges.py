"""The range policy: which stored values -1 and 1 stand for, decided on the training split.

`DataOptions.range` says how. Everything is computed over the arrays in pieces, so that memory stays
flat where they are mapped from the disk; percentiles are exact, by counting values (whole numbers)
or the upper, then the lower 16 bits of floats in the order of their size. No torch.

N images · C channels · H, W height, width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genarium.data import cache
from genarium.data.collection import Collection, Part, Range, chunks
from genarium.data.names import shown, span
from genarium.data.options import PER_IMAGE, DataOptions, RangeRule
from genarium.errors import UserError

TOP = {"uint8": 255, "uint16": 65535}
HALF = 1 << 15
"""16-bit training images of which none is as bright as this are taken for fewer bits."""

FEW = 0.01
"""Of values beyond a range that nobody asked for, this share is worth a word; `info` has any."""


class Decision(NamedTuple):
    """A range, with what is to be said of how it came about ("" for nothing)."""

    range: Range
    note: str = ""


def applied(collection: Collection, options: DataOptions, name: str) -> Collection:
    """The collection (complete, at its size) with its range decided, and said in its `info`.

    name: of the source, for errors and the cache. 8-bit images on 0 .. 255 stay without a word.
    UserError: values that are not finite, a range that is empty or not of the type.
    """
    rule = options.range_rule
    if rule.kind == PER_IMAGE:
        collection = _each_by_itself(collection, options, name)
    result, info = collection, dict(collection.info)
    warnings = list(info.get("warnings", ()))
    for domain, key in (("a", "values"), ("b", "values of b")):
        images = collection.domain(domain)
        if not images:
            continue
        known = _known(images, rule, name)
        decision = _decide(rule, images["train"], collection, domain, known)
        if not is_plain(images["train"].dtype, decision.range):
            beyond = _beyond(images, decision.range, known)
            info[key] = _facts(images["train"].dtype, decision.range, collection.unit, beyond)
            notes = [decision.note, _clipped(beyond, rule)]
            warnings += [f"{'b: ' if domain == 'b' else ''}{note}" for note in notes if note]
        result = (
            replace(result, range=decision.range)
            if domain == "a"
            else replace(result, second_range=decision.range)
        )
    if warnings:
        info["warnings"] = warnings
    return replace(result, info=info)


def is_plain(dtype: Any, chosen: Range) -> bool:
    """Whether values are what pictures of 8 bits are."""
    return str(dtype) == "uint8" and chosen.ends == ((0.0,), (255.0,))


def hashed(collection: Collection) -> dict[str, Any]:
    """What the policy of a manifest holds of the ranges: nothing of 8 bits on 0 .. 255."""
    both = {"range": ("a", collection.range), "range of b": ("b", collection.second_range)}
    result = {}
    for key, (domain, chosen) in both.items():
        dtype = next((str(images.dtype) for images in collection.domain(domain).values()), "")
        if chosen is not None and not is_plain(dtype, chosen):
            low, high = chosen.ends
            result[key] = {"type": dtype, "low": list(low), "high": list(high)}
    return result


def _facts(dtype: Any, chosen: Range, unit: str, beyond: dict[str, float]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "type": str(dtype),
        "range": span(*chosen.ends),
        "rule": chosen.rule,
        "unit": unit or "not said",
    }
    if any(beyond.values()):
        result["clipped"] = {split: f"{100 * share:.3g} %" for split, share in beyond.items()}
    return result


def _clipped(beyond: dict[str, float], rule: RangeRule) -> str:
    asked = rule.kind in ("percentile", "given")
    if max(beyond.values(), default=0.0) <= (0.0 if asked else FEW):
        return ""
    each = ", ".join(f"{100 * share:.3g} % of {split}" for split, share in beyond.items())
    return f"values beyond the range become its ends: {each}"


# ------------------------------------------------------------------------ deciding


class _Ends(NamedTuple):
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def ends(images: NDArray) -> _Ends:
    """The smallest and the largest value of each channel of [N,C,H,W], [C] float64 each; NaN where
    a channel holds one."""
    channels = images.shape[1]
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    for rows in chunks(images):
        some = images[rows].reshape(-1, channels, images.shape[2] * images.shape[3])
        low = np.minimum(low, some.min(axis=2).min(axis=0))
        high = np.maximum(high, some.max(axis=2).max(axis=0))
    return _Ends(low, high)


def _known(images: dict[str, NDArray], rule: RangeRule, name: str) -> dict[str, _Ends]:
    """The ends of every split that is not empty; nothing of whole numbers where the rule needs no
    reading. UserError: some are not finite."""
    kind = images["train"].dtype
    unread = rule.kind in ("full", "8-bit") or (kind == np.uint8 and rule.kind == "auto")
    if kind.kind != "f" and unread:
        return {}
    result = {split: ends(part) for split, part in images.items() if len(part)}
    for split, own in result.items():
        if not (np.isfinite(own.low).all() and np.isfinite(own.high).all()):
            bad = sum(
                int((~np.isfinite(images[split][rows])).any(axis=(1, 2, 3)).sum())
                for rows in chunks(images[split])
            )
            raise UserError(
                f"--data {shown(name)}: {bad} of {len(images[split])} {split} images hold values "
                "that are not finite (NaN or infinite): replace them, or leave those images out"
            )
    return result


def _decide(
    rule: RangeRule,
    train: NDArray,
    collection: Collection,
    domain: str,
    known: dict[str, _Ends],
) -> Decision:
    dtype, channels = str(train.dtype), train.shape[1]
    stated = collection.full if domain == "a" else collection.second_full
    if stated is not None and len(stated[0]) not in (1, channels):  # of colours that became grey
        stated = (min(stated[0]),), (max(stated[1]),)
    if rule.kind == PER_IMAGE:
        note = "each image has a range of its own (--range per-image): the units are lost"
        return Decision(Range(((0.0,), (1.0,)), PER_IMAGE), note)
    if dtype == "uint8" and rule.kind == "auto":
        return Decision(_full(dtype, None))
    if rule.kind in ("full", "8-bit"):
        return Decision(_full(dtype, stated))
    # 16 bits a sample are what any file of 16 bits says, whatever the camera had
    if rule.kind == "auto" and dtype == "uint16" and stated not in (None, _full(dtype, None).ends):
        assert stated is not None
        return Decision(Range(stated, "what the files state"))
    if rule.kind == "given":
        return Decision(_given(rule, dtype, channels))
    if not len(train):
        raise UserError(f"--range {rule.kind}: there are no training images: give LOW,HIGH")
    if rule.kind == "auto" and dtype == "uint16":
        return _fewest_bits(float(known["train"].high.max()))
    if rule.kind == "percentile":
        low, high = percentiles(train, rule.numbers, rule.per_channel)
        words = f"percentiles {rule.numbers[0]:g} and {rule.numbers[1]:g} of the training images"
    else:
        low, high = known["train"]
        if not rule.per_channel:
            low, high = low.min(keepdims=True), high.max(keepdims=True)
        words = "the smallest and largest training value"
    for channel, (a, b) in enumerate(zip(low, high, strict=True)):
        if a == b:
            where = f" in channel {channel}" if rule.per_channel else ""
            raise UserError(
                f"--range {rule.kind}: both ends are {a:g}{where}: give LOW,HIGH with --range"
            )
    pair = tuple(map(float, low)), tuple(map(float, high))
    return Decision(Range(pair, words + (" of each channel" if rule.per_channel else "")))


def _full(dtype: str, stated: Any) -> Range:
    if stated is not None:
        return Range(stated, "all that the files state")
    if dtype not in TOP:
        raise UserError(
            "--range full: floats have none unless the files state one: choose data, "
            "percentile:0.1,99.9 or LOW,HIGH"
        )
    return Range(((0.0,), (float(TOP[dtype]),)), "full")


def _given(rule: RangeRule, dtype: str, channels: int) -> Range:
    low, high = rule.numbers[::2], rule.numbers[1::2]
    text = ",".join(f"{number:g}" for number in rule.numbers)
    if rule.per_channel and len(low) != channels:
        raise UserError(
            f"--range {text},per-channel: {len(low)} pairs for {channels} channels: give one each"
        )
    if dtype in TOP:
        if any(number != int(number) for number in rule.numbers):
            raise UserError(f"--range {text}: the values are {dtype}: give whole numbers")
        if min(low) < 0 or max(high) > TOP[dtype]:
            raise UserError(f"--range {text}: values of {dtype} are 0 to {TOP[dtype]}")
    return Range((low, high), "given")


def _fewest_bits(brightest: float) -> Decision:
    if brightest >= HALF:
        return Decision(Range(((0.0,), (65535.0,)), "full"))
    bits = max(1, int(brightest).bit_length())
    top = (1 << bits) - 1
    note = (
        f"16-bit values of which no training image exceeds {int(brightest):,} of 65,535: 1 stands "
        f"for {top:,} ({bits} bits); --range full takes them as they are"
    )
    return Decision(
        Range(((0.0,), (float(top),)), f"the fewest bits that hold the data, {bits}"), note
    )


# ------------------------------------------------------------------------ counting


def percentiles(
    images: NDArray, asked: tuple[float, ...], per_channel: bool
) -> tuple[NDArray[np.float64], ...]:
    """The smallest value below or at which lie q per cent of [N,C,H,W], for each q of `asked`: [1],
    or [C] of each channel. Exact (numpy's "inverted_cdf")."""
    keys, width, back = _keys(images.dtype)
    upper = _counts(images, lambda part: keys(part) >> width)
    upper = upper if per_channel else upper.sum(axis=0, keepdims=True)
    results = []
    for q in asked:
        each = []
        for group, counts in enumerate(upper):
            rank = max(1, int(np.ceil(q / 100 * counts.sum() - 1e-9)))
            cumulative = counts.cumsum()
            high = int(np.searchsorted(cumulative, rank))
            key = high
            if width:
                rest = rank - (int(cumulative[high - 1]) if high else 0)
                chosen = slice(group, group + 1) if per_channel else slice(None)
                lower = _within(images[:, chosen], keys, high)
                key = high << width | int(np.searchsorted(lower.cumsum(), rest))
            each.append(back(key))
        results.append(np.array(each, np.float64))
    return tuple(results)


def _keys(
    dtype: np.dtype,
) -> tuple[Callable[[NDArray], NDArray], int, Callable[[int], float]]:
    """Values as whole numbers in their order, how many of their bits wait, and the way back."""
    if dtype.kind != "f":
        return lambda part: part.astype(np.int64), 0, float

    def keys(part: NDArray) -> NDArray:
        raw = np.ascontiguousarray(part, np.float32).view(np.uint32).astype(np.int64)
        return np.where(raw >> 31, 0xFFFFFFFF - raw, raw | 0x80000000)

    def back(key: int) -> float:
        raw = key & 0x7FFFFFFF if key >> 31 else 0xFFFFFFFF - key
        return float(np.array([raw], np.uint32).view(np.float32)[0])

    return keys, 16, back


def _counts(images: NDArray, key: Callable[[NDArray], NDArray]) -> NDArray[np.int64]:
    """How often each key of 0 .. 65535 occurs in each channel, [C,65536]."""
    result = np.zeros((images.shape[1], 1 << 16), np.int64)
    for rows in chunks(images):
        for channel, part in enumerate(key(images[rows]).swapaxes(0, 1)):
            result[channel] += np.bincount(part.ravel(), minlength=1 << 16)
    return result


def _within(images: NDArray, keys: Callable[[NDArray], NDArray], high: int) -> NDArray[np.int64]:
    """How often each lower half of a key occurs below the upper half `high`, [65536]."""
    result = np.zeros(1 << 16, np.int64)
    for rows in chunks(images):
        key = keys(images[rows]).ravel()
        result += np.bincount(key[key >> 16 == high] & 0xFFFF, minlength=1 << 16)
    return result


def _beyond(images: dict[str, NDArray], chosen: Range, known: dict[str, _Ends]) -> dict[str, float]:
    """The share of each split's values that lie beyond the range; {} where none can."""
    kind = images["train"].dtype
    low, high = (np.array(end).astype(kind).reshape(-1, 1, 1) for end in chosen.ends)
    if str(kind) in TOP and low.max() <= 0 and high.min() >= TOP[str(kind)]:
        return {}
    result = {}
    for split, part in images.items():
        own = known.get(split)
        within = own is not None and (
            (own.low >= low.ravel()).all() and (own.high <= high.ravel()).all()
        )
        outside = 0 if within else sum(_outside(part, low, high))
        result[split] = outside / max(1, part.size)
    return result


def _outside(part: NDArray, low: NDArray, high: NDArray) -> Iterator[int]:
    for rows in chunks(part):
        some = part[rows]
        yield int(np.count_nonzero((some < low) | (some > high)))


# ------------------------------------------------------------------------ per image


def _each_by_itself(collection: Collection, options: DataOptions, name: str) -> Collection:
    """Every image as floats on [0, 1] by its own smallest and largest value, kept in the cache."""
    if any(
        part.extra.keys() & {"b"} | part.unpaired.keys() & {"b"}
        for part in collection.parts.values()
    ):
        raise UserError(
            "--range per-image: images of two domains have one range each: leave it out"
        )
    _known(collection.domain("a"), RangeRule("data"), name)

    def fill(writer: cache.Writer) -> Collection:
        for split, part in collection.parts.items():
            for rows in chunks(part.images):
                writer.append(split, _unit(part.images[rows]))
        return Collection(
            {split: Part(part.images[:0]) for split, part in collection.parts.items()}
        )

    identity = f"{collection.identity} per image"
    stored = cache.obtain(options, name, collection.shape, identity, fill, dtype="float32")
    parts = {
        split: replace(part, images=stored.parts[split].images)
        for split, part in collection.parts.items()
    }
    return replace(collection, parts=parts, full=None, unit="")


def _unit(images: NDArray) -> NDArray[np.float32]:
    x = images.astype(np.float64)
    low, high = (end(axis=(1, 2, 3), keepdims=True) for end in (x.min, x.max))
    return ((x - low) / np.where(high > low, high - low, 1.0)).astype(np.float32)
