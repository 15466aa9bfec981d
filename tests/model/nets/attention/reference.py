"""One plain reference, and packs of queries, keys and values."""

import numpy as np
import torch

from model.nets.pack import Pack


def dense(query, key, value, documents, window):
    """Attention over the whole pack in double precision with a dense mask, the softmax by hand, keys repeated for the
    heads they serve."""
    query, key, value = (part.double().transpose(0, 1) for part in (query, key, value))
    key, value = (part.repeat_interleave(len(query) // len(part), dim=0) for part in (key, value))
    places = torch.arange(len(documents), device=documents.device)
    behind = places[:, None] - places[None]
    allowed = documents[:, None] == documents[None]
    if window.left >= 0:
        allowed &= behind <= window.left
    if window.right >= 0:
        allowed &= -behind <= window.right
    scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    scores = (scores - scores.detach().amax(-1, keepdim=True)).exp() * allowed
    return (scores / scores.sum(-1, keepdim=True) @ value).transpose(0, 1)


def inputs(lengths, heads=2, shared=2, width=4, dtype=torch.float32, device="cpu"):
    """Pack, and queries, keys and values cut out of one tensor as Megatron-Core's are (so that the parts are not
    contiguous)."""
    pack = Pack.from_documents([np.zeros(length, dtype=np.int64) for length in lengths]).to(device)
    mixed = torch.randn(len(pack.tokens), heads + 2 * shared, width, generator=torch.Generator().manual_seed(0))
    mixed = mixed.to(device, dtype).requires_grad_()
    return pack, mixed, mixed.split([heads, shared, shared], dim=1)


def same(attend, pack, mixed, parts, window, tolerance):
    """Assert that `attend` gives the reference's values and gradients, within `tolerance` of the largest of them."""
    found, expected = attend(*parts), dense(*parts, pack.document_ids(), window)
    assert found.dtype == mixed.dtype
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).to(found.device)
    (gradient,) = torch.autograd.grad((found * weight).sum(), mixed, retain_graph=True)
    (true,) = torch.autograd.grad((expected * weight).sum(), mixed)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance * float(expected.detach().abs().max()))
    torch.testing.assert_close(
        gradient.double(), true.double(), rtol=0, atol=tolerance * max(1.0, float(true.abs().max()))
    )
