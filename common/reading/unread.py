"""Files of kinds that are not read, beside those that are."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.progress import say
from common.reading.formats import COMPRESSIONS

SHOWN = 8
BARE = "without a suffix"


@dataclass(frozen=True)
class Unread:
    """Unread files: how many of which suffixes were passed over."""

    counts: dict[str, int] = field(default_factory=dict)
    """By suffix, the most frequent first."""
    example: str = ""
    """Path of one of the most frequent kind."""

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "Unread":
        """Count ``paths``, each counted once."""
        suffixes = {str(path): _suffix(path) for path in sorted(set(paths), key=str)}
        counts = dict(sorted(Counter(suffixes.values()).items(), key=lambda pair: (-pair[1], pair[0])))
        return cls(counts, next((path for path, suffix in suffixes.items() if suffix == next(iter(counts))), ""))

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        kinds = [f"{count:,} {suffix}" for suffix, count in self.counts.items()]
        rest = sum(list(self.counts.values())[SHOWN:])
        shown = ", ".join([*kinds[:SHOWN], *([f"{rest:,} of other kinds"] if rest else [])])
        return f"{shown}; such as {self.example}"

    def describe(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {"files": sum(self.counts.values()), "suffixes": self.counts, "example": self.example}

    def tell(self, where: str) -> None:
        """Say so in a line, where there are any; ``where``: the key whose folders or globs they are in."""
        if self:
            say(f"{where}: files of kinds that are not read: {self}")


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = len(suffixes) > 1 and suffixes[-1] in COMPRESSIONS
    return "".join(suffixes[-2:]) if packed else (suffixes[-1] if suffixes else BARE)
