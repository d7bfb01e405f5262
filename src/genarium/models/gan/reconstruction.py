"""A discriminator that must draw the real images again from its own maps (Liu et al. 2021, 3.2).

    L = λ·(E|G₁(f₁) - ↓x| + E|G₂(crop f₂) - crop x|)

f₁, f₂ the discriminator's last map and the one before on a real image x, as it was augmented; ↓x
the image at half its sides; crop the same quarter of both. Only the discriminator learns by it. The
paper leaves the distance open and its code takes a perceptual network's (LPIPS), which needs
weights learned on photographs; here it is the mean absolute difference of pixels.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from genarium.models.gan.gan import Regularizer, Turn
from genarium.models.gan.networks.skip_excitation import corner


class Reconstruction(Regularizer):
    """The loss above. weight: λ. The discriminator must have `decoded(features, quarter)`."""

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        judged = turn.of_real
        network: Any = turn.discriminator
        # one quarter for the batch, the same in all processes
        quarter = int(4 * turn.batch.noise.shared_uniform(1).item())
        whole, part = network.decoded(judged.features, quarter)
        seen = judged.images.detach()
        small = functional.adaptive_avg_pool2d(seen, whole.shape[2:])
        loss = (whole.float() - small).abs().mean()
        loss = loss + (part.float() - corner(seen, part.shape[2:], quarter)).abs().mean()
        return {"reconstruction": self.weight * loss}
