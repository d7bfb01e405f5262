"""Splits, sizes, pixels, captions, made data, the cache."""

from __future__ import annotations

from faults.fault import of

BY_HAND = "tests/data/test_data_by_hand.py"
SHAPES = (
    BY_HAND,
    "tests/data/test_shapes.py",
)

FAULTS = (
    *of(
        "data/splits.py",
        ("tests/data/test_splits.py",),
        (
            "splits: shares overlap",
            "place -= fraction",
            "place -= 0",
            "the second split takes what lies beyond the first's end",
        ),
        (
            "splits: hold out one less",
            "if taken + sizes[d] > count:",
            "if taken + sizes[d] >= count:",
            "one image fewer than asked for",
        ),
        (
            "splits: place in the file",
            "for d in ranked[start : start + count]:",
            "for d in ranked[:count]:",
            "splits of small folders overwrite each other",
        ),
        (
            "splits: shape in the digest",
            "sha256 = hashlib.sha256(repr(image.shape).encode())",
            "result = hashlib.sha256()",
            "images of other shapes with the same bytes count as equal",
        ),
    ),
    *of(
        "data/resize.py",
        ("tests/data/test_resize.py", BY_HAND),
        (
            "crop: covers",
            "scale = max(width / w, height / h)",
            "scale = min(width / w, height / h)",
            "a crop that does not fill the target",
        ),
        (
            "crop: centre",
            "left, top = (w - keep_w) / 2, (h - keep_h) / 2",
            "left, top = 0, 0",
            "the upper left corner is kept",
        ),
        (
            "pad: centre",
            "canvas.paste(small, ((width - inner[0]) // 2, (height - inner[1]) // 2))",
            "canvas.paste(small, ((height - inner[1]) // 2, (width - inner[0]) // 2))",
            "the offsets of the axes swapped",
        ),
        (
            "array: axes",
            "picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))",
            "picture = Image.fromarray(np.ascontiguousarray(image.transpose(2, 1, 0)))",
            "rows and columns swapped",
        ),
    ),
    *of(
        "data/decode.py",
        (BY_HAND, "tests/data/test_decode.py"),
        (
            "decode: turn",
            "6: Image.Transpose.ROTATE_270,",
            "6: Image.Transpose.ROTATE_90,",
            "photographs turned to the wrong side",
        ),
        (
            "decode: opaque",
            'image.getchannel("A").getextrema() == (255, 255):',
            'image.getchannel("A").getextrema()[1] == 255:',
            "alpha dropped where anything is opaque",
        ),
        (
            "decode: colours agree",
            "np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2])",
            "np.array_equal(first, pixels[..., 1])",
            "blue is not looked at",
        ),
    ),
    *of(
        "data/text.py",
        (BY_HAND, "tests/data/test_captions.py"),
        (
            "captions: repeated",
            "result[image, number] = row(own[number % len(own)], length)",
            "result[image, number] = row(own[min(number, len(own) - 1)], length)",
            "the last caption fills the rows, the others come once",
        ),
        (
            "captions: cut character",
            'data = data.decode(errors="ignore").encode()',
            "data = bytes(data)",
            "half of a character stays at the end",
        ),
        (
            "captions: length",
            "return min(LONGEST, -(-longest // STEP) * STEP), most, cut",
            "return min(LONGEST, longest // STEP * STEP), most, cut",
            "the longest captions are cut",
        ),
    ),
    *of(
        "data/collection.py",
        (BY_HAND, "tests/data/test_binarize.py"),
        (
            "binarize: chance",
            "result[rows] = np.where(uniform * 255.0 < images[rows], 255, 0)",
            "result[rows] = np.where(uniform * 256.0 < images[rows], 255, 0)",
            "white pixels are black now and then",
        ),
        (
            "binarize: split",
            "draw = np.random.Generator(np.random.PCG64([BITS, split]))",
            "draw = np.random.Generator(np.random.PCG64([BITS, 0]))",
            "every split is drawn with the same numbers",
        ),
        (
            "binarize: blocks",
            "rows = slice(start, start + 1000)",
            "rows = slice(start, start + 999)",
            "every thousandth image is never drawn",
        ),
    ),
    *of(
        "data/idx.py",
        ("tests/data/test_idx.py",),
        (
            "idx: byte order",
            'shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, header, 4))',
            'shape = tuple(int.from_bytes(data[i : i + 4], "little") for i in range(4, header, 4))',
            "little-endian sizes",
        ),
    ),
    *of(
        "data/sources/mixtures.py",
        ("tests/data/test_mixtures.py",),
        (
            "mixture: rounding",
            "pixels = np.rint((points / scale + 1) * 127.5).clip(0, 255)",
            "pixels = np.floor((points / scale + 1) * 127.5).clip(0, 255)",
            "cut off, not rounded: shifted by half a level",
        ),
        (
            "mixture: spread",
            "return centres[modes] + sigma * generator.standard_normal((n, 2)), modes",
            "return centres[modes] + sigma**2 * generator.standard_normal((n, 2)), modes",
            "the variance where the deviation belongs",
        ),
        (
            "mixture: split",
            "generator = np.random.Generator(np.random.PCG64([seed, split]))",
            "generator = np.random.Generator(np.random.PCG64([seed, 0]))",
            "held-out points are training points",
        ),
    ),
    *of(
        "data/sources/stacked.py",
        ("tests/data/test_stacked.py",),
        (
            "stacked digits: order of the label",
            "return digits.astype(np.int64)[rows] @ np.array([100, 10, 1])",
            "return digits.astype(np.int64)[rows] @ np.array([1, 10, 100])",
            "the label reads the channels backwards",
        ),
    ),
    *of(
        "data/sources/shapes.py",
        SHAPES,
        (
            "shapes: turn",
            "inside = np.clip(0.5 - distance(px * cos + py * sin, py * cos - px * sin, "
            "size * side), 0, 1)",
            "inside = np.clip(0.5 - distance(px * cos - py * sin, py * cos + px * sin, "
            "size * side), 0, 1)",
            "turned the other way",
        ),
        (
            "shapes: pixel's middle",
            "py = (np.arange(height, dtype=np.float32) + 0.5)[None, :, None]",
            "py = np.arange(height, dtype=np.float32)[None, :, None]",
            "half a pixel too low",
        ),
        (
            "shapes: caption's thirds",
            'down = "top" if y < -1 / 3 else "bottom" if y > 1 / 3 else ""',
            'down = "top" if y > 1 / 3 else "bottom" if y < -1 / 3 else ""',
            "captions say top of what is at the bottom",
        ),
    ),
    *of(
        "data/cache.py",
        ("tests/data/test_cache.py",),
        (
            "cache: policy",
            'known = {"format": FORMAT, "identity": identity, "policy": policy(options, shape)}',
            'known = {"format": FORMAT, "identity": identity}',
            "images of another fit or background come from the cache",
        ),
        (
            "cache: sums",
            'if any(_sum(place / name) != said for name, said in meta["files"].items()):',
            'if any(_sum(place / name)[0] != said[0] for name, said in meta["files"].items()):',
            "a damaged file of the right length passes",
        ),
    ),
)
