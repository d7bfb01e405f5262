"""PixelRNN: an image's probability as a product of one conditional a pixel and colour.

    ln p(x) = sum_i ln p(x_i | x_<i),  each conditional from two-dimensional LSTM layers

van den Oord, Kalchbrenner, Kavukcuoglu 2016, "Pixel Recurrent Neural Networks": a 7x7 convolution
with mask A, residual LSTM layers, and a head of 1x1 convolutions. The LSTMs have half as many
channels as the features; a 1x1 convolution takes them up again, and the layer's input is added.

Context. The Row LSTM's is a triangle that opens by a column a row on the right, whatever its depth.
The Diagonal BiLSTM's is the whole past but for one pixel, as published: the last one of the row
above. No feature at a pixel has seen the pixel itself (mask A comes first), so the scan from the
right, which starts there, has not; only the 7x7 window shows it, to the last four columns.

Sampling. The Row LSTM sees at most three columns further right in the row above, like the PixelCNN,
and is drawn by the same wavefront: W + 4·(H - 1) steps. Every pixel of the Diagonal BiLSTM depends
on the whole row above, so its pixels can only be drawn one by one: H·W steps, and W more for each
row but the last, in which the scan from the right follows. In both every state is computed once.
"""

from __future__ import annotations

from typing import Annotated, Unpack

import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from genarium.contract import Optim, Spec
from genarium.models.autoregressive.arguments import Common
from genarium.models.autoregressive.autoregressive import Autoregressive
from genarium.models.autoregressive.heads import head_of
from genarium.models.autoregressive.lstm2d import DiagonalBiLSTM, MaskedLine, RowLSTM
from genarium.models.autoregressive.masked import MaskedConv2d
from genarium.models.autoregressive.pixelcnn import Place, Sizes, sizes_of
from genarium.models.autoregressive.wavefront import Wavefront
from genarium.recipes import recipe


class ResidualLSTM(nn.Module):
    """x + 1x1(LSTM(x)), the LSTM on half the channels; the 1x1 has mask B. [H,W,B,C], the same."""

    def __init__(self, scan: type[RowLSTM] | type[DiagonalBiLSTM], width: int, colours: int):
        super().__init__()
        half = colours * max(1, width // colours // 2)
        self.lstm = scan(width, half, colours=colours)
        self.expand = MaskedLine(half, width, colours=colours)

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        expanded: Tensor = self.expand(self.lstm(x, front), front)
        return x + expanded


class Outputs(nn.Module):
    """relu, 1x1, relu, 1x1, mask B: the outputs of R before those of G before those of B."""

    def __init__(self, colours: int, outputs: int, sizes: Sizes):
        super().__init__()
        self.hidden = MaskedLine(sizes.width, sizes.head, colours=colours)
        self.out = MaskedLine(sizes.head, colours * outputs, colours=colours)

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        outputs: Tensor = self.out(F.relu(self.hidden(F.relu(x), front)), front)
        return outputs


class RecurrentNet(nn.Module):
    """7x7 mask A, residual LSTMs, a head of two 1x1 layers: [B,C,H,W] -> [B,C·O,H,W]."""

    def __init__(
        self,
        spec: Spec,
        outputs: int,
        sizes: Sizes,
        scan: type[RowLSTM] | type[DiagonalBiLSTM],
    ):
        super().__init__()
        c, width = spec.channels, sizes.width
        self.first = MaskedConv2d(c, width, 7, "A", in_colours=c, out_colours=c)
        self.place = Place(spec, sizes)
        self.layers = nn.ModuleList(ResidualLSTM(scan, width, c) for _ in range(sizes.blocks))
        self.head = Outputs(c, outputs, sizes)

    def forward(
        self, x: Tensor, front: Wavefront | None = None, labels: Tensor | None = None
    ) -> Tensor:
        x = self.place(self.first(x, front), front, labels)
        if front is None:
            x = x.permute(2, 3, 0, 1).contiguous()  # [H,W,B,C]
        for layer in self.layers:
            x = layer(x, front)
        outputs: Tensor = self.head(x, front)
        return outputs if front is not None else outputs.permute(2, 3, 0, 1)


class PixelRNN(Autoregressive):
    """A network of LSTM layers, sampled by the wavefront; see `Autoregressive`."""


def _build(
    scan: type[RowLSTM] | type[DiagonalBiLSTM], spec: Spec, layers: int, common: Common
) -> PixelRNN:
    sizes = sizes_of(spec, common, blocks=layers)
    output_head = head_of(common["output"], common["levels"], common["components"], spec.values)
    network = RecurrentNet(spec, output_head.outputs, sizes, scan)
    return PixelRNN(spec, network, output_head, Optim("adam", lr=common["lr"]), sizes.classes)


@recipe(
    family="explicit/tractable",
    tiny={"levels": 4, "layers": 1, "width": 6, "head": 6},
    paper="van den Oord et al. 2016, Pixel Recurrent Neural Networks",
    batch=64,
    steps=3000,
)
def row_lstm(
    spec: Spec,
    *,
    layers: Annotated[int, Ge(0)] = 7,
    **common: Unpack[Common],
) -> PixelRNN:
    """PixelRNN whose LSTMs go from row to row; exact likelihood, exact fast sampling.

    layers: LSTM layers.
    width: channels of the features (rounded up to a multiple of the colours); LSTMs have half.
    """
    return _build(RowLSTM, spec, layers, common)


@recipe(
    family="explicit/tractable",
    tiny={"levels": 4, "layers": 1, "width": 6, "head": 6},
    paper="van den Oord et al. 2016, Pixel Recurrent Neural Networks",
    batch=64,
    steps=3000,
)
def diagonal_bilstm(
    spec: Spec,
    *,
    layers: Annotated[int, Ge(0)] = 7,
    **common: Unpack[Common],
) -> PixelRNN:
    """PixelRNN whose LSTMs go along both diagonals; exact likelihood, exact sampling.

    layers: LSTM layers, each with a scan from the left and one from the right.
    width: channels of the features (rounded up to a multiple of the colours); LSTMs have half.
    """
    return _build(DiagonalBiLSTM, spec, layers, common)
