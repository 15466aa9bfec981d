"""Norms against their formulas and against PyTorch."""

import pytest
import torch
from megatron.core.transformer.transformer_config import TransformerConfig

from model.nets.norms import NORMS, RMSNorm


@pytest.mark.parametrize("name", NORMS)
def test_norm_is_its_formula(name):
    config = TransformerConfig(num_layers=1, hidden_size=16, num_attention_heads=1, params_dtype=torch.float32)
    norm = NORMS[name](config=config, hidden_size=16, eps=1e-2)
    parameters = dict(norm.named_parameters())
    assert list(parameters) == (["weight", "bias"] if name == "layernorm_bias" else ["weight"])
    weight = torch.nn.init.normal_(parameters["weight"].data).double() + (name == "rmsnorm_offset")
    bias = torch.nn.init.normal_(parameters["bias"].data).double() if "bias" in parameters else 0
    x = 3 + torch.randn(5, 16)
    centred = x.double() - x.double().mean(-1, keepdim=True) if name.startswith("layernorm") else x.double()
    expected = centred / (centred.square().mean(-1, keepdim=True) + 1e-2).sqrt() * weight + bias
    torch.testing.assert_close(norm(x).double(), expected, rtol=1e-5, atol=1e-6)


def test_norm_has_the_type_of_the_parameters():
    config = TransformerConfig(num_layers=1, hidden_size=16, num_attention_heads=1, params_dtype=torch.bfloat16)
    assert {norm(config=config, hidden_size=16, eps=1e-5).weight.dtype for norm in NORMS.values()} == {torch.bfloat16}


@pytest.mark.parametrize("shape", [(7, 24), (5, 1, 3, 24)])
def test_rmsnorm_is_pytorchs(shape):
    norm = RMSNorm(TransformerConfig(num_layers=1, hidden_size=24, num_attention_heads=1), 24, eps=1e-3)
    norm.weight.data.normal_()
    states, outer = torch.randn(shape, requires_grad=True), torch.randn(shape)
    plain = torch.nn.functional.rms_norm(states, (24,), norm.weight, 1e-3)
    found = norm(states)
    torch.testing.assert_close(found, plain)
    pairs = [torch.autograd.grad(value, (states, norm.weight), outer) for value in (found, plain)]
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_rmsnorm_keeps_its_input_and_a_number_a_row():
    norm, kept = RMSNorm(TransformerConfig(num_layers=1, hidden_size=24, num_attention_heads=1), 24, eps=1e-3), []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        norm(torch.randn(7, 24, requires_grad=True))
    assert sorted(kept) == [7, 24, 7 * 24]
