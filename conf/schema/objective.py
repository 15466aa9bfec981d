"""Group `objective`: what is minimised."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from conf.schema.choice import choice
from conf.schema.model import DecoderConfig, EncoderConfig, ModelConfig
from conf.schema.ranges import Positive, Range, Share, SomeShare


@dataclass
class ObjectiveConfig:
    """What every objective has."""

    kind: str = ""
    """The objective."""
    nets: ClassVar[tuple[type[ModelConfig], ...]] = ()
    """The nets that it trains."""

    def predicted(self, packs: int, length: int) -> int:
        """Positions at which logits are computed in so many ``packs`` of ``length`` tokens; for the cost model."""
        return 0

    def logits_at_a_time(self, tokens: int) -> int:
        """Positions, of ``tokens``, whose logits are held at a time, gradients made with them; 0: all that are
        predicted, at once."""
        return 0


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
    nets: ClassVar[tuple[type[ModelConfig], ...]] = (EncoderConfig,)

    def predicted(self, packs: int, length: int) -> int:
        """See `ObjectiveConfig`."""
        return math.ceil(self.mask_rate * packs * length)


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
    nets: ClassVar[tuple[type[ModelConfig], ...]] = (DecoderConfig,)

    def predicted(self, packs: int, length: int) -> int:
        """See `ObjectiveConfig`."""
        return packs * (length - 1)

    def logits_at_a_time(self, tokens: int) -> int:
        """See `ObjectiveConfig`."""
        return min(self.chunk_tokens, tokens)


OBJECTIVES: list[type[ObjectiveConfig]] = [MlmConfig, CausalConfig]
"""What section `objective` may be; the class of each is in `model/objectives/registry.py`."""
