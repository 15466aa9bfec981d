"""From section `model` to a net."""

from typing import TYPE_CHECKING

import torch

from conf.schema import DecoderConfig, ModelConfig, ParallelConfig

if TYPE_CHECKING:
    from model.nets.decoder import Decoder
    from model.nets.encoder import ModernBert

    Net = ModernBert | Decoder


def build_net(
    config: ModelConfig,
    parallel: ParallelConfig | None = None,
    initialise: bool = True,
    device: torch.device | str | None = None,
) -> "Net":
    """`build_encoder` or `build_decoder`, whichever ``config`` is for; arguments and errors are theirs."""
    if isinstance(config, DecoderConfig):
        from model.nets.decoder import build_decoder

        return build_decoder(config, parallel, initialise, device)
    from model.nets.encoder import build_encoder

    return build_encoder(config, parallel, initialise, device)
