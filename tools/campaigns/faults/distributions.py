"""Closed forms of distributions and bounds."""

from __future__ import annotations

from faults.fault import of

KL = "return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)"
LOGISTIC_HALF = "half = 1.0 / (n - 1)"
BOUND = "return torch.logsumexp(log_weights.to(torch.float64), dim) - math.log(k)"
GAP = "gap = log_variance_q - log_variance_p"

FAULTS = (
    *of(
        "nn/distributions.py",
        ("tests/test_distributions.py", "tests/models/test_losses_by_hand.py"),
        (
            "kl standard: sign",
            KL,
            KL.replace("- log_variance)", "+ log_variance)"),
            "ln of the variance with the wrong sign",
        ),
        (
            "gaussian: where bounded means begin",
            "return 0.5 * torch.atanh(mean.clamp(-0.98, 0.98)) if self.bounded else mean",
            "return torch.atanh(mean.clamp(-0.98, 0.98)) if self.bounded else mean",
            "the mean image is too bright where it is bright",
        ),
        ("kl standard: factor", KL, KL.replace("0.5 * ", ""), "the half is missing"),
        ("kl standard: mean", KL, KL.replace("square", "abs"), "|mean| instead of its square"),
        ("kl of two: swapped", GAP, "gap = log_variance_p - log_variance_q", "q and p swapped"),
        (
            "kl of two: scale",
            "(mean_q - mean_p).square() * torch.exp(-log_variance_p)",
            "(mean_q - mean_p).square() * torch.exp(-log_variance_q)",
            "the shift over the variance of q",
        ),
        (
            "kl of two: constant",
            "return 0.5 * (gap.exp() + shift - 1.0 - gap)",
            "return 0.5 * (gap.exp() + shift - gap)",
            "the -1 is missing",
        ),
        (
            "normal: spread for variance",
            "return -0.5 * (LN_2PI + log_variance + (x - mean).square() * "
            "torch.exp(-log_variance))",
            "return -0.5 * (LN_2PI + log_variance + (x - mean).square() * "
            "torch.exp(-0.5 * log_variance))",
            "the square over the deviation",
        ),
        (
            "reparametrize: spread",
            "return mean + torch.exp(0.5 * log_variance) * noise",
            "return mean + torch.exp(log_variance) * noise",
            "the noise times the variance",
        ),
        (
            "bernoulli: sign",
            "return (x * logits).sub_(F.softplus(logits))",
            "return (x * logits).sub_(F.softplus(-logits))",
            "the wrong side's logarithm",
        ),
        ("logistic: bins", LOGISTIC_HALF, "half = 1.0 / n", "n bins where there are n - 1 steps"),
        (
            "logistic: open end",
            "masked_fill(last, 0.0)",
            "masked_fill(first, 0.0)",
            "the last level's bin is closed, the first's open twice",
        ),
        (
            "logistic: width",
            "torch.log(-torch.expm1(-2.0 * half * inverse_scale))",
            "torch.log(-torch.expm1(-half * inverse_scale))",
            "half of a bin's width",
        ),
        (
            "importance bound: count",
            BOUND,
            BOUND.replace(" - math.log(k)", ""),
            "the sum of the weights, not their mean",
        ),
        (
            "importance bound: mean of logs",
            BOUND,
            "return log_weights.to(torch.float64).mean(dim) + 0.0 * k",
            "the mean of the logs, which is the ELBO",
        ),
        (
            "bits per dim: base",
            "return nats / (-dims * math.log(2.0))",
            "return nats / (-dims)",
            "nats per dimension",
        ),
        (
            "gaussian: unit",
            "constant = LN_2PI + self.log_variance - 2.0 * self.log_unit",
            "constant = LN_2PI + self.log_variance - self.log_unit",
            "half of the change of units",
        ),
        (
            "gaussian: dims",
            "return -0.5 * (dims * constant + squares * torch.exp(-self.log_variance))",
            "return -0.5 * (constant + squares * torch.exp(-self.log_variance))",
            "the constant once an image, not once a pixel",
        ),
        (
            "gaussian: level's middle",
            "return (x * (256.0 / 255.0)).clamp(-1.0, 1.0)",
            "return x.clamp(-1.0, 1.0)",
            "means shown a little too grey",
        ),
    ),
)
