"""Filter rule gopher_repetition: Gopher's repetition rules (Rae et al. 2021, arXiv 2112.11446, table A1).

The verdicts are exact. Of repeated runs of words the value is an upper bound where that is below the threshold
(`data_prep.filters.measures.runs`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from conf.schema.ranges import Share
from data_prep.filters.measures.runs import Runs
from data_prep.filters.measures.shares import duplicates, share
from data_prep.filters.rule import Rule, Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch, Spans
from data_prep.text.characters import SPACE

TOP, DUPLICATE = (2, 3, 4), (5, 6, 7, 8, 9, 10)
"""Lengths of the runs of words that are measured."""


@dataclass
class GopherRepetitionSettings:
    """Gopher's repetition rules (Rae et al. 2021, table A1). A threshold of 1 switches a measure off."""

    max_duplicate_lines: Share = 0.3
    """Share of lines that came before."""
    max_duplicate_paragraphs: Share = 0.3
    """Share of paragraphs that came before."""
    max_duplicate_line_characters: Share = 0.2
    """Share of characters in such lines."""
    max_duplicate_paragraph_characters: Share = 0.2
    """Share of characters in such paragraphs."""
    max_top_ngrams: list[Share] = field(default_factory=lambda: [0.2, 0.18, 0.16])
    """Share of characters in the most frequent run of 2, 3, 4 words."""
    max_duplicate_ngrams: list[Share] = field(default_factory=lambda: [0.15, 0.14, 0.13, 0.12, 0.11, 0.10])
    """Share of characters in repeated runs of 5, 6, ... 10 words."""


class GopherRepetition(Rule):
    """Rejects texts that repeat their lines, paragraphs or runs of words."""

    name, version = "gopher_repetition", 1
    Settings = GopherRepetitionSettings

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield fourteen tests."""
        settings, sizes = self.settings, batch.sizes
        yield Test(f"{self.name}/empty", sizes, sizes == 0, "characters = 0", high=1000)
        for kind, spans, most, most_characters in (
            (
                "paragraphs",
                paragraphs(batch),
                settings.max_duplicate_paragraphs,
                settings.max_duplicate_paragraph_characters,
            ),
            ("lines", separated_lines(batch), settings.max_duplicate_lines, settings.max_duplicate_line_characters),
        ):
            count, characters = duplicates(batch, spans)
            yield self._test(f"duplicate_{kind}", share(count, spans.counts), most)
            yield self._test(f"duplicate_{kind[:-1]}_characters", share(characters, sizes), most_characters)

        runs = Runs(batch, alive)
        for length, most in zip(TOP, settings.max_top_ngrams, strict=True):
            runs.extend(length)
            yield self._test(f"top_{length}_gram", runs.top(most), most)
        runs.extend(DUPLICATE[0])
        bound = runs.covered()
        runs.drop(bound <= min(settings.max_duplicate_ngrams))
        for length, most in zip(DUPLICATE, settings.max_duplicate_ngrams, strict=True):
            yield self._test(f"duplicate_{length}_grams", runs.repeated(length, most, bound), most)

    def _test(self, reason: str, values: np.ndarray, most: float) -> Test:
        return Test(
            f"{self.name}/{reason}", values, (values > most) & (most < 1), f"{reason.replace('_', ' ')} > {most}"
        )


def separated_lines(batch: Batch) -> Spans:
    """Split texts at runs of newlines: lines that are not empty, and an empty one where a text begins or ends with
    a newline."""
    lines = batch.lines
    wanted = lines.lengths > 0
    wanted[lines.bounds[:-1]] = True
    wanted[lines.bounds[1:] - 1] = True
    return lines.take(wanted)


def paragraphs(batch: Batch) -> Spans:
    """Split texts, without the white space at their ends, at runs of two or more newlines."""
    inked = np.flatnonzero((batch.flags & SPACE) == 0)
    lines = batch.lines.take(batch.lines.lengths > 0)
    if not len(inked) or not len(lines):
        return Spans(*(np.empty(0, np.int64) for _ in range(3)), np.zeros(len(batch) + 1, np.int64))
    begin = inked[np.minimum(np.searchsorted(inked, batch.starts[:-1]), len(inked) - 1)]
    end = inked[np.searchsorted(inked, batch.starts[1:]) - 1] + 1
    starts, ends = np.maximum(lines.starts, begin[lines.owners]), np.minimum(lines.ends, end[lines.owners])
    inside = np.flatnonzero(ends > starts)
    starts, ends, owners = starts[inside], ends[inside], lines.owners[inside]
    first = np.ones(len(inside), bool)
    first[1:] = (starts[1:] > ends[:-1] + 1) | (owners[1:] > owners[:-1])
    heads = np.flatnonzero(first)
    return batch.spans(starts[heads], np.append(ends[heads[1:] - 1], ends[-1:]))
