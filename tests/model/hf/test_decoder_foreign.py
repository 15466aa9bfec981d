"""Folders that hold another decoder than they say, or a broken one: one clear error each."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from model.hf.decoder.folder import export_decoder
from model.hf.folder import load_net

QUERIES = "model.layers.1.self_attn.q_proj.weight"
TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture
def folder(qwen, random_decoder, tmp_path):
    export_decoder(random_decoder(qwen), qwen, tmp_path)
    return tmp_path


def edit_config(folder, **change):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def edit_tensors(folder, **change):
    """Replace tensors (None removes one)."""
    tensors = load_file(folder / "model.safetensors") | change
    save_file(
        {name: tensor for name, tensor in tensors.items() if tensor is not None},
        folder / "model.safetensors",
        {"format": "pt"},
    )


@pytest.mark.parametrize(
    "config_change, tensor_change, message",
    [
        (
            {},
            {QUERIES: None},
            rf"has no tensor {QUERIES}; a qwen3 ...ForCausalLM folder has one, with the shape \(128, 64\)",
        ),
        (
            {},
            {QUERIES: torch.zeros(64, 64)},
            rf"has {QUERIES} of shape \(64, 64\), but config.json asks for \(128, 64\)",
        ),
        ({"num_hidden_layers": 3, "layer_types": None}, {}, "has no tensor model.layers.2.input_layernorm.weight"),
        (
            {"num_hidden_layers": 1, "layer_types": None},
            {},
            "has the tensor model.layers.1.input_layernorm.weight, which is no part of a qwen3",
        ),
        (
            {"vocab_size": 999},
            {},
            r"has model.embed_tokens.weight of shape \(1000, 64\), but config.json asks for \(999, 64\)",
        ),
        (
            {},
            {"score.weight": torch.ones(2, 64)},
            "has the tensor score.weight, which is no part of a qwen3 ...ForCausalLM; remove it",
        ),
        ({"tie_word_embeddings": False}, {}, "has no tensor lm_head.weight"),
        (
            {},
            {HEAD: torch.ones(1000, 64)},
            "lm_head.weight that is not the embedding table, though config.json ties them; set tie_word",
        ),
        (
            {},
            {HEAD: torch.ones(1000, 32)},
            r"has lm_head.weight of shape \(1000, 32\), but config.json asks for \(1000, 64\)",
        ),
        (
            {"tie_word_embeddings": False},
            {HEAD: torch.zeros(1000, 64)},
            "cannot be used: rows 0 to 999 of the head are all zero",
        ),
        ({}, {TABLE: torch.zeros(1000, 64)}, "cannot be used: rows 0 to 999 of the embedding table are all zero"),
        (
            {},
            {QUERIES: torch.full((128, 64), torch.nan)},
            "decoder.layers.1.self_attention.linear_qkv.weight has values that are not fin",
        ),
        (
            {"model_type": "gpt2"},
            {},
            "describes a model of type 'gpt2'; those that can be read are modernbert, qwen3, qwen2, llama",
        ),
    ],
)
def test_one_sentence_each(folder, config_change, tensor_change, message):
    edit_config(folder, **config_change)
    edit_tensors(folder, **tensor_change)
    with pytest.raises(UserError, match=message):
        load_net(folder)


def test_an_all_zero_head_beside_a_tied_table_is_left_out(folder, causal_lm, capsys, tmp_path):
    """As a released model has it: transformers 5 would take the zeros, and predict nothing."""
    edit_tensors(folder, **{HEAD: torch.zeros(1000, 64)})
    config, net = load_net(folder)
    said = capsys.readouterr().err
    assert (
        "lm_head.weight that is all zero, though config.json ties it" in " ".join(said.split())
        and said.count("warning") == 1
    )
    assert config.tie_embeddings and net.share_embeddings_and_output_weights
    export_decoder(net, config, tmp_path / "mended")
    assert HEAD not in load_file(tmp_path / "mended" / "model.safetensors")
    assert causal_lm(tmp_path / "mended").lm_head.weight.any()


def test_a_tied_head_may_be_stored_twice_and_old_buffers_may_lie_about(folder, capsys):
    table = load_file(folder / "model.safetensors")[TABLE]
    edit_tensors(folder, **{HEAD: table.clone(), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16)})
    load_net(folder)
    assert "warning" not in capsys.readouterr().err


def test_broken_and_missing_files(qwen, random_decoder, tmp_path):
    export_decoder(random_decoder(dataclasses.replace(qwen)), qwen, tmp_path, shard_bytes=100_000)
    shard = sorted(tmp_path.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(UserError, match=rf"{shard.name} cannot be read .*; copy or write it again"):
        load_net(tmp_path)
    shard.unlink()
    with pytest.raises(UserError, match=shard.name):
        load_net(tmp_path)
