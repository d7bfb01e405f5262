"""What pretraining gained, as a number."""

from __future__ import annotations

import pytest

from genarium.features.finetune import FineTuning


def test_a_gain_is_how_much_less_the_pretrained_networks_err() -> None:
    result = FineTuning(100, pretrained=(0.1, 0.2), scratch=(0.3, 0.5))
    assert result.gain == pytest.approx(0.25)
    assert FineTuning(100, scratch=(0.1,), pretrained=(0.3,)).gain == pytest.approx(-0.2)
