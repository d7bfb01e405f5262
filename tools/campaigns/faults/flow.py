"""Layers, couplings, dequantizations and densities of normalizing flows."""

from __future__ import annotations

from faults.fault import of

ROOM = "models/flow/"
LAYERS = "tests/models/test_flow_layers.py"
MODELS = "tests/models/test_flow.py"

FAULTS = (
    *of(
        ROOM + "elementwise.py",
        LAYERS,
        (
            "affine: bound",
            "return self.bound * torch.tanh(raw / self.bound), mean",
            "return torch.tanh(raw), mean",
            "scales are bounded by 1, whatever was asked for",
        ),
        (
            "affine: inverse",
            "return z * (-s).exp() + mean",
            "return (z + mean) * (-s).exp()",
            "the mean is divided by the scale too",
        ),
        (
            "spline: slope at the ends",
            "d = F.pad(self.LEAST + F.softplus(raw + offset), (1, 1), value=1.0)",
            "d = F.pad(self.LEAST + F.softplus(raw + offset), (1, 1), value=2.0)",
            "a kink where the tails begin",
        ),
        (
            "spline: log of the denominator",
            "return 2 * slope.log() + above.log() - 2 * below.log()",
            "return 2 * slope.log() + above.log() - below.log()",
            "the square of the quotient rule",
        ),
        (
            "spline: root",
            "bend = up * (e + d - 2 * slope)",
            "bend = up * (e + d - slope)",
            "the inverse of another curve",
        ),
    ),
    *of(
        ROOM + "bijections.py",
        LAYERS,
        (
            "scale: of one pixel",
            "math.log(self.factor) * x[0].numel()",
            "math.log(self.factor)",
            "the determinant of one number, not of the image",
        ),
        (
            "logit: slope",
            "self.slope, self.alpha = (1.0 - 2.0 * alpha) / levels, alpha",
            "self.slope, self.alpha = (1.0 - alpha) / levels, alpha",
            "the white end runs over",
        ),
        (
            "sigmoid: derivative",
            "return torch.sigmoid(x), (log(x) + log(-x)).flatten(1).sum(1)",
            "return torch.sigmoid(x), log(x).flatten(1).sum(1)",
            "half of σ' = σ(1 - σ)",
        ),
        (
            "squeeze: colours",
            "sorted(range(len(places)), key=lambda n: sum(places[n]) % 2)",
            "list(range(len(places)))",
            "the first half of the channels is two rows, no checkerboard",
        ),
    ),
    *of(
        ROOM + "couplings.py",
        LAYERS,
        (
            "split: the stay",
            "coarse, further = self.coarser(x[:, : self.stay], context)\n"
            "        return torch.cat([coarse, x[:, self.stay :].flatten(1)], 1), logdet + further",
            "coarse, further = self.coarser(x[:, : self.stay], context)\n"
            "        return torch.cat([coarse, x[:, self.stay :].flatten(1)], 1), logdet",
            "the determinant of coarser scales is lost",
        ),
        (
            "channels: colour by colour",
            "raw = torch.tensor([c * block + sub for sub in order for c in range(colours)])",
            "raw = torch.arange(channels)",
            "a mask of sub-pixels in the squeezed order",
        ),
    ),
    *of(
        ROOM + "transformer.py",
        LAYERS,
        (
            "transformer: looks ahead",
            "is_causal=cache is None",
            "is_causal=False",
            "a patch sees those behind it",
        ),
        (
            "transformer: sees itself",
            "self.into(x[:, :-1]).to(x.dtype)], 1)",
            "self.into(x[:, 1:]).to(x.dtype)], 1)",
            "a patch sees itself, and the Jacobian is no triangle",
        ),
    ),
    *of(
        ROOM + "dequantization.py",
        MODELS,
        (
            "variational: density of the noise",
            "ln_q = ln_q - logdet - eps[0].numel() * LN_LOGISTIC",
            "ln_q = ln_q - logdet",
            "the slope of what it begins as is left out",
        ),
        (
            "gaussian: middle",
            "return k.float() + 0.5",
            "return k.float()",
            "the end of a level's bin in place of its middle",
        ),
        (
            "gaussian: in levels",
            "return self.sigma * self.levels / 2",
            "return self.sigma * self.levels",
            "twice the noise that was asked for",
        ),
    ),
    *of(
        ROOM + "model.py",
        MODELS,
        (
            "flow: the noise's density",
            "return self.log_density(t, y) - ln_q",
            "return self.log_density(t, y) + ln_q",
            "no bound for the levels",
        ),
    ),
    *of(
        ROOM + "tarflow.py",
        MODELS,
        (
            "tarflow: Tweedie's step",
            "return self.image(t + self.dequantization.deviation**2 * score)",
            "return self.image(t + self.dequantization.deviation * score)",
            "the deviation where the variance belongs",
        ),
    ),
)
