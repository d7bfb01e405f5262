"""Flags, numbers of samples, settings of a run."""

from __future__ import annotations

from faults.fault import of

FAULTS = (
    *of(
        "cli/processes.py",
        ("tests/cli/test_processes.py",),
        (
            "processes: cause",
            "LOST.get(workers[number].returncode, 0)",
            "0",
            "a process that lost another is named as the cause",
        ),
        (
            "processes: abort",
            "{-signal.SIGABRT: 1, PeerGone.status: 2}",
            "{-signal.SIGABRT: 2, PeerGone.status: 1}",
            "one that was aborted is no cause to those that lost it",
        ),
    ),
    *of(
        "signatures.py",
        ("tests/cli/test_flags_by_hand.py",),
        (
            "check: finite",
            "if isinstance(each, float) and not math.isfinite(each):",
            "if isinstance(each, float) and math.isnan(each):",
            "an infinite number passes",
        ),
        (
            "check: largest",
            "abs(each) > LARGEST and",
            "abs(each) >= LARGEST and",
            "the largest number itself is refused",
        ),
        (
            "check: a limit of its own",
            "and not _limited(setting.type):",
            "and setting.type is int:",
            "a number below any is of any size",
        ),
    ),
    *of(
        "runs/groups.py",
        ("tests/cli/test_latent_verbs.py",),
        (
            "groups: last",
            "{start}-{start + count - 1}",
            "{start}-{start + count}",
            "a sample more than there are",
        ),
        (
            "groups: deviation",
            "codes.mean(0), codes.std(0, correction=0)",
            "codes.mean(0), codes.var(0, correction=0)",
            "walks in variances, not in deviations",
        ),
    ),
    *of(
        "api/arithmetic.py",
        ("tests/cli/test_latent_verbs.py",),
        (
            "arithmetic: signs",
            'if s == sign] for sign in "+-"))',
            'if s == sign] for sign in "-+"))',
            "what is to be added is taken away",
        ),
    ),
    *of(
        "api/score.py",
        ("tests/cli/test_likelihood_verbs.py",),
        (
            "score: bits",
            "(-self.images[0].numel() * math.log(2))",
            "(-self.images[0].numel() * math.log(10))",
            "decimal digits, not bits",
        ),
        (
            "score: order",
            "for i in self.nats.argsort(stable=True)]",
            "for i in self.nats.argsort(stable=True, descending=True)]",
            "the likeliest first",
        ),
    ),
    *of(
        "runs/configuration.py",
        ("tests/cli/test_flags_by_hand.py",),
        (
            "config: steps",
            "if all(training[name] is None for name in BUDGET):",
            'if training["steps"] is None:',
            "the recipe's steps beside --epochs or --minutes",
        ),
    ),
)
