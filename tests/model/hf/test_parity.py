"""Equal logits, losses and gradients in transformers' ModernBERT and ours, with every parameter random."""

import dataclasses

import numpy as np
import pytest
import torch

from model.hf.modernbert.folder import export_modernbert, load_modernbert
from model.hf.modernbert.weights import names, to_ours
from model.nets.norms import LayerNorm
from model.nets.pack import Pack

TOLERANCE = 1e-4
LENGTHS = {
    "band": [600, 17, 150, 64, 65, 129, 300, 1],  # the window is 128
    "loop": [600, *[64] * 20, 66],
    "equal": [520, 520],
}
VARIANTS = {
    "tied": {},
    "untied": {"tie_embeddings": False},
    "period 2": {"global_every": 2, "rope_theta_global": 80_000.0, "rope_theta_local": 5_000.0},
    "all global": {"global_every": 1},
    "one base": {"rope_theta_global": 20_000.0, "rope_theta_local": 20_000.0},
    "odd": {"norm_eps": 1e-2, "num_layers": 5, "num_heads": 2, "local_window": 30},
}


def documents(lengths):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 300, length) for length in lengths]


def error(found, expected):
    """Largest difference, relative to the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_logits_of_the_export(variant, lengths, config, randomised, theirs, both, tmp_path):
    config = dataclasses.replace(config, **VARIANTS[variant])
    model = randomised(config)
    export_modernbert(model, config, tmp_path)
    found, expected = both(model, theirs(tmp_path), documents(LENGTHS[lengths]))
    assert expected.std() > 0.5  # not a comparison of zeros
    assert error(found, expected) <= TOLERANCE


def swap_gate_and_value(model):
    for layer in model.encoder.layers:
        weight = layer.mlp.linear_fc1.weight
        weight.copy_(torch.cat(weight.chunk(2)[::-1]))


def geometry(**change):
    def mutate(model):
        model.geometry = dataclasses.replace(model.geometry, **change)

    return mutate


def norm_in_layer_0(model):
    model.encoder.layers[0].input_layernorm = LayerNorm(
        model.config, model.config.hidden_size, model.config.layernorm_epsilon
    )


def uninterleaved(model):
    for layer in model.encoder.layers:
        weight = layer.self_attention.linear_qkv.weight
        weight.copy_(to_ours(".attn.Wqkv.weight", weight, model.encoder_config))


def global_everywhere(model):
    for layer in model.encoder.layers:
        layer.self_attention.core_attention.local = False


class TanhGeGlu(torch.nn.Module):
    def forward(self, halves):
        gate, value = halves.chunk(2, dim=-1)
        return torch.nn.functional.gelu(gate, approximate="tanh") * value


def tanh_gelu(model):
    for layer in model.encoder.layers:
        layer.mlp.activation_func = TanhGeGlu()


MUTATIONS = {
    "gate and value swapped": swap_gate_and_value,
    "window one less each side": geometry(window=126),
    "window one more each side": geometry(window=130),
    "local base everywhere": geometry(theta_global=10_000.0),
    "global base everywhere": geometry(theta_local=160_000.0),
    "bases swapped": geometry(theta_global=10_000.0, theta_local=160_000.0),
    "norm in layer 0": norm_in_layer_0,
    "queries, keys, values not interleaved": uninterleaved,
    "no local layer": global_everywhere,
    "tanh GELU": tanh_gelu,
}


@pytest.mark.parametrize("lengths", ["band", "loop"])
@pytest.mark.parametrize("mutation", MUTATIONS)
@torch.no_grad()
def test_parity_would_notice(mutation, lengths, config, randomised, theirs, both, tmp_path):
    model = randomised(config)
    export_modernbert(model, config, tmp_path)
    MUTATIONS[mutation](model)
    assert error(*both(model, theirs(tmp_path), documents(LENGTHS[lengths]))) > TOLERANCE


@torch.no_grad()
def test_parity_would_notice_any_parameter_left_behind(config, randomised, theirs, both, tmp_path):
    config = dataclasses.replace(config, tie_embeddings=False, num_layers=3)
    model = randomised(config)
    export_modernbert(model, config, tmp_path)
    peer, texts = theirs(tmp_path), documents([200, 30])
    for name, parameter in model.named_parameters():
        former = parameter.clone()
        parameter.copy_(torch.full_like(parameter, float("norm" in name)))
        assert error(*both(model, peer, texts)) > TOLERANCE, name
        parameter.copy_(former)
    assert error(*both(model, peer, texts)) <= TOLERANCE


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_loss_and_every_gradient(tied, config, randomised, theirs, tmp_path):
    config = dataclasses.replace(config, tie_embeddings=tied, attention_out_dropout=0.0)
    model = randomised(config)
    export_modernbert(model, config, tmp_path)
    peer, texts = theirs(tmp_path), documents([300, 17, 150, 64])
    pack = Pack.from_documents(texts)
    selected = torch.from_numpy(np.flatnonzero(np.random.default_rng(1).random(len(pack.tokens)) < 0.3))
    targets = torch.from_numpy(np.random.default_rng(2).integers(0, 300, len(selected)))

    loss = torch.nn.functional.cross_entropy(model(pack, selected), targets)
    loss.backward()

    everywhere = torch.full_like(pack.tokens, -100).index_put((selected,), targets)
    ids, mask = torch.zeros(4, 300, dtype=torch.int64), torch.zeros(4, 300, dtype=torch.int64)
    labels, start = torch.full((4, 300), -100), 0
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = torch.from_numpy(text), 1
        labels[row, : len(text)] = everywhere[start : start + len(text)]
        start += len(text)
    expected = peer(input_ids=ids, attention_mask=mask, labels=labels).loss
    expected.backward()

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    ours, gradients = dict(model.named_parameters()), {name: p.grad for name, p in peer.named_parameters()}
    assert names(config).keys() == gradients.keys() and set(names(config).values()) == ours.keys()
    for name, mine in names(config).items():
        assert gradients[name].abs().max() > 0
        assert error(ours[mine].grad, to_ours(name, gradients[name], config)) <= TOLERANCE, name


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@torch.no_grad()
def test_logits_of_an_import(tied, both, theirs, tmp_path):
    """A folder that transformers wrote, with its own names and defaults."""
    from transformers import ModernBertConfig, ModernBertForMaskedLM

    torch.manual_seed(0)
    peer = ModernBertForMaskedLM(
        ModernBertConfig(
            vocab_size=300,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=7,
            num_attention_heads=4,
            max_position_embeddings=1024,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            cls_token_id=1,
            sep_token_id=2,
            tie_word_embeddings=tied,
        )  # fmt: skip
    ).eval()
    for parameter in peer.parameters():
        parameter.add_(0.3 * parameter.shape[-1] ** -0.5 * torch.randn_like(parameter))
    peer.save_pretrained(tmp_path / "theirs")
    config, model = load_modernbert(tmp_path / "theirs")
    assert (config.global_every, config.rope_theta_global, config.rope_theta_local) == (3, 160_000.0, 10_000.0)
    assert error(*both(model.eval(), peer, documents(LENGTHS["band"]))) <= TOLERANCE

    export_modernbert(model, config, tmp_path / "ours")
    again = theirs(tmp_path / "ours").state_dict()
    assert again.keys() == peer.state_dict().keys()
    assert all(torch.equal(again[name], value) for name, value in peer.state_dict().items())


@torch.no_grad()
def test_logits_of_a_folder_with_the_old_keys(both, theirs, tmp_path, config, randomised):
    """config.json as ModernBERT was published: a period, and one key a base."""
    import json

    model = randomised(config)
    export_modernbert(model, config, tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    for key in ("layer_types", "rope_parameters", "attention_out_dropout", "tie_word_embeddings"):
        del written[key]
    written |= {"global_attn_every_n_layers": 3, "global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0}
    (tmp_path / "config.json").write_text(json.dumps(written))
    read, again = load_modernbert(tmp_path)
    assert read == dataclasses.replace(config, attention_out_dropout=0.0)
    assert error(*both(again.eval(), theirs(tmp_path), documents([300, 20]))) <= TOLERANCE


OLD = ("global_attn_every_n_layers", "global_rope_theta", "local_rope_theta")


@pytest.mark.parametrize("local", [5_000.0, None], ids=["two bases", "one base"])
@pytest.mark.parametrize("period, layers", [(2, 5), (3, 4), (5, 7)])
@torch.no_grad()
def test_old_keys_are_written_and_are_enough(period, layers, local, tmp_path, config, randomised):
    """As transformers 4 writes and reads them; it took a local base of null for the global one."""
    import json

    bases = {"rope_theta_global": 80_000.0, "rope_theta_local": local or 80_000.0}
    config = dataclasses.replace(config, global_every=period, num_layers=layers, **bases)
    model = randomised(config)
    export_modernbert(model, config, tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert [written[key] for key in OLD] == [period, 80_000.0, bases["rope_theta_local"]] and written[
        "torch_dtype"
    ] == "float32"
    old = {key: value for key, value in written.items() if key not in ("layer_types", "rope_parameters", "dtype")}
    (tmp_path / "config.json").write_text(json.dumps(old | {"local_rope_theta": local}))
    read, again = load_modernbert(tmp_path)
    assert read == config
    pack = Pack.from_documents(documents([300, 20]))
    assert torch.equal(again.eval()(pack), model(pack))
