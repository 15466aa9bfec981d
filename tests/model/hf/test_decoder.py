"""Decoders to Hugging Face and back: equal tensors, equal logits, nothing lost; with every parameter random."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from common.errors import UserError
from conf.schema import LoraConfig, ParallelConfig
from conf.schema.model import RopeScalingConfig
from model.hf.decoder.folder import export_decoder, load_weights
from model.hf.decoder.weights import names, shapes, to_theirs
from model.hf.folder import load_net
from model.nets.decoder import build_decoder
from model.nets.pack import Pack

TOLERANCE = 1e-4
TEXTS = [np.random.default_rng(length).integers(0, 1000, length) for length in (100, 3, 40, 1)]


def logits(net, documents=TEXTS):
    """Ours, packed, without the rows that fill."""
    with torch.no_grad():
        return net(Pack.from_documents(documents))[:, : net.decoder_config.vocab_size]


def their_logits(model, documents=TEXTS):
    """Theirs, padded."""
    ids, mask = (torch.zeros(len(documents), max(map(len, documents)), dtype=torch.int64) for _ in range(2))
    for row, document in enumerate(documents):
        ids[row, : len(document)], mask[row, : len(document)] = torch.from_numpy(document), 1
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask).logits[mask.bool()]


def error(found, expected):
    """Largest difference, relative to the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def tensors(folder):
    """All tensors of a folder, whole or in shards."""
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def test_transformers_computes_the_same_logits(decoder_config, random_decoder, causal_lm, tmp_path):
    net = random_decoder(decoder_config)
    export_decoder(net, decoder_config, tmp_path)
    expected = logits(net)
    assert expected.std() > 0.5  # not a comparison of zeros
    assert error(their_logits(causal_lm(tmp_path)), expected) <= TOLERANCE


def test_heads_may_be_wider_than_their_share(decoder_config, random_decoder, causal_lm, tmp_path):
    """Qwen2 and Phi have no key for it, and yet heed `head_dim`."""
    config = dataclasses.replace(decoder_config, head_width=24)
    net = random_decoder(config)
    export_decoder(net, config, tmp_path)
    assert error(their_logits(causal_lm(tmp_path)), logits(net)) <= TOLERANCE


def test_what_transformers_wrote_comes_back_bit_by_bit(decoder_config, random_decoder, causal_lm, tmp_path):
    """Their own folder, their own names: through our net and out again."""
    export_decoder(random_decoder(decoder_config), decoder_config, tmp_path / "first")
    causal_lm(tmp_path / "first").save_pretrained(tmp_path / "theirs")
    config, net = load_net(tmp_path / "theirs")
    assert config == decoder_config
    export_decoder(net, config, tmp_path / "ours", shard_bytes=50_000)
    given, again = tensors(tmp_path / "theirs"), tensors(tmp_path / "ours")
    assert given.keys() == again.keys() == shapes(config).keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in given.items())


def test_layouts_of_every_tensor(decoder_config, random_decoder, tmp_path):
    """Numbers that tell where they are: what is whole, cut, grouped or filled up must come back at its own place."""
    net = random_decoder(decoder_config)
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            parameter.copy_(1 + number + torch.arange(parameter.numel()).view(parameter.shape) / parameter.numel())
    own = dict(net.named_parameters())
    for ours, theirs in names(decoder_config).items():
        found = dict(zip(theirs, to_theirs(ours, own[ours], decoder_config), strict=True))
        assert {name: tuple(part.shape) for name, part in found.items()} == {
            name: shapes(decoder_config)[name] for name in theirs
        }
    head, each = decoder_config.head_width, decoder_config.num_heads // decoder_config.num_kv_heads
    name = "decoder.layers.1.self_attention.linear_qkv.weight"
    queries, keys, values = to_theirs(name, own[name], decoder_config)
    for group in range(decoder_config.num_kv_heads):
        rows = own[name][group * (each + 2) * head : (group + 1) * (each + 2) * head]
        assert torch.equal(queries[group * each * head : (group + 1) * each * head], rows[: each * head])
        assert torch.equal(keys[group * head : (group + 1) * head], rows[each * head : (each + 1) * head])
        assert torch.equal(values[group * head : (group + 1) * head], rows[(each + 1) * head :])


def test_rows_that_fill_stay_behind_and_come_back_as_zeros(decoder_config, random_decoder, tmp_path):
    net = random_decoder(decoder_config)
    export_decoder(net, decoder_config, tmp_path)
    assert tensors(tmp_path)["model.embed_tokens.weight"].shape == (1000, 64)
    again = build_decoder(decoder_config, initialise=False)
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.fill_(7.0)
    load_weights(again, decoder_config, tmp_path)
    given = dict(net.named_parameters())
    for name, parameter in again.named_parameters():
        if name.startswith(("embedding.", "output_layer.")):
            assert len(parameter) == 1024 and not parameter[1000:].any()
        assert torch.equal(parameter[:1000], given[name][:1000]), name


