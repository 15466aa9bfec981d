"""Weights to start from: of a Hugging Face folder, a checkpoint, a checkpoint that Megatron-LM wrote."""

import dataclasses

import numpy as np
import pytest
import torch
from megatron.core import dist_checkpointing
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
from megatron.core.models.gpt.gpt_model import GPTModel

from common import manifest as manifests
from common.errors import UserError
from conf.schema import OptimConfig, ParallelConfig
from conf.schema.model import RopeScalingConfig
from model.hf.decoder.folder import export_decoder
from model.hf.folder import load_into
from model.hf.modernbert.folder import export_modernbert
from model.megatron import checkpoint, startup
from model.megatron.checkpoint_io import WriteHere
from model.megatron.optimizer import build_optimizer
from model.megatron.step import distribute
from model.nets.decoder import build_decoder
from model.nets.decoder_layer import transformer_config
from model.nets.encoder import build_encoder
from model.nets.pack import Pack


def same(found, given) -> bool:
    """Equal parameters, rows that fill aside."""
    own = dict(given.named_parameters())
    parts = ((parameter, own[name]) for name, parameter in found.named_parameters())
    return all(torch.equal(a[:1000], b[:1000]) for a, b in parts)


def test_a_folder_of_hugging_face_under_what_may_differ(qwen, random_decoder, tmp_path):
    given = random_decoder(qwen)
    export_decoder(given, qwen, tmp_path)
    config = dataclasses.replace(qwen, max_positions=512, rope_theta=5e5, dropout=0.2, init_std=0.01)
    config = dataclasses.replace(config, rope_scaling=RopeScalingConfig(kind="linear", factor=2.0))
    net = build_decoder(config)
    load_into(net, config, tmp_path)
    assert same(net, given)


def test_another_shape_is_listed_key_by_key(qwen, random_decoder, config, tmp_path):
    export_decoder(random_decoder(qwen), qwen, tmp_path)
    other = dataclasses.replace(qwen, ffn_size=128, norm_eps=1e-5, max_positions=512)
    with pytest.raises(
        UserError,
        match=(
            r"another net than the one asked for: model.ffn_size=128 \(there 96\), model.norm_eps=1e-05 \(there"
            r" 1e-06\); set"
        ),
    ):
        load_into(build_decoder(other), other, tmp_path)
    with pytest.raises(UserError, match="holds a qwen3, not model.architecture=modernbert"):
        load_into(build_encoder(config), config, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty has no weights to start from; name a folder with config.json"):
        load_into(build_decoder(qwen), qwen, tmp_path / "empty")


def test_a_number_that_fp32_does_not_tell_apart_is_the_same(qwen, random_decoder, tmp_path):
    """As PyTorch writes 1e-5 where it was held in fp32."""
    export_decoder(random_decoder(qwen), dataclasses.replace(qwen, norm_eps=9.999999747378752e-06), tmp_path)
    own = dataclasses.replace(qwen, norm_eps=1e-5)
    load_into(build_decoder(own), own, tmp_path)
    other = dataclasses.replace(qwen, norm_eps=1.001e-5)
    with pytest.raises(UserError, match="model.norm_eps=1.001e-05"):
        load_into(build_decoder(other), other, tmp_path)


def test_an_encoder(config, randomised, tmp_path):
    given = randomised(config)
    export_modernbert(given, config, tmp_path)
    longer = dataclasses.replace(config, max_positions=2048, attention_out_dropout=0.0)
    few = dataclasses.replace(
        config, num_layers=2, global_every=3
    )  # config.json says which layers are global, which a period of 2 does too
    export_modernbert(randomised(few), few, tmp_path / "few")
    load_into(build_encoder(few), few, tmp_path / "few")
    with pytest.raises(UserError, match="model.global_every=1"):
        load_into(build_encoder(few), dataclasses.replace(few, global_every=1), tmp_path / "few")
    net = build_encoder(longer)
    load_into(net, longer, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), given.parameters(), strict=True))


