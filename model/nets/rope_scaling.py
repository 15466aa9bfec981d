"""Rotation frequencies for documents longer than those of the pre-training, as Hugging Face's `rope_parameters` of each
type mean them."""

import math

import torch

from conf.schema.model import RopeScalingConfig


def plain(theta: float, width: int) -> torch.Tensor:
    """Frequencies of the base `theta` (RoFormer, arXiv 2104.09864): `[width / 2]` fp32, in radians a position."""
    return 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)


def stretched(theta: float, width: int, scaling: RopeScalingConfig) -> tuple[torch.Tensor, float]:
    """Frequencies `[width / 2]` fp32 under `scaling`, and the factor that cosines and sines are multiplied by (1 but
    for yarn)."""
    frequencies = plain(theta, width)
    if scaling.kind == "linear":
        return frequencies / scaling.factor, 1.0
    if scaling.kind == "llama3":
        return _llama3(frequencies, scaling), 1.0
    if scaling.kind == "yarn":
        return _yarn(frequencies, theta, scaling), 0.1 * math.log(scaling.factor) + 1.0
    return frequencies, 1.0


def _llama3(frequencies: torch.Tensor, scaling: RopeScalingConfig) -> torch.Tensor:
    """Long waves stretched whole, short ones left alone, a straight line between (Llama 3, arXiv 2407.21783)."""
    turns = (
        scaling.original_max_positions * frequencies / (2 * math.pi)
    )  # of each frequency within a document of the pre-training
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    return _blend(frequencies, scaling.factor, kept.clamp(0, 1))


def _yarn(frequencies: torch.Tensor, theta: float, scaling: RopeScalingConfig) -> torch.Tensor:
    """As llama3, with the line drawn over the index of the frequency (arXiv 2309.00071, section 3.2)."""
    width = 2 * len(frequencies)

    def index(turns: float) -> float:
        """Which frequency turns so often within a document of the pre-training."""
        return width * math.log(scaling.original_max_positions / (turns * 2 * math.pi)) / (2 * math.log(theta))

    first, last = max(math.floor(index(scaling.beta_fast)), 0), min(math.ceil(index(scaling.beta_slow)), width - 1)
    span = last - first or 0.001  # no division by zero
    kept = 1 - (torch.arange(len(frequencies), dtype=torch.float32) - first) / span
    return _blend(frequencies, scaling.factor, kept.clamp(0, 1))


def _blend(frequencies: torch.Tensor, factor: float, kept: torch.Tensor) -> torch.Tensor:
    """Frequencies of which the share `kept` is left alone, and the rest divided by `factor`."""
    return frequencies / factor * (1 - kept) + frequencies * kept
