"""SwiGLU beside plain operators."""

import pytest
import torch
import torch.nn.functional as F

from model.nets.swiglu import SwiGlu


def plain(halves: torch.Tensor) -> torch.Tensor:
    gate, value = halves.chunk(2, dim=-1)
    return F.silu(gate) * value


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_plain_operators(dtype):
    halves = torch.randn(7, 1, 24, dtype=dtype, requires_grad=True)
    outer = torch.randn(7, 1, 12, dtype=dtype)
    found, expected = SwiGlu(None)(halves), plain(halves)
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad(value, halves, outer)[0] for value in (found, expected)]
    assert torch.equal(*gradients)
    assert gradients[0].is_contiguous()


def test_gradients_by_differences():
    halves = torch.randn(3, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(SwiGlu(None), halves)


def test_only_the_input_is_kept():
    kept = []
    halves = torch.randn(5, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor):
        SwiGlu(None)(halves)
    assert kept == [halves.numel()]
