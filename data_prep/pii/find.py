"""Places in a text."""

import re
from collections.abc import Iterable, Iterator

Place = tuple[int, int]
"""First character and one past the last."""


def windows(hits: Iterable[re.Match[str]], left: int, right: int) -> Iterator[Place]:
    """Places around ``hits`` (in order): so many characters to the left and to the right of each; those that overlap become one."""
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


def longest(finds: Iterable[tuple[int, int, str]], kinds: list[str]) -> list[tuple[int, int, str]]:
    """Finds (start, end, kind) that do not overlap, in order: of two that do, the longer one stays, then the one whose kind comes first
    in ``kinds``, then the earlier one."""
    taken: list[tuple[int, int, str]] = []
    for find in sorted(finds, key=lambda find: (find[0] - find[1], kinds.index(find[2]), find[0])):
        if all(find[1] <= other[0] or other[1] <= find[0] for other in taken):
            taken.append(find)
    return sorted(taken)