@pytest.mark.parametrize("half", ["hf", "megatron"])
def test_a_checkpoint_of_ours(half, qwen, random_decoder, tmp_path):
    given, parallel = random_decoder(qwen), ParallelConfig(threads=1)
    if half == "hf":
        export_decoder(given, qwen, tmp_path / "checkpoint" / "hf")
    else:
        checkpoint.save(
            tmp_path / "checkpoint" / "megatron",
            given,
            build_optimizer(distribute(given, parallel), OptimConfig(), parallel),
            {},
        )
    manifests.write(tmp_path / "checkpoint", manifests.describe("checkpoint", step=3))
    (tmp_path / "last").symlink_to("checkpoint")
    net = build_decoder(qwen)
    load_into(net, qwen, tmp_path / "last")
    assert same(net, given)


def gpt(config, stacked):
    """Megatron-Core's own GPT, as Megatron-LM trains it, with every parameter random and its vocabulary filled up
    further than ours."""
    settings = transformer_config(config, startup.parallel())
    settings.hetereogenous_dist_checkpoint, settings.normalization, settings.use_te_activation_func = (
        not stacked,
        "RMSNorm",
        False,
    )
    spec = get_gpt_layer_local_spec(qk_layernorm=True, normalization="RMSNorm")
    tied = config.tie_embeddings
    net = GPTModel(settings, spec, 1280, 256, position_embedding_type="rope", share_embeddings_and_output_weights=tied)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_()
    return net


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("stacked", [True, False], ids=["stacked", "one by one"])
def test_a_checkpoint_of_megatron_lm(stacked, tied, qwen, tmp_path):
    config = dataclasses.replace(qwen, tie_embeddings=tied)
    given = gpt(config, stacked)
    dist_checkpointing.save({**given.sharded_state_dict(), "iteration": 3}, str(tmp_path), sharded_strategy=WriteHere())
    net = build_decoder(config, initialise=False)
    load_into(net, config, tmp_path)
    assert same(net, given) and not net.embedding.word_embeddings.weight[1000:].any()
    ids = np.random.default_rng(0).integers(0, 1000, 50)
    with torch.no_grad():
        assert bool(net.eval()(Pack.from_documents([ids])).isfinite()[:, :1000].all())

    wider = dataclasses.replace(config, ffn_size=128)
    with pytest.raises(
        UserError,
        match=r"holds another net: decoder.layers.*linear_fc1.weight is \[.*\] there and \[.*\] here; set model",
    ):
        load_into(build_decoder(wider), wider, tmp_path)
    deeper = dataclasses.replace(config, num_layers=4)
    with pytest.raises(UserError, match="holds another net: "):
        load_into(build_decoder(deeper), deeper, tmp_path)
    shallower = dataclasses.replace(config, num_layers=1)
    with pytest.raises(UserError, match="holds another net: "):
        load_into(build_decoder(shallower), shallower, tmp_path)


@pytest.mark.parametrize("kind", ["checkpoint", "export"])
def test_weights_that_are_not_those_of_the_manifest_are_refused(kind, qwen, random_decoder, tmp_path):
    """A link that points elsewhere, a copy that was cut off: the manifest beside them knows."""
    hf = tmp_path / "it" / "hf" if kind == "checkpoint" else tmp_path / "it"
    export_decoder(random_decoder(qwen), qwen, hf)
    manifests.write(tmp_path / "it", {"kind": kind, "files": manifests.digests(tmp_path / "it")})
    (tmp_path / "link").symlink_to("it")
    load_into(build_decoder(qwen), qwen, tmp_path / "link")
    with (hf / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\1")
    with pytest.raises(
        UserError, match=r"model.safetensors is missing or not what manifest.json beside it says; copy the folder again"
    ):
        load_into(build_decoder(qwen), qwen, tmp_path / "link")
