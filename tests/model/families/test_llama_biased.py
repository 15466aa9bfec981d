"""Llama with biases in attention and feed-forward, as Bielik v3 was released."""

import pytest

from common.errors import UserError
from model.hf.folder import read_model
from tests.model.families.peer import random_peer, through, written


@pytest.mark.parametrize("tied", [True, False])
def test_parity(tied, tmp_path):
    peer = random_peer("llama", attention_bias=True, mlp_bias=True, tie_word_embeddings=tied)
    config, net = through(peer, tmp_path)
    assert (config.architecture, config.tie_embeddings) == ("llama_biased", tied)
    layer = net.decoder.layers[0]
    for linear in (layer.self_attention.linear_qkv, layer.self_attention.linear_proj, layer.mlp.linear_fc1):
        assert linear.bias.abs().max() > 0
    assert net.output_layer.bias is None


def test_a_llama_without_is_another_family(tmp_path):
    assert read_model(written(tmp_path, {"model_type": "llama"})).architecture == "llama"


@pytest.mark.parametrize("key", ["attention_bias", "mlp_bias"])
def test_half_of_the_biases_is_refused(key, tmp_path):
    with pytest.raises(UserError, match=r"config.json has (attention|mlp)_bias="):
        read_model(written(tmp_path, {"model_type": "llama", key: True}))
