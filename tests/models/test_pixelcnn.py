"""What is PixelCNN's own: its context, and the wavefront's lag. See also test_autoregressive.py."""

from __future__ import annotations

import pytest
import torch

from genarium.contract import Spec
from genarium.models.autoregressive.masked import MaskedConv2d
from genarium.models.autoregressive.pixelcnn import pixelcnn
from genarium.models.autoregressive.wavefront import required_lag
from tests.models.autoregressive import build, drawn, jacobian_of


def test_gated_net_has_no_blind_spot():
    hidden = {}
    for net in ("plain", "gated"):
        model = build(net, (1, 4, 12), levels=2, blocks=6)
        seen = (jacobian_of(model) > 0).view(4, 12, 4, 12)[3, 2]  # from row 3, column 2
        hidden[net] = int((~seen[:3]).sum())
    assert hidden["gated"] == 0
    assert hidden["plain"] > 0


def test_dilation_sees_further():
    """Two blocks of 3x3 after the 7x7: the columns on the left that a pixel sees in its row."""
    reach = {}
    for dilation in (1, 4):
        model = build("plain", (1, 1, 20), levels=2, blocks=2, dilation=dilation, features=24)
        seen = jacobian_of(model)[19] > 0
        reach[dilation] = 19 - int(seen.nonzero().min())
    assert reach == {1: 3 + 1 + 1, 4: 3 + 1 + 2}


@pytest.mark.parametrize("dilation", [4, 8])
def test_fast_sampler_with_other_dilations(dilation):
    model = build("plain", (1, 10, 9), levels=2, blocks=4, dilation=dilation)
    assert torch.equal(drawn(model, 3), drawn(model, 3, naive=True))


def test_lag():
    assert required_lag([MaskedConv2d(1, 1, 7, "A"), MaskedConv2d(1, 1, 3)]) == 4
    assert required_lag([MaskedConv2d(1, 1, 3, "A")]) == 2
    assert required_lag([MaskedConv2d(1, 1, 3, dilation=4)]) == 1
    gated = pixelcnn(Spec(1, 8, 8), net="gated", blocks=5)
    results = [m for m in gated.modules() if isinstance(m, MaskedConv2d)]
    assert required_lag(results) == 9
    with pytest.raises(ValueError, match="ahead"):
        required_lag([MaskedConv2d(1, 1, 3, "VB")])