def test_shards_and_their_index(qwen, random_decoder, causal_lm, tmp_path):
    export_decoder(random_decoder(qwen), qwen, tmp_path, shard_bytes=100_000)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) > 3 and {file.name for file in files} == set(index["weight_map"].values())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tensors(tmp_path).values())
    for file in files:
        with safe_open(file, "pt") as opened:
            held = list(opened.keys())
            assert all(index["weight_map"][name] == file.name for name in held) and opened.metadata() == {
                "format": "pt"
            }
            assert len(held) == 1 or sum(opened.get_tensor(name).nbytes for name in held) <= 100_000
    causal_lm(tmp_path)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_tied_weights_stay_tied(tied, qwen, random_decoder, causal_lm, tmp_path):
    config = dataclasses.replace(qwen, tie_embeddings=tied)
    export_decoder(random_decoder(config), config, tmp_path)
    assert ("lm_head.weight" in tensors(tmp_path)) != tied
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] == tied
    peer = causal_lm(tmp_path)
    assert (peer.lm_head.weight is peer.model.embed_tokens.weight) == tied
    config, net = load_net(tmp_path)
    assert net.share_embeddings_and_output_weights == config.tie_embeddings == tied


def test_bf16_keeps_its_precision(qwen, tmp_path):
    net = build_decoder(qwen, ParallelConfig(precision="bf16"))
    export_decoder(net, qwen, tmp_path)
    assert {tensor.dtype for tensor in tensors(tmp_path).values()} == {torch.bfloat16}
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["dtype"] == written["torch_dtype"] == "bfloat16"
    _, again = load_net(tmp_path)
    assert all(torch.equal(a.float(), b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_low_rank_pairs_are_added_in(qwen, random_decoder, causal_lm, tmp_path):
    config = dataclasses.replace(
        qwen, lora=LoraConfig(rank=4, alpha=8.0, targets=["q_proj", "v_proj", "up_proj", "down_proj"])
    )
    net = random_decoder(config)
    export_decoder(net, config, tmp_path)
    assert tensors(tmp_path).keys() == shapes(qwen).keys()
    assert error(their_logits(causal_lm(tmp_path)), logits(net)) <= TOLERANCE


def broken(how):
    def change(net):
        with torch.no_grad():
            if how == "head":
                net.output_layer.weight.zero_()
            elif how == "part":
                net.embedding.word_embeddings.weight[500:625].zero_()
            elif how == "infinite":
                net.decoder.layers[1].mlp.linear_fc2.weight[3, 4] = torch.inf
            else:
                net.decoder.final_layernorm.weight[3] = torch.nan

    return change


@pytest.mark.parametrize(
    "how, message",
    [
        ("head", "cannot be exported: rows 0 to 999 of the head are all zero"),
        ("part", "cannot be exported: rows 500 to 624 of the embedding table are all zero"),
        (
            "infinite",
            r"decoder.layers.1.mlp.linear_fc2.weight has values that are not finite; take an earlier checkpoint",
        ),
        ("nan", r"decoder.final_layernorm.weight has values that are not finite"),
    ],
)
def test_a_broken_net_is_refused_before_anything_is_written(how, message, qwen, random_decoder, tmp_path):
    config = dataclasses.replace(qwen, tie_embeddings=False)
    net = random_decoder(config)
    broken(how)(net)
    with pytest.raises(UserError, match=message):
        export_decoder(net, config, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_a_net_that_is_not_tied_as_its_configuration_says_is_refused(qwen, random_decoder, tmp_path):
    untied = random_decoder(dataclasses.replace(qwen, tie_embeddings=False))
    with pytest.raises(UserError, match=r"model.tie_embeddings=True is not what the net was built with"):
        export_decoder(untied, qwen, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize("kind", ["yarn", "llama3"])
@pytest.mark.parametrize("inside", [True, False], ids=["in both places", "at the top"])
def test_the_length_before_stretching_may_stand_at_the_top_of_config_json(
    kind, inside, qwen, random_decoder, causal_lm, tmp_path
):
    """transformers lets it stand above the one in the rotations."""
    config = dataclasses.replace(qwen, rope_scaling=RopeScalingConfig(kind=kind, factor=4.0, original_max_positions=64))
    export_decoder(random_decoder(config), config, tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written.get("original_max_position_embeddings") == (64 if kind == "yarn" else None)
    written["original_max_position_embeddings"] = 32
    for rope in (written["rope_parameters"], written["rope_scaling"]):
        rope["original_max_position_embeddings"] = 128
        if not inside:
            del rope["original_max_position_embeddings"]
    (tmp_path / "config.json").write_text(json.dumps(written))
    found, net = load_net(tmp_path)
    assert found.rope_scaling.original_max_positions == 32
    assert error(their_logits(causal_lm(tmp_path)), logits(net.eval())) <= TOLERANCE
