"""Whitening against scikit-learn's PCA, and what a readout reads."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from common.errors import UserError
from model.evaluation.measures.retrieval.readout import Whitening, check_readouts, read


def vectors(rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 5


def test_whitening_equals_pca():
    queries, documents = vectors(50, 1), vectors(400, 2)
    whitening = Whitening.fit(queries, documents, eps=0.0)
    peer = PCA(whiten=True).fit(documents.double().numpy())
    ours = whitening.documents(documents).numpy()[:, ::-1] * np.sqrt(
        399 / 400
    )  # PCA: largest variance first, divisor n - 1
    theirs = peer.transform(documents.double().numpy())
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=2e-4)
    assert whitening.queries(queries).mean(0).abs().max() < 1e-4


def test_eps_holds_back_empty_directions():
    documents = torch.cat([vectors(100, 3), torch.full((100, 1), 2.0)], dim=1)
    noisy = documents + torch.tensor([0.0] * 6 + [1e-3])
    whitening = Whitening.fit(documents, documents, eps=0.01)
    assert whitening.documents(noisy).sub(whitening.documents(documents)).abs().max() < 0.1
    assert Whitening.fit(documents, torch.ones(100, 7), eps=0.01).matrix.isfinite().all()


def test_without_whitening_nothing_changes():
    documents = vectors(20, 4)
    whitening = Whitening.fit(documents, documents, eps=0.01, whiten=False)
    assert torch.equal(whitening.documents(documents), documents) and torch.equal(
        whitening.queries(documents), documents
    )


def test_cat_is_both_layers_at_equal_length():
    pooled = {"emb": vectors(9, 5) * 100, "last": vectors(9, 6), "cls": vectors(9, 7)}
    cat = read(pooled, "cat")
    assert torch.equal(cat, torch.cat([read(pooled, "emb"), read(pooled, "last")], 1))
    torch.testing.assert_close(cat[:, :6].norm(dim=1), torch.ones(9))
    torch.testing.assert_close(cat[:, 6:].norm(dim=1), torch.ones(9))


def test_unknown_readout():
    with pytest.raises(UserError, match=r"the readout lasst is unknown; .* did you mean 'last'"):
        check_readouts(["cat", "lasst"])
