"""Norms without bias against their formulas."""

import pytest
import torch
from megatron.core.transformer.transformer_config import TransformerConfig

from model.nets.norms import NORMS


@pytest.mark.parametrize("name", NORMS)
def test_norm_is_its_formula(name):
    config = TransformerConfig(num_layers=1, hidden_size=16, num_attention_heads=1, params_dtype=torch.float32)
    norm = NORMS[name](config=config, hidden_size=16, eps=1e-2)
    assert [key for key, _ in norm.named_parameters()] == ["weight"]
    weight = torch.nn.init.normal_(norm.weight.data).double()
    x = 3 + torch.randn(5, 16)
    centred = x.double() - x.double().mean(-1, keepdim=True) if name == "layernorm" else x.double()
    expected = centred / (centred.square().mean(-1, keepdim=True) + 1e-2).sqrt() * weight
    torch.testing.assert_close(norm(x).double(), expected, rtol=1e-5, atol=1e-6)


def test_norm_has_the_type_of_the_parameters():
    config = TransformerConfig(num_layers=1, hidden_size=16, num_attention_heads=1, params_dtype=torch.bfloat16)
    assert {norm(config=config, hidden_size=16, eps=1e-5).weight.dtype for norm in NORMS.values()} == {torch.bfloat16}
