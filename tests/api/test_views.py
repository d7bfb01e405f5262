"""What a notebook shows of a result."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import genarium
from genarium.drawing.inline import figure


@pytest.mark.parametrize(
    ("height", "width", "shown"), [(10, 20, 80), (100, 250, 500), (300, 301, 301), (700, 20, 20)]
)
def test_small_pictures_are_enlarged_in_whole_multiples(
    height: int, width: int, shown: int
) -> None:
    html = figure(torch.zeros(3, height, width, dtype=torch.uint8))
    assert re.findall(r'width="(\d+)"', html) == [str(shown)]
    assert "figcaption" not in html


def test_a_caption_keeps_its_lines_and_is_escaped() -> None:
    html = figure(torch.zeros(1, 8, 8, dtype=torch.uint8), "a <b>\nc", 'x "y"')
    assert '<figcaption style="white-space:pre-wrap">a &lt;b&gt;\nc</figcaption>' in html
    assert 'alt="x &quot;y&quot;"' in html


def test_facts_of_data_stand_in_columns_below_some_of_it(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3)).astype(np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    shown = genarium.show_data(tmp_path, progress=False)
    assert re.fullmatch(r"<figure><img [^>]+></figure><pre>.+</pre>", shown._repr_html_(), re.S)
    assert "counts\n" in shown._repr_html_()
