"""The residual generator of CycleGAN (Zhu, Park, Isola & Efros 2017, appendix 7.2; after Johnson,
Alahi & Li 2016): c7s1-64, d128, d256, R256 × n, u128, u64, c7s1-C.

    c7s1-k   7×7 convolution of stride 1, instance norm, ReLU (tanh at the image)
    dk       3×3 convolution of stride 2, instance norm, ReLU
    Rk       x + two 3×3 convolutions, each with instance norm, ReLU between them
    uk       transposed 3×3 convolution of stride 2, instance norm, ReLU

The 7×7 and the residual convolutions are padded by reflection, so that no dark rim comes in.
Weights N(0, 0.02).

    B batch · C channels · H, W sides, multiples of 4
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from genarium.errors import UserError
from genarium.models.translation.networks.reflection import reflect
from genarium.nn.dcgan import initialize
from genarium.nn.norm import InstanceNorm2d

STEP = 4  # two halvings
SMALLEST = 8  # 2×2 maps, the least that a reflection by one pixel takes


def blocks_for(height: int, width: int) -> int:
    """The paper's residual blocks: 6 up to 128 pixels, 9 above."""
    return 6 if max(height, width) <= 128 else 9


class Residual(nn.Module):
    """x + two convolutions of it, [B,F,h,w]."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, bias=False)
        self.norm = InstanceNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm(self.first(reflect(x, 1))), inplace=True)
        return x + self.norm(self.second(reflect(y, 1)))


class ResnetTranslator(nn.Module):
    """Images [B,C,H,W] on [-1, 1] -> images [B,C',H,W] on (-1, 1).

    inputs, outputs: channels C and C'. sides: (H, W). width: channels of the first map. blocks:
    residual blocks, 0 for the paper's number. Raises UserError for sides that are not multiples
    of 4, or under 8.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        sides: tuple[int, int],
        width: int = 64,
        blocks: int = 0,
    ):
        super().__init__()
        if any(side % STEP or side < SMALLEST for side in sides):
            near = [max(SMALLEST, round(side / STEP) * STEP) for side in sides]
            raise UserError(
                f"--size {sides[0]}x{sides[1]}: this generator needs sides that are multiples of "
                f"{STEP} and at least {SMALLEST}: give --size {near[0]}x{near[1]}"
            )
        self.first = nn.Conv2d(inputs, width, 7, bias=False)
        self.down = nn.ModuleList(
            nn.Conv2d(width * 2**i, width * 2 ** (i + 1), 3, stride=2, padding=1, bias=False)
            for i in range(2)
        )
        self.residual = nn.Sequential(
            *(Residual(4 * width) for _ in range(blocks or blocks_for(*sides)))
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(
                width * 2 ** (i + 1),
                width * 2**i,
                3,
                stride=2,
                padding=1,
                output_padding=1,
                bias=False,
            )
            for i in (1, 0)
        )
        self.image = nn.Conv2d(width, outputs, 7)
        self.norm = InstanceNorm2d(width)  # it has no weights, so one serves all layers
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.first(reflect(x, 3))), inplace=True)
        for convolution in self.down:
            x = functional.relu(self.norm(convolution(x)), inplace=True)
        x = self.residual(x)
        for convolution in self.up:
            x = functional.relu(self.norm(convolution(x)), inplace=True)
        return self.image(reflect(x, 3)).tanh()
