"""Shingles by brute force, and random text."""

import random
import re


def shingles_of(text: str) -> set[tuple[str, ...]]:
    """Runs of four words, in lower case; a short text is padded."""
    words = re.findall(r"\w+", text.lower())
    words += [""] * (4 - len(words))
    return {tuple(words[i : i + 4]) for i in range(len(words) - 3)}


def held(shingles: set, other: set, threshold: float) -> bool:
    """Is more than ``threshold`` of the shingles ``shingles`` in ``other``?"""
    return len(shingles & other) > threshold * len(shingles)


def words(draw: random.Random, count: int) -> str:
    """Words of a vocabulary of 640."""
    return " ".join(f"{draw.choice('abcdefghijklmnop')}{draw.randrange(40)}" for _ in range(count))
