"""A started process, nets with every parameter random, and the same net as transformers computes it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from common.files import write_json
from conf.schema import EncoderConfig, ParallelConfig
from model.megatron import startup
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
                centre, spread = (0.0, 1.5 * parameter.shape[-1] ** -0.5) if parameter.ndim > 1 else (float("norm" in name), 0.3)
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

    def logits(ours: ModernBert, theirs: torch.nn.Module, documents: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
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
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", TOKENIZER_SETTINGS)
    return folder
