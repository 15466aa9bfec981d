"""Texts to pooled hidden states: tokenised once for all checkpoints, then one unpadded forward pass per batch."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from common.errors import UserError
from common.tokenizer import DocumentTokenizer
from model.evaluation.inference.batches import WRAPPED, Tokens
from model.evaluation.inference.threads import spread

if TYPE_CHECKING:
    from model.nets.build import Net

CHARACTERS_PER_TOKEN = 8
"""A long text is first cut after this many characters per wanted token; see `Tokeniser.__call__` for why that is
safe."""
AT_ONCE = 2000
"""Texts handed to the tokenizer at a time."""
NOTHING = 0
"""A text without any token, special ones among them, is this token: without one it would have no state."""


class Tokeniser:
    """The tokenizer of a checkpoint, as `common.tokenizer` reads it: each text stands in what the template puts around
    it ([CLS] and [SEP], or a token that begins it, or nothing); where there is no template, between [CLS] and [SEP], if
    the vocabulary has them.

    No end-of-text token is added, though `jobs.prepare` ends every document of a decoder with one: a causal net has
    seen no token of a document together with what ends it, so under a bidirectional mask it would be a foreign body in
    every state."""

    def __init__(self, file: str | Path):
        """``file`` is a tokenizer.json. Raises UserError where it is missing, broken, or knows only one of [CLS] and
        [SEP]."""
        self.tokenizer = DocumentTokenizer.read(
            file,
            "the hf/ half of a checkpoint holds the tokenizer it was trained with, so save it again, or run"
            " jobs.tokenizer again",
        )
        self.vocab_size = self.tokenizer.tokenizer.get_vocab_size()
        self.before, self.after = self._specials(Path(file))
        self.around = len(self.before), len(self.after)

    def _specials(self, file: Path) -> tuple[list[int], list[int]]:
        """Ids before and after every text."""
        if self.tokenizer.before or self.tokenizer.after:
            return self.tokenizer.before, self.tokenizer.after
        start, end = (self.tokenizer.tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
        if (start is None) != (end is None):
            missing = "[CLS]" if start is None else "[SEP]"
            raise UserError(f"{file} has no token {missing}; train a tokenizer with tokenizer.mlm_tokens=true")
        return ([], []) if start is None else ([start], [end])

    def __call__(self, texts: Sequence[str], max_tokens: int) -> Tokens:
        """Tokenise ``texts`` and keep the first ``max_tokens`` tokens of each, the special ones around it among them
        (so more than those).

        A text much longer than that is cut before a space first. Pre-tokenization splits there too, so the tokens that
        end before the last word of the piece are those of the whole text; where they do not suffice, the whole text is
        tokenised."""
        wanted = max_tokens - sum(self.around)
        found = Tokens([], [], self.around)
        for start in range(0, len(texts), AT_ONCE):
            whole = texts[start : start + AT_ONCE]
            pieces = [_piece(text, CHARACTERS_PER_TOKEN * wanted) for text in whole]
            for text, piece, coding in zip(whole, pieces, self.tokenizer.encode(pieces), strict=True):
                if len(piece) < len(text) and not _certain(piece, coding.offsets, wanted):
                    (coding,) = self.tokenizer.encode([text])
                found.ids.append(
                    np.array([*self.before, *coding.ids[:wanted], *self.after] or [NOTHING], dtype=np.int64)
                )
                cut = len(coding.ids) > wanted
                found.shown.append(coding.offsets[wanted - 1][1] if cut else len(text))
        return found


def _piece(text: str, characters: int) -> str:
    space = text.rfind(" ", 0, characters + 1) if len(text) > characters else -1
    return text[:space] if space > 0 else text


def _certain(piece: str, offsets: list[tuple[int, int]], wanted: int) -> bool:
    return len(offsets) > wanted and offsets[wanted][1] <= piece.rfind(" ")


def pool(emb: Tensor, last: Tensor, lengths: Sequence[int], around: tuple[int, int] = WRAPPED) -> dict[str, Tensor]:
    """Parts of every readout [N, H] from the two layers [T, H] of a pack of ``lengths`` (N of them, summing to T).

    The means leave out the special tokens ``around`` each text, so many positions before and after it; a text without
    others has a mean of 0."""
    before, after = around
    sizes = torch.tensor(lengths, device=last.device)
    starts = sizes.cumsum(0) - sizes
    owner = torch.repeat_interleave(torch.arange(len(sizes), device=last.device), sizes)
    place = torch.arange(len(owner), device=last.device) - starts[owner]
    inner = (place >= before) & (place < sizes[owner] - after)
    count = (sizes - before - after).clamp(min=1).unsqueeze(1)

    def mean(layer: Tensor) -> Tensor:
        total = torch.zeros(len(sizes), layer.shape[1], device=layer.device)
        return total.index_add(0, owner[inner], layer[inner].float()) / count

    return {"emb": mean(emb), "last": mean(last), "cls": last[starts].float()}


def hidden(model: "Net", documents: Iterable[np.ndarray], around: tuple[int, int] = WRAPPED) -> dict[str, Tensor]:
    """Parts of every readout [N, H] of ``documents`` in one forward pass; ``around`` as for `pool`."""
    from model.nets.pack import Pack

    pack = Pack.from_documents(list(documents)).to(next(model.parameters()).device)
    return pool(*model.hidden(pack), pack.lengths, around)


def encode(model: "Net", tokens: Tokens, tokens_per_batch: int) -> dict[str, Tensor]:
    """Parts of every readout [N, H], fp32, of the texts in their own order. Equal texts are encoded once, so that their
    vectors are equal: those of one text differ in their last bits from batch to batch."""
    distinct, which = _distinct(tokens)
    batches = distinct.batches(tokens_per_batch)

    @torch.inference_mode()
    def one(batch: np.ndarray) -> dict[str, Tensor]:
        return hidden(model, (distinct.ids[position] for position in batch), tokens.around)

    found = spread(one, batches)
    back = torch.from_numpy(np.argsort(np.concatenate(batches))[which])
    return {part: torch.cat([parts[part] for parts in found])[back.to(found[0][part].device)] for part in found[0]}


def _distinct(tokens: Tokens) -> tuple[Tokens, np.ndarray]:
    """The texts, each once, in the order in which they come first; and the number [N] of each text among them."""
    places: dict[bytes, int] = {}
    which = np.array([places.setdefault(ids.tobytes(), len(places)) for ids in tokens.ids], dtype=np.int64)
    _, first = np.unique(which, return_index=True)
    return (
        Tokens([tokens.ids[place] for place in first], [tokens.shown[place] for place in first], tokens.around),
        which,
    )
