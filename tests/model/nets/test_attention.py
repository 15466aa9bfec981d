"""Attention over packs against one plain, dense reference in double precision."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.nets import attention
from model.nets.attention import Geometry, attend
from model.nets.pack import Pack

HALF, HEADS, WIDTH = 8, 2, 4
GEOMETRY = Geometry(WIDTH, max_positions=128, window=2 * HALF, theta_global=160_000.0, theta_local=10_000.0, dtype=torch.float32)
LENGTHS = {
    "one token": [1],
    "just inside the window": [HALF + 1, 1, HALF + 1],
    "just beyond the window": [HALF + 2, 3],
    "a batch of one length": [20, 20, 20],
    "a batch of one short length": [5, 5],
    "mixed": [3, 40, 1, 17, 9, 16, 15],
    "several windows": [5 * 2 * HALF + 3],
    "whole blocks": [32, 16, 48],
    "long and short": [2, 70, 5, 100, 1],
}


def reference(query, key, value, documents, half=None):
    """Dense softmax attention over the whole pack, written without the library's attention."""
    query, key, value = (part.double().transpose(0, 1) for part in (query, key, value))
    allowed = documents[:, None] == documents[None]
    if half is not None:
        places = torch.arange(len(documents))
        allowed &= (places[:, None] - places[None]).abs() <= half
    scores = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).masked_fill(~allowed, -torch.inf)
    return (scores.softmax(-1) @ value).transpose(0, 1)


def inputs(lengths):
    """Pack, and queries, keys and values cut out of one tensor as Megatron-Core's are."""
    pack = Pack.from_documents([np.zeros(length, dtype=np.int64) for length in lengths])
    mixed = torch.randn(len(pack.tokens), HEADS, 3 * WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_()
    return pack, mixed


@pytest.mark.parametrize("form", ["by rule", "window", "band"])
@pytest.mark.parametrize("local", [False, True], ids=["global", "local"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_every_form_equals_the_reference(lengths, local, form, monkeypatch):
    if form != "by rule":
        monkeypatch.setattr(attention, "BAND_PAYS", 0.0 if form == "band" else np.inf)
    pack, mixed = inputs(lengths)
    plan = GEOMETRY.plan(pack)
    if form == "band":
        assert (plan.nearby.band is not None) == (max(lengths) > HALF + 1)
    found = attend(*mixed.split(WIDTH, -1), lengths, plan.nearby if local else plan.everywhere)
    expected = reference(*mixed.split(WIDTH, -1), pack.document_ids(), HALF if local else None)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((found * weight).sum(), mixed, retain_graph=True)
    (true,) = torch.autograd.grad((expected * weight).sum(), mixed)
    torch.testing.assert_close(gradient, true, rtol=1e-4, atol=1e-5)


def test_the_rule_takes_the_band_for_long_documents_only():
    def forms(lengths):
        nearby = GEOMETRY.plan(inputs(lengths)[0]).nearby
        return nearby.window is not None, nearby.band is not None

    assert forms([HALF + 1] * 5) == (False, False)
    assert forms([20] * 5) == (True, False)
    assert forms([100] * 2) == (False, True)
    assert forms([100] + [10] * 80) == (True, False)


def test_window_off_by_one_is_seen():
    pack, mixed = inputs([40])
    parts = mixed.split(WIDTH, -1)
    expected = reference(*parts, pack.document_ids(), HALF)
    for window, close in ((2 * HALF, True), (2 * HALF - 2, False), (2 * HALF + 2, False)):
        found = attend(*parts, [40], dataclasses.replace(GEOMETRY, window=window).plan(pack).nearby)
        assert torch.allclose(found.double(), expected, atol=1e-5) == close


def test_masks_made_under_inference_mode_serve_training_later():
    attention.window_mask.cache_clear()
    attention.rope_table.cache_clear()
    pack, mixed = inputs([20, 10])
    with torch.inference_mode():
        GEOMETRY.plan(pack)
    nearby = GEOMETRY.plan(pack).nearby
    attend(*mixed.split(WIDTH, -1), [20, 10], nearby).sum().backward()
    assert mixed.grad.abs().sum() > 0


def test_bf16_stays_near_fp32():
    pack, mixed = inputs([3, 40, 17])
    plan = dataclasses.replace(GEOMETRY, dtype=torch.bfloat16).plan(pack)
    found = attend(*mixed.bfloat16().split(WIDTH, -1), pack.lengths, plan.nearby)
    assert found.dtype == torch.bfloat16
    expected = reference(*mixed.split(WIDTH, -1), pack.document_ids(), HALF)
    assert F.mse_loss(found.double(), expected).sqrt() < 0.01
