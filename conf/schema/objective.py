"""Group `objective`: what is minimised."""

from dataclasses import dataclass

from conf.schema.choice import choice


@dataclass
class MlmConfig:
    """Masked language modelling with dynamic masking (arXiv 1810.04805; rates of arXiv 2412.13663)."""

    kind: str = choice("mlm")
    """The objective: mlm."""
    mask_rate: float = 0.3
    """Share of the maskable tokens that are predicted in training."""
    eval_mask_rate: float = 0.15
    """Share of the maskable tokens that are predicted on held-out documents."""
    mask_token_share: float = 0.8
    """Of the predicted tokens, how many are shown as [MASK]."""
    random_token_share: float = 0.1
    """Of the predicted tokens, how many are shown as a random token; the rest are shown as they are."""
    whole_word: bool = False
    """Predict all pieces of a word or none."""
