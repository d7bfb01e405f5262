"""What stored values mean, the range policy, images of any type and number of channels."""

from __future__ import annotations

from faults.fault import of

VALUES = "tests/test_values.py"
RANGES = "tests/data/test_ranges.py"
SCORED = "tests/evaluation/test_values.py"
LIKELIHOODS = "tests/nn/test_likelihoods_of_values.py"

FAULTS = (
    *of(
        "contract/values.py",
        VALUES,
        (
            "values: not clamped",
            "return x.sub_(low).div_(half).sub_(1.0).clamp_(-1.0, 1.0)",
            "return x.sub_(low).div_(half).sub_(1.0)",
            "what lies beyond the range leaves [-1, 1]",
        ),
        (
            "values: rounded down",
            "return (values.round() if self.integer else values).to(self.torch_dtype)",
            "return (values.floor() if self.integer else values).to(self.torch_dtype)",
            "whole numbers come back one less",
        ),
        (
            "values: levels of one less",
            "        count = high - low + 1\n        within",
            "        count = high - low\n        within",
            "the highest value has a level that is not there",
        ),
        (
            "values: level out of its part",
            "return torch.where(at == held, even, moved)",
            "return even",
            "an image of levels has others once it is stored",
        ),
        (
            "values: rule compared",
            'rule: str = field(default="full", compare=False)',
            'rule: str = field(default="full")',
            "equal numbers by another name are other data",
        ),
    ),
    *of(
        "data/ranges.py",
        RANGES,
        (
            "ranges: rank rounded down",
            "rank = max(1, int(np.ceil(q / 100 * counts.sum() - 1e-9)))",
            "rank = max(1, int(q / 100 * counts.sum()))",
            "a percentile is the value before",
        ),
        (
            "ranges: order of negative floats",
            "return np.where(raw >> 31, 0xFFFFFFFF - raw, raw | 0x80000000)",
            "return np.where(raw >> 31, raw ^ 0x80000000, raw | 0x80000000)",
            "negative floats are counted from the wrong end",
        ),
        (
            "ranges: one bit less",
            "bits = max(1, int(brightest).bit_length())",
            "bits = max(1, int(brightest).bit_length() - 1)",
            "the brightest values are cut",
        ),
        (
            "ranges: ends of all splits",
            'decision = _decide(rule, images["train"], collection, domain, known)',
            'decision = _decide(rule, images["test"], collection, domain, known)',
            "the test images decide the range",
        ),
        (
            "ranges: not in the manifest",
            'result[key] = {"type": dtype, "low": list(low), "high": list(high)}',
            'result[key] = {"type": dtype}',
            "data of another range have the same manifest",
        ),
        (
            "ranges: images scaled together",
            "low, high = (end(axis=(1, 2, 3), keepdims=True) for end in (x.min, x.max))",
            "low, high = (end(keepdims=True) for end in (x.min, x.max))",
            "per-image takes the ends of many images",
        ),
    ),
    *of(
        "data/resize.py",
        RANGES,
        (
            "resize: overshoot",
            "fit_image(picture, height, width, fit, colour, low)).clip(low, high)",
            "fit_image(picture, height, width, fit, colour, low))",
            "values that no image has come in at edges",
        ),
    ),
    *of(
        "nn/distributions.py",
        LIKELIHOODS,
        (
            "gaussian: unit of 8 bits",
            "logs = [math.log(2.0 / count if unit is None else unit) for count in self.counts]",
            "logs = [math.log(2.0 / 256.0 if unit is None else unit) for count in self.counts]",
            "a density per grey level of 8 bits whatever the levels are",
        ),
        (
            "logistic: levels of 8 bits",
            "each = discretized_logistic_log_prob(*self._split(output), target, self.levels)",
            "each = discretized_logistic_log_prob(*self._split(output), target)",
            "the probabilities of 12-bit levels do not sum to 1",
        ),
    ),
    *of(
        "evaluation/extractors/extractor.py",
        SCORED,
        (
            "channels: first one only",
            "return base.prepare(images.flatten(0, 1).unsqueeze(1))",
            "return base.prepare(images[:, :1].expand_as(images).flatten(0, 1).unsqueeze(1))",
            "features of one channel, over and over",
        ),
    ),
)
