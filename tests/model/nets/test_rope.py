"""Rotary position embedding against complex multiplication."""

import pytest
import torch

from model.nets.rope import rope_table, rotate


@pytest.mark.parametrize("base", [10_000.0, 160_000.0])
def test_rotation_is_a_complex_product(base):
    width, length = 8, 50
    heads = torch.randn(length, 3, width, dtype=torch.float64)
    cos, sin = rope_table(base, width, length, torch.device("cpu"))
    found = rotate(heads.float(), cos.unsqueeze(1), sin.unsqueeze(1))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * base ** (
        -torch.arange(0, width, 2, dtype=torch.float64) / width
    )
    turned = torch.complex(heads[..., :4], heads[..., 4:]) * torch.polar(torch.ones_like(angles), angles).unsqueeze(1)
    torch.testing.assert_close(found.double(), torch.cat((turned.real, turned.imag), -1), rtol=1e-5, atol=1e-5)


def test_scores_depend_on_distance_alone():
    cos, sin = (table.unsqueeze(1) for table in rope_table(10_000.0, 8, 64, torch.device("cpu")))
    query, key = (torch.randn(1, 1, 8).expand(64, 1, 8) for _ in range(2))
    query, key = rotate(query, cos, sin).squeeze(1), rotate(key, cos, sin).squeeze(1)
    scores = query @ key.T
    torch.testing.assert_close(scores[:40, :40], scores[20:60, 20:60], rtol=1e-4, atol=1e-4)
    assert scores[0, 0] != pytest.approx(scores[0, 5].item(), abs=1e-3)


def test_bf16_is_rotated_in_fp32():
    cos, sin = (table.unsqueeze(1) for table in rope_table(10_000.0, 8, 64, torch.device("cpu")))
    heads = torch.randn(64, 2, 8).bfloat16()
    found = rotate(heads, cos, sin)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, rotate(heads.float(), cos, sin).bfloat16())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_gradient_turns_back(dtype):
    cos, sin = (table.unsqueeze(1) for table in rope_table(10_000.0, 8, 64, torch.device("cpu")))
    heads = torch.randn(64, 2, 8).to(dtype).requires_grad_()
    rotate(heads, cos, sin).backward(gradient := torch.randn(64, 2, 8).to(dtype))
    first, second = gradient.float().chunk(2, dim=-1)
    expected = torch.cat((first * cos + second * sin, second * cos - first * sin), dim=-1)
    torch.testing.assert_close(
        heads.grad, expected.to(dtype), rtol=1e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-6
    )


@pytest.mark.parametrize("rotated", [2, 6])
def test_a_share_of_a_head_is_rotated(rotated):
    cos, sin = (table.unsqueeze(1) for table in rope_table(10_000.0, rotated, 64, torch.device("cpu")))
    heads = torch.randn(64, 2, 8, requires_grad=True)
    found = rotate(heads, cos, sin)
    assert torch.equal(found, torch.cat((rotate(heads[..., :rotated], cos, sin), heads[..., rotated:]), dim=-1))
    found.backward(gradient := torch.randn(64, 2, 8))
    assert torch.equal(heads.grad[..., rotated:], gradient[..., rotated:])
