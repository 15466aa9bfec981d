"""Features of characters: kinds, signs, what follows what, letters of the language."""

from functools import cache

import numpy as np

from data_prep.quality.features.arrays import columns, histogram, share
from data_prep.quality.features.char_index import CAPITAL, DIACRITIC, FOREIGN, KINDS, POINT, SIGN, View
from data_prep.text.characters import PLANES, code_points, look_up

SIGNS = {
    "full_stop": ".", "comma": ",", "colon": ":", "semicolon": ";", "question": "?", "exclamation": "!", "ellipsis": "…",
    "apostrophe": "'’‘", "quote": '"“”„«»', "parenthesis": "()", "bracket": "[]", "brace": "{}", "angle": "<>", "hyphen": "-",
    "dash": "–—", "slash": "/", "backslash": "\\", "pipe": "|", "underscore": "_", "star": "*", "hash": "#", "equals": "=", "plus": "+",
    "percent": "%", "ampersand": "&", "at": "@", "accent": "^`~¨´", "bullet": "•·▪◦●■►", "currency": "$€£₺¤¥", "mark": "§°©®™¶†",
    "replacement": "\ufffd",
}  # fmt: skip
MEANINGS = (
    {f"sign_{name}": f"share of the characters that are one of {signs}" for name, signs in SIGNS.items()}
    | {f"kind_{kind}": f"share of the characters that are of kind {kind}" for kind in KINDS}
    | {
        f"pair_{one}_{other}": f"pairs of neighbours of kind {one}, {other}, of all pairs"
        for one in KINDS
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


def measure(view: View) -> np.ndarray:
    """float32 [n, k]: the features of MEANINGS, in its order."""
    batch, kinds = view.batch, view.kinds
    pairs = kinds[:-1] * np.uint8(len(KINDS)) + kinds[1:]
    pairs[batch.starts[1:-1] - 1] = len(KINDS) ** 2  # across documents
    pair_counts = histogram(view.owners[:-1], pairs, (len(batch), len(KINDS) ** 2 + 1))[:, :-1]
    kind_counts = pair_counts.reshape(-1, len(KINDS), len(KINDS)).sum(
        2
    )  # as the first of a pair: all but the newline after the text
    sign_counts = histogram(
        view.owners[view.marks], look_up(_classes(), view.mark_codes), (len(batch), len(SIGNS) + 1)
    )[:, :-1]
    return columns(
        [
            share(sign_counts, batch.sizes),
            share(kind_counts, batch.sizes),
            share(pair_counts, batch.sizes),
            *_repeated(view, kind_counts),
            *_foreign(view, kind_counts),
        ]
    )


def _repeated(view: View, kind_counts: np.ndarray) -> list[np.ndarray]:
    codes, kinds = view.batch.codes, view.kinds
    places = np.flatnonzero(codes[1:] == codes[:-1]) + 1
    kind = kinds[places]
    of_letters = places[kind <= CAPITAL]
    thrice = of_letters[codes[np.maximum(of_letters - 2, 0)] == codes[of_letters]]
    of_signs = places[(kind == POINT) | (kind == SIGN)]
    letters, signs = kind_counts[:, : CAPITAL + 1].sum(1), kind_counts[:, POINT : SIGN + 1].sum(1)
    found = ((of_letters, letters), (thrice, letters), (of_signs, signs))
    return [share(view.per_document(where), whole) for where, whole in found]


def _foreign(view: View, kind_counts: np.ndarray) -> list[np.ndarray]:
    sizes, letters = view.batch.sizes, kind_counts[:, : CAPITAL + 1].sum(1)
    flagged = np.flatnonzero(view.classes >= FOREIGN)
    classes = view.classes[flagged]
    diacritics, foreign = flagged[(classes & DIACRITIC) != 0], flagged[(classes & FOREIGN) != 0]
    signs = view.marks[view.mark_codes >= ASCII]
    garbled = np.sort(np.concatenate([signs, foreign[view.batch.codes[foreign] >= ASCII]]))
    neighbours = garbled[1:][np.diff(garbled) == 1]
    return [
        share(view.per_document(diacritics), letters),
        share(view.per_document(foreign), letters),
        share(kind_counts[:, CAPITAL], letters),
        share(view.per_document(signs), sizes),
        share(view.per_document(neighbours), sizes),
    ]
