"""Filter rule fineweb: FineWeb's quality rules (Penedo et al. 2024, arXiv 2406.17557, section 3.6), on texts that the
step `whitespace` has gone over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from conf.schema.ranges import Count, Magnitude, Share
from data_prep.filters.measures.shares import duplicates, end_with, share, total_in
from data_prep.filters.rule import Rule, Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch, Spans
from data_prep.text.characters import SPACE


@dataclass
class FineWebSettings:
    """FineWeb's quality rules (Penedo et al. 2024, arXiv 2406.17557, section 3.6)."""

    min_terminal_lines: Share = 0.12
    """Reject where a smaller share of the lines ends with a sign of `terminal_punctuation`."""
    max_short_lines: Share = 0.67
    """Reject where a larger share of the lines has at most `short_line` characters."""
    short_line: Count = 30
    """Characters of a line that counts as short."""
    max_duplicate_characters: Share = 0.01
    """Reject where a larger share of the characters lies in lines that came before."""
    max_newlines_per_word: Magnitude = 0.3
    """Reject lists: more newlines a word than this."""


class FineWeb(Rule):
    """Rejects lists, menus, tables and texts of repeated lines."""

    name, version = "fineweb", 1
    Settings = FineWebSettings

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield five tests over the lines that are not blank."""
        settings, lines, profile = self.settings, written_lines(batch), self.profile
        yield Test("fineweb/empty", lines.counts, lines.counts == 0, "lines = 0", high=100)

        terminal = share(
            total_in(lines, end_with(batch, lines, profile.terminal_punctuation, profile.closing)), lines.counts
        )
        limit = f"lines that end a sentence < {settings.min_terminal_lines}"
        yield Test("fineweb/few_terminal_lines", terminal, terminal < settings.min_terminal_lines, limit)

        short = share(total_in(lines, lines.lengths <= settings.short_line), lines.counts)
        yield Test(
            "fineweb/short_lines", short, short > settings.max_short_lines, f"short lines > {settings.max_short_lines}"
        )

        newlines = batch.lines.counts - 1
        repeated = share(duplicates(batch, lines)[1], batch.sizes - newlines)
        limit = f"characters in repeated lines > {settings.max_duplicate_characters}"
        yield Test("fineweb/repeated_lines", repeated, repeated > settings.max_duplicate_characters, limit)

        per_word = share(newlines, batch.tokens.counts)
        yield Test(
            "fineweb/list",
            per_word,
            per_word > settings.max_newlines_per_word,
            f"newlines a word > {settings.max_newlines_per_word}",
        )


def written_lines(batch: Batch) -> Spans:
    """Lines that are not blank, with the blanks at their ends."""
    lines = batch.lines
    inked = np.zeros(len(batch.flags) + 1, np.int32)
    np.cumsum((batch.flags & SPACE) == 0, out=inked[1:])
    return lines.take(inked[lines.ends] > inked[lines.starts])
