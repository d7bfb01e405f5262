"""The table of planted faults is of the code that is there: one that fits nowhere tests nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def campaign() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "tools" / "campaigns"))
    import planted_faults

    yield planted_faults
    sys.path.remove(str(ROOT / "tools" / "campaigns"))


def test_every_fault_can_be_planted(campaign: Any) -> None:
    assert campaign.problems(campaign.FAULTS) == []
    assert len(campaign.FAULTS) > 300


def test_what_is_out_of_date_is_said(campaign: Any) -> None:
    first = campaign.FAULTS[0]
    lost = first._replace(old="no such line", tests=("tests/none.py",))
    assert campaign.problems([lost]) == [
        f"{first.name}: its old text occurs 0 times in {first.file}",
        f"{first.name}: there is no tests/none.py",
    ]
    assert campaign.problems([first, first]) == [f"{first.name}: the name occurs twice"]
