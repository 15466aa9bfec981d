"""Group `objective`: what is minimised."""

from dataclasses import dataclass
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import Positive, Range, Share, SomeShare


@dataclass
class ObjectiveConfig:
    """What every objective has."""

    kind: str = ""
    """The objective."""


@dataclass
class MlmConfig(ObjectiveConfig):
    """Masked language modelling with dynamic masking (arXiv 1810.04805; rates of arXiv 2412.13663)."""

    kind: str = choice("mlm")
    """The objective: mlm."""
    mask_rate: SomeShare = 0.3
    """Share of the maskable tokens that are predicted in training."""
    eval_mask_rate: SomeShare = 0.15
    """Share of the maskable tokens that are predicted on held-out documents."""
    mask_token_share: Share = 0.8
    """Of the predicted tokens, how many are shown as [MASK]."""
    random_token_share: Share = 0.1
    """Of the predicted tokens, how many are shown as a random token; the rest are shown as they are."""
    whole_word: bool = False
    """Predict all pieces of a word or none."""


@dataclass
class CausalConfig(ObjectiveConfig):
    """Prediction of the next token, within documents."""

    kind: str = choice("causal")
    """The objective: causal."""
    z_loss: Annotated[float, Range(0, 1)] = 0.0
    """Weight of the square of the log of the softmax's denominator, which keeps logits from drifting (PaLM, arXiv
    2204.02311: 1e-4)."""
    chunk_tokens: Positive = 1024
    """Logits are computed for so many tokens at a time, and thrown away, so that [tokens, vocabulary] is never held
    whole."""
    by_source: bool = True
    """Tell the loss of each source of a mixture beside the whole."""


OBJECTIVES: tuple[type[ObjectiveConfig], ...] = (MlmConfig, CausalConfig)
"""What section `objective` may be."""
