"""Parameters and FLOPs of decoders against the models of transformers and the low-rank matrices of peft."""

import dataclasses
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
import transformers
import yaml
from torch.utils.flop_counter import FlopCounterMode

from conf.families import DECODERS
from conf.schema import Config, DecoderConfig, EncoderConfig, LoraConfig
from conf.schema.kinds import section
from model.training.cost.anatomy import causal_pairs
from model.training.cost.flops import parameter_count, step_flops, trained_count

NETS = sorted((Path(__file__).parents[4] / "conf" / "model" / "decoder").glob("*.yaml"))
FAMILIES = tuple(DECODERS)
SMALL = DecoderConfig(
    vocab_size=96,
    num_layers=3,
    hidden_size=32,
    num_heads=4,
    num_kv_heads=2,
    head_width=8,
    ffn_size=48,
    max_positions=64,
)
PHI = ["q_proj", "v_proj", "dense", "fc1"]


def read(path: Path) -> DecoderConfig:
    values = {
        key: value for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items() if key != "defaults"
    }
    return section(Config, "model", values)


def theirs(config: DecoderConfig, device: str = "meta") -> transformers.PreTrainedModel:
    """The model of transformers with these sizes."""
    family = DECODERS[config.architecture]
    sizes = transformers.AutoConfig.for_model(
        family.model_type,
        **family.fixed,
        vocab_size=config.vocab_size,
        num_hidden_layers=config.num_layers,
        hidden_size=config.hidden_size,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        head_dim=config.head_width,
        intermediate_size=config.ffn_size,
        tie_word_embeddings=config.tie_embeddings,
        attn_implementation="eager",  # whose products are plain ones, which are counted
    )
    with torch.device(device):
        return transformers.AutoModelForCausalLM.from_config(sizes)


def numbers(model: torch.nn.Module, trained: bool = False) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad or not trained)


@pytest.mark.parametrize("path", NETS, ids=lambda path: path.stem)
def test_parameters_of_every_recipe(path):
    assert parameter_count(read(path)) == numbers(theirs(read(path)))


@pytest.mark.parametrize("architecture", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_tied_and_untied(architecture, tied):
    kv_heads = 4 if architecture == "phi" else 2
    config = dataclasses.replace(SMALL, architecture=architecture, tie_embeddings=tied, num_kv_heads=kv_heads)
    assert parameter_count(config) == trained_count(config) == numbers(theirs(config))


@pytest.mark.parametrize("architecture", FAMILIES)
@pytest.mark.parametrize("rank", [0, 3])
def test_flops_are_those_of_the_peer(architecture, rank):
    """Their attention computes all pairs, where ours counts those that are seen; a net with low-rank matrices keeps its
    own weights."""
    targets = PHI if architecture == "phi" else LoraConfig().targets
    config = dataclasses.replace(SMALL, architecture=architecture, lora=LoraConfig(rank=rank, targets=targets))
    model, tokens, documents = theirs(config, "cpu"), 24, 2
    if rank:
        model.enable_input_require_grads()  # else the lowest layer hands no gradient on, which is not counted as less
        model = peft.get_peft_model(model, peft.LoraConfig(r=rank, target_modules=targets, task_type="CAUSAL_LM"))
        assert parameter_count(config) == numbers(model) and trained_count(config) == numbers(model, trained=True)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(documents, tokens, dtype=torch.long), use_cache=False).logits.sum().backward()
    unseen = documents * (tokens * tokens - tokens * (tokens + 1) // 2)
    surplus = 3 * 4 * config.num_layers * config.num_heads * config.head_width * unseen
    assert step_flops(config, [tokens] * documents, tokens * documents) == counter.get_total_flops() - surplus


def test_qwen3_1_7b_is_11_73_gflop_a_token():
    config = read(next(path for path in NETS if path.stem == "qwen3_1_7b"))
    assert step_flops(config, [4096], 4095) / 4096 / 1e9 == pytest.approx(11.73, abs=5e-3)


@pytest.mark.parametrize("window", [None, 1, 2, 7, 64, 500])
def test_causal_pairs_by_counting(window):
    lengths = [1, 2, 3, 7, 8, 20, 65, 130]
    reach = np.inf if window is None else window
    apart = [np.subtract.outer(np.arange(n), np.arange(n)) for n in lengths]
    assert causal_pairs(lengths, window) == sum(int(((a >= 0) & (a < reach)).sum()) for a in apart)


def test_parameters_of_an_encoder_are_those_of_the_peer():
    config = EncoderConfig(vocab_size=96, num_layers=3, hidden_size=32, num_heads=4, ffn_size=48)
    sizes = {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "vocab_size": 96,
    }
    with torch.device("meta"):
        model = transformers.ModernBertForMaskedLM(transformers.ModernBertConfig(**sizes, pad_token_id=0))
    assert parameter_count(config) == numbers(model)
