import io
import sys

from genarium.data.progress import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_only_where_somebody_watches(monkeypatch):
    for stream, enabled, shows in (
        (Terminal(), True, True),
        (Terminal(), False, False),
        (io.StringIO(), True, False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        with bar("reading images", 3, enabled) as advance:
            for _ in range(3):
                advance(1)
        assert ("reading images" in stream.getvalue()) == shows
