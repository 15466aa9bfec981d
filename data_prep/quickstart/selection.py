"""Selection of training texts and pairs: split by group, without copies, leaks and ambiguous queries,
within limits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.progress import Bar
from data_prep.quickstart.collect import Text
from data_prep.quickstart.group_split import share_of, split_groups
from data_prep.quickstart.near_duplicates import Shingles, held_by_other, repeats, shingle
from data_prep.quickstart.pairs import Pair

TRAIN_REPEAT = 0.5
"""A training text is dropped when more than this share of its shingles is in one longer training text."""
LEAK = 0.3
"""A test or dev pair is dropped when more than this share of it is in one training text; a dev pair also when it is in
one test pair."""
PAIR_REPEAT = 0.4
"""A test or dev pair is dropped when more than this share of it is in one longer pair of its split."""
SPLITS = ("train", "dev", "test")


@dataclass
class Asked:
    """A pair, and the text that it is from."""

    id: str
    group: str
    pair: Pair


class Remaining:
    """Items that remain of ``items``; ``counts``: read = kept + the rest, by the reason it was dropped for."""

    def __init__(self, items: Iterable[Any]):
        self.items = list(items)
        self.rows = np.arange(len(self.items))
        self.counts: Counter[str] = Counter(read=len(self.items), kept=len(self.items))

    def drop(self, out: Sequence[bool], reason: str) -> None:
        """Drop where ``out`` [items] is true."""
        out = np.asarray(out, bool)
        self.items = [item for item, dropped in zip(self.items, out, strict=True) if not dropped]
        self.rows = self.rows[~out]
        if out.any():
            self.counts[reason] += int(out.sum())
            self.counts["kept"] = len(self.items)


@dataclass
class Selection:
    """Training texts, and the pairs of each split."""

    texts: dict[str, Remaining]
    pairs: dict[str, Remaining]
    splits: dict[str, str]
    """Split of each group."""


def select(texts: Sequence[Text], shares: Mapping[str, float], max_train_bytes: int, max_queries: int) -> Selection:
    """Split ``texts`` by group (``shares`` of test and dev; the rest is training text) and sieve texts and pairs."""
    sizes: Counter[str] = Counter()
    for text in texts:
        sizes[text.group] += text.size
    splits = split_groups(sizes, shares)
    by_split = {split: Remaining(text for text in texts if splits[text.group] == split) for split in SPLITS}
    _drop_copies([by_split[split] for split in ("test", "dev", "train")])
    pairs = {split: _pairs(by_split[split].items) for split in ("dev", "test")}
    _drop_near_duplicates(by_split["train"], pairs["dev"], pairs["test"], max_train_bytes)
    pairs["train"] = _pairs(by_split["train"].items)
    _drop_ambiguous(list(pairs.values()))
    for split in ("dev", "test"):
        chosen = {entry.id for entry in sorted(pairs[split].items, key=by_hash)[:max_queries]}
        pairs[split].drop([entry.id not in chosen for entry in pairs[split].items], "over max_queries")
    return Selection(by_split, pairs, splits)


def by_hash(entry: Text | Asked) -> tuple[float, str]:
    """Key to sort by for a choice that looks random and depends on the id alone."""
    return share_of(entry.id), entry.id


def _drop_copies(splits: Sequence[Remaining]) -> None:
    seen: set[str] = set()
    for remaining in splits:
        copies = []
        for text in remaining.items:
            copies.append(text.text in seen)
            seen.add(text.text)
        remaining.drop(copies, "copy of another text")


def _pairs(texts: Iterable[Text]) -> Remaining:
    """Pairs of ``texts``; where one was looked for and not found, the reason is counted."""
    numbered = [(text, number, pair) for text in texts for number, pair in enumerate(text.pairs)]
    remaining = Remaining(
        Asked(f"{text.id}/{number}" if number else text.id, text.group, pair) for text, number, pair in numbered
    )
    for reason in sorted({pair for _, _, pair in numbered if isinstance(pair, str)}):
        remaining.drop([entry.pair == reason for entry in remaining.items], reason)
    remaining.rows = np.arange(len(remaining.items))
    return remaining


def _drop_near_duplicates(train: Remaining, dev: Remaining, test: Remaining, max_train_bytes: int) -> None:
    """Sieve the three against themselves and each other; training text is also cut to ``max_train_bytes``."""
    spoken = [f"{entry.pair.query}\n{entry.pair.document}" for entry in test.items + dev.items]
    with Bar("find near-duplicates", 4, "passes") as bar:
        shingles = shingle([text.text for text in train.items] + spoken)
        train.rows = np.arange(len(train.items))
        test.rows = len(train.items) + np.arange(len(test.items))
        dev.rows = len(train.items) + len(test.items) + np.arange(len(dev.items))
        bar.advance(note="shingles")
        train.drop(repeats(shingles.take(train.rows), TRAIN_REPEAT), "near-duplicate of a training text")
        train.drop(_beyond(train.items, max_train_bytes), "over max_train_bytes")
        bar.advance(note="training texts")
        _drop_leaks(test, shingles, {"near-duplicate of a training text": train})
        bar.advance(note="test pairs")
        _drop_leaks(dev, shingles, {"near-duplicate of a training text": train, "near-duplicate of a test pair": test})
        bar.advance(note="dev pairs")


def _drop_leaks(pairs: Remaining, shingles: Shingles, others: Mapping[str, Remaining]) -> None:
    for reason, remaining in others.items():
        pairs.drop(held_by_other(shingles.take(pairs.rows), shingles.take(remaining.rows), LEAK), reason)
    pairs.drop(repeats(shingles.take(pairs.rows), PAIR_REPEAT), "near-duplicate within the split")


def _beyond(texts: Sequence[Text], max_bytes: int) -> list[bool]:
    """Choose which texts to leave out so that at most ``max_bytes`` stay: those with the highest hashes."""
    size, out = 0, {}
    for text in sorted(texts, key=by_hash):
        size += text.size
        out[id(text)] = size > max_bytes
    return [out[id(text)] for text in texts]


def _drop_ambiguous(splits: Sequence[Remaining]) -> None:
    """Drop every pair whose query stands for more than one document, so that queries are disjoint and have one
    answer."""
    asked = Counter(entry.pair.query.casefold() for remaining in splits for entry in remaining.items)
    for remaining in splits:
        remaining.drop([asked[entry.pair.query.casefold()] > 1 for entry in remaining.items], "query not unique")
