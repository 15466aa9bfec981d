"""Adapters that peft reads and writes, and what transformers makes of a net with its pairs merged in."""

import dataclasses
import json
import shutil

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from common.errors import UserError
from conf.families import DECODERS
from conf.schema import LoraConfig
from model.hf.adapter import CONFIG, WEIGHTS, export_adapter, load_adapter, read_lora
from model.hf.decoder.folder import export_decoder, load_weights
from model.nets.decoder import build_decoder
from tests.model.nets.decoder_peers import SMALL, logits, theirs
from tests.model.nets.lora_peers import adapted_config, adapted_net, pack, peft_peer

TOLERANCE = 1e-4


def error(found, expected):
    """Largest difference, relative to the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def save_base(net, config, folder):
    """The net without its pairs, as transformers saves it."""
    theirs(
        config, {name: parameter for name, parameter in net.named_parameters() if ".lora_" not in name}
    ).save_pretrained(folder)


@pytest.mark.parametrize("family", DECODERS)
@torch.no_grad()
def test_peft_computes_the_same_from_what_is_exported(family, tmp_path):
    config = adapted_config(family)
    net = adapted_net(config).eval()
    save_base(net, config, tmp_path / "base")
    export_adapter(net, config, tmp_path / "adapter", tmp_path / "base")
    peer = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter").eval()
    found, expected = net(pack())[:, :200], logits(peer, pack())
    with peer.disable_adapter():
        assert error(logits(peer, pack()), expected) > 0.1
    assert error(found, expected) <= TOLERANCE


@torch.no_grad()
def test_what_peft_has_written_is_read(tmp_path):
    config = SMALL["qwen3"]
    save_base(adapted_net(config), config, tmp_path / "base")
    settings = peft.LoraConfig(
        r=3,
        lora_alpha=5,
        target_modules=["up_proj", "k_proj", "o_proj"],
        lora_dropout=0.2,
        task_type="CAUSAL_LM",
        init_lora_weights=False,
    )
    peer = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tmp_path / "base"), settings).eval()
    peer.save_pretrained(tmp_path / "adapter")
    lora = read_lora(tmp_path / "adapter")
    assert lora == LoraConfig(rank=3, alpha=5.0, dropout=0.2, targets=["k_proj", "o_proj", "up_proj"])
    config = dataclasses.replace(config, lora=lora)
    net = build_decoder(config).eval()
    load_weights(net, config, tmp_path / "base")
    load_adapter(net, tmp_path / "adapter")
    assert error(net(pack())[:, :200], logits(peer, pack())) <= TOLERANCE
    export_adapter(net, config, tmp_path / "again", tmp_path / "base")
    given, again = (load_file(tmp_path / name / WEIGHTS) for name in ("adapter", "again"))
    assert given.keys() == again.keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in given.items())


@pytest.mark.parametrize("family", ["qwen3", "phi"])
@torch.no_grad()
def test_the_merged_export_is_that_of_peft(family, tmp_path):
    config = adapted_config(family)
    net = adapted_net(config).eval()
    export_decoder(net, config, tmp_path / "merged")
    expected = peft_peer(net, config).merge_and_unload()
    found = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    assert "lora" not in (tmp_path / "merged" / "config.json").read_text()
    assert error(logits(found, pack()), logits(expected, pack())) <= TOLERANCE
    ours, peers = found.state_dict(), expected.state_dict()
    assert ours.keys() == peers.keys()
    assert all(error(ours[name], tensor) <= 1e-6 for name, tensor in peers.items())


@torch.no_grad()
def test_before_training_the_merged_export_is_the_base_bit_for_bit(tmp_path):
    config = adapted_config()
    save_base(adapted_net(config), config, tmp_path / "base")
    net = build_decoder(config, initialise=False)
    load_weights(net, config, tmp_path / "base")
    export_decoder(net, config, tmp_path / "merged")
    base, merged = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "merged"))
    assert base.keys() == merged.keys()
    assert all(torch.equal(tensor, merged[name]) for name, tensor in base.items())


def test_a_net_without_pairs_has_no_adapter(tmp_path):
    with pytest.raises(UserError, match=r"model\.lora\.rank=0 has no adapter to write"):
        export_adapter(build_decoder(SMALL["qwen3"]), SMALL["qwen3"], tmp_path / "adapter", "base")
    assert not (tmp_path / "adapter").exists()


Q = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"


def rewritten(**keys):
    def change(folder):
        written = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**written, **keys}))

    return change


def tensors(change_them):
    def change(folder):
        found = load_file(folder / WEIGHTS)
        change_them(found)
        save_file(found, folder / WEIGHTS)

    return change


FAULTS = {
    "no config": (lambda folder: (folder / CONFIG).unlink(), r"is no adapter \(no adapter_config\.json\)"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), r"adapter_model\.safetensors cannot be read"),
    "torn": (
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:1000]),
        r"cannot be read .*; copy or write it",
    ),
    "another method": (rewritten(peft_type="IA3"), "has peft_type='IA3'; only 'LORA' can be read"),
    "dora": (rewritten(use_dora=True), "has use_dora=True"),
    "rslora": (rewritten(use_rslora=True), "has use_rslora=True"),
    "trained biases": (rewritten(bias="all"), "has bias='all'"),
    "trained head": (rewritten(modules_to_save=["lm_head"]), "has modules_to_save="),
    "pattern": (rewritten(target_modules=".*q_proj"), "only a list of names"),
    "another rank": (rewritten(r=8), r"stands for model\.lora\.rank=8, and this net has 4"),
    "another scale": (rewritten(lora_alpha=7), r"stands for model\.lora\.alpha=7\.0, and this net has 6\.0"),
    "other targets": (
        rewritten(target_modules=["q_proj"]),
        r"stands for model\.lora\.targets=\['q_proj'\], and this net has",
    ),
    "tensor missing": (tensors(lambda found: found.pop(Q)), r"lacks .*layers\.1\.self_attn\.q_proj\.lora_A"),
    "tensor too many": (tensors(lambda found: found.update(other=torch.zeros(1))), "has other, which"),
    "shape": (
        tensors(lambda found: found.update({Q: torch.zeros(4, 63)})),
        r"q_proj\.lora_A\.weight of shape \(4, 63\), .* \(4, 64\)",
    ),
}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """An adapter."""
    from conf.schema import ParallelConfig
    from model.megatron import startup

    startup.start(ParallelConfig(threads=1), seed=0)
    folder = tmp_path_factory.mktemp("given") / "adapter"
    export_adapter(adapted_net(adapted_config()), adapted_config(), folder, "base")
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused_whole(fault, given, tmp_path):
    change, says = FAULTS[fault]
    folder = tmp_path / "adapter"
    shutil.copytree(given, folder)
    change(folder)
    net = adapted_net(adapted_config(), seed=3)
    before = [parameter.clone() for parameter in net.parameters()]
    with pytest.raises(UserError, match=says):
        load_adapter(net, folder)
    assert all(torch.equal(one, other) for one, other in zip(net.parameters(), before, strict=True))


def test_the_base_is_named_so_that_it_stays_the_same(tmp_path, monkeypatch):
    net, config = adapted_net(adapted_config()), adapted_config()
    (tmp_path / "models" / "step_0000010").mkdir(parents=True)
    (tmp_path / "models" / "best").symlink_to("step_0000010")
    monkeypatch.chdir(tmp_path)
    for given, named in {
        "models/best": str((tmp_path / "models" / "step_0000010").resolve()),
        "org/name": "org/name", "hf://org/name@main": "hf://org/name@main",
    }.items():  # fmt: skip
        export_adapter(net, config, tmp_path / "adapter", given)
        assert json.loads((tmp_path / "adapter" / CONFIG).read_text())["base_model_name_or_path"] == named
