"""The decoder's behaviour; that it computes what transformers' classes compute is in `test_decoder_parity`."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from common.errors import UserError
from conf.schema import ParallelConfig
from conf.schema.model import RopeScalingConfig
from jobs.launch.compose import compose, to_config
from model.nets.decoder import build_decoder
from model.nets.pack import Pack
from tests.model.nets.decoder_peers import SMALL, randomise


def documents(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 200, length) for length in lengths]


def built(name="qwen3", **parallel):
    torch.manual_seed(0)
    return randomise(build_decoder(SMALL[name], ParallelConfig(**parallel)), SMALL[name])


@torch.no_grad()
def test_a_document_does_not_see_its_neighbours():
    model = built().eval()
    chosen, *others = documents([40, 7, 100, 1, 23])
    alone = model(Pack.from_documents([chosen]))[:, :200]
    for before, after in (([], others), (others, []), (others[:2], others[2:])):
        start = sum(map(len, before))
        packed = model(Pack.from_documents([*before, chosen, *after]))[start : start + 40, :200]
        torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name, reach", [("qwen3", 40), ("mistral", 16)])
@torch.no_grad()
def test_what_a_token_is_seen_by(name, reach):
    """Causal: by itself and those after it within the window; else by the whole document."""
    config = dataclasses.replace(SMALL[name], num_layers=1)
    model = randomise(build_decoder(config), config).eval()
    (document,) = documents([40])
    changed = np.where(np.arange(40) == 20, (document + 1) % 200, document)

    def moved():
        difference = model.hidden(Pack.from_documents([changed]))[1] - model.hidden(Pack.from_documents([document]))[1]
        return (difference.abs().amax(-1) > 0).nonzero().squeeze(1).tolist()

    assert moved() == list(range(20, min(40, 20 + reach)))
    model.causal = False
    assert moved() == list(range(40))


@torch.no_grad()
def test_logits_at_selected_positions_are_those_of_all():
    model, pack, selected = built().eval(), Pack.from_documents(documents([40, 7])), torch.tensor([0, 5, 39, 46])
    torch.testing.assert_close(model(pack, selected), model(pack)[selected])


def test_the_head_gets_states_and_table():
    model, pack = built("phi"), Pack.from_documents(documents([40, 7]))
    hidden, weight, bias = model(pack, torch.arange(5), head=lambda *parts: parts)
    assert hidden.shape == (5, 64) and weight is model.output_layer.weight and bias is model.output_layer.bias
    torch.testing.assert_close(hidden, model.hidden(pack)[1][:5])
    tied = built()
    assert tied(pack, head=lambda hidden, weight, bias: (weight, bias)) == (tied.embedding.word_embeddings.weight, None)


@pytest.mark.parametrize("name", ["qwen3", "phi"])
def test_rows_that_stand_for_no_token_are_never_predicted_and_never_learnt(name):
    model = built(name)
    logits = model(Pack.from_documents(documents([40, 7])))
    assert logits.shape == (47, 256) and (logits[:, 200:] == -torch.inf).all() and logits[:, :200].isfinite().all()
    torch.nn.functional.cross_entropy(logits, torch.arange(47)).backward()
    for parameter in (model.embedding.word_embeddings.weight, model.output_layer.weight, model.output_layer.bias):
        if parameter is not None:
            assert not parameter[200:].any() and not parameter.grad[200:].any() and parameter.grad[:200].any()


@torch.no_grad()
def test_hidden_states():
    model, pack = built().eval(), Pack.from_documents(documents([40, 7]))
    first, last = model.hidden(pack)
    assert torch.equal(first, model.embedding.word_embeddings.weight[pack.tokens])
    torch.testing.assert_close(
        (last / model.decoder.final_layernorm.weight).square().mean(-1), torch.ones(47), rtol=1e-3, atol=0
    )


@torch.no_grad()
def test_another_base_is_another_geometry():
    model, pack = built().eval(), Pack.from_documents(documents([40]))
    before = model(pack)
    config = dataclasses.replace(SMALL["qwen3"], rope_theta=5000.0)
    expected = randomise(build_decoder(config), config).eval()(pack)
    model.geometry = dataclasses.replace(model.geometry, theta=5000.0)
    assert torch.equal(model(pack), expected) and not torch.equal(before, expected)


@pytest.mark.parametrize("name", ["qwen3", "phi"])
@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputation_changes_no_gradient_and_keeps_less(name, recompute):
    pack, found, kept = Pack.from_documents(documents([100, 7, 100])), {}, {}
    config = dataclasses.replace(SMALL[name], dropout=0.1)
    for kind in ("none", recompute):
        model, sizes = randomise(build_decoder(config, ParallelConfig(recompute=kind)), config), []
        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: (sizes.append(t.nbytes), t)[1], lambda t: t
        ):
            loss = model(pack)[:, :200].square().sum()
        loss.backward()
        found[kind], kept[kind] = {key: parameter.grad for key, parameter in model.named_parameters()}, sum(sizes)
    assert all(torch.equal(gradient, found[recompute][key]) for key, gradient in found["none"].items())
    assert kept[recompute] < kept["none"]


@pytest.mark.parametrize("name", ["qwen3", "phi"])
def test_dropout_acts_in_training_alone(name):
    config, pack = dataclasses.replace(SMALL[name], dropout=0.5), Pack.from_documents(documents([40, 7]))
    model = randomise(build_decoder(config), config)
    assert not torch.equal(model(pack), model(pack))
    assert torch.equal(model.eval()(pack), built(name).eval()(pack))


def test_bf16():
    pack, exact = Pack.from_documents(documents([40, 7])), built().eval()
    model = built(precision="bf16").eval()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    expected = exact(pack)[:, :200]
    assert (model(pack)[:, :200].float() - expected).abs().max() < 0.05 * expected.abs().max()
    model(pack)[:, :200].float().sum().backward()


def test_inference_mode_first_and_training_after():
    model, pack = built(), Pack.from_documents(documents([40, 7]))
    with torch.inference_mode():
        model(pack)
    model(pack)[:, :200].sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_initial_weights():
    config = dataclasses.replace(SMALL["phi"], hidden_size=256, head_width=64, ffn_size=512, init_std=0.03)
    built = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        built.append(dict(build_decoder(config).named_parameters()))
    assert all(torch.equal(value, built[1][name]) for name, value in built[0].items())
    assert not torch.equal(built[0]["output_layer.weight"], built[2]["output_layer.weight"])
    for name, parameter in built[0].items():
        if parameter.ndim == 1:
            assert torch.equal(parameter, torch.full_like(parameter, 0.0 if name.endswith("bias") else 1.0))
            continue
        rows = 200 if name.startswith(("embedding", "output_layer")) else None
        std = 0.03 / (math.sqrt(2 * 2) if name.split(".")[-2] in ("linear_proj", "linear_fc2") else 1)
        assert parameter[:rows].std().item() == pytest.approx(std, rel=0.03), name


@pytest.mark.parametrize(
    "choice, parameters",
    [
        # as their Hugging Face folders have it
        ("qwen3_0_6b", 596_049_920),
        ("qwen3_1_7b", 1_720_574_976),
        ("qwen3_4b", 4_022_468_096),
        ("qwen2_5_1_5b", 1_543_714_304),
        ("qwen2_5_3b", 3_085_938_688),
        ("llama_3_2_1b", 1_235_814_400),
        ("mistral_7b", 7_241_732_096),
        ("phi_2", 2_779_683_840),
    ],
)
def test_parameter_counts(choice, parameters):
    model = build_decoder(
        to_config(compose("train", [f"model=decoder/{choice}", "objective=causal"])).model, device="meta"
    )
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize(
    "change, parallel, message",
    [
        ({"num_heads": 5}, {}, "model.num_heads=5 must be a multiple of model.num_kv_heads=2"),
        ({}, {"tensor": 4}, "model.num_kv_heads=2 must be a multiple of parallel.tensor=4"),
        ({"ffn_size": 97}, {"tensor": 2}, "model.ffn_size=97 must be a multiple of parallel.tensor=2"),
        ({}, {"pipeline": 3}, "model.num_layers=2 must be a multiple of parallel.pipeline=3"),
        (
            {"num_kv_heads": 3, "num_heads": 3, "ffn_size": 99},
            {"tensor": 3},
            "parallel.tensor=3 must divide the 256 rows",
        ),
        ({"rope_share": 0.3}, {}, "model.rope_share=0.3 of model.head_width=24 rotates 7 components"),
        ({"rope_share": 1.5}, {}, "model.rope_share=1.5 of model.head_width=24 rotates 36 components"),
        ({"window": -1}, {}, "model.window=-1 must be at least 0"),
        ({}, {"sequence": True}, "parallel.sequence=true cuts over tensor-parallel ranks"),
        ({"rope_scaling": RopeScalingConfig("yarn", 4.0)}, {}, "set model.rope_scaling.original_max_positions"),
        ({"rope_scaling": RopeScalingConfig("linear", 0.5)}, {}, "model.rope_scaling.factor=0.5 must be at least 1"),
        ({"rope_scaling": RopeScalingConfig("llama3", 4.0, 64, 4.0, 4.0)}, {}, "model.rope_scaling.low_freq_factor=4"),
    ],
)
def test_sizes_that_do_not_fit_are_named(change, parallel, message):
    with pytest.raises(UserError, match=message):
        build_decoder(dataclasses.replace(SMALL["qwen3"], **change), ParallelConfig(**parallel))


def test_a_document_that_is_too_long_is_named():
    with pytest.raises(UserError, match=r"a document of 257 tokens exceeds model.max_positions=256"):
        built()(Pack.from_documents(documents([3, 257])))
