"""What every family shares: batches, players' turns, one obligation, and the capabilities.

A model has one or more players. A `Phase` is one player's turn: which sub-modules it
updates, how often, and with which optimizer. The trainer drives all of them through `Model.step`;
it never names a model. What else a model can do (sample, give a likelihood, encode ...) it says
by having the method: `capabilities` holds runtime-checkable protocols of one method each, and no
capability is ever faked.

Shapes used throughout
    B batch · C channels · H, W height, width · D latent size · K classes · L grey levels
"""

from __future__ import annotations

from genarium.contract.batch import (
    Batch,
    Noise,
    dequantize,
    from_levels,
    from_uint8,
    quantize,
    to_uint8,
)
from genarium.contract.capabilities import (
    CAPABILITIES,
    TRANSLATED,
    Clusters,
    Completes,
    Condition,
    Decodes,
    Edits,
    Encodes,
    Estimate,
    EstimatesElbo,
    EstimatesLogProb,
    HasElbo,
    HasLevels,
    HasLogProb,
    HasPosterior,
    HasPrior,
    HasPriorRatio,
    Likelihood,
    Posterior,
    Progress,
    Reconstructs,
    Samples,
    Translates,
    capabilities,
    draw,
    likelihood_of,
    part_of,
    unconditional,
)
from genarium.contract.judging import Judgement, Judges
from genarium.contract.model import Model, Optim, Phase, Settings, Step
from genarium.contract.spec import Attribute, Spec, Tones
from genarium.contract.values import EIGHT_BIT, Values

__all__ = [
    "CAPABILITIES",
    "EIGHT_BIT",
    "TRANSLATED",
    "Attribute",
    "Batch",
    "Clusters",
    "Completes",
    "Condition",
    "Decodes",
    "Edits",
    "Encodes",
    "Estimate",
    "EstimatesElbo",
    "EstimatesLogProb",
    "HasElbo",
    "HasLevels",
    "HasLogProb",
    "HasPosterior",
    "HasPrior",
    "HasPriorRatio",
    "Judgement",
    "Judges",
    "Likelihood",
    "Model",
    "Noise",
    "Optim",
    "Phase",
    "Posterior",
    "Progress",
    "Reconstructs",
    "Samples",
    "Settings",
    "Spec",
    "Step",
    "Tones",
    "Translates",
    "Values",
    "capabilities",
    "dequantize",
    "draw",
    "from_levels",
    "from_uint8",
    "likelihood_of",
    "part_of",
    "quantize",
    "to_uint8",
    "unconditional",
]
