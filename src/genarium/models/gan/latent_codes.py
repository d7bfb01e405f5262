"""Latent codes that can be inferred from the generator's images (InfoGAN).

B batch · F features of the discriminator · S numbers that the generator gets
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.contract import Batch, Condition, Spec
from genarium.errors import UserError
from genarium.models.conditioning import Conditioning, Part, no_category
from genarium.models.gan.gan import Turn
from genarium.nn.norm import BatchNorm1d, unrecorded


class Codes(Conditioning):
    """Latent codes with mutual information between code and image (Chen et al. 2016, InfoGAN).

    Codes c: independent categories of the given sizes, uniform, one-hot; then `continuous`
    numbers, uniform on [-1, 1]. A reader q(c|x), two dense layers on the discriminator's
    features, gives the variational bound of the mutual information that both players raise:

        L_I = -Σ_categories λ·E[ln q(c|x)] + λ_c·½ Σ_continuous E[(c - μ(x))²],

    the Gaussian of fixed unit variance without its constant. Its gradient reaches the reader,
    the discriminator's shared layers and the generator.

    Once trained it reads real images, so the running statistics of its batch norm, and those of the
    discriminator, are of real images alone (`observe`), though it learns from fakes.

    features: F of the discriminator. weight: λ. continuous_weight: λ_c.
    """

    of_features = True

    def __init__(
        self,
        features: int,
        categories: tuple[int, ...] = (10,),
        continuous: int = 2,
        *,
        weight: float = 1.0,
        continuous_weight: float = 0.1,
        hidden: int = 128,
    ):
        super().__init__()
        if any(k < 2 for k in categories) or continuous < 0 or not (categories or continuous):
            raise UserError(
                f"--categories {' '.join(map(str, categories))} --continuous {continuous}: give "
                "categories of 2 values or more, or continuous codes"
            )
        self.categories, self.continuous = tuple(categories), continuous
        self.size = sum(categories) + continuous
        self.latent_codes, self.continuous_codes = len(categories) + continuous, continuous
        self.weight, self.continuous_weight = weight, continuous_weight
        self.reader = nn.Sequential(
            nn.Linear(features, hidden, bias=False),
            BatchNorm1d(hidden),
            nn.LeakyReLU(0.1),
            nn.Linear(hidden, self.size),
        )

    def parts(self, spec: Spec) -> tuple[Part, ...]:
        """Their names are their numbers: what a code came to mean nobody said."""
        categories = [
            Part(f"code {number}", tuple(map(str, range(k))))
            for number, k in enumerate(self.categories, 1)
        ]
        numbers = range(len(categories) + 1, len(categories) + self.continuous + 1)
        return (*categories, *(Part(f"code {number}") for number in numbers))

    def of_batch(self, batch: Batch) -> Tensor:
        parts = [functional.one_hot(batch.noise.integers(k), k).float() for k in self.categories]
        return torch.cat([*parts, 2 * batch.noise.uniform(self.continuous) - 1], 1)

    def draw(self, n: int, condition: Condition, generator: torch.Generator | None) -> Tensor:
        """Codes [n,S] from their prior; `condition` [n, codes] fixes all values but its NaNs."""
        at = generator.device if generator is not None else torch.device("cpu")
        parts = []
        for number, k in enumerate(self.categories):
            chosen = torch.randint(k, (n,), generator=generator, device=at)
            if condition is not None:
                given = condition[:, number].to(at)
                wrong = no_category(given, k)
                if wrong.any():
                    raise UserError(
                        f"--code: value {number + 1} is a category, a whole number 0 to {k - 1}, "
                        f"not {given[wrong][0].item():g}"
                    )
                chosen = torch.where(given.isnan(), chosen, given.nan_to_num().long())
            parts.append(functional.one_hot(chosen, k).float())
        rest = 2 * torch.rand(n, self.continuous, generator=generator, device=at) - 1
        if condition is not None:
            given = condition[:, len(self.categories) :].to(rest)
            rest = torch.where(given.isnan(), rest, given.nan_to_num())
        return torch.cat([*parts, rest], 1)

    def read(self, features: Tensor) -> list[Tensor]:
        """Logits [B,k] of each category, then the means [B, continuous], of features [B,F]."""
        result: Tensor = self.reader(features)
        return list(result.split([*self.categories, self.continuous], 1))

    def losses(self, turn: Turn) -> dict[str, Tensor]:
        """L_I, term by term, on this turn's fake images."""
        with unrecorded(self.reader):
            *logits, means = self.read(turn.of_fake.features)
        *onehots, numbers = turn.code.split([*self.categories, self.continuous], 1)
        result = {
            f"code{number}": self.weight * functional.cross_entropy(guess.float(), truth)
            for number, (guess, truth) in enumerate(zip(logits, onehots))
        }
        if self.continuous:
            error = (numbers - means.float()).square().sum(1).mean()
            result["continuous"] = self.continuous_weight * 0.5 * error
        return result

    @torch.no_grad()
    def observe(self, turn: Turn) -> None:
        """Moves the running statistics towards those of the batch's real images, as they are."""
        if any(regularizer.augments for regularizer in turn.gan.each_regularizer()):
            features = turn.discriminator.features(turn.batch.signed())
        else:
            features = turn.of_real.features.detach()
        self.read(features)
