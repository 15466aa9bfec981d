"""Attention of packs that several ranks share, all ranks played in one process, against the reference."""

import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from model.nets.attention import context, flash, sdpa, varlen
from model.nets.attention.choice import BACKENDS
from model.nets.attention.context import Share, prepare_share
from model.nets.attention.window import Window
from tests.model.nets.attention.reference import dense, inputs, same

WINDOWS = [Window(-1, 0), Window(15, 0), Window(0, 0), Window()]
LENGTHS = [[48], [20, 1, 17, 10], [3] * 16]


@dataclass
class Group:
    """What is asked of a process group here."""

    number: int
    of: int

    def rank(self):
        return self.number

    def size(self):
        return self.of


def over_ranks(prepare, pack, window, size, monkeypatch, dtype=torch.float32):
    """Attention over the whole pack by `size` ranks one after another, each with its share."""
    shares = [Share(Group(rank, size), len(pack.tokens)) for rank in range(size)]

    def attend(query, key, value):
        both = torch.cat((key, value), dim=-1)
        everyones = torch.cat([share.take(both) for share in shares])
        monkeypatch.setattr(context, "gather_from_sequence_parallel_region", lambda part, *_: everyones)
        places = torch.cat([share.take(torch.arange(len(query), device=query.device)) for share in shares])
        parts = [
            prepare_share(prepare, pack, window, dtype, share)(*map(share.take, (query, key, value)))
            for share in shares
        ]
        return torch.cat(parts)[places.argsort()]

    return attend


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_shares_add_up_to_the_pack(window, size, monkeypatch):
    for lengths in LENGTHS:
        pack, mixed, parts = inputs(lengths, 4, 2)
        same(over_ranks(sdpa.prepare, pack, window, size, monkeypatch), pack, mixed, parts, window, tolerance=1e-5)


def last_of(query, key, value, cu_seqlens_q, cu_seqlens_k, window_size):
    """What kernels for packs do where a document has fewer queries than keys: they are its last."""
    found = []
    edges = (cu_seqlens_q, cu_seqlens_k, cu_seqlens_k)
    pieces = zip(
        *(part.split(cu.diff().tolist()) for part, cu in zip((query, key, value), edges, strict=True)), strict=True
    )
    for some, keys, values in pieces:
        queries = F.pad(some, (0, 0, 0, 0, len(keys) - len(some), 0))
        one = torch.zeros(len(keys), dtype=torch.int64)
        found.append(dense(queries, keys, values, one, Window(*window_size))[len(keys) - len(some) :])
    return torch.cat(found).to(query.dtype)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("backend", [flash, varlen], ids=["flash", "varlen"])
def test_kernels_are_told_of_keys_and_of_queries(backend, window, monkeypatch):
    def flash_attn_varlen_func(q, k, v, cu_q, cu_k, max_q, max_k, window_size, deterministic):
        assert (max_q, max_k) == (int(cu_q.diff().max()), int(cu_k.diff().max()))
        return last_of(q, k, v, cu_q, cu_k, window_size)

    def varlen_attn(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, window_size, enable_gqa):
        assert (max_q, max_k) == (int(cu_seq_q.diff().max()), int(cu_seq_k.diff().max())) and enable_gqa
        return last_of(query, key, value, cu_seq_q, cu_seq_k, window_size)

    monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_varlen_func=flash_attn_varlen_func))
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", varlen_attn)
    varlen._asks_for_groups.cache_clear()
    for lengths in LENGTHS:
        pack, mixed, parts = inputs(lengths, 4, 2)
        same(over_ranks(backend.prepare, pack, window, 2, monkeypatch), pack, mixed, parts, window, tolerance=1e-5)
    varlen._asks_for_groups.cache_clear()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("name", BACKENDS)
def test_kernels_on_a_gpu(name, window, monkeypatch):
    device = torch.device("cuda", torch.cuda.current_device())
    refusal = BACKENDS[name].refusal(device, torch.bfloat16, 64)
    if refusal:
        pytest.skip(f"{name}: {refusal}")
    for lengths in LENGTHS:
        pack, mixed, parts = inputs(lengths, 4, 2, width=64, dtype=torch.bfloat16, device=device)
        attend = over_ranks(BACKENDS[name].prepare, pack, window, 2, monkeypatch, torch.bfloat16)
        same(attend, pack, mixed, parts, window, tolerance=0.02)


def test_what_fills_a_pack_belongs_to_nobody():
    shares = [Share(Group(rank, 2), 12) for rank in range(2)]
    for tokens in (12, 11, 9, 7, 2):
        values = torch.arange(tokens)
        filled = F.pad(values, (0, 12 - tokens), value=-1)
        own = [share.take(values) for share in shares]
        assert [share.unfilled(share.take(filled), tokens).tolist() for share in shares] == [
            part.tolist() for part in own
        ]
        assert sorted(torch.cat(own).tolist()) == list(range(tokens))


def test_ranks_compute_alike_many_scores():
    """Of one long document under a causal window: the same number for each rank."""
    pack, _, _ = inputs([96])
    scores = []
    for rank in range(4):
        queries, keys, _ = context._pieces(pack, Window(-1, 0), Share(Group(rank, 4), 96))
        pairs = zip(queries.lengths, keys.lengths, strict=True)
        scores.append(sum(seen * some - some * (some - 1) // 2 for some, seen in pairs))
    assert len(set(scores)) == 1 and sum(scores) == 96 * 97 // 2
