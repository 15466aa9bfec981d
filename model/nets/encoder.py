"""ModernBERT (arXiv 2412.13663) of Megatron-Core's layers, over unpadded packs."""

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import torch
import torch.nn.functional as F
from megatron.core.fusions.fused_bias_dropout import get_bias_dropout_add
from megatron.core.models.common.embeddings.language_model_embedding import LanguageModelEmbedding
from megatron.core.models.common.language_module.language_module import LanguageModule
from megatron.core.tensor_parallel import gather_from_sequence_parallel_region, get_cuda_rng_tracker
from megatron.core.tensor_parallel.layers import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.attention import SelfAttention, SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType, ModelType
from megatron.core.transformer.identity_op import IdentityOp
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import (
    TransformerBlock,
    TransformerBlockSubmodules,
    get_num_layers_to_build,
)
from megatron.core.transformer.transformer_config import TransformerConfig
from megatron.core.transformer.transformer_layer import (
    TransformerLayer,
    TransformerLayerSubmodules,
    get_transformer_layer_offset,
)

from common.errors import UserError
from conf.schema import EncoderConfig, ParallelConfig
from model.megatron import ranks, startup
from model.megatron.config import transformer_kwargs
from model.nets.attention import Geometry, PackedAttention
from model.nets.glu import GeGlu
from model.nets.head import MlmHead
from model.nets.norms import NORMS
from model.nets.pack import Pack
from model.shapes import check_encoder, is_local


def build_encoder(
    config: EncoderConfig,
    parallel: ParallelConfig | None = None,
    initialise: bool = True,
    device: torch.device | str | None = None,
) -> "ModernBert":
    """Build the encoder on this rank's device; call `model.megatron.startup.start` before, with what `parallel` is by
    default.

    The initial weights depend on the seed alone, not on the tensor-parallel size. `initialise=False` leaves them
    undefined, for a checkpoint to fill. On device `meta` nothing is allocated. Raises UserError where the sizes do not
    fit together, or where `parallel.attention` names a backend that does not run here."""
    transformer = transformer_config(config, parallel or startup.parallel(), initialise)
    if device is not None and torch.device(device).type == "meta":
        with torch.device("meta"):
            return ModernBert(config, transformer, *ranks.stage())
    device = torch.device(device or startup.world().device)
    model = ModernBert(config, transformer, *ranks.stage()).to(device)
    model.geometry.choice(device)  # refuse a backend of attention now rather than at the first pack
    return model


def transformer_config(config: EncoderConfig, parallel: ParallelConfig, initialise: bool = True) -> TransformerConfig:
    """Megatron-Core's configuration of the layers. Raises UserError naming the key where the sizes do not fit
    together."""
    check_encoder(config, parallel)
    # Not perform_initialization=False: then Megatron-Core would not mark how parameters are cut over tensor-parallel
    # ranks either.
    draw = truncated_normal if initialise else lambda std: lambda weight: weight
    return TransformerConfig(
        num_layers=config.num_layers,
        hidden_size=config.hidden_size,
        num_attention_heads=config.num_heads,
        ffn_hidden_size=config.ffn_size,
        gated_linear_unit=True,
        activation_func=F.gelu,
        use_te_activation_func=True,  # take the activation that the layers' specification names, which is ours
        add_bias_linear=False,
        hidden_dropout=0.0,  # each branch has its own, see `_residual`
        attention_dropout=0.0,
        layernorm_epsilon=config.norm_eps,
        init_method=draw(config.init_std),
        embedding_init_method=draw(config.init_std),
        output_layer_init_method=draw(config.init_std / math.sqrt(2 * config.num_layers)),
        **transformer_kwargs(parallel),
    )


