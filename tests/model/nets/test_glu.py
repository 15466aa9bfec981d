"""Gated units beside plain operators."""

import pytest
import torch
import torch.nn.functional as F

from model.nets.glu import GeGlu, SwiGlu

UNITS = pytest.mark.parametrize(("unit", "activate"), [(GeGlu, F.gelu), (SwiGlu, F.silu)], ids=["gelu", "silu"])


@UNITS
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_plain_operators(unit, activate, dtype):
    halves = torch.randn(7, 1, 24, dtype=dtype, requires_grad=True)
    outer = torch.randn(7, 1, 12, dtype=dtype)
    gate, value = halves.chunk(2, dim=-1)
    found, expected = unit(None)(halves), activate(gate) * value
    assert torch.equal(found, expected)
    with torch.no_grad():
        assert torch.equal(unit(None)(halves), expected)
    gradients = [torch.autograd.grad(value, halves, outer)[0] for value in (found, expected)]
    assert torch.equal(*gradients)
    assert gradients[0].is_contiguous()


@UNITS
def test_gradients_by_differences(unit, activate):
    halves = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit(None), halves)


@UNITS
def test_only_the_input_is_kept(unit, activate):
    kept = []
    halves = torch.randn(5, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        unit(None)(halves)
    assert kept == [halves.numel()]
