"""The scores from which on a diagnosis is said: fitted by `tools/campaigns/doctor.py --fit`."""

THRESHOLDS: dict[str, float] = {
    "data-constant": 1.5,
    "data-scale": 2.0,
    "diverging": 0.5,
    "no-progress": 0.6,
    "schedule-too-short": 0.05,
    "discriminator-saturated": 6.0,
    "discriminator-overfit": 0.1,
    "mode-collapse": 0.6,
    "repetition": 0.5,
    "oscillation": 0.5,
    "posterior-collapse": 0.0,
    "over-regularised": 0.6,
    "dead-latents": 0.7,
    "copying": 2.5,
    "batch-norm": 0.3,
}
