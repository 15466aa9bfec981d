"""InfoNCE against sentence-transformers, the head's training, fine-tuning of everything."""

import numpy as np
import pytest
import torch

from conf.schema import EncoderConfig, ParallelConfig, ProbeConfig
from model.evaluation.measures.retrieval.contrastive import _descend, draw_batches, fine_tune, info_nce, train_head
from model.evaluation.measures.retrieval.encode import Tokens, encode
from model.evaluation.measures.retrieval.readout import Whitening, read
from model.megatron.startup import start
from model.nets.encoder import build_encoder


def pairs(rows: int = 24, size: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(rows, size, generator=generator)
    return queries, queries + torch.randn(rows, size, generator=generator)


@pytest.mark.parametrize("temperature", [0.05, 0.2])
def test_loss_and_gradient_equal_sentence_transformers(temperature):
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    queries, documents = (part.requires_grad_() for part in pairs())
    peer_queries, peer_documents = (part.detach().clone().requires_grad_() for part in (queries, documents))
    loss = info_nce(queries, documents, temperature)
    peer = MultipleNegativesRankingLoss(None, scale=1 / temperature).compute_loss_from_embeddings(
        [peer_queries, peer_documents], None
    )
    torch.testing.assert_close(loss, peer)
    loss.backward()
    peer.backward()
    torch.testing.assert_close(queries.grad, peer_queries.grad)
    torch.testing.assert_close(documents.grad, peer_documents.grad)


def test_the_same_document_is_no_negative():
    """With pairs 0 and 1 on one document, each loss is that of a batch without the other's copy of it."""
    queries, documents = pairs(4)
    documents[1] = documents[0]
    found = info_nce(queries, documents, 0.1, torch.tensor([7, 7, 3, 1]))
    scores = torch.nn.functional.cosine_similarity(queries[:, None], documents[None], dim=2) / 0.1
    kept = {0: [0, 2, 3], 1: [1, 2, 3], 2: [0, 1, 2, 3], 3: [0, 1, 2, 3]}
    wanted = torch.stack([scores[row, columns].logsumexp(0) - scores[row, row] for row, columns in kept.items()]).mean()
    torch.testing.assert_close(found, wanted)


def test_batches_are_whole_passes_and_seeded():
    batches = list(draw_batches(10, 3, 7, seed=1))
    assert [len(batch) for batch in batches] == [3] * 7
    assert len(set(np.concatenate(batches[:3]))) == 9 and len(set(np.concatenate(batches[3:6]))) == 9
    assert all(np.array_equal(a, b) for a, b in zip(batches, draw_batches(10, 3, 7, seed=1), strict=True))
    assert [len(batch) for batch in draw_batches(2, 256, 2, seed=1)] == [2, 2]


def test_head_learns_which_directions_matter():
    """Half of the directions are noise in the documents: retrieval on unseen pairs improves once they are weighed
    down."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(600, 16, generator=generator)
    documents = torch.cat([queries[:, :8], 3 * torch.randn(600, 8, generator=generator)], dim=1)
    config = ProbeConfig(steps=100, batch=64, lr=1e-2)

    def accuracy(weight: torch.Tensor) -> float:
        asked, given = (torch.nn.functional.normalize(part[400:] @ weight, dim=1) for part in (queries, documents))
        return ((asked @ given.T).argmax(1) == torch.arange(200)).float().mean().item()

    trained = train_head(queries[:400], documents[:400], np.arange(400), config)
    assert accuracy(trained) > accuracy(torch.eye(16)) + 0.2
    assert torch.equal(trained, train_head(queries[:400], documents[:400], np.arange(400), config))
    assert torch.equal(train_head(queries, documents, np.arange(600), ProbeConfig(steps=0)), torch.eye(16))


def test_fine_tuning_trains_the_encoder_towards_its_pairs():
    start(ParallelConfig(threads=1), 0)
    config = ProbeConfig(depth="full", readout="last", steps=15, batch=16, lr=2e-3)
    rng = np.random.default_rng(0)
    queries, documents = (
        Tokens([rng.integers(0, 90, rng.integers(5, 12)) for _ in range(16)], [0] * 16) for _ in range(2)
    )

    def tuned() -> tuple[float, float, torch.Tensor]:
        start(ParallelConfig(threads=1), 3)
        shape = EncoderConfig(vocab_size=90, num_layers=2, hidden_size=32, num_heads=2, ffn_size=32, max_positions=64)
        model = build_encoder(shape).eval()
        vectors = [read(encode(model, tokens, 256), "last") for tokens in (queries, documents)]
        whitening = Whitening.fit(*vectors, config.whiten_eps)
        before = info_nce(whitening.queries(vectors[0]), whitening.documents(vectors[1]), config.temperature)
        weight = fine_tune(model, queries, documents, np.arange(16), whitening, config)
        vectors = [read(encode(model, tokens, 256), "last") for tokens in (queries, documents)]
        after = info_nce(
            whitening.queries(vectors[0]) @ weight, whitening.documents(vectors[1]) @ weight, config.temperature
        )
        return before.item(), after.item(), model.embedding.word_embeddings.weight.detach().clone()

    before, after, table = tuned()
    assert after < before / 2
    assert torch.equal(table, tuned()[2])


def test_parameters_in_bf16_add_up_updates_that_are_smaller_than_their_steps():
    """From 1 down, neighbours in bf16 are 0.004 apart; 100 updates that fall from 1e-4 to 0 make 0.005."""
    moved = {}
    for dtype in (torch.float32, torch.bfloat16):
        parameter = torch.ones(3, dtype=dtype, requires_grad=True)
        _descend(
            [parameter], lambda positions, own=parameter: own.float().sum(), 8, ProbeConfig(steps=100, batch=4, lr=1e-4)
        )
        moved[dtype] = 1 - parameter.detach().float()
    assert moved[torch.float32].mean() == pytest.approx(0.005, rel=0.05)
    torch.testing.assert_close(moved[torch.bfloat16], moved[torch.float32], atol=0.002, rtol=0)
