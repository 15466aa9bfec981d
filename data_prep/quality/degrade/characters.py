"""Degradations of characters. Each takes a text, a source of chance and the share of the words (signs, blanks) that it
touches."""

import random
import re
import string
import unicodedata

LOOK_ALIKE = {
    "m": "rn", "rn": "m", "l": "1", "1": "l", "o": "0", "0": "O", "i": "l", "e": "c", "c": "e", "h": "b", "b": "6",
    "S": "5", "g": "q",
    "u": "ii", "ü": "ii", "ş": "$", "ç": "q", "ı": "l", "a": "o", "n": "ri", "ł": "t", "ą": "q", "ę": "g", "ó": "6",
    "t": "f", "d": "cl",
}  # fmt: skip
"""What optical character recognition takes letters for."""
_MARKLESS = str.maketrans("ıİłŁøØđĐ", "iIlLoOdD")


def pieces(text: str) -> list[str]:
    """Words and the white space between them, in turn; joined they are the text."""
    return re.split(r"(\s+)", text)


def drawn(draw: random.Random, places: list[int], share: float) -> list[int]:
    """A share of ``places``, at least one where there are some."""
    return sorted(draw.sample(places, min(len(places), max(1, round(share * len(places))))))


def of_words(text: str, draw: random.Random, share: float, change, wanted=str.isalpha) -> str:
    """``change`` a share of the words that have a character for which ``wanted`` holds."""
    parts = pieces(text)
    places = [place for place in range(0, len(parts), 2) if any(map(wanted, parts[place]))]
    for place in drawn(draw, places, share):
        parts[place] = change(parts[place])
    return "".join(parts)


def ocr(text: str, draw: random.Random, share: float) -> str:
    """Misread words: one or two letters become what a scanner takes them for; now and then a speck."""

    def change(word: str) -> str:
        for _ in range(draw.randint(1, 2)):
            places = [place for place, letter in enumerate(word) if letter in LOOK_ALIKE]
            if places and draw.random() < 0.85:
                place = draw.choice(places)
                word = word[:place] + LOOK_ALIKE[word[place]] + word[place + 1 :]
            else:
                place = draw.randint(0, len(word))
                word = word[:place] + draw.choice("'.,~^*|¦;:") + word[place:]
        return word

    return of_words(text, draw, share, change)


def diacritics(text: str, draw: random.Random, share: float) -> str:
    """Letters lose their marks."""

    def change(word: str) -> str:
        bare = unicodedata.normalize("NFD", word.translate(_MARKLESS))
        return "".join(letter for letter in bare if not unicodedata.combining(letter))

    return of_words(text, draw, share, change, lambda letter: ord(letter) > 127 and letter.isalpha())


def casing(text: str, draw: random.Random, share: float) -> str:
    """Words are shouted, or capitals are lost."""
    if draw.random() < 0.5:
        return of_words(text, draw, share, str.upper, str.islower)
    return of_words(text, draw, share, str.lower, str.isupper)


def punctuation(text: str, draw: random.Random, share: float) -> str:
    """Signs are lost."""
    places = [place for place, sign in enumerate(text) if not sign.isalnum() and not sign.isspace()]
    gone = set(drawn(draw, places, share))
    return "".join(character for place, character in enumerate(text) if place not in gone)


def joined(text: str, draw: random.Random, share: float) -> str:
    """Blanks are lost, as where a PDF has none."""
    parts = pieces(text)
    for place in drawn(draw, list(range(1, len(parts), 2)), share):
        parts[place] = ""
    return "".join(parts)


def split(text: str, draw: random.Random, share: float) -> str:
    """Words are broken by blanks, as where a PDF places letters."""

    def change(word: str) -> str:
        if len(word) < 3:
            return word
        place = draw.randint(1, len(word) - 1)
        return f"{word[:place]} {word[place:]}"

    return of_words(text, draw, share, change)


def mojibake(text: str, draw: random.Random, share: float) -> str:
    """UTF-8 read as Windows-1252, or unknown characters as the replacement sign or a question mark."""
    way = draw.choice(["cp1252", "latin-1", "\ufffd", "?"])

    def change(word: str) -> str:
        if len(way) == 1:
            return "".join(letter if ord(letter) < 128 else way for letter in word)
        return word.encode("utf-8").decode(way, "replace")

    return of_words(text, draw, share, change, lambda letter: ord(letter) > 127)


def gibberish(text: str, draw: random.Random, share: float) -> str:
    """Words become letters at random, of the same length."""
    return of_words(text, draw, share, lambda word: "".join(draw.choices(string.ascii_lowercase, k=len(word))))
