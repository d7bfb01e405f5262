"""Captions as a GAN's condition, for both players, and the matching-aware discriminator.

Reed et al. 2016, Generative Adversarial Text to Image Synthesis (GAN-INT-CLS).

B batch · T bytes of a caption · S numbers of its embedding · F features of the discriminator
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.contract import Attribute, Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.conditioning import Part, Rows
from genarium.models.gan.gan import Regularizer, Turn
from genarium.models.text_to_image.encoders import FrozenEncoder, TextEncoder
from genarium.nn.norm import gather_rows

NAME = "captions"
BESIDE = "captions halfway to"  # in a batch's `extra`: the other captions t' of interpolated texts
TEMPERATURE = 0.1  # of the contrastive loss


def others(noise: Noise) -> Tensor:
    """For each row of this process another row of the global batch, uniformly: [B] int64.

    Both the draw and the rows are of the global batch, so that two processes choose what one would.
    A batch of one has no other row and gets its own.
    """
    shift = 1 + noise.integers(max(1, noise.total - 1))
    mine = torch.arange(noise.total, device=shift.device)[noise.rows]
    return (mine + shift) % noise.total


def _equal(rows: Tensor, others: Tensor) -> Tensor:
    """Which rows [B,T] of this process equal which of the global batch of `others`: bool [B,G]."""
    return (rows[:, None] == gather_rows(others)[None]).all(2)


def one_caption(batch: Batch) -> Batch:
    """The batch with one of each image's captions [B,K,T], drawn for this turn: [B,T]."""
    rows = batch.extra[NAME]
    if rows.shape[1] > 1:
        chosen = batch.noise.integers(rows.shape[1])
        rows = rows[torch.arange(len(rows), device=rows.device), chosen]
    else:
        rows = rows[:, 0]
    return replace(batch, extra={**batch.extra, NAME: rows})


class Captions(Rows):
    """The embedding φ(t) of each image's caption t; S is the encoder's E.

    The discriminator gets it at its last map, not at its input (`condition`). An encoder that
    learns does so in the discriminator's turn, by the scores of right and wrong texts and by
    `contrast`.

    length: T of the data's rows. encoder: a `TextEncoder` that learns, or a `FrozenEncoder`.
    features: F; 0 for no contrastive loss. interpolation: the share of the generator's updates
    whose texts lie halfway between two captions (GAN-INT); the paper adds the loss of such texts to
    that of the captions, which is a share of ½ up to a factor.
    """

    of_features = at_head = True

    def __init__(
        self,
        length: int,
        encoder: TextEncoder | FrozenEncoder,
        features: int = 0,
        interpolation: float = 0.5,
    ):
        super().__init__(NAME, tuple(Attribute(f"{NAME}[{i}]") for i in range(length)))
        self.size, self.channels = encoder.outputs, 0
        self.encoder, self.interpolation = encoder, interpolation
        if isinstance(encoder, FrozenEncoder):
            # Its weights are not stored with the run's, so the run remembers which they were.
            digest = torch.tensor([*encoder.digest], dtype=torch.uint8)
            self.register_buffer("digest", digest)
            self.digest: Tensor
        self.match = nn.Linear(features, self.size) if features else None

    def encoded(self, rows: Tensor) -> Tensor:
        """Rows of bytes [B,T] -> φ(t), [B,S]."""
        if (
            isinstance(self.encoder, FrozenEncoder)
            and bytes(self.digest.tolist()) != self.encoder.digest
        ):
            raise UserError(
                f"--weights {self.encoder.name}: other weights than those this run was trained "
                "with: restore them"
            )
        result: Tensor = self.encoder(rows)
        return result

    def parts(self, spec: Spec) -> tuple[Part, ...]:
        return ()  # a number of an embedding means nothing alone

    def of_batch(self, batch: Batch) -> Tensor:
        batch.extra.pop(BESIDE, None)
        return super().of_batch(batch)

    def of_generator(self, batch: Batch) -> Tensor:
        """φ(t), or in a share of the turns ½φ(t) + ½φ(t') with another caption t' of the batch.

        No image shows an interpolated text; the generator is asked for one that the discriminator
        takes to match it, which fills the gaps between the captions. All rows of a turn are of one
        kind, for batch norm would let each kind see the other's statistics. Which captions t' were
        is left in `batch.extra`, for `contrast`.
        """
        with torch.no_grad():
            rows = batch.extra[NAME]
            code = self.encoded(rows)
            batch.extra.pop(BESIDE, None)
            self.interpolated = float(batch.noise.shared_uniform(1)) < self.interpolation
            if not self.interpolated:
                return code
            beside = others(batch.noise)
            batch.extra[BESIDE] = gather_rows(rows.float())[beside]
            return torch.lerp(code, gather_rows(code)[beside], 0.5)

    def condition(self, features: Tensor, code: Tensor) -> Tensor:
        """[B,F] and [B,S] -> [B,F+S]: the head lays the text over the map that F is."""
        return torch.cat([features, code.to(features)], 1)

    def wrong(self, turn: Turn, candidates: int) -> tuple[Tensor, Tensor]:
        """For each row another text t' of the global batch: φ(t') [B,S], and t' ≠ t, [B] bool.

        Of `candidates` other rows, drawn uniformly, the one whose embedding lies nearest to the
        row's own; rows with the same caption only where there are no others.
        """
        rows = turn.batch.extra[NAME].float()
        draws = torch.stack([others(turn.batch.noise) for _ in range(candidates)], 1)
        differs = (rows[:, None] != gather_rows(rows)[draws]).any(2)
        codes = gather_rows(turn.code)
        nearness = functional.cosine_similarity(turn.code[:, None], codes[draws], 2).detach()
        best = nearness.masked_fill(~differs, -2.0).argmax(1, keepdim=True)
        return codes[draws.gather(1, best)[:, 0]], differs.gather(1, best)[:, 0]

    def contrast(self, features: Tensor, turn: Turn) -> Tensor:
        """Which text belongs to which image of the global batch, asked both ways, in nats.

            ½ CE(softmax_j(u_i·v_j / τ), p_ij) + ½ CE(softmax_j(v_i·u_j / τ), p_ij)

        u: the images' features [B,F] through a linear layer, v: the turn's embeddings, both of
        length 1; p_ij is uniform over the rows whose text equals that of row i: the caption, or in
        a turn of interpolated texts both captions that it lies between, whichever comes first. On
        real images it stands for the joint embedding of images and texts that the paper trains
        beforehand.
        """
        assert self.match is not None
        rows = turn.batch.extra[NAME].float()
        beside = turn.batch.extra.get(BESIDE, rows)
        same = (_equal(rows, rows) & _equal(beside, beside)).float()
        if beside is not rows:
            same = torch.maximum(same, (_equal(rows, beside) & _equal(beside, rows)).float())
        target = same / same.sum(1, keepdim=True)
        images = functional.normalize(self.match(features).float(), dim=1)
        texts = functional.normalize(turn.code.float(), dim=1)
        with torch.autocast(images.device.type, enabled=False):
            by_image = images @ gather_rows(texts).T / TEMPERATURE
            by_text = texts @ gather_rows(images).T / TEMPERATURE
        cross_entropy = functional.cross_entropy
        return 0.5 * (cross_entropy(by_image, target) + cross_entropy(by_text, target))


