"""The encoder's behaviour; that it computes what ModernBERT computes is in tests/model/hf."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from common.errors import UserError
from conf.schema import ParallelConfig
from jobs.launch.compose import compose, to_config
from model.nets.encoder import build_encoder
from model.nets.pack import Pack


def documents(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 128, length) for length in lengths]


def gradients(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def test_a_document_does_not_see_its_neighbours(small):
    model = build_encoder(small).eval()
    chosen, *others = documents([40, 7, 100, 1, 23])
    alone = model(Pack.from_documents([chosen]))
    for before, after in (([], others), (others, []), (others[:2], others[2:])):
        start = sum(map(len, before))
        packed = model(Pack.from_documents([*before, chosen, *after]))
        torch.testing.assert_close(packed[start : start + 40], alone, rtol=1e-4, atol=1e-5)
    changed = model(Pack.from_documents([np.where(np.arange(40) == 39, (chosen + 1) % 128, chosen)]))
    assert (changed[0] - alone[0]).abs().max() > 1e-4  # but all of itself


def test_order_matters_within_a_document(small):
    model = build_encoder(small).eval()
    (document,) = documents([12])
    turned = model(Pack.from_documents([document[::-1].copy()])).flip(0)
    assert (turned - model(Pack.from_documents([document]))).abs().max() > 1e-4


def test_local_layers_do_not_reach_beyond_half_the_window(small):
    config = dataclasses.replace(small, num_layers=1, global_every=1)
    (document,) = documents([40])
    far = np.where(np.arange(40) == 30, (document + 1) % 128, document)

    def moved(model):
        difference = model(Pack.from_documents([far])) - model(Pack.from_documents([document]))
        return difference.abs().amax(-1) > 0

    assert moved(build_encoder(config).eval()).all()
    model = build_encoder(config).eval()
    model.encoder.layers[0].self_attention.core_attention.local = True
    assert moved(model).nonzero().squeeze(1).tolist() == list(range(22, 39))  # 8 on each side, both ends included


def test_logits_at_selected_positions_are_those_of_all(small):
    model = build_encoder(small).eval()
    pack, selected = Pack.from_documents(documents([40, 7])), torch.tensor([0, 5, 39, 46])
    assert model(pack).shape == (47, 128)
    torch.testing.assert_close(model(pack, selected), model(pack)[selected])


def test_hidden_states(small):
    model = build_encoder(small).eval()
    pack = Pack.from_documents(documents([40, 7]))
    first, last = model.hidden(pack)
    assert first.shape == last.shape == (47, 32)
    torch.testing.assert_close(
        first, torch.nn.functional.layer_norm(model.embedding.word_embeddings.weight[pack.tokens], (32,))
    )
    torch.testing.assert_close(last.mean(-1), torch.zeros(47), atol=1e-5, rtol=0)  # normed


@pytest.mark.parametrize("key", ["attention_out_dropout", "mlp_dropout", "embedding_dropout"])
def test_each_dropout_acts_in_training_alone(small, key):
    pack = Pack.from_documents(documents([40, 7]))
    model = build_encoder(dataclasses.replace(small, **{key: 0.5}))
    assert not torch.equal(model(pack), model(pack))
    model.eval()
    assert torch.equal(model(pack), model(pack))
    without = build_encoder(small)
    assert torch.equal(without(pack), without(pack))


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputation_changes_no_gradient(small, recompute, norm):
    config = dataclasses.replace(small, norm=norm, attention_out_dropout=0.1)
    pack = Pack.from_documents(documents([40, 7, 100]))
    found = {}
    for kind in ("none", recompute):
        torch.manual_seed(0)
        model = build_encoder(config, ParallelConfig(recompute=kind))
        torch.manual_seed(1)
        model(pack).square().sum().backward()
        found[kind] = gradients(model)
    assert all(torch.equal(found["none"][name], found[recompute][name]) for name in found["none"])


def test_recomputation_keeps_less(small):
    """Bytes kept for the backward pass, counted as they are packed away."""
    pack, kept = Pack.from_documents(documents([100, 100])), {}
    for kind in ("none", "selective", "full"):
        model, sizes = build_encoder(small, ParallelConfig(recompute=kind)), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: (sizes.append(t.nbytes), t)[1], lambda t: t
        ):
            model(pack)
        kept[kind] = sum(sizes)
    assert kept["full"] < kept["selective"] < kept["none"]


def test_bf16(small):
    pack = Pack.from_documents(documents([40, 7]))
    torch.manual_seed(0)
    model = build_encoder(small, ParallelConfig(precision="bf16")).eval()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    torch.manual_seed(0)
    exact = build_encoder(small).eval()(pack)
    assert (model(pack).float() - exact).abs().max() < 0.05 * exact.abs().max()
    model(pack).float().sum().backward()


def test_inference_mode_first_and_training_after(small):
    model = build_encoder(small)
    pack = Pack.from_documents(documents([40, 7]))
    with torch.inference_mode():
        model(pack)
    model(pack).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_initial_weights_are_those_of_modernbert(small):
    config = dataclasses.replace(small, hidden_size=256, ffn_size=512, tie_embeddings=False, init_std=0.03)
    model = build_encoder(config)
    shrunk = ("linear_proj", "linear_fc2", "head.dense", "output_layer")
    kept = 0.8796  # standard deviation of a normal distribution cut at two of its own
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            assert torch.equal(parameter, torch.full_like(parameter, 0.0 if name.endswith("bias") else 1.0))
            continue
        std = 0.03 / (math.sqrt(2 * 4) if any(part in name for part in shrunk) else 1)
        assert parameter.abs().max() <= 2 * std
        assert parameter.std().item() == pytest.approx(kept * std, rel=0.03), name


def test_the_seed_alone_decides_the_initial_weights(small):
    built = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        built.append(build_encoder(small).head.dense.weight)
    assert torch.equal(built[0], built[1]) and not torch.equal(built[0], built[2])


def test_tied_decoder_is_the_embedding(small):
    tied, untied = build_encoder(small), build_encoder(dataclasses.replace(small, tie_embeddings=False))
    assert "output_layer.weight" not in dict(tied.named_parameters())
    assert "output_layer.weight" in dict(untied.named_parameters())
    assert sum(p.numel() for p in untied.parameters()) - sum(p.numel() for p in tied.parameters()) == 128 * 32
    with torch.no_grad():
        tied.embedding.word_embeddings.weight[5] *= 2
    pack = Pack.from_documents([np.array([1, 2, 3])])
    logits = tied.eval()(pack)
    with torch.no_grad():
        tied.embedding.word_embeddings.weight[5] *= 2
    torch.testing.assert_close(tied(pack)[:, 5], 2 * logits[:, 5])


def test_decoder_bias_starts_where_told(small):
    model = build_encoder(dataclasses.replace(small, tie_embeddings=False)).eval()
    pack = Pack.from_documents(documents([40]))
    before, frequencies = model(pack), torch.randn(128)
    model.set_decoder_bias(frequencies)
    torch.testing.assert_close(model(pack), before + frequencies)
    with pytest.raises(UserError, match=r"127 frequencies do not fit model.vocab_size=128"):
        model.set_decoder_bias(frequencies[1:])


@pytest.mark.parametrize(
    "choice, encoder, whole",
    [
        # the sizes that the papers give leave out the head: dense, norm and the decoder's bias (its weight is tied)
        ("mursit_base", 155_649_792, 156_299_392),
        ("mursit_large", 403_629_056, 404_737_664),
        ("modernbert_base", 149_014_272, 149_655_232),
        ("modernbert_large", 394_781_696, 395_881_664),
    ],
)
def test_parameter_counts(choice, encoder, whole):
    model = build_encoder(to_config(compose("train", [f"model=encoder/{choice}"])).model, device="meta")
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    assert sum(sizes.values()) == whole
    assert sum(size for name, size in sizes.items() if not name.startswith(("head.", "output_layer."))) == encoder


def test_tiny_is_a_working_configuration():
    config = to_config(compose("train", ["model=encoder/tiny"])).model
    model = build_encoder(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_778_368
    assert model(Pack.from_documents([np.arange(512)])).shape == (512, 8192)


@pytest.mark.parametrize(
    "change, parallel, message",
    [
        ({"num_heads": 5}, {}, "model.hidden_size=32 must be an even multiple of model.num_heads=5"),
        ({"num_heads": 32}, {}, "model.hidden_size=32 must be an even multiple of model.num_heads=32"),
        ({"vocab_size": 127}, {"tensor": 2}, "model.vocab_size=127 must be a multiple of parallel.tensor=2"),
        ({"num_heads": 4}, {"tensor": 8}, "model.num_heads=4 must be a multiple of parallel.tensor=8"),
        ({"local_window": 1}, {}, "model.local_window=1 must be at least 2"),
        ({"global_every": 0}, {}, "model.global_every=0 must be at least 1"),
        ({}, {"pipeline": 3}, "model.num_layers=4 must be a multiple of parallel.pipeline=3"),
        ({}, {"context": 2}, "parallel.context=2 is for decoders"),
    ],
)
def test_sizes_that_do_not_fit_are_named(small, change, parallel, message):
    with pytest.raises(UserError, match=message):
        build_encoder(dataclasses.replace(small, **change), ParallelConfig(**parallel))


def test_a_document_that_is_too_long_is_named(small):
    with pytest.raises(UserError, match=r"a document of 513 tokens exceeds model.max_positions=512"):
        build_encoder(small)(Pack.from_documents(documents([3, 513])))
