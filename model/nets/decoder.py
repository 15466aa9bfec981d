"""Causal language models of Megatron-Core's layers, over unpadded packs."""

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from megatron.core.models.common.embeddings.language_model_embedding import LanguageModelEmbedding
from megatron.core.models.common.language_module.language_module import LanguageModule
from megatron.core.tensor_parallel import (
    copy_to_tensor_model_parallel_region,
    gather_from_sequence_parallel_region,
    get_cuda_rng_tracker,
)
from megatron.core.tensor_parallel.layers import ColumnParallelLinear
from megatron.core.transformer.enums import ModelType
from megatron.core.transformer.transformer_block import (
    TransformerBlock,
    TransformerBlockSubmodules,
    get_num_layers_to_build,
)
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.transformer_layer import get_transformer_layer_offset

from common.errors import UserError
from conf.families import DECODERS
from conf.schema import DecoderConfig, ParallelConfig
from model.megatron import ranks, startup
from model.nets.attention import CausalGeometry
from model.nets.attention.context import Share
from model.nets.decoder_layer import layer_spec, transformer_config
from model.nets.lora import freeze
from model.nets.norms import NORMS
from model.nets.pack import Pack
from model.shapes import check_shape, padded_vocab, rotated_width

Head = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], Any]
"""What is made of the last states: `head(hidden [M, H], weight [V, H], bias [V] | None)`, V being this rank's rows of
the vocabulary."""


def build_decoder(
    config: DecoderConfig,
    parallel: ParallelConfig | None = None,
    initialise: bool = True,
    device: torch.device | str | None = None,
) -> "Decoder":
    """Build the decoder on this rank's device; call `model.megatron.startup.start` before, with what `parallel` is by
    default.

    The initial weights depend on the seed alone, not on the tensor-parallel size. `initialise=False` leaves them
    undefined, for a checkpoint to fill. On device `meta` nothing is allocated. Raises UserError where the sizes do not
    fit together, or where `parallel.attention` names a backend that does not run here."""
    parallel = parallel or startup.parallel()
    check_shape(config, parallel)
    transformer = transformer_config(config, parallel, initialise)
    if device is not None and torch.device(device).type == "meta":
        with torch.device("meta"):
            return Decoder(config, transformer, *ranks.stage())
    device = torch.device(device or startup.world().device)
    model = Decoder(config, transformer, *ranks.stage()).to(device)
    model.geometry.choice(device)  # refuse a backend of attention now rather than at the first pack
    return model