class MatchingAware(Regularizer):
    """The discriminator must also reject a real image with a wrong text (GAN-CLS).

    With s_r, s_w, s_f its outputs on (real image, right text), (real image, wrong text) and
    (fake image, its text), in the objective's terms -- for the logistic one

        L_D = -E[ln s_r + ½ ln(1 - s_w) + ½ ln(1 - s_f)].

    The wrong text is another caption of the global batch (`Captions.wrong`). Where that happens to
    be the same caption, the pair is none: the fake's logit takes its place, so that what is to be
    refused keeps half of the weight.

    candidates: texts among which the wrong one is that most like the right one; 1 draws it
    uniformly, as in the paper. Uniform texts mostly differ in what is easiest to see, so the
    discriminator never has to look for the rest.

    weight: of `Captions.contrast`, 0 for none as in the paper: on real images for the discriminator
    and the encoder, on fakes for the generator, whose images must then match their own text best
    (as a code must be by InfoGAN's reader). generator_weight: of the latter, as a share of weight.
    The matching layer sees no fakes in the discriminator's turn, so what the generator wins there
    it may win by what no real image has.
    """

    def __init__(self, weight: float = 1.0, candidates: int = 1, generator_weight: float = 1.0):
        super().__init__()
        self.weight, self.candidates = weight, candidates
        self.generator_weight = weight * generator_weight

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        conditioning, objective = turn.gan.conditioning, turn.gan.objective
        assert isinstance(conditioning, Captions)
        code, differs = conditioning.wrong(turn, self.candidates)
        wrong = turn.score(turn.of_real.features, code)
        right, fake = turn.of_real.logits, turn.of_fake.logits
        turn.metrics["d_wrong"] = objective.output(wrong.detach()).mean()
        refused = torch.cat([torch.where(differs, wrong, fake), fake])
        losses = {"discriminator": objective.discriminator_loss(right, refused)}
        if self.weight:
            losses["contrast"] = self.weight * conditioning.contrast(turn.of_real.features, turn)
        return losses

    def generator_losses(self, turn: Turn) -> dict[str, Tensor]:
        if not self.generator_weight:
            return {}
        conditioning = turn.gan.conditioning
        assert isinstance(conditioning, Captions)
        contrast = conditioning.contrast(turn.of_fake.features, turn)
        return {"contrast": self.generator_weight * contrast}
