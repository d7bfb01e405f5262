"""Hostile requests to a real server: every one is refused, none is a 500 or an answer.

The whole is tools/campaigns/study_requests.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

CAMPAIGNS = Path(__file__).parents[2] / "tools" / "campaigns"


def test_no_hostile_request_is_a_500_or_an_answer(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(CAMPAIGNS))
    import study_requests

    counted, faults = study_requests.attack(study)
    assert faults == []
    assert counted.total() > 800
    assert counted[400] > 300
