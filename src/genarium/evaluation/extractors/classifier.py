"""The shipped classifier: a small convolutional network for 28x28 grey images.

Its pooled features carry the Fréchet distance and its class probabilities the scores that ask
what a sample shows. `tools/train_classifier.py` trains it with batch normalisation and exports it
folded, so that what ships is convolutions and one linear layer, nothing that depends on a batch.

Shapes: B batch · 28x28 pixels · 96 pooled features · K classes
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIDE = 28
POOL = 96


class Block(nn.Module):
    """Convolution, batch normalisation (until folded), ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, folded: bool
    ):
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=folded
        )
        self.norm: nn.Module = nn.Identity() if folded else nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


class Classifier(nn.Module):
    """Four convolutions, global average pooling, one linear layer; 158,730 weights when folded.

    classes: K. folded: without batch normalisation, as it ships (see `fold`).
    """

    def __init__(self, classes: int = 10, *, folded: bool = True):
        super().__init__()
        self.blocks = nn.ModuleList(
            [
                Block(1, 32, kernel=5, stride=2, folded=folded),  # 28 -> 14
                Block(32, 64, folded=folded),
                Block(64, 96, stride=2, folded=folded),  # 14 -> 7
                Block(96, POOL, folded=folded),
            ]
        )
        self.head = nn.Linear(POOL, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Grey images on [0, 1], [B,1,28,28] -> pooled features [B,96], logits [B,K]."""
        for block in self.blocks:
            x = block(x)
        pool = x.mean(dim=(2, 3))
        return pool, self.head(pool)


def fold(model: Classifier) -> Classifier:
    """The same function in evaluation mode, batch normalisation folded into the convolutions."""
    folded = Classifier(model.head.out_features, folded=True)
    for source, target in zip(model.blocks, folded.blocks):
        assert isinstance(source, Block)
        assert isinstance(target, Block)
        assert isinstance(source.norm, nn.BatchNorm2d)
        fused = fuse_conv_bn_eval(source.conv.eval(), source.norm.eval())
        target.conv.load_state_dict(fused.state_dict())
    folded.head.load_state_dict(model.head.state_dict())
    return folded.eval()
