"""A started process, nets with every parameter random, and the same net as transformers computes it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from common.files import write_json
from conf.schema import DecoderConfig, EncoderConfig, ParallelConfig
from conf.schema.model import RopeScalingConfig
from model.megatron import startup
from model.nets.decoder import Decoder, build_decoder
from model.nets.encoder import ModernBert, build_encoder
from model.nets.pack import Pack

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENIZER_SETTINGS = {
    "tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"],
    **{f"{token.strip('[]').lower()}_token": token for token in SPECIAL},
}  # fmt: skip


@pytest.fixture(autouse=True)
def started():
    """One rank, one thread, seeded."""
    startup.start(ParallelConfig(threads=1), seed=0)


@pytest.fixture
def config() -> EncoderConfig:
    """ModernBERT's true window and RoPE bases at a small width."""
    return EncoderConfig(vocab_size=300, num_layers=4, hidden_size=64, num_heads=4, ffn_size=96, max_positions=1024)


@pytest.fixture
def randomised() -> Callable[[EncoderConfig], ModernBert]:
    """Builds a net in which no parameter has its initial value, in evaluation mode."""

    def build(config: EncoderConfig) -> ModernBert:
        model = build_encoder(config).eval()
        draw = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                noise = torch.randn(parameter.shape, generator=draw)
                centre, spread = (
                    (0.0, 1.5 * parameter.shape[-1] ** -0.5) if parameter.ndim > 1 else (float("norm" in name), 0.3)
                )
                parameter.copy_(centre + spread * noise)
        return model

    return build


@pytest.fixture
def theirs() -> Callable[[Path], torch.nn.Module]:
    """Loads a folder with transformers, in evaluation mode."""
    from transformers import ModernBertForMaskedLM

    return lambda folder: ModernBertForMaskedLM.from_pretrained(folder).eval()


@pytest.fixture
def both() -> Callable:
    """Logits of ours on a pack and of theirs on the same documents padded: two `[T, V]`."""

    def logits(
        ours: ModernBert, theirs: torch.nn.Module, documents: list[np.ndarray]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = padded(documents)
        return ours(Pack.from_documents(documents)), theirs(input_ids=ids, attention_mask=mask).logits[mask.bool()]

    return logits


def padded(documents: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, `[n, longest]`."""
    ids = torch.zeros(len(documents), max(map(len, documents)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, document in enumerate(documents):
        ids[row, : len(document)], mask[row, : len(document)] = torch.from_numpy(document), 1
    return ids, mask


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory) -> Path:
    """A byte-level tokenizer without merges: 5 special tokens, 256 bytes."""
    folder = tmp_path_factory.mktemp("tokenizer")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate([*SPECIAL, *alphabet])}, []))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", TOKENIZER_SETTINGS)
    return folder


_ODD = {
    "vocab_size": 1000, "num_layers": 2, "hidden_size": 64, "num_heads": 4, "num_kv_heads": 2, "head_width": 16,
    "ffn_size": 96,
    "max_positions": 256,
}  # fmt: skip
"""A vocabulary that must be filled up, heads of queries in groups."""
DECODERS = {
    "qwen3": DecoderConfig(architecture="qwen3", **_ODD | {"head_width": 32}),
    "qwen2": DecoderConfig(architecture="qwen2", **_ODD),
    "llama": DecoderConfig(
        architecture="llama",
        rope_scaling=RopeScalingConfig(kind="llama3", factor=8.0, original_max_positions=64),
        tie_embeddings=False,
        **_ODD,
    ),
    "llama_biased": DecoderConfig(architecture="llama_biased", tie_embeddings=False, **_ODD),
    "mistral": DecoderConfig(architecture="mistral", window=16, tie_embeddings=False, norm_eps=1e-5, **_ODD),
    "gemma3_text": DecoderConfig(
        architecture="gemma3_text", window=16, global_every=2, rope_theta_local=500.0, attention_scalar=20, **_ODD
    ),
    "olmo2": DecoderConfig(architecture="olmo2", tie_embeddings=False, norm_eps=1e-5, **_ODD),
    "phi": DecoderConfig(
        architecture="phi",
        rope_share=0.5,
        tie_embeddings=False,
        dropout=0.1,
        norm_eps=1e-5,
        **_ODD | {"num_kv_heads": 4},
    ),
}


@pytest.fixture(params=DECODERS)
def decoder_config(request) -> DecoderConfig:
    """A net of every family in turn."""
    return DECODERS[request.param]


@pytest.fixture
def all_decoders() -> dict[str, DecoderConfig]:
    """By family."""
    return DECODERS


@pytest.fixture
def qwen() -> DecoderConfig:
    """The net of one family."""
    return DECODERS["qwen3"]


@pytest.fixture
def random_decoder() -> Callable[[DecoderConfig], Decoder]:
    """Builds a decoder in which no parameter has its initial value, in evaluation mode."""
    return randomised_decoder


def randomised_decoder(config: DecoderConfig) -> Decoder:
    """The same on every layout of one rank."""
    net = build_decoder(config).eval()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw)
            is_norm = "norm" in name and name.endswith("weight")
            centre, spread = (0.0, 1.5 * parameter.shape[-1] ** -0.5) if parameter.ndim > 1 else (float(is_norm), 0.3)
            parameter.copy_(centre + spread * noise)
    return net


@pytest.fixture
def causal_lm() -> Callable[[Path], torch.nn.Module]:
    """Loads a folder with transformers as people do, in evaluation mode, after nothing was missing or left over."""
    from transformers import AutoModelForCausalLM

    def load(folder: Path) -> torch.nn.Module:
        model, found = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
        assert not any(found.values()), found
        return model.eval()

    return load
