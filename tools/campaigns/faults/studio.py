"""The studio: who computes, what is sent, what a slider sets, films."""

from __future__ import annotations

from faults.fault import of

SERVER = ("tests/studio/test_server.py",)
VIEWS = ("tests/studio/test_views.py",)

FAULTS = (
    *of(
        "studio/turns.py",
        SERVER,
        (
            "studio: superseded",
            "if channel and self._latest.get(channel, number) > number:",
            "if not channel and self._latest.get(channel, number) > number:",
            "requests that wait are all computed",
        ),
    ),
    *of(
        "studio/packets.py",
        VIEWS,
        (
            "studio: rows of pixels",
            "rows = pictures.permute(0, 2, 3, 1).contiguous()",
            "rows = pictures.permute(0, 3, 2, 1).contiguous()",
            "pictures are turned over",
        ),
    ),
    *of(
        "studio/controls.py",
        SERVER,
        (
            "studio: open ends",
            'ends = {"gt": "above", "ge": "least", "lt": "below", "le": "most"}',
            'ends = {"gt": "least", "ge": "above", "lt": "below", "le": "most"}',
            "a control takes the end that its type leaves out",
        ),
    ),
    *of(
        "studio/effects.py",
        SERVER,
        (
            "studio: order of effects",
            "ordered = sorted(self._found.items(), key=lambda item: -item[1])",
            "ordered = sorted(self._found.items(), key=lambda item: item[1])",
            "the slider that does nothing comes first",
        ),
    ),
    *of(
        "api/decode.py",
        VIEWS,
        (
            "decode: unit of a number",
            "rows[:, number] = middle[number] + unit[number] * value",
            "rows[:, number] = middle[number] + value",
            "without a prior a number is not set in standard deviations",
        ),
    ),
    *of(
        "drawing/animation.py",
        VIEWS,
        (
            "film: back",
            "order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]",
            "order = [*range(len(frames))]",
            "a film jumps from its end to its beginning",
        ),
    ),
    *of(
        "web/guard.py",
        ("tests/test_serving.py",),
        (
            "server: at once",
            "sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)",
            "sock = socket.socket(family, socket.SOCK_STREAM)",
            "small replies wait 40 ms",
        ),
    ),
)
