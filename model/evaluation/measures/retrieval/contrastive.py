"""The short contrastive step of the probe: InfoNCE with in-batch negatives (arXiv 1807.03748), on a head or on
everything."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from conf.schema import ProbeConfig
from model.evaluation.inference.batches import Tokens
from model.evaluation.measures.retrieval.encode import hidden
from model.evaluation.measures.retrieval.readout import Whitening, read

if TYPE_CHECKING:
    from model.nets.build import Net


def info_nce(queries: Tensor, documents: Tensor, temperature: float, document_of_pair: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of picking each query's document among the batch's by cosine over ``temperature``.

    ``queries`` and ``documents`` are [B, D], pair by pair. ``document_of_pair`` [B] numbers the documents: where a
    pair's document belongs to another pair of the batch as well, it is not taken as a negative there."""
    scores = normalize(queries, dim=1) @ normalize(documents, dim=1).T / temperature
    if document_of_pair is not None:
        same = (document_of_pair[:, None] == document_of_pair[None, :]).fill_diagonal_(False)
        scores = scores.masked_fill(same, float("-inf"))
    return cross_entropy(scores, torch.arange(len(scores), device=scores.device))


def draw_batches(pairs: int, batch: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """``steps`` batches of positions among ``pairs``: shuffled passes over all of them, the incomplete last batch left
    out."""
    generator = np.random.default_rng(seed)
    batch = min(batch, pairs)
    order, start = generator.permutation(pairs), 0
    for _ in range(steps):
        if start + batch > pairs:
            order, start = generator.permutation(pairs), 0
        yield order[start : start + batch]
        start += batch


def train_head(queries: Tensor, documents: Tensor, document_of_pair: np.ndarray, config: ProbeConfig) -> Tensor:
    """A linear map [D, D] for both sides, learnt from pairs of frozen readouts ``queries`` and ``documents`` [P, D],
    row by row.

    ``document_of_pair`` [P] numbers the documents. It starts as the identity, so that no training means no change.
    """
    weight = torch.eye(queries.shape[1], device=queries.device, requires_grad=True)
    owners = torch.from_numpy(document_of_pair).to(queries.device)

    def loss(positions: np.ndarray) -> Tensor:
        rows = torch.from_numpy(positions).to(queries.device)
        return info_nce(queries[rows] @ weight, documents[rows] @ weight, config.temperature, owners[rows])

    _descend([weight], loss, len(queries), config)
    return weight.detach()


def fine_tune(
    model: "Net",
    queries: Tokens,
    documents: Tokens,
    document_of_pair: np.ndarray,
    whitening: Whitening,
    config: ProbeConfig,
) -> Tensor:
    """Train ``model`` in place together with a linear map [D, D] that starts as the identity, from the whitened readout
    on.

    ``queries`` and ``documents`` hold P texts each, pair by pair. Centre and whitening stay as they were fitted. There
    is no dropout, so that equal seeds give equal results."""
    weight = torch.eye(len(whitening.query_mean), device=whitening.query_mean.device, requires_grad=True)
    owners = torch.from_numpy(document_of_pair).to(weight.device)

    def loss(positions: np.ndarray) -> Tensor:
        texts = [*(queries.ids[i] for i in positions), *(documents.ids[i] for i in positions)]
        asked, given = read(hidden(model, texts, queries.around), config.readout).split(len(positions))
        asked, given = whitening.queries(asked) @ weight, whitening.documents(given) @ weight
        return info_nce(asked, given, config.temperature, owners[torch.from_numpy(positions).to(weight.device)])

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    _descend([*parameters, weight], loss, len(queries), config)
    return weight.detach()


def _descend(parameters: list[Tensor], loss: Callable[[np.ndarray], Tensor], pairs: int, config: ProbeConfig) -> None:
    """AdamW over the batches of the probe's seed, the learning rate falling linearly to 0. Parameters in bf16, whose
    steps between two numbers are larger than most updates, follow copies in fp32."""
    masters = {p: p.detach().float().requires_grad_() for p in parameters if p.dtype is not torch.float32}
    optimizer = torch.optim.AdamW([masters.get(p, p) for p in parameters], lr=config.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / max(config.steps, 1))
    for positions in draw_batches(pairs, config.batch, config.steps, config.seed):
        optimizer.zero_grad()
        loss(positions).backward()
        for parameter, master in masters.items():
            master.grad, parameter.grad = None if parameter.grad is None else parameter.grad.float(), None
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for parameter, master in masters.items():
                parameter.copy_(master)
