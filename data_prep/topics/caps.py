"""Balanced caps: no topic has more than its share of the documents that are kept; which ones go is decided by a hash of the id."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from common.errors import UserError
from data_prep.quickstart.group_split import share_of


def capped(sizes: Mapping[str, int], caps: Mapping[str, float], default: float = 1.0) -> dict[str, int]:
    """Topic -> documents kept: the largest numbers such that no topic is more than its cap of their sum.

    ``default`` is the cap of topics that ``caps`` does not name. Raises UserError where caps leave no document: those of all topics
    together must be at least 1."""
    limits = {topic: Fraction(str(caps.get(topic, default))) for topic in sizes}
    kept = dict(sizes)
    while True:
        total = sum(kept.values())
        lowered = {topic: min(size, int(limits[topic] * total)) for topic, size in kept.items()}
        if lowered == kept:
            break
        kept = lowered
    if sizes and sum(sizes.values()) and not total:
        raise UserError("the caps of the topics leave no document: together they are below 1; raise one (key mixture.topic_caps)")
    return kept


def choose(ids: Sequence[str], topics: Sequence[str], caps: Mapping[str, float], default: float = 1.0) -> list[bool]:
    """[n]: whether each document is kept. Kept of a topic are those whose ids have the smallest hashes, whatever their order."""
    kept = capped(Counter(topics), caps, default)
    found = [False] * len(ids)
    order = sorted(range(len(ids)), key=lambda place: (share_of(f"cap {ids[place]}"), ids[place]))
    for place in order:
        found[place] = kept[topics[place]] > 0
        kept[topics[place]] -= found[place]
    return found
