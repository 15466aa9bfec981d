"""flash, varlen and sdpa on a GPU against the reference; without one, that flash and varlen pass the right
arguments."""

import itertools
import sys
from types import SimpleNamespace

import pytest
import torch

from model.nets.attention import flash, varlen
from model.nets.attention.choice import BACKENDS, choose
from model.nets.attention.window import Window
from tests.model.nets.attention.reference import dense, inputs, same

WINDOWS = [Window(), Window(-1, 0), Window(64, 64), Window(64, 0), Window(3, 17), Window(0, 0)]
LENGTHS = [[1], [64], [65, 1, 66], [128] * 4, [300, 17, 1, 129, 64, 256], [5 * 128 + 3]]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_gpu
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("name", BACKENDS)
def test_kernels_equal_the_reference(name, window):
    """In bf16, whose rounding (2^-8) enters the probabilities and the result: 2% of the largest value."""
    device = torch.device("cuda", torch.cuda.current_device())
    refusal = BACKENDS[name].refusal(device, torch.bfloat16, 64)
    if refusal:
        pytest.skip(f"{name}: {refusal}")
    for lengths, shared in itertools.product(LENGTHS, (4, 2, 1)):
        pack, mixed, parts = inputs(lengths, 4, shared, width=64, dtype=torch.bfloat16, device=device)
        same(BACKENDS[name].prepare(pack, window, torch.bfloat16), pack, mixed, parts, window, tolerance=0.02)


@needs_gpu
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_fp32_on_a_gpu_is_left_to_sdpa(window):
    device = torch.device("cuda", torch.cuda.current_device())
    choice = choose("auto", device, torch.float32, 64)
    assert choice.name == "sdpa"
    assert set(choice.passed_over) == {"flash", "varlen"}
    for lengths in LENGTHS:
        pack, mixed, parts = inputs(lengths, 4, 2, width=64, device=device)
        same(choice.backend.prepare(pack, window, torch.float32), pack, mixed, parts, window, tolerance=1e-4)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_varlen_fits_this_pytorch(window):
    """On tensors without values: PyTorch itself takes the arguments, forward and backward, and keys that are shared."""
    pack, mixed, parts = inputs([5, 3], 4, 2, width=64, dtype=torch.bfloat16, device="meta")
    found = varlen.prepare(pack, window, torch.bfloat16)(*parts)
    assert found.shape == parts[0].shape
    found.sum().backward()
    assert mixed.grad.shape == mixed.shape


def stand_ins():
    """The functions of flash-attn 2.8 and of PyTorch 2.11, signature and meaning, computed by the reference."""

    def run(query, key, value, cu_seqlens, window_size):
        lengths = cu_seqlens.diff()
        assert cu_seqlens.dtype == torch.int32
        return dense(query, key, value, torch.arange(len(lengths)).repeat_interleave(lengths), Window(*window_size))

    def flash_attn_varlen_func(
        q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None,
        causal=False,
        window_size=(-1, -1), softcap=0.0, alibi_slopes=None, deterministic=False, return_attn_probs=False,
        block_table=None,
    ):  # fmt: skip
        assert max_seqlen_q == max_seqlen_k == int(cu_seqlens_q.diff().max()) and not causal
        assert deterministic == torch.are_deterministic_algorithms_enabled()
        return run(q, k, v, cu_seqlens_q, window_size)

    def varlen_attn(
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, return_aux=None, scale=None, window_size=(-1, -1)
    ):  # fmt: skip
        assert max_q == max_k == int(cu_seq_q.diff().max())
        assert isinstance(window_size, tuple)  # PyTorch compares it with a tuple to see what is causal
        return run(query, key, value, cu_seq_q, window_size)

    return flash_attn_varlen_func, varlen_attn


@pytest.mark.parametrize("window", WINDOWS[:4], ids=str)
@pytest.mark.parametrize("backend", [flash, varlen], ids=["flash", "varlen"])
def test_other_versions_are_given_what_they_take(backend, window, monkeypatch):
    flash_attn_varlen_func, varlen_attn = stand_ins()
    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_varlen_func=flash_attn_varlen_func))
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", varlen_attn)
    varlen._asks_for_groups.cache_clear()
    pack, _, parts = inputs([3, 90, 1], 4, 2)
    found = backend.prepare(pack, window, torch.float32)(*parts)
    varlen._asks_for_groups.cache_clear()
    torch.testing.assert_close(found, dense(*parts, pack.document_ids(), window))
