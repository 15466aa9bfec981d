"""Folders that are not a ModernBERT of ours: one clear error each."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from model.hf.modernbert.folder import export_modernbert, load_modernbert

QKV = "model.layers.1.attn.Wqkv.weight"


@pytest.fixture
def folder(config, randomised, tmp_path):
    export_modernbert(randomised(config), config, tmp_path)
    return tmp_path


def edit_config(folder, **change):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def edit_tensors(folder, **change):
    """Replace tensors (None removes one)."""
    tensors = load_file(folder / "model.safetensors") | change
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, folder / "model.safetensors")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model_type": "bert"}, "describes a model of type 'bert'; only modernbert can be read"),
        ({"mlp_bias": True}, "config.json has mlp_bias=True; only False can be read"),
        ({"hidden_activation": "silu"}, "config.json has hidden_activation='silu'; only 'gelu' can be read"),
        ({"decoder_bias": False}, "config.json has decoder_bias=False; only True can be read"),
        ({"hidden_size": "wide"}, "config.json is not a configuration of modernbert"),
        (
            {"layer_types": ["full_attention"] * 2 + ["sliding_attention"] * 2},
            "layer_types whose global layers are not the layers 0, n, 2n",
        ),
        ({"layer_types": ["sliding_attention"] * 4}, "layer_types whose global layers are not the layers 0, n, 2n"),
        (
            {"rope_parameters": {"full_attention": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}},
            "has rope_type='linear' for full_attention; only 'default' can be read",
        ),
        ({"num_attention_heads": 5}, "model.hidden_size=64 must be an even multiple of model.num_heads=5"),
    ],
)
def test_configuration(folder, change, message):
    edit_config(folder, **change)
    with pytest.raises(UserError, match=message):
        load_modernbert(folder)


@pytest.mark.parametrize(
    "config_change, tensor_change, message",
    [
        ({}, {QKV: None}, rf"has no tensor {QKV}; a ModernBertForMaskedLM folder has one, with the shape \(192, 64\)"),
        ({}, {QKV: torch.zeros(192, 32)}, rf"has {QKV} of shape \(192, 32\), but config.json asks for \(192, 64\)"),
        ({"num_hidden_layers": 5, "layer_types": None}, {}, "has no tensor model.layers.4.attn_norm.weight"),
        (
            {"num_hidden_layers": 3, "layer_types": None},
            {},
            "has the tensor model.layers.3.attn.Wo.weight, which is no part of",
        ),
        (
            {"vocab_size": 299},
            {},
            r"has model.embeddings.tok_embeddings.weight of shape \(300, 64\), but config.json asks for \(299, 64\)",
        ),
        (
            {},
            {"model.layers.0.attn_norm.weight": torch.ones(64)},
            "has the tensor model.layers.0.attn_norm.weight, which is no part of",
        ),
        ({}, {"classifier.weight": torch.ones(2, 64)}, "has the tensor classifier.weight, which is no part of"),
        (
            {},
            {"decoder.weight": torch.zeros(300, 64)},
            "decoder.weight that is not the embedding table, though config.json ties them",
        ),
        ({"tie_word_embeddings": False}, {}, "has no tensor decoder.weight"),
    ],
)
def test_tensors(folder, config_change, tensor_change, message):
    edit_config(folder, **config_change)
    edit_tensors(folder, **tensor_change)
    with pytest.raises(UserError, match=message):
        load_modernbert(folder)


def test_a_tied_decoder_may_be_stored_twice(folder):
    edit_tensors(
        folder,
        **{"decoder.weight": load_file(folder / "model.safetensors")["model.embeddings.tok_embeddings.weight"].clone()},
    )
    load_modernbert(folder)


def test_broken_and_missing_files(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"model.safetensors cannot be read .*; copy or write it again"):
        load_modernbert(folder)
    weights.unlink()
    with pytest.raises(UserError, match=r"has neither model.safetensors nor model.safetensors.index.json"):
        load_modernbert(folder)
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"config.json does not exist"):
        load_modernbert(folder)


def test_a_missing_shard_is_named(config, randomised, tmp_path):
    export_modernbert(randomised(config), config, tmp_path, shard_bytes=100_000)
    shard = sorted(tmp_path.glob("model-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(UserError, match=shard.name):
        load_modernbert(tmp_path)