def truncated_normal(std: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Initialiser of ModernBERT's weights: a normal distribution cut at two standard deviations (before the cut)."""
    return partial(torch.nn.init.trunc_normal_, std=std, a=-2 * std, b=2 * std)


def _residual(dropout: float) -> Callable:
    """Megatron-Core's dropout and residual addition with the dropout of one branch (its configuration knows one for
    both)."""

    def build(training: bool, fused: bool) -> Callable:
        add = get_bias_dropout_add(training, fused)
        return lambda output_and_bias, residual, _: add(output_and_bias, residual, dropout)

    return build


def _layer(config: EncoderConfig, number: int) -> ModuleSpec:
    """Layer `number`, counted from 0 over the whole encoder: global or local, and without the attention's norm at 0."""
    norm = NORMS[config.norm]
    attention = SelfAttentionSubmodules(
        linear_qkv=ColumnParallelLinear,
        core_attention=partial(PackedAttention, local=is_local(config, number)),
        linear_proj=RowParallelLinear,
    )
    feed_forward = MLPSubmodules(linear_fc1=ColumnParallelLinear, activation_func=GeGlu, linear_fc2=RowParallelLinear)
    parts = TransformerLayerSubmodules(
        input_layernorm=norm if number else IdentityOp,  # the embedding norm stands before layer 0
        self_attention=ModuleSpec(SelfAttention, params={"attn_mask_type": AttnMaskType.no_mask}, submodules=attention),
        self_attn_bda=_residual(config.attention_out_dropout),
        pre_mlp_layernorm=norm,
        mlp=ModuleSpec(MLP, params={"ffn_hidden_size": config.ffn_size}, submodules=feed_forward),
        mlp_bda=_residual(config.mlp_dropout),
    )
    return ModuleSpec(TransformerLayer, submodules=parts)


class ModernBert(LanguageModule):
    """Encoder with its head of masked language modelling.

    Alternates global and local layers with a RoPE base each; no biases but the decoder's; pre-norm with the first norm
    skipped, norms after the embedding and at the end; GEGLU with the exact GELU; head at chosen positions only. Weights
    and logits are those of transformers' `ModernBertForMaskedLM` (`model.hf.modernbert.folder`)."""

    def __init__(
        self, config: EncoderConfig, transformer: TransformerConfig, pre_process: bool = True, post_process: bool = True
    ):
        """`pre_process`, `post_process`: this pipeline stage holds the embedding, the head."""
        super().__init__(config=transformer)
        self.encoder_config, self.pre_process, self.post_process = config, pre_process, post_process
        self.model_type = ModelType.encoder_or_decoder
        self.share_embeddings_and_output_weights = config.tie_embeddings
        norm = NORMS[config.norm]
        if pre_process:
            self.embedding = LanguageModelEmbedding(
                transformer, config.vocab_size, config.max_positions, position_embedding_type="none"
            )
            self.embedding_norm = norm(transformer, config.hidden_size, config.norm_eps)
            self.embedding_dropout = torch.nn.Dropout(config.embedding_dropout)
        offset = get_transformer_layer_offset(transformer)
        layers = [_layer(config, offset + number) for number in range(get_num_layers_to_build(transformer))]
        self.encoder = TransformerBlock(
            transformer, TransformerBlockSubmodules(layers, norm), True, pre_process, post_process
        )
        if post_process:
            whole = copy.copy(transformer)  # the head works at chosen positions, which no cut of the sequence fits
            whole.sequence_parallel = False
            self.head = MlmHead(whole, norm)
            self.output_layer = ColumnParallelLinear(
                config.hidden_size,
                config.vocab_size,
                config=whole,
                init_method=transformer.output_layer_init_method,
                bias=True,
                skip_weight_param_allocation=pre_process and config.tie_embeddings,
            )
        if pre_process or post_process:
            self.setup_embeddings_and_output_layer()
        self.geometry = Geometry(
            head_width=config.hidden_size // config.num_heads,
            max_positions=config.max_positions,
            window=config.local_window,
            theta_global=config.rope_theta_global,
            theta_local=config.rope_theta_local,
            dtype=transformer.params_dtype,
        )

    def set_input_tensor(self, input_tensor: list[torch.Tensor] | torch.Tensor) -> None:
        """Take what the pipeline stage before this one sent, `[T, 1, H]`; called by Megatron-Core's schedules."""
        self.encoder.set_input_tensor(input_tensor[0] if isinstance(input_tensor, list) else input_tensor)

    def hidden(self, pack: Pack) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Hidden states `[T, H]` after the embedding norm (before its dropout), and after the last layer's norm.

        In a pipeline the first is None but on the first stage. Under sequence parallelism it is this rank's part of
        them, and so is the second on a stage that is not the last. Raises UserError for a document longer than
        `model.max_positions`."""
        longest, limit = max(pack.lengths), self.encoder_config.max_positions
        if longest > limit:
            raise UserError(
                f"a document of {longest} tokens exceeds model.max_positions={limit}; cut documents or raise it"
            )
        cut = self.config.sequence_parallel
        filled = pack.fill_to(self.config.tensor_model_parallel_size) if cut else pack
        embedded = states = None
        if self.pre_process:
            embedded = self.embedding_norm(self.embedding(filled.tokens.unsqueeze(0), None))
            with get_cuda_rng_tracker().fork() if cut else nullcontext():  # each rank drops in its own part
                states = self.embedding_dropout(embedded)
        last = self.encoder(states, None, packed_seq_params=self.geometry.plan(filled)).squeeze(1)
        if cut and self.post_process:
            last = gather_from_sequence_parallel_region(last, tensor_parallel_output_grad=False)[: len(pack.tokens)]
        return None if embedded is None else embedded.squeeze(1), last

    def forward(self, pack: Pack, selected: torch.Tensor | None = None) -> torch.Tensor:
        """Logits `[M, V]` at the flat positions `selected` `[M]`, at all of them if None.

        V is this rank's part of the vocabulary under tensor parallelism. A pipeline stage without the head returns its
        states, `[T, 1, H]`."""
        _, last = self.hidden(pack)
        if not self.post_process:
            return last.unsqueeze(1)
        if selected is not None:
            last = last.index_select(0, selected)
        weight = self.shared_embedding_or_output_weight() if self.share_embeddings_and_output_weights else None
        return self.output_layer(self.head(last), weight=weight)[0]

    @torch.no_grad()
    def set_decoder_bias(self, log_frequencies: torch.Tensor) -> None:
        """Start the decoder's bias at `log_frequencies` `[V]` of the whole vocabulary, so that training need not learn
        the unigram."""
        if len(log_frequencies) != self.encoder_config.vocab_size:
            raise UserError(
                f"{len(log_frequencies)} frequencies do not fit model.vocab_size={self.encoder_config.vocab_size};"
                " count again"
            )
        if not self.post_process:
            return
        bias = self.output_layer.bias
        start = self.tp_group.rank() * len(bias)
        bias.copy_(log_frequencies[start : start + len(bias)])
