"""Places in a text."""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator

Place = tuple[int, int]
"""First character and one past the last."""
Find = tuple[int, int, str]
"""A place and its kind."""


def windows(hits: Iterable[re.Match[str]], left: int, right: int) -> Iterator[Place]:
    """Places around ``hits`` (in order): so many characters to the left and to the right of each; those that overlap
    become one."""
    start = end = 0
    for hit in hits:
        if end and hit.start() - left <= end:
            end = max(end, hit.end() + right)
            continue
        if end:
            yield start, end
        start, end = max(hit.start() - left, 0), hit.end() + right
    if end:
        yield start, end


def longest(finds: Iterable[Find], kinds: list[str]) -> list[Find]:
    """Finds that do not overlap, in order: of two that do, the longer one stays, then the one whose kind comes first in
    ``kinds``, then the earlier one."""
    kept: list[Find] = []
    tangle: list[Find] = []
    end = 0
    for find in sorted(finds):
        if find[0] >= end:
            kept += _untangled(tangle, kinds)
            tangle = []
        tangle.append(find)
        end = max(end, find[1])
    return kept + _untangled(tangle, kinds)


def _untangled(tangle: list[Find], kinds: list[str]) -> list[Find]:
    """Choose among finds each of which overlaps another."""
    if len(tangle) < 2:
        return tangle
    taken: list[Find] = []
    for find in sorted(tangle, key=lambda find: (find[0] - find[1], kinds.index(find[2]), find[0])):
        place = bisect(taken, find)
        after_last = place == 0 or taken[place - 1][1] <= find[0]
        if after_last and (place == len(taken) or find[1] <= taken[place][0]):
            taken.insert(place, find)
    return taken
