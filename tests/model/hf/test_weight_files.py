"""Which of several sets of weights in a folder are read: those that transformers reads."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from model.hf.decoder.folder import export_decoder
from model.hf.folder import load_net
from model.hf.modernbert.folder import export_modernbert
from model.hf.tensors import INDEX, SINGLE
from model.surgery.average import combine
from model.surgery.inputs import model_in

TABLE = "model.embed_tokens.weight"


def export(net, config, folder, sharded=False):
    """`net`, in three shards or more or in one file."""
    (export_decoder if hasattr(net, "decoder") else export_modernbert)(
        net, config, folder, shard_bytes=60_000 if sharded else 10**9
    )
    assert (folder / INDEX).is_file() == sharded
    return folder


@pytest.fixture
def mixed(qwen, random_decoder, tmp_path):
    """A folder with stale shards and their index beside model.safetensors of another net; and that net's folder."""
    stale, fresh = random_decoder(qwen), random_decoder(qwen)
    with torch.no_grad():
        for parameter in stale.parameters():
            parameter.mul_(0.5)
    folder = export(stale, qwen, tmp_path / "mixed", sharded=True)
    shutil.copy(export(fresh, qwen, tmp_path / "fresh") / SINGLE, folder / SINGLE)
    return folder, tmp_path / "fresh"


def table(net):
    return net.embedding.word_embeddings.weight[: net.decoder_config.vocab_size]


def test_one_file_comes_before_the_index(mixed, causal_lm):
    folder, fresh = mixed
    theirs = causal_lm(folder).model.embed_tokens.weight
    assert torch.equal(theirs, load_file(fresh / SINGLE)[TABLE])
    assert torch.equal(table(load_net(folder)[1]), theirs)


def test_an_index_without_its_shards_counts_only_where_nothing_else_is(mixed, causal_lm):
    folder, fresh = mixed
    for shard in folder.glob("model-*.safetensors"):
        shard.unlink()
    assert torch.equal(table(load_net(folder)[1]), causal_lm(folder).model.embed_tokens.weight)
    (folder / SINGLE).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(
        UserError,
        match=rf"{INDEX} names model-00001-of-\d+.safetensors, which is no file beside it; copy the model again",
    ):
        load_net(folder)


def test_an_encoder_too(config, randomised, theirs, tmp_path):
    stale, fresh = randomised(config), randomised(config)
    with torch.no_grad():
        stale.embedding.word_embeddings.weight.zero_()
    folder = export(stale, config, tmp_path / "mixed", sharded=True)
    shutil.copy(export(fresh, config, tmp_path / "fresh") / SINGLE, folder / SINGLE)
    expected = theirs(folder).model.embeddings.tok_embeddings.weight
    assert torch.equal(load_net(folder)[1].embedding.word_embeddings.weight, expected) and expected.any()


def test_the_file_that_config_json_names_comes_first(mixed, causal_lm):
    folder, fresh = mixed
    written = json.loads((folder / "config.json").read_text())
    halved = {name: tensor * 0.25 for name, tensor in load_file(fresh / SINGLE).items()}
    save_file(halved, folder / "chosen.safetensors", metadata={"format": "pt"})
    for name in ("chosen.safetensors", INDEX):
        (folder / "config.json").write_text(json.dumps(written | {"transformers_weights": name}))
        assert torch.equal(table(load_net(folder)[1]), causal_lm(folder).model.embed_tokens.weight), name
    (folder / "config.json").write_text(json.dumps(written | {"transformers_weights": "../fresh/model.safetensors"}))
    with pytest.raises(
        UserError, match=r"transformers_weights='../fresh/model.safetensors', which is no safetensors file beside it"
    ):
        load_net(folder)


def test_a_merge_reads_the_same_and_carries_no_stale_index(mixed, tmp_path):
    folder, fresh = mixed
    combine([model_in(fresh), model_in(folder)], [0.5, 0.5], tmp_path / "out")
    assert torch.equal(load_file(tmp_path / "out" / SINGLE)[TABLE], load_file(fresh / SINGLE)[TABLE])
    assert not list((tmp_path / "out").glob("model*.json")) and len(list((tmp_path / "out").glob("*.safetensors"))) == 1


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {"a": 3}}'])
def test_an_index_that_is_none(content, mixed):
    folder, _ = mixed
    (folder / SINGLE).unlink()
    (folder / INDEX).write_text(content)
    with pytest.raises(UserError, match="has no weight_map from tensors to files"):
        load_net(folder)


def test_shards_are_not_written_beside_a_file_that_would_be_read_in_their_place(mixed, qwen, random_decoder):
    with pytest.raises(UserError, match="would be read in place of the shards"):
        export_decoder(random_decoder(qwen), qwen, mixed[1], shard_bytes=60_000)
