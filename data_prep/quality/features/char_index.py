"""Character index of a batch: what several themes of features ask of its characters, computed once."""

from functools import cache, cached_property

import numpy as np

from conf.schema.language import LanguageConfig
from data_prep.text.batch import Batch, Spans
from data_prep.text.characters import DIGIT, LETTER, MARK, PLANES, SPACE, UPPER, code_points, look_up, lowercase, table

KINDS = ("lower", "upper", "digit", "blank", "newline", "point", "sign", "odd")
LOWER, CAPITAL, FIGURE, BLANK, NEWLINE, POINT, SIGN, ODD = range(len(KINDS))
POINTS = ".,;:!?…"
COUNTERS = {"capitals": (0, 18), "digits": (18, 18), "letters": (36, 20), "diacritics": (56, 8)}
"""Shift and bits of counters that share 64 bits, so that one sum serves all four. Exact for pieces of at most 262,143
capitals or digits and a million letters; diacritics, asked of words alone, up to 255."""


@cache
def kind_table() -> np.ndarray:
    """[PLANES] uint8: the kind of every code point."""
    flags = table()
    kinds = np.full(PLANES, SIGN, np.uint8)
    for flag, kind in ((LETTER, LOWER), (UPPER, CAPITAL), (DIGIT, FIGURE), (MARK, ODD), (SPACE, BLANK)):
        kinds[(flags & flag) != 0] = kind
    kinds[code_points(POINTS)] = POINT
    kinds[ord("\n")] = NEWLINE
    kinds[0xE000:0xF900] = ODD  # private use
    kinds[0xFFFD] = ODD
    return kinds


@cache
def members(characters: str, casing: tuple[tuple[str, str], ...]) -> np.ndarray:
    """[PLANES] bool: the code points whose lower case is one of ``characters``."""
    chosen = np.zeros(PLANES, bool)
    chosen[code_points(characters)] = True
    return chosen[np.minimum(lowercase(np.arange(PLANES, dtype=np.uint32), dict(casing)), PLANES - 1)]


FOREIGN, DIACRITIC = 8, 16
"""Flags beside the kind: a letter that the alphabet of the language has not; a diacritic of the language."""


@cache
def _classes(alphabet: str, diacritics: str, casing: tuple[tuple[str, str], ...]) -> np.ndarray:
    kinds = kind_table()
    foreign = (kinds <= CAPITAL) & ~members(alphabet, casing)
    return kinds | (foreign * np.uint8(FOREIGN)) | (members(diacritics, casing) * np.uint8(DIACRITIC))


@cache
def _counters(diacritics: str, casing: tuple[tuple[str, str], ...]) -> np.ndarray:
    kinds = kind_table()
    masks = (kinds == CAPITAL, kinds == FIGURE, (kinds == LOWER) | (kinds == CAPITAL), members(diacritics, casing))
    return sum(
        mask.astype(np.uint64) << np.uint64(shift) for mask, (shift, _) in zip(masks, COUNTERS.values(), strict=True)
    )


class CharIndex:
    """A batch with the profile of its language."""

    def __init__(self, batch: Batch, profile: LanguageConfig):
        self.batch, self.profile = batch, profile
        self.casing = tuple(sorted(batch.casing.items()))

    @cached_property
    def owners(self) -> np.ndarray:
        """[m] int64: the document of each character, and of the newline after it."""
        return np.repeat(np.arange(len(self.batch)), self.batch.sizes + 1)

    @cached_property
    def classes(self) -> np.ndarray:
        """[m] uint8: the kind of each character, with the flags FOREIGN and DIACRITIC."""
        return look_up(_classes(self.profile.alphabet, self.profile.diacritics, self.casing), self.batch.codes)

    @cached_property
    def kinds(self) -> np.ndarray:
        """[m] uint8: the kind of each character."""
        return self.classes & np.uint8(7)

    @cached_property
    def lines(self) -> Spans:
        """The lines that are not empty, without the white space at both ends."""
        lines = self.batch.stripped_lines
        return lines.take(lines.ends > lines.starts)

    @cached_property
    def _sums(self) -> np.ndarray:
        sums = np.zeros(len(self.batch.codes) + 1, np.uint64)
        np.cumsum(look_up(_counters(self.profile.diacritics, self.casing), self.batch.codes), out=sums[1:])
        return sums

    def counts(self, spans: Spans) -> dict[str, np.ndarray]:
        """[k] int64 each: capitals, digits, letters and diacritics in each piece."""
        packed = self._sums[spans.ends] - self._sums[spans.starts]
        return {
            name: ((packed >> np.uint64(shift)) & np.uint64((1 << bits) - 1)).astype(np.int64)
            for name, (shift, bits) in COUNTERS.items()
        }

    @cached_property
    def in_words(self) -> dict[str, np.ndarray]:
        """`counts` of the words."""
        return self.counts(self.batch.words)

    @cached_property
    def marks(self) -> np.ndarray:
        """[s] int64: places of all points, signs and odd characters."""
        return np.flatnonzero(self.kinds >= POINT)

    @cached_property
    def mark_codes(self) -> np.ndarray:
        """[s] uint32: their code points."""
        return self.batch.codes[self.marks]

    def places(self, character: str) -> np.ndarray:
        """Places of a point or sign, ascending."""
        return self.marks[self.mark_codes == ord(character)]

    def per_document(self, places: np.ndarray) -> np.ndarray:
        """[n] int64: how many of ``places`` (characters) lie in each document."""
        return np.bincount(self.owners[places], minlength=len(self.batch))

    def ends_sentence(self, ends: np.ndarray) -> np.ndarray:
        """[k] bool: whether terminal punctuation stands before ``ends`` [k], one closing sign left aside."""
        last, before = self.batch.codes[ends - 1], self.batch.codes[np.maximum(ends - 2, 0)]
        terminal, closing = members(self.profile.terminal_punctuation, ()), members(self.profile.closing, ())
        return look_up(terminal, last) | (look_up(closing, last) & look_up(terminal, before))
