"""Packs of documents."""

import numpy as np
import torch

from model.nets.pack import Pack

DOCUMENTS = [np.array([5, 6, 7], dtype=np.uint16), np.array([8], dtype=np.int64), np.array([9, 10], dtype=np.int32)]


def test_documents_stand_end_to_end():
    pack = Pack.from_documents(DOCUMENTS)
    assert pack.tokens.dtype == torch.int64 and pack.cu_seqlens.dtype == torch.int32
    assert pack.tokens.tolist() == [5, 6, 7, 8, 9, 10]
    assert pack.cu_seqlens.tolist() == [0, 3, 4, 6]
    assert pack.lengths == [3, 1, 2]


def test_positions_restart_and_documents_are_numbered():
    pack = Pack.from_documents(DOCUMENTS)
    assert pack.positions().tolist() == [0, 1, 2, 0, 0, 1]
    assert pack.document_ids().tolist() == [0, 0, 0, 1, 2, 2]


def test_a_pack_owns_its_tokens():
    document = np.array([1, 2, 3])
    pack = Pack.from_documents([document])
    pack.tokens[0] = 9
    assert document[0] == 1


def test_move_to_another_device():
    moved = Pack.from_documents(DOCUMENTS).to("meta")
    assert moved.device.type == moved.cu_seqlens.device.type == "meta" and moved.lengths == [3, 1, 2]
