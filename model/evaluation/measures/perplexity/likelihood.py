"""How likely a decoder finds documents: the negative logarithm of the probability of each, in nats, given what stands
before each token.

A document is tokenised as `jobs.prepare` does it (`common.tokenizer`), with what the tokenizer puts before a text (a
[BOS], say) and without the token that ends it, which is no text. Its first token is predicted after that special token;
where there is none, nothing predicts it, and neither the token nor its characters are counted. A document longer than
the context is cut into pieces that share one token, so that every other token is predicted exactly once, from at most
context - 1 tokens before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from common.errors import UserError
from common.tokenizer import DocumentTokenizer
from model.evaluation.inference.batches import Tokens
from model.evaluation.inference.threads import spread

if TYPE_CHECKING:
    from model.nets.decoder import Decoder

LOGITS_AT_ONCE = 1 << 24
"""Logits that are held at a time (64 MB in fp32)."""
AT_ONCE = 1000
"""Texts handed to the tokenizer at a time."""


@dataclass
class Documents:
    """Documents to be predicted, tokenised, with what is counted of each; those of which nothing is predicted are left
    out."""

    ids: list[np.ndarray]
    """Token ids of each, int64, what stands before the text among them."""
    tokens: np.ndarray
    """Predicted tokens [D]."""
    characters: np.ndarray
    """Unicode characters [D] that they stand for."""
    bytes: np.ndarray
    """Bytes of these in UTF-8 [D]."""

    def __len__(self) -> int:
        return len(self.ids)


def tokenise(texts: Sequence[str], tokenizer_file: str | Path) -> Documents:
    """``texts`` with the tokenizer.json of a checkpoint. Raises UserError for a file that is none."""
    tokenizer = DocumentTokenizer.read(
        tokenizer_file, "the hf/ half of the checkpoint is broken, so remove the checkpoint"
    )
    before, ids, counted = tokenizer.before, [], []
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        for text, coding in zip(some, tokenizer.encode(some), strict=True):
            shown = text if before or not coding.ids else text[coding.offsets[0][1] :]
            predicted = len(coding.ids) - (not before)
            if predicted > 0 and shown:
                ids.append(np.array([*before, *coding.ids], dtype=np.int64))
                counted.append((predicted, len(shown), len(shown.encode("utf-8"))))
    return Documents(ids, *np.array(counted, dtype=np.int64).reshape(-1, 3).T)


def pieces(ids: np.ndarray, context: int) -> list[np.ndarray]:
    """A document cut after ``context`` (2 or more) tokens; the last token of a piece is the first of the next."""
    return [ids[start : start + context] for start in range(0, max(1, len(ids) - 1), context - 1)]


def likelihoods(
    hf_folder: str | Path, documents: Mapping[str, Documents], context: int, tokens_per_batch: int
) -> dict[str, np.ndarray]:
    """Negative log-likelihood of every document [D] of each text under the decoder in ``hf_folder``, in nats.

    Needs `model.megatron.startup.start`. Raises UserError for a net that is too short or too small for the texts, and
    for one whose likelihoods are not finite."""
    from model.hf.folder import load_net

    config, net = load_net(hf_folder)
    if context > config.max_positions:
        raise UserError(
            f"evaluation.context={context} exceeds the {config.max_positions} positions of the net in {hf_folder};"
            " lower it"
        )
    highest = max(int(ids.max()) for text in documents.values() for ids in text.ids)
    if highest >= config.vocab_size:
        raise UserError(
            f"the net in {hf_folder} has {config.vocab_size} tokens and its tokenizer gives id {highest}; it belongs to"
            " another"
        )
    net.eval().requires_grad_(False)
    nll = {name: negative_log_likelihood(net, text, context, tokens_per_batch) for name, text in documents.items()}
    for name, values in nll.items():
        if not np.isfinite(values).all():
            raise UserError(
                f"the likelihood of {name} under {hf_folder} is not finite; its training diverged, so remove this"
                " checkpoint"
            )
    return nll


def negative_log_likelihood(net: "Decoder", documents: Documents, context: int, tokens_per_batch: int) -> np.ndarray:
    """Of each document in nats [D], float64. ``net`` is whole on this rank."""
    cut = [pieces(ids, context) for ids in documents.ids]
    owner = np.repeat(np.arange(len(cut)), [len(found) for found in cut])
    tokens = Tokens([piece for found in cut for piece in found], [])
    batches = tokens.batches(tokens_per_batch)

    @torch.inference_mode()
    def one(batch: np.ndarray) -> np.ndarray:
        return _of_pieces(net, [tokens.ids[position] for position in batch])

    found = np.zeros(len(documents))
    for batch, values in zip(batches, spread(one, batches), strict=True):
        np.add.at(found, owner[batch], values)
    return found


def _of_pieces(net: "Decoder", ids: list[np.ndarray]) -> np.ndarray:
    """Negative log-likelihood of each piece [N], float64, its first token left out."""
    from model.nets.pack import Pack

    pack = Pack.from_documents(ids)
    owner = pack.document_ids()
    selected = (owner[1:] == owner[:-1]).nonzero().squeeze(1)
    labels, device = pack.tokens[selected + 1], next(net.parameters()).device

    def head(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return token_losses(hidden, weight, bias, labels.to(device), net.decoder_config.vocab_size)

    losses = net(pack.to(device), selected.to(device), head=head).cpu()
    return torch.zeros(len(ids), dtype=torch.float64).index_add(0, owner[selected], losses.double()).numpy()


def token_losses(hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, vocab_size: int) -> Tensor:
    """Cross-entropy of each of ``labels`` [M], fp32, from ``hidden`` [M, H] and the head: ``weight`` [rows, H] and
    ``bias`` [rows], of which rows beyond ``vocab_size`` are left out. The logits are made and forgotten
    `LOGITS_AT_ONCE` at a time."""
    weight, bias = weight[:vocab_size], None if bias is None else bias[:vocab_size]
    rows = max(1, LOGITS_AT_ONCE // vocab_size)
    parts = [
        torch.nn.functional.cross_entropy(
            torch.nn.functional.linear(part, weight, bias).float(), wanted, reduction="none"
        )
        for part, wanted in zip(hidden.split(rows), labels.split(rows), strict=True)
    ]
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)
