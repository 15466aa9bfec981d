"""OLMo 2 (arXiv 2501.00656): norms behind the branches, queries and keys normed over all heads together."""

import pytest

from jobs.launch.compose import compose, to_config
from model.hf.folder import read_model
from model.training.cost.flops import parameter_count
from tests.model.families.peer import random_peer, through, written

PUBLISHED = {
    "model_type": "olmo2", "hidden_act": "silu", "attention_bias": False, "hidden_size": 2048, "num_hidden_layers": 16,
    "num_attention_heads": 16, "num_key_value_heads": 16, "intermediate_size": 8192, "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-06, "rope_theta": 500_000, "rope_scaling": None, "tie_word_embeddings": False,
    "vocab_size": 100_352, "initializer_range": 0.02,
}  # fmt: skip
"""config.json of allenai/OLMo-2-0425-1B, as far as shape and rotations go."""


@pytest.mark.parametrize("keys", [{}, {"num_key_value_heads": 4}, {"head_dim": 24}], ids=["groups", "heads", "wide"])
def test_parity(keys, tmp_path):
    config, net = through(random_peer("olmo2", rms_norm_eps=1e-5, **keys), tmp_path)
    norm = net.decoder.layers[0].self_attention.k_layernorm
    assert norm.weight.numel() == config.num_kv_heads * config.head_width


def test_the_published_shape(tmp_path):
    configured = to_config(compose("train", ["model=decoder/olmo_2_1b", "objective=causal"])).model
    assert read_model(written(tmp_path, PUBLISHED)) == configured
    assert parameter_count(configured) == 1_484_916_736
