"""The scores from which on a diagnosis is said: fitted by `tools/campaigns/doctor.py --fit`."""

THRESHOLDS: dict[str, float] = {
    "data-constant": 1.35,
    "data-scale": 2.0,
    "diverging": 0.126,
    "no-progress": 0.254,
    "schedule-too-short": 0.0855,
    "discriminator-saturated": 7.56,
    "discriminator-overfit": 0.0499,
    "mode-collapse": 0.774,
    "repetition": 0.5,
    "oscillation": 0.712,
    "posterior-collapse": 2.08,
    "over-regularised": 0.957,
    "dead-latents": 0.375,
    "copying": 4.68,
    "batch-norm": 0.742,
}
