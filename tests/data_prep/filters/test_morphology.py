"""Suffix entropy and lemma diversity: the arithmetic, and what they let pass."""

import io
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import orjson
import pytest
import zstandard

from conf.schema.root import Config
from data_prep.filters.morphology import Morphology, measure
from data_prep.morphology.words import Words
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

CASING = load_language("tr").casing
DICE = random.Random(5)


@pytest.fixture(scope="module")
def rule() -> Morphology:
    return Morphology(load_language("tr"), Config())


@pytest.fixture(scope="module")
def turkish(shared_data: Path) -> list[str]:
    with (shared_data / "tr_general" / "train.jsonl.zst").open("rb") as file:
        return [
            orjson.loads(line)["text"] for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
        ]


def judge(rule: Morphology, texts: list[str]) -> dict[str, np.ndarray]:
    batch = Batch(texts, CASING)
    return {test.name: test.rejected for test in rule.judge(batch, np.ones(len(texts), bool), [])}


def slowly(lemmas: list[int], suffixes: list[int], window: int, least: int) -> tuple[float, float]:
    """The two measures of one document, word for word as they are described."""
    pieces = [slice(start, start + window) for start in range(0, len(lemmas), window)]
    if len(pieces) > 1 and len(lemmas) % window and len(lemmas) % window < least:
        pieces.pop()
    entropies, diversities = [], []
    for piece in pieces:
        total = len(suffixes[piece])
        shares = [count / total for count in Counter(suffixes[piece]).values()]
        entropies.append(-sum(share * math.log(share) for share in shares) / math.log(max(total, 2)))
        analysed = [lemma for lemma in lemmas[piece] if lemma]
        diversities.append(len(set(analysed)) / len(analysed) if analysed else 1.0)
    return (float(np.mean(entropies)), float(np.mean(diversities))) if pieces else (1.0, 1.0)


@pytest.mark.parametrize(("window", "least"), [(100, 50), (7, 3), (10, 10), (3, 5)])
def test_measures_are_what_their_description_says(window: int, least: int) -> None:
    sizes = [0, 1, 2, 6, 7, 8, 49, 50, 99, 100, 101, 149, 150, 151, 333, 0]
    lemmas = [[DICE.choice([0, *range(1, 60)]) for _ in range(size)] for size in sizes]
    suffixes = [[DICE.choice([0, 0, 0, *range(20)]) for _ in range(size)] for size in sizes]
    words = Words(
        np.repeat(np.arange(len(sizes)), sizes),
        np.array(sum(lemmas, []), np.uint64),
        np.array(sum(suffixes, []), np.uint64),
    )
    entropy, diversity = measure(words, len(sizes), window, least)
    for place in range(len(sizes)):
        expected = slowly(lemmas[place], suffixes[place], window, min(least, window))
        assert (entropy[place], diversity[place]) == pytest.approx(expected)


def test_good_text_passes_and_noise_does_not(rule: Morphology, turkish: list[str]) -> None:
    good = judge(rule, turkish)
    assert good["morphology/suffix_entropy"].mean() < 0.02
    assert good["morphology/lemma_diversity"].mean() < 0.02
    words = [word for text in turkish for word in text.split()]
    names = [word for word in words if word.istitle() and word.isalpha()]
    sentences = [sentence for text in turkish for sentence in text.split(". ") if len(sentence) > 40]
    lists = ["\n".join(" ".join(DICE.choices(names, k=2)) for _ in range(100)) for _ in range(50)]
    assert judge(rule, lists)["morphology/suffix_entropy"].mean() > 0.95
    letters = [
        " ".join("".join(DICE.choices("abcçdefgğhıijklmnoöprsştuüvyz", k=6)) for _ in range(100)) for _ in range(50)
    ]
    assert judge(rule, letters)["morphology/suffix_entropy"].all()
    repeated = ["\n".join([DICE.choice(sentences)] * 30) for _ in range(50)]
    assert judge(rule, repeated)["morphology/lemma_diversity"].mean() > 0.95
    spam = [" ".join(DICE.choices(DICE.sample(words, 25), k=200)) for _ in range(50)]
    assert judge(rule, spam)["morphology/lemma_diversity"].mean() > 0.95
    english = [
        "The court finds that the parties of this agreement shall not assign their rights without the consent of the"
        " other party. " * 5
    ]
    assert judge(rule, english)["morphology/suffix_entropy"].all()


def test_short_texts_are_not_judged_and_the_dead_not_analysed(rule: Morphology) -> None:
    batch = Batch(["one two three", "word " * 60, "word " * 60])
    tests = list(rule.judge(batch, np.array([True, False, True]), []))
    assert [test.rejected.tolist() for test in tests] == [[False, False, True]] * 2 or tests[0].rejected.tolist() == [
        False,
        False,
        True,
    ]
    assert tests[0].limit == "suffix_entropy < 0.3"


def test_verdicts_do_not_depend_on_the_batch(rule: Morphology, turkish: list[str]) -> None:
    def values(texts: list[str]) -> list[list[float]]:
        batch = Batch(texts, CASING)
        return [test.values.tolist() for test in rule.judge(batch, np.ones(len(texts), bool), [])]

    together = values(turkish[:60])
    alone = [values([text]) for text in turkish[:60]]
    for number in range(2):
        assert together[number] == [single[number][0] for single in alone]


def test_no_analyser_lets_everything_pass() -> None:
    assert list(Morphology(load_language("en"), Config()).judge(Batch(["x " * 100]), np.ones(1, bool), [])) == []
