"""Filter rule fineweb: FineWeb's quality rules (Penedo et al. 2024, arXiv 2406.17557, section 3.6), on texts that the step `whitespace` has
gone over."""

from collections.abc import Iterator, Sequence

import numpy as np

from conf.schema.language import LanguageConfig
from data_prep.filters.measures.shares import duplicates, end_with, share, total_in
from data_prep.filters.rule import Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch, Spans
from data_prep.text.characters import SPACE


class FineWeb:
    """Rejects lists, menus, tables and texts of repeated lines."""

    name = "fineweb"

    def __init__(self, profile: LanguageConfig):
        self.rules, self.terminal, self.closing = profile.fineweb, profile.terminal_punctuation, profile.closing

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield five tests over the lines that are not blank."""
        rules, lines = self.rules, written_lines(batch)
        yield Test("fineweb/empty", lines.counts, lines.counts == 0, "lines = 0", high=100)

        terminal = share(total_in(lines, end_with(batch, lines, self.terminal, self.closing)), lines.counts)
        limit = f"lines that end a sentence < {rules.min_terminal_lines}"
        yield Test("fineweb/few_terminal_lines", terminal, terminal < rules.min_terminal_lines, limit)

        short = share(total_in(lines, lines.lengths <= rules.short_line), lines.counts)
        yield Test(
            "fineweb/short_lines", short, short > rules.max_short_lines, f"short lines > {rules.max_short_lines}"
        )

        newlines = batch.lines.counts - 1
        repeated = share(duplicates(batch, lines)[1], batch.sizes - newlines)
        limit = f"characters in repeated lines > {rules.max_duplicate_characters}"
        yield Test("fineweb/repeated_lines", repeated, repeated > rules.max_duplicate_characters, limit)

        per_word = share(newlines, batch.tokens.counts)
        yield Test(
            "fineweb/list",
            per_word,
            per_word > rules.max_newlines_per_word,
            f"newlines a word > {rules.max_newlines_per_word}",
        )


def written_lines(batch: Batch) -> Spans:
    """Lines that are not blank, with the blanks at their ends."""
    lines = batch.lines
    inked = np.zeros(len(batch.flags) + 1, np.int32)
    np.cumsum((batch.flags & SPACE) == 0, out=inked[1:])
    return lines.take(inked[lines.ends] > inked[lines.starts])
