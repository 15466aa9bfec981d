"""Gemma 3, text alone (arXiv 2503.19786)."""

import dataclasses

import pytest

from common.errors import UserError
from conf.schema import ParallelConfig
from jobs.launch.compose import compose, to_config
from model.hf.decoder.folder import load_weights
from model.hf.folder import check_exportable, read_model
from model.nets.decoder import build_decoder
from model.shapes import check_shape, is_local
from model.training.cost.anatomy import causal_pairs
from model.training.cost.flops import parameter_count, step_flops
from tests.model.families.peer import both, difference, random_peer, through, written

PUBLISHED = {
    "model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh", "attention_bias": False, "head_dim": 256,
    "hidden_size": 1152, "num_hidden_layers": 26, "num_attention_heads": 4, "num_key_value_heads": 1,
    "intermediate_size": 6912, "max_position_embeddings": 32_768, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
    "rope_local_base_freq": 10_000, "rope_scaling": None, "rope_theta": 1_000_000, "sliding_window": 512,
    "sliding_window_pattern": 6, "vocab_size": 262_144, "initializer_range": 0.02, "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
}  # fmt: skip
"""config.json of google/gemma-3-1b-pt, as far as shape and rotations go."""
KEYS = {
    "head_dim": 24, "sliding_window": 16, "query_pre_attn_scalar": 20, "rms_norm_eps": 1e-5,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 2.5, "rope_theta": 50_000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1000.0},
    },
}  # fmt: skip
"""Heads wider than their share, documents beyond the window, two bases of which one is stretched."""


def test_parity(tmp_path):
    config, net = through(random_peer("gemma3_text", **KEYS), tmp_path)
    assert (config.window, config.global_every, config.attention_scalar) == (16, 2, 20)
    assert (config.rope_theta, config.rope_theta_local, config.rope_scaling.factor) == (50_000.0, 1000.0, 2.5)
    assert [is_local(config, layer) for layer in range(4)] == [True, False] * 2
    assert net.share_embeddings_and_output_weights


FAULTS = {
    "window": {"window": 17},
    "local base": {"rope_theta_local": 1010.0},
    "base": {"rope_theta": 51_000.0},
    "period": {"global_every": 3},
    "scalar": {"attention_scalar": 21},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_such_a_comparison_sees_faults(fault, tmp_path):
    peer = random_peer("gemma3_text", **KEYS)
    peer.save_pretrained(tmp_path)
    wrong = dataclasses.replace(read_model(tmp_path), **FAULTS[fault])
    net = build_decoder(wrong).eval()
    load_weights(net, wrong, tmp_path)
    assert difference(*both(net, peer)) > 1e-3


def test_the_published_shape(tmp_path):
    configured = to_config(compose("train", ["model=decoder/gemma_3_1b", "objective=causal"])).model
    assert read_model(written(tmp_path, PUBLISHED)) == configured
    assert parameter_count(configured) == 999_885_952


def test_few_layers_keep_the_period_that_is_stated(tmp_path):
    short = PUBLISHED | {"num_hidden_layers": 4}
    assert read_model(written(tmp_path, short)).global_every == 6
    types = ["sliding_attention"] * 4
    assert read_model(written(tmp_path, short | {"layer_types": types})).global_every == 6
    assert read_model(written(tmp_path, short | {"layer_types": [*types[:3], "full_attention"]})).global_every == 4
    with pytest.raises(UserError, match=r"whose global layers are not the layers n - 1, 2n - 1"):
        read_model(written(tmp_path, short | {"layer_types": ["full_attention", *types[:3]]}))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"use_bidirectional_attention": True}, "has use_bidirectional_attention=True; only False can be read"),
        ({"final_logit_softcapping": 30.0}, "has final_logit_softcapping=30.0; only None can be read"),
        ({"attention_bias": True}, "has attention_bias=True; only False can be read"),
        ({"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0}}}, "has rope_type='linear'"),
    ],
)
def test_what_our_net_is_not(change, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read_model(written(tmp_path, PUBLISHED | change))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"window": 0}, "model.window=0 is none; set model.window"),
        ({"architecture": "llama"}, "model.global_every=6 makes layers local, which llama has none of"),
        ({"global_every": 0}, "model.rope_theta_local=10000 is of local layers, and there are none"),
    ],
)
def test_keys_that_do_not_fit_together(change, message, tmp_path):
    config = dataclasses.replace(read_model(written(tmp_path, PUBLISHED)), **change)
    with pytest.raises(UserError, match=message):
        check_shape(config, ParallelConfig())


def test_layers_that_are_all_alike_have_no_form_in_their_class(tmp_path):
    config = read_model(written(tmp_path, PUBLISHED))
    with pytest.raises(UserError, match="gemma3_text has global and local layers; set model.global_every"):
        check_exportable(dataclasses.replace(config, global_every=0, rope_theta_local=0.0))


def test_local_layers_cost_their_window(tmp_path):
    config = read_model(written(tmp_path, PUBLISHED))
    whole = dataclasses.replace(config, global_every=1)
    unseen = causal_pairs([2048]) - causal_pairs([2048], 512)
    assert step_flops(whole, [2048], 0) - step_flops(config, [2048], 0) == 3 * 4 * 22 * 4 * 256 * unseen
