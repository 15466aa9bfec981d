"""A batch of documents of one language as arrays, so that a rule measures all of them in a few passes of numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data_prep.text.characters import BREAK, LETTER, SPACE, WORD, code_points, look_up, lowercase, table
from data_prep.text.hashing import Prefix

NEWLINE = 10


@dataclass(frozen=True)
class Spans:
    """Pieces of the texts of a batch (words, lines, paragraphs), in order."""

    starts: np.ndarray
    """[k] int64: first character of each, as an index into `Batch.codes`."""
    ends: np.ndarray
    """[k] int64: one past its last character."""
    owners: np.ndarray
    """[k] int64, ascending: the document each belongs to."""
    bounds: np.ndarray
    """[n + 1] int64: those of document i are ``bounds[i]`` to ``bounds[i + 1]``."""

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def lengths(self) -> np.ndarray:
        """[k] int64: characters of each."""
        return self.ends - self.starts

    @cached_property
    def counts(self) -> np.ndarray:
        """[n] int64: how many each document has."""
        return np.diff(self.bounds)

    def take(self, chosen: np.ndarray) -> "Spans":
        """Take the spans of a mask [k]."""
        owners = self.owners[chosen]
        return Spans(
            self.starts[chosen], self.ends[chosen], owners, np.searchsorted(owners, np.arange(len(self.bounds)))
        )

    def total(self, values: np.ndarray) -> np.ndarray:
        """[n]: sum of ``values`` [k] over the pieces of each document."""
        sums = np.zeros(len(values) + 1, np.float64 if values.dtype.kind == "f" else np.int64)
        np.cumsum(values, out=sums[1:])
        return sums[self.bounds[1:]] - sums[self.bounds[:-1]]


class Batch:
    """``texts`` laid end to end, a newline after each. ``casing``: how the language lowercases other than Unicode.

    Everything is computed when it is first asked for, and kept: a rule that asks for words pays for them once for all
    rules."""

    def __init__(self, texts: Sequence[str], casing: Mapping[str, str] | None = None):
        self.texts = list(texts)
        self.casing = casing or {}
        self.sizes = np.fromiter(map(len, self.texts), np.int64, len(self.texts))
        """[n] characters of each text."""
        self.starts = np.zeros(len(self.texts) + 1, np.int64)
        """[n + 1] where each text begins in ``codes``; text i ends at ``starts[i + 1] - 1``, the newline that is not
        its own."""
        np.cumsum(self.sizes + 1, out=self.starts[1:])

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def codes(self) -> np.ndarray:
        """[m] uint32: all code points."""
        return code_points("\n".join(self.texts) + "\n") if self.texts else np.empty(0, np.uint32)

    @cached_property
    def lower(self) -> np.ndarray:
        """[m] uint32: all code points in lower case."""
        return lowercase(self.codes, self.casing)

    @cached_property
    def flags(self) -> np.ndarray:
        """[m] uint8: flags of `data_prep.text.characters`."""
        return look_up(table(), self.codes)

    def count(self, mask: np.ndarray) -> np.ndarray:
        """[n] int64: how many characters of each text a mask [m] holds (the newline after it is not asked)."""
        sums = np.zeros(len(mask) + 1, np.int64)
        np.cumsum(mask, out=sums[1:])
        return sums[self.starts[1:] - 1] - sums[self.starts[:-1]]

    def is_any(self, characters: str) -> np.ndarray:
        """[m] bool: whether a character is one of ``characters``."""
        wanted = code_points("".join(sorted(set(characters))))
        chosen = np.zeros(int(wanted.max(initial=0)) + 2, bool)
        chosen[wanted] = True
        return chosen.take(self.codes, mode="clip")

    @cached_property
    def prefix(self) -> Prefix:
        """Prefix sums to hash spans of the texts as they are."""
        return Prefix(self.codes)

    @cached_property
    def lower_prefix(self) -> Prefix:
        """Prefix sums to hash spans of the texts in lower case."""
        return Prefix(self.lower)

    def spans(self, starts: np.ndarray, ends: np.ndarray) -> Spans:
        """Pieces from ``starts`` to ``ends`` [k], ascending and each within one text."""
        bounds = np.searchsorted(starts, self.starts)
        return Spans(starts, ends, np.repeat(np.arange(len(self)), np.diff(bounds)), bounds)

    @cached_property
    def tokens(self) -> Spans:
        """Words (runs of ``\\w``) and, each by itself, all other characters but white space: the regex
        ``\\w+|[^\\w\\s]``."""
        word, space = (self.flags & WORD) != 0, (self.flags & SPACE) != 0
        sign = ~(word | space)
        first, last = word.copy(), word.copy()
        first[1:] &= ~word[:-1]
        last[:-1] &= ~word[1:]
        return self.spans(np.flatnonzero(first | sign), np.flatnonzero(last | sign) + 1)

    @cached_property
    def token_is_word(self) -> np.ndarray:
        """[tokens] bool: a word, not a sign."""
        return (self.flags[self.tokens.starts] & WORD) != 0

    @cached_property
    def words(self) -> Spans:
        """The tokens that are words."""
        return self.tokens.take(self.token_is_word)

    @cached_property
    def word_hashes(self) -> np.ndarray:
        """[words] uint64: of each word in lower case. Equal to `hash_words` of the same word."""
        return self.lower_prefix.spans(self.words.starts, self.words.ends)

    @cached_property
    def token_hashes(self) -> np.ndarray:
        """[tokens] uint64: of each token as it is written."""
        return self.prefix.spans(self.tokens.starts, self.tokens.ends)

    @cached_property
    def word_has_letter(self) -> np.ndarray:
        """[words] bool."""
        sums = np.zeros(len(self.flags) + 1, np.int32)
        np.cumsum((self.flags & LETTER) != 0, out=sums[1:])
        return sums[self.words.ends] > sums[self.words.starts]

    @cached_property
    def lines(self) -> Spans:
        """Lines as ``text.split("\\n")`` gives them, empty ones too."""
        ends = np.flatnonzero(self.codes == NEWLINE)
        starts = np.empty_like(ends)
        starts[:1], starts[1:] = 0, ends[:-1] + 1
        return self.spans(starts, ends)

    @cached_property
    def stripped_lines(self) -> Spans:
        """``lines`` without the white space at both ends; one of white space alone is empty, at its end."""
        inked = np.flatnonzero((self.flags & SPACE) == 0)
        if not len(inked):
            return Spans(self.lines.ends, self.lines.ends, self.lines.owners, self.lines.bounds)
        first = np.searchsorted(inked, self.lines.starts)
        last = np.searchsorted(inked, self.lines.ends) - 1
        full = last >= first
        starts = np.where(full, inked[np.minimum(first, len(inked) - 1)], self.lines.ends)
        ends = np.where(full, inked[last] + 1, self.lines.ends)
        return Spans(starts, ends, self.lines.owners, self.lines.bounds)

    @cached_property
    def breaks(self) -> np.ndarray:
        """[m] bool: characters that end a line for `str.splitlines` (form feeds, separators: more than newlines)."""
        return (self.flags & BREAK) != 0


def hash_words(words: Sequence[str], casing: Mapping[str, str] | None = None) -> np.ndarray:
    """[k] uint64: hashes of words (or any strings without a newline) in lower case, as `Batch.word_hashes` has them."""
    batch = Batch(words, casing)
    return batch.lower_prefix.spans(batch.starts[:-1], batch.starts[1:] - 1)
