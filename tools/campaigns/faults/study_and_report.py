"""Studies with people; numbers, curves and pictures of reports."""

from __future__ import annotations

from faults.fault import of

STATISTICS = (
    "tests/study/test_results_by_hand.py",
    "tests/study/test_statistics.py",
)
PLAN = ("tests/study/test_plan.py",)
PLOTS = ("tests/report/test_plots.py",)

FAULTS = (
    *of(
        "study/statistics.py",
        STATISTICS,
        (
            "study: width of few",
            "* tails.student_quantile(n - 1, (1 + LEVEL) / 2) / scores.Z)",
            ")",
            "no Student's t for few participants",
        ),
        (
            "study: mover's sides",
            "if weight < 0:",
            "if weight > 0:",
            "the sides of an interval swapped",
        ),
        (
            "study: half of the staircase",
            "return float(np.mean(exposures[len(exposures) // 2 :]))",
            "return float(np.mean(exposures[: len(exposures) // 2]))",
            "the first half, in which it has not settled",
        ),
        (
            "study: hype",
            "hype={m: _interval(kinds, {m: 0.5, REAL: 0.5}, (0.0, 1.0)) for m in range(models)},",
            "hype={m: _interval(kinds, {m: 1.0, REAL: 0.0}, (0.0, 1.0)) for m in range(models)},",
            "real pictures are left out",
        ),
        (
            "study: chance in answers",
            "rate * (1 - rate) / answers,",
            "rate * (1 - rate) / answers**2,",
            "the variance of answers is too small to be taken out",
        ),
        (
            "study: resampled",
            "return generator.multinomial(n, np.full(n, 1 / n), size=draws)",
            "return generator.multinomial(1, np.full(n, 1 / n), size=draws)",
            "a draw takes one participant",
        ),
    ),
    *of(
        "study/plan.py",
        PLAN,
        (
            "staircase: steps",
            "exposure += -DOWN_MS if each else UP_MS",
            "exposure += -UP_MS if each else DOWN_MS",
            "settles at 25 % right answers",
        ),
        (
            "plan: least used",
            "order.sort(key=lambda picture: used.get(picture.name, 0))",
            "order.sort(key=lambda picture: -used.get(picture.name, 0))",
            "the most judged pictures again",
        ),
        (
            "plan: reals of a block",
            "mine = reals[block * manifest.shown : (block + 1) * manifest.shown]",
            "mine = reals[: manifest.shown]",
            "every block gets the same real pictures",
        ),
        (
            "plan: checks",
            'answers: list[Answer] = ["real" if i % 2 else "fake" for i in range(checks)]',
            'answers: list[Answer] = ["real" for i in range(checks)]',
            "every check asks for the same answer",
        ),
    ),
    *of(
        "study/results.py",
        ("tests/study/test_results_by_hand.py", "tests/study/test_report.py"),
        (
            "study: rule of succession",
            "return (self.called_real + 1) / (self.answers + 2)",
            "return self.called_real / self.answers",
            "1 of 1 ranks above 9 of 10",
        ),
        (
            "study: attentive",
            "return self.passed >= ATTENTIVE * self.checks",
            "return self.passed > ATTENTIVE * self.checks",
            "who passed just enough checks, or none was asked, does not count",
        ),
        (
            "study: verdict's sign",
            "better, worse = (b, a) if value < 0 else (a, b)",
            "better, worse = (a, b) if value < 0 else (b, a)",
            "the model that is seen through is called convincing",
        ),
    ),
    *of(
        "drawing/numbers.py",
        ("tests/report/test_compare.py", "tests/report/test_plots.py"),
        (
            "number: decimals",
            "decimals = max(0, digits - 1 - math.floor(math.log10(size)))",
            "decimals = max(0, digits - math.floor(math.log10(size)))",
            "a digit more than asked for",
        ),
    ),
    *of(
        "report/history.py",
        ("tests/report/test_spread_by_hand.py", "tests/report/test_history.py"),
        (
            "stability: relative",
            "relative = deviation**2 / mean**2 if mean and deviation is not None else None",
            "relative = deviation / mean**2 if mean and deviation is not None else None",
            "the deviation, not the variance",
        ),
        (
            "stability: last quarter",
            'late = [row for row in rows if float(row["step"]) > 0.75 * last] or rows[-1:]',
            'late = [row for row in rows if float(row["step"]) > 0.25 * last] or rows[-1:]',
            "the last three quarters",
        ),
        (
            "stability: steps lost",
            'lost = sum(max(0, int(row["failed"]) - int(row["step"])) for row in events)',
            'lost = sum(max(0, int(row["step"]) - int(row["failed"])) for row in events)',
            "rollbacks lose nothing",
        ),
    ),
    *of(
        "drawing/plots.py",
        PLOTS,
        (
            "plot: upside down",
            "return HEIGHT * (1 - min(1.0, max(0.0, fraction)))",
            "return HEIGHT * min(1.0, max(0.0, fraction))",
            "curves upside down",
        ),
        (
            "plot: smoothing",
            "whole = weight + more - there",
            "whole = weight + more",
            "a value counts twice in the weights and once in the sum",
        ),
        (
            "plot: ticks",
            "last = math.floor(high / step + 1e-9)",
            "last = math.ceil(high / step + 1e-9)",
            "a tick beyond the axis",
        ),
    ),
    *of(
        "report/ranking.py",
        ("tests/report/test_ranking.py", "tests/report/test_compare.py"),
        (
            "ranking: best",
            'top = max(values.values()) if first.better == "higher" else min(values.values())',
            'top = min(values.values()) if first.better == "higher" else max(values.values())',
            "the worst is marked",
        ),
        (
            "ranking: alone",
            "if len(winners) < len(group):",
            "if len(winners) <= len(group):",
            "what stands alone is called best",
        ),
    ),
    *of(
        "drawing/images.py",
        ("tests/report/test_images.py",),
        (
            "grid: order",
            "whole = framed.permute(2, 0, 3, 1, 4).reshape(",
            "whole = framed.permute(2, 1, 3, 0, 4).reshape(",
            "down the columns, not along the rows",
        ),
    ),
    *of(
        "drawing/points.py",
        ("tests/report/test_points.py",),
        (
            "points: upside down",
            "rows, columns = _place(255 - y).floor().long(), _place(x).floor().long()",
            "rows, columns = _place(y).floor().long(), _place(x).floor().long()",
            "up is down",
        ),
        (
            "points: circle",
            'line = (1.1 - (away - WITHIN * float(mixture["sigma"]) * unit).abs()).clamp(0, 1)',
            'line = (1.1 - (away - float(mixture["sigma"]) * unit).abs()).clamp(0, 1)',
            "a circle of one sigma",
        ),
    ),
)
