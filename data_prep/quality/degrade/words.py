"""Degradations of words and sentences. Each takes a text, a source of chance and the share of the words (sentences)
that it touches."""

import random
import re

from data_prep.quality.degrade.characters import drawn, pieces

_SENTENCE = re.compile(r"(?<=[.!?…:;])\s+|\n+")
_NOT_WORD = re.compile(r"(?<![\W_])[\W_]++$|^[\W_]+")


def sentences(text: str) -> list[str]:
    """Sentences, roughly, and what separates them, in turn."""
    parts, end = [], 0
    for match in _SENTENCE.finditer(text):
        parts += [text[end : match.start()], match.group()]
        end = match.end()
    return [*parts, text[end:]]


def of_sentences(text: str, draw: random.Random, share: float, change) -> str:
    """``change`` sentences that together have a share of the characters."""
    parts = sentences(text)
    order = [place for place in range(0, len(parts), 2) if len(parts[place].split()) > 2]
    draw.shuffle(order)
    left = share * sum(len(parts[place]) for place in order)
    for place in order:
        if left <= 0:
            break
        left -= len(parts[place])
        parts[place] = change(parts[place])
    return "".join(parts)


def shuffled_words(text: str, draw: random.Random, share: float) -> str:
    """Words of a sentence stand in another order."""

    def change(sentence: str) -> str:
        words = sentence.split()
        draw.shuffle(words)
        return " ".join(words)

    return of_sentences(text, draw, share, change)


def shuffled_sentences(text: str, draw: random.Random, share: float) -> str:
    """Sentences change places."""
    parts = sentences(text)
    places = drawn(draw, list(range(0, len(parts), 2)), share)
    moved = [parts[place] for place in places]
    draw.shuffle(moved)
    for place, sentence in zip(places, moved, strict=True):
        parts[place] = sentence
    return "".join(parts)


def dropped_words(text: str, draw: random.Random, share: float) -> str:
    """Words are missing, short ones first to go, as in bad machine translation."""
    parts = pieces(text)
    places = list(range(0, len(parts), 2))
    order = sorted(places, key=lambda place: len(parts[place]) * draw.random())
    gone = set(order[: max(1, round(share * 0.6 * len(places)))])
    return "".join(part for place, part in enumerate(parts) if place not in gone and place - 1 not in gone)


def stutter(text: str, draw: random.Random, share: float) -> str:
    """Words, or runs of a few, come several times, as of a model that loops."""
    parts = pieces(text)
    for place in drawn(draw, list(range(0, len(parts) - 6, 8)), share):
        length = draw.choice([1, 1, 3, 5])
        run = "".join(parts[place : place + length])
        parts[place] = f"{run} " * draw.randint(1, 3) + parts[place]
    return "".join(parts)


def keyword_spam(text: str, draw: random.Random, share: float) -> str:
    """Sentences give way to lists of the text's longer words, some of them again and again."""
    words = sorted({_NOT_WORD.sub("", word) for word in text.split() if len(word) > 5})
    keys = draw.sample(words, min(len(words), 25))
    if not keys:
        return text
    separator = draw.choice([", ", " ", " | ", " - "])
    return of_sentences(
        text, draw, share, lambda sentence: separator.join(draw.choices(keys, k=max(3, len(sentence.split()))))
    )


def snippets(text: str, draw: random.Random, share: float) -> str:
    """Sentences are cut off somewhere, as in lists of search results."""
    mark = draw.choice(["...", "…", "", " [...]"])
    return of_sentences(
        text, draw, share, lambda sentence: sentence[: draw.randint(len(sentence) // 5, len(sentence) * 3 // 4)] + mark
    )
