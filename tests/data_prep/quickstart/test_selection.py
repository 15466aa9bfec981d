"""Choosing texts and pairs: nothing leaks, everything is accounted for."""

import random

import pytest

from data_prep.quickstart.collect import Text
from data_prep.quickstart.pairs import Pair
from data_prep.quickstart.selection import LEAK, PAIR_REPEAT, TRAIN_REPEAT, select
from tests.data_prep.reference import held, shingles_of, words

SHARES = {"test": 0.3, "dev": 0.2}


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    """Texts in 40 groups; two thirds share runs of words with others, in any group or in theirs; some queries occur
    twice."""
    draw = random.Random(1)
    stock = [words(draw, 60) for _ in range(40)]
    made = []
    for number in range(600):
        body = words(draw, draw.randint(10, 80))
        if number % 3 == 0:
            run = draw.choice(stock).split()
            body += " " + " ".join(run[: draw.randint(5, 60)])
        if number % 3 == 1:
            body += " " + words(random.Random(number % 40), 30)
        query = "the same words again" if number % 50 == 7 else words(draw, 6)
        if number in (16, 17):
            query = "asked exactly two times"
        pair = "query too short" if number % 11 == 3 else Pair(query, body)
        made.append(Text(f"t{number}", f"g{number % 40}", f"{query} {body}", [pair]))
    return made + [
        Text("copy1", "g1", made[0].text, made[0].pairs),
        Text("copy2", "other", made[1].text, made[1].pairs),
    ]


@pytest.fixture(scope="module")
def chosen(texts):
    return select(texts, SHARES, max_train_bytes=60_000, max_queries=30)


def test_kept_and_dropped_are_what_was_read(texts, chosen):
    for by_split in (chosen.texts, chosen.pairs):
        for remaining in by_split.values():
            counts = dict(remaining.counts)
            assert counts.pop("read") == sum(counts.values()) and counts["kept"] == len(remaining.items) > 0
    assert sum(remaining.counts["read"] for remaining in chosen.texts.values()) == len(texts)
    assert sum(remaining.counts["copy of another text"] for remaining in chosen.texts.values()) == 2
    assert chosen.pairs["test"].counts["query too short"] and chosen.pairs["test"].counts["over max_queries"]
    assert chosen.texts["train"].counts["near-duplicate of a training text"]
    assert chosen.pairs["test"].counts["near-duplicate of a training text"] > 5
    assert chosen.pairs["test"].counts["near-duplicate within the split"] > 1
    assert chosen.pairs["dev"].counts["near-duplicate of a test pair"] > 1


def test_nothing_leaks_by_brute_force(chosen):
    train = [shingles_of(text.text) for text in chosen.texts["train"].items]
    spoken = {
        split: [shingles_of(f"{a.pair.query}\n{a.pair.document}") for a in chosen.pairs[split].items]
        for split in ("dev", "test")
    }
    for own in spoken.values():
        assert not any(held(pair, other, LEAK) for pair in own for other in train)
        for first, pair in enumerate(own):
            assert not any(held(pair, other, PAIR_REPEAT) and held(other, pair, PAIR_REPEAT) for other in own[:first])
    assert not any(held(pair, other, LEAK) for pair in spoken["dev"] for other in spoken["test"])
    assert not any(
        held(a, b, TRAIN_REPEAT) and held(b, a, TRAIN_REPEAT) for i, a in enumerate(train) for b in train[:i]
    )


def test_groups_and_queries_are_in_one_split_only(chosen):
    groups = {split: {entry.group for entry in remaining.items} for split, remaining in chosen.pairs.items()}
    groups["train"] |= {text.group for text in chosen.texts["train"].items}
    queries = [entry.pair.query for remaining in chosen.pairs.values() for entry in remaining.items]
    assert (
        not groups["train"] & groups["test"]
        and not groups["train"] & groups["dev"]
        and not groups["dev"] & groups["test"]
    )
    assert len(queries) == len(set(queries)) and not {"the same words again", "asked exactly two times"} & set(queries)


def test_limits(chosen):
    assert len(chosen.pairs["test"].items) == 30 >= len(chosen.pairs["dev"].items)
    assert 55_000 < sum(text.size for text in chosen.texts["train"].items) <= 60_000


def test_without_shares_all_is_training_text(texts):
    chosen = select(texts, {}, 10**9, 50)
    assert not chosen.pairs["test"].items and chosen.texts["train"].counts["read"] == len(texts)