class Decoder(LanguageModule):
    """Causal language model with its head; what it is in detail is decided by its family.

    Weights and logits are those of transformers' class of the same family (`model.hf.decoder`). Rows of the vocabulary
    are filled up to `padded_vocab`; what fills has weights of zero at the start and no gradient ever."""

    causal: bool = True
    """False lets every token of a document see all of it, for readouts."""

    def __init__(
        self, config: DecoderConfig, transformer: TransformerConfig, pre_process: bool = True, post_process: bool = True
    ):
        """`pre_process`, `post_process`: this pipeline stage holds the embedding, the head."""
        super().__init__(config=transformer)
        self.decoder_config, self.pre_process, self.post_process = config, pre_process, post_process
        self.model_type = ModelType.encoder_or_decoder
        self.share_embeddings_and_output_weights = config.tie_embeddings
        family, rows = DECODERS[config.architecture], padded_vocab(config)
        if pre_process:
            dry = copy.copy(transformer)  # its dropout comes after what `hidden` returns
            dry.hidden_dropout = 0.0
            self.embedding = LanguageModelEmbedding(dry, rows, config.max_positions, position_embedding_type="none")
            self.embedding_dropout = torch.nn.Dropout(config.dropout)
        # in the precision of the table, as transformers rounds it
        scale = torch.tensor(math.sqrt(config.hidden_size), dtype=transformer.params_dtype, device="cpu")
        self.embedding_scale = scale.item() if family.scaled_embedding else 1.0
        offset = get_transformer_layer_offset(transformer)
        layers = [layer_spec(config, offset + number) for number in range(get_num_layers_to_build(transformer))]
        submodules = TransformerBlockSubmodules(layers, NORMS[family.norm])
        self.decoder = TransformerBlock(transformer, submodules, True, pre_process, post_process)
        if post_process:
            self.output_layer = ColumnParallelLinear(
                config.hidden_size,
                rows,
                config=transformer,
                init_method=transformer.embedding_init_method,
                bias=family.head_bias,
                skip_weight_param_allocation=pre_process and config.tie_embeddings,
            )
        if pre_process or post_process:
            self.setup_embeddings_and_output_layer()
        self.geometry = CausalGeometry(
            head_width=config.head_width,
            rotated_width=rotated_width(config),
            theta=config.rope_theta,
            scaling=config.rope_scaling,
            window=config.window,
            theta_local=(config.rope_theta_local or config.rope_theta) if config.global_every else None,
            dtype=transformer.params_dtype,
        )
        if config.lora.rank:
            freeze(self)

    def set_input_tensor(self, input_tensor: list[torch.Tensor] | torch.Tensor) -> None:
        """Take what the pipeline stage before this one sent, `[T, 1, H]`; called by Megatron-Core's schedules."""
        self.decoder.set_input_tensor(input_tensor[0] if isinstance(input_tensor, list) else input_tensor)

    def hidden(self, pack: Pack) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Hidden states `[T, H]` after the embedding (before its dropout), and after the last layer's norm.

        In a pipeline the first is None but on the first stage. Under sequence parallelism it is this rank's part of
        them, and so is the second on a stage that is not the last. Under context parallelism the second has this rank's
        tokens alone (`own`), and the first those of the pack after it is filled up. Raises UserError for a document
        longer than `model.max_positions`."""
        embedded, last = self._states(pack)
        if self.post_process:
            if self.config.sequence_parallel:
                last = gather_from_sequence_parallel_region(last, tensor_parallel_output_grad=False)
            last = self._unfilled(last, pack)
        return embedded, last

    def forward(self, pack: Pack, selected: torch.Tensor | None = None, head: Head | None = None) -> Any:
        """Logits `[M, V]` at the flat positions `selected` `[M]` (at all of them if None), or what `head` makes of the
        states there.

        V is this rank's part of the filled vocabulary; logits of what fills it are -inf. `head` may return what depends
        on this rank's part alone: gradients of the states are summed over tensor-parallel ranks. Under context
        parallelism positions count among this rank's tokens, in the order of `own`. A pipeline stage without the head
        returns its states, `[T, 1, H]`. Raises UserError as `hidden` does."""
        _, last = self._states(pack)
        if not self.post_process:
            return last.unsqueeze(1)
        if self.config.sequence_parallel:
            last = gather_from_sequence_parallel_region(last, tensor_parallel_output_grad=True)
        else:
            last = copy_to_tensor_model_parallel_region(last)
        last = self._unfilled(last, pack)
        if selected is not None:
            last = last.index_select(0, selected)
        shared = self.share_embeddings_and_output_weights
        weight = self.shared_embedding_or_output_weight() if shared else self.output_layer.weight
        return (head or self._logits)(last, weight, self.output_layer.bias)

    def own(self, values: torch.Tensor) -> torch.Tensor:
        """Of `values` `[T, ...]`, one a token of a pack, those of the tokens that this rank has: all of them but in
        context parallelism."""
        share = self._share(len(values))
        return share.take(values) if share else values

    @property
    def _multiple(self) -> int:
        """What the tokens of a pack are filled up to a multiple of, so that ranks have equal parts."""
        by_context = 2 * self.cp_group.size() if self.cp_group.size() > 1 else 1
        return by_context * (self.config.tensor_model_parallel_size if self.config.sequence_parallel else 1)

    def _share(self, tokens: int) -> Share | None:
        """This rank's part of packs of so many `tokens`, filled up; None where it has the whole."""
        if self.cp_group.size() == 1:
            return None
        return Share(self.cp_group, -(-tokens // self._multiple) * self._multiple)

    def _unfilled(self, states: torch.Tensor, pack: Pack) -> torch.Tensor:
        """`states` of what this rank has of the filled pack, without what fills it."""
        tokens = len(pack.tokens)
        if share := self._share(tokens):
            return share.unfilled(states, tokens)
        return states if len(states) == tokens else states[:tokens]

    def _states(self, pack: Pack) -> tuple[torch.Tensor | None, torch.Tensor]:
        """`hidden`, but both are this rank's part of the pack, and that is filled up with a document of zeros."""
        longest, limit = max(pack.lengths), self.decoder_config.max_positions
        if longest > limit:
            raise UserError(
                f"a document of {longest} tokens exceeds model.max_positions={limit}; cut documents or raise it"
            )
        cut, filled = self.config.sequence_parallel, pack.fill_to(self._multiple)
        share = self._share(len(pack.tokens))
        embedded = states = None
        if self.pre_process:
            embedded = self.embedding((share.take(filled.tokens) if share else filled.tokens).unsqueeze(0), None)
            if self.embedding_scale != 1.0:
                embedded = embedded * self.embedding_scale
            with get_cuda_rng_tracker().fork() if cut else nullcontext():  # each rank drops in its own part
                states = self.embedding_dropout(embedded)
        last = self.decoder(states, None, packed_seq_params=self.geometry.plan(filled, self.causal, share)).squeeze(1)
        return None if embedded is None else embedded.squeeze(1), last

    def _logits(self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """`[M, H]` -> `[M, V]`."""
        logits = F.linear(hidden, weight, bias)
        real = self.decoder_config.vocab_size - self.tp_group.rank() * len(weight)
        if real < len(weight):
            logits[:, max(real, 0) :] = -torch.inf
        return logits
