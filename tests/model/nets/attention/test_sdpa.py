"""sdpa: every form against the reference, and the rule that takes one."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.nets.attention import sdpa
from model.nets.attention.sdpa import banded, by_document, prepare, window_mask
from model.nets.attention.window import Window
from tests.model.nets.attention.reference import dense, inputs, same

HALF = 8
NEAR, CAUSAL = Window(HALF, HALF), Window(-1, 0)
SIDE = st.integers(-1, 12)


@pytest.mark.parametrize("form", ["by rule", "by document", "band"])
@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    lengths=st.one_of(
        st.lists(st.integers(1, 45), min_size=1, max_size=6),
        st.builds(lambda length, times: [length] * times, st.integers(1, 30), st.integers(1, 5)),
    ),
    window=st.builds(Window, SIDE, SIDE),
    heads=st.sampled_from([(2, 2), (4, 2), (4, 1)]),
)
@example(lengths=[1], window=NEAR, heads=(2, 2))
@example(lengths=[HALF + 1, 1, HALF + 1], window=NEAR, heads=(2, 2))  # just inside the window
@example(lengths=[HALF + 2, 3], window=NEAR, heads=(2, 2))  # just beyond it
@example(lengths=[20, 20, 20], window=CAUSAL, heads=(4, 2))
@example(lengths=[5 * 2 * HALF + 3], window=Window(HALF, 0), heads=(4, 1))  # several windows
@example(lengths=[32, 16, 48], window=NEAR, heads=(4, 2))  # whole blocks
@example(lengths=[2, 70, 5, 100, 1], window=NEAR, heads=(2, 2))
@example(lengths=[9, 1, 30], window=Window(0, 0), heads=(2, 2))  # each token itself
def test_every_form_equals_the_reference(form, lengths, window, heads):
    with pytest.MonkeyPatch.context() as patch:
        if form != "by rule":
            patch.setattr(sdpa, "BAND_PAYS", 0.0 if form == "band" else float("inf"))
        pack, mixed, parts = inputs(lengths, *heads)
        attend = prepare(pack, window, torch.float32)
    if form == "band":
        assert (attend.func is banded) == (
            window.bounded and (window.cuts_left(max(lengths)) or 0 < window.right < max(lengths) - 1)
        )
    same(attend, pack, mixed, parts, window, tolerance=3e-6)


def test_the_rule_takes_the_band_for_long_documents_only():
    def form(lengths, window=NEAR):
        attend = prepare(inputs(lengths)[0], window, torch.float32)
        return attend.func, attend.keywords.get("mask") is not None

    assert form([HALF + 1] * 5) == (by_document, False)
    assert form([20] * 5) == (by_document, True)
    assert form([100] * 2) == (banded, True)
    assert form([100] + [10] * 80) == (by_document, True)
    assert form([100] * 2, Window()) == form([100] * 2, CAUSAL) == (by_document, False)
    assert form([100] * 2, Window(HALF, 0)) == (banded, True)
    assert form([HALF + 1] * 2, Window(HALF, 0)) == (by_document, False)


def test_equal_heads_are_not_copied(monkeypatch):
    """The encoder's path: keys and values reach PyTorch as views of the layer's own output."""
    seen = []
    plain = torch.nn.functional.scaled_dot_product_attention

    def watched(query, key, value, *args, **keys):
        seen.extend(part.untyped_storage().data_ptr() for part in (query, key, value))
        return plain(query, key, value, *args, **keys)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    for lengths, window in (([20, 20], NEAR), ([3, 20], Window()), ([3, 20], NEAR)):
        pack, mixed, parts = inputs(lengths)
        prepare(pack, window, torch.float32)(*parts)
        assert set(seen) == {mixed.untyped_storage().data_ptr()}
        seen.clear()


def test_window_off_by_one_is_seen():
    pack, _, parts = inputs([40])
    expected = dense(*parts, pack.document_ids(), NEAR)
    for left, right, close in ((8, 8, True), (7, 8, False), (8, 7, False), (9, 8, False), (8, 9, False)):
        found = prepare(pack, Window(left, right), torch.float32)(*parts)
        assert torch.allclose(found.double(), expected, atol=1e-5) == close


def test_masks_made_under_inference_mode_serve_training_later():
    window_mask.cache_clear()
    pack, mixed, parts = inputs([20, 10])
    with torch.inference_mode():
        prepare(pack, NEAR, torch.float32)
    prepare(pack, NEAR, torch.float32)(*parts).sum().backward()
    assert mixed.grad.abs().sum() > 0


@pytest.mark.parametrize("window", [NEAR, CAUSAL], ids=str)
def test_bf16_stays_near_the_reference(window):
    pack, mixed, parts = inputs([3, 40, 17], dtype=torch.bfloat16)
    same(prepare(pack, window, torch.bfloat16), pack, mixed, parts, window, tolerance=0.02)
