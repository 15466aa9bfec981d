"""Our decoders compute what transformers' classes compute."""

import dataclasses

import pytest
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.phi.modeling_phi import PhiRotaryEmbedding

from conf.schema.model import RopeScalingConfig
from model.nets.decoder import build_decoder
from model.nets.pack import Pack
from model.nets.rope_scaling import stretched
from model.shapes import rotated_width
from tests.model.nets.decoder_peers import (
    LINEAR,
    LLAMA3,
    SMALL,
    YARN,
    logits,
    randomise,
    theirs,
    theirs_config,
    translate,
)

LENGTHS = [100, 7, 40, 1, 23]


@pytest.fixture
def pack():
    draw = torch.Generator().manual_seed(1)
    return Pack.from_documents([torch.randint(200, (length,), generator=draw).numpy() for length in LENGTHS])


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_logits(name, pack):
    config = SMALL[name]
    net = randomise(build_decoder(config), config).eval()
    peer = theirs(config, dict(net.named_parameters()))
    found, expected = net(pack)[:, :200], logits(peer, pack)
    assert expected.std() > 0.5
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


FAULTS = {
    "window": ("mistral", {"window": 17}),
    "base": ("qwen3", {"rope_theta": 1010.0}),
    "share": ("phi", {"rope_share": 0.25}),
    "scaling": ("llama", {"rope_scaling": LINEAR}),
    "yarn": ("qwen3_yarn", {"rope_scaling": dataclasses.replace(YARN, factor=4.4)}),
    "qk_norm": ("qwen3", {"architecture": "llama"}),
    "interleave": ("qwen2", {}),
}


@pytest.mark.parametrize("fault", FAULTS)
@torch.no_grad()
def test_such_a_comparison_sees_faults(fault, pack):
    name, change = FAULTS[fault]
    config, wrong = SMALL[name], dataclasses.replace(SMALL[name], **change)
    weights = dict(randomise(build_decoder(config), config).named_parameters())
    expected = logits(theirs(config, weights), pack)
    if fault == "interleave":
        weights = {
            key: value.roll(config.head_width, 0) if "linear_qkv" in key else value for key, value in weights.items()
        }
    net = build_decoder(wrong).eval()
    net.load_state_dict(weights, strict=False)
    assert (net(pack)[:, :200] - expected).abs().max() > 1e-2 * expected.abs().max()


@pytest.mark.parametrize("name", ["qwen3", "phi"])
def test_gradients(name, pack):
    config, outer = SMALL[name], torch.randn(sum(LENGTHS), 200)
    net = randomise(build_decoder(config), config)
    peer = theirs(config, dict(net.named_parameters()))
    (net(pack)[:, :200] * outer).sum().backward()
    (logits(peer, pack) * outer).sum().backward()
    expected = {key: parameter.grad for key, parameter in peer.named_parameters()}
    found = translate(config, {key: parameter.grad for key, parameter in net.named_parameters()})
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        assert (found[key] - gradient).abs().max() <= 1e-4 * gradient.abs().max() + 1e-6, key


@pytest.mark.parametrize(
    "kind", [RopeScalingConfig(), LINEAR, LLAMA3, YARN, dataclasses.replace(YARN, factor=1.0)], ids=lambda k: k.kind
)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_rotations(kind, share):
    config = dataclasses.replace(SMALL["llama"], head_width=64, rope_theta=5e5, rope_scaling=kind, rope_share=share)
    settings = theirs_config(config)
    make = PhiRotaryEmbedding.compute_default_rope_parameters if kind.kind == "none" else ROPE_INIT_FUNCTIONS[kind.kind]
    expected, expected_factor = make(settings)
    frequencies, factor = stretched(config.rope_theta, rotated_width(config), kind)
    torch.testing.assert_close(frequencies, expected, rtol=1e-6, atol=0)
    assert factor == pytest.approx(expected_factor, rel=1e-12)
