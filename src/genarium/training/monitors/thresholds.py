"""The scores from which on a diagnosis is said: fitted by `tools/campaigns/doctor.py --fit`."""

THRESHOLDS: dict[str, float] = {
    "data-constant": 1.35,
    "data-scale": 2.0,
    "diverging": 0.12,
    "no-progress": 0.225,
    "schedule-too-short": 0.0818,
    "discriminator-saturated": 7.24,
    "discriminator-overfit": 0.0686,
    "mode-collapse": 0.832,
    "repetition": 0.5,
    "oscillation": 0.78,
    "posterior-collapse": 1.15,
    "over-regularised": 0.952,
    "dead-latents": 0.375,
    "copying": 2.25,
    "batch-norm": 0.649,
}
