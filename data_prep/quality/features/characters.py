"""Features of characters: kinds, signs, what follows what, letters of the language."""

from functools import cache

import numpy as np

from data_prep.quality.features.arrays import columns, histogram, share
from data_prep.quality.features.char_index import CAPITAL, DIACRITIC, FOREIGN, KINDS, POINT, SIGN, CharIndex
from data_prep.text.characters import PLANES, code_points, look_up

SIGNS = {
    "full_stop": ".", "comma": ",", "colon": ":", "semicolon": ";", "question": "?", "exclamation": "!",
    "ellipsis": "…",
    "apostrophe": "'’‘", "quote": '"“”„«»', "parenthesis": "()", "bracket": "[]", "brace": "{}", "angle": "<>",
    "hyphen": "-",
    "dash": "–—", "slash": "/", "backslash": "\\", "pipe": "|", "underscore": "_", "star": "*", "hash": "#",
    "equals": "=", "plus": "+",
    "percent": "%", "ampersand": "&", "at": "@", "accent": "^`~¨´", "bullet": "•·▪◦●■►", "currency": "$€£₺¤¥",
    "mark": "§°©®™¶†",
    "replacement": "\ufffd",
}  # fmt: skip
MEANINGS = (
    {f"sign_{name}": f"share of the characters that are one of {signs}" for name, signs in SIGNS.items()}
    | {f"kind_{kind}": f"share of the characters that are of kind {kind}" for kind in KINDS}
    | {
        f"pair_{first_kind}_{other}": f"pairs of neighbours of kind {first_kind}, {other}, of all pairs"
        for first_kind in KINDS
        for other in KINDS
    }
    | {
        "letters_doubled": "share of the letters that equal the character before",
        "letters_tripled": "share of the letters that equal the two characters before",
        "signs_repeated": "share of the signs that equal the character before",
        "letters_diacritic": "share of the letters that are diacritics of the language",
        "letters_foreign": "share of the letters that are not of the language's alphabet",
        "letters_upper": "share of the letters that are upper case",
        "not_ascii_signs": "share of the characters that are neither letters nor ASCII",
        "mojibake": (
            "two neighbours beyond ASCII that the alphabet has not, as UTF-8 read as Latin-1 leaves them, of all"
            " characters"
        ),
    }
)
ASCII = 128


@cache
def _classes() -> np.ndarray:
    """[PLANES] uint8: which of SIGNS every code point is; one more for none."""
    signs = np.full(PLANES, len(SIGNS), np.uint8)
    for number, characters in enumerate(SIGNS.values()):
        signs[code_points(characters)] = number
    return signs


def measure(chars: CharIndex) -> np.ndarray:
    """float32 [n, k]: the features of MEANINGS, in its order."""
    batch, kinds = chars.batch, chars.kinds
    pairs = kinds[:-1] * np.uint8(len(KINDS)) + kinds[1:]
    pairs[batch.starts[1:-1] - 1] = len(KINDS) ** 2  # across documents
    pair_counts = histogram(chars.owners[:-1], pairs, (len(batch), len(KINDS) ** 2 + 1))[:, :-1]
    kind_counts = pair_counts.reshape(-1, len(KINDS), len(KINDS)).sum(
        2
    )  # as the first of a pair: all but the newline after the text
    sign_counts = histogram(
        chars.owners[chars.marks], look_up(_classes(), chars.mark_codes), (len(batch), len(SIGNS) + 1)
    )[:, :-1]
    return columns(
        [
            share(sign_counts, batch.sizes),
            share(kind_counts, batch.sizes),
            share(pair_counts, batch.sizes),
            *_repeated(chars, kind_counts),
            *_foreign(chars, kind_counts),
        ]
    )


def _repeated(chars: CharIndex, kind_counts: np.ndarray) -> list[np.ndarray]:
    codes, kinds = chars.batch.codes, chars.kinds
    places = np.flatnonzero(codes[1:] == codes[:-1]) + 1
    kind = kinds[places]
    of_letters = places[kind <= CAPITAL]
    thrice = of_letters[codes[np.maximum(of_letters - 2, 0)] == codes[of_letters]]
    of_signs = places[(kind == POINT) | (kind == SIGN)]
    letters, signs = kind_counts[:, : CAPITAL + 1].sum(1), kind_counts[:, POINT : SIGN + 1].sum(1)
    places_of_all = ((of_letters, letters), (thrice, letters), (of_signs, signs))
    return [share(chars.per_document(where), whole) for where, whole in places_of_all]


def _foreign(chars: CharIndex, kind_counts: np.ndarray) -> list[np.ndarray]:
    sizes, letters = chars.batch.sizes, kind_counts[:, : CAPITAL + 1].sum(1)
    flagged = np.flatnonzero(chars.classes >= FOREIGN)
    classes = chars.classes[flagged]
    diacritics, foreign = flagged[(classes & DIACRITIC) != 0], flagged[(classes & FOREIGN) != 0]
    signs = chars.marks[chars.mark_codes >= ASCII]
    garbled = np.sort(np.concatenate([signs, foreign[chars.batch.codes[foreign] >= ASCII]]))
    neighbours = garbled[1:][np.diff(garbled) == 1]
    return [
        share(chars.per_document(diacritics), letters),
        share(chars.per_document(foreign), letters),
        share(kind_counts[:, CAPITAL], letters),
        share(chars.per_document(signs), sizes),
        share(chars.per_document(neighbours), sizes),
    ]
