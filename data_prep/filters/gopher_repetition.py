"""Filter rule gopher_repetition: Gopher's repetition rules (Rae et al. 2021, arXiv 2112.11446, table A1).

The verdicts are exact. Of repeated runs of words the value is an upper bound where that is below the threshold
(`data_prep.filters.measures.runs`)."""

from collections.abc import Iterator, Sequence

import numpy as np

from conf.schema.language import LanguageConfig
from data_prep.filters.measures.runs import Runs
from data_prep.filters.measures.shares import duplicates, share
from data_prep.filters.rule import Test
from data_prep.records.record import Record
from data_prep.text.batch import Batch, Spans
from data_prep.text.characters import SPACE

TOP, DUPLICATE = (2, 3, 4), (5, 6, 7, 8, 9, 10)
"""Lengths of the runs of words that are measured."""


class GopherRepetition:
    """Rejects texts that repeat their lines, paragraphs or runs of words."""

    name = "gopher_repetition"

    def __init__(self, profile: LanguageConfig):
        self.rules = profile.gopher_repetition

    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield fourteen tests."""
        rules, sizes = self.rules, batch.sizes
        yield Test(f"{self.name}/empty", sizes, sizes == 0, "characters = 0", high=1000)
        for kind, spans, most, most_characters in (
            ("paragraphs", paragraphs(batch), rules.max_duplicate_paragraphs, rules.max_duplicate_paragraph_characters),
            ("lines", separated_lines(batch), rules.max_duplicate_lines, rules.max_duplicate_line_characters),
        ):
            count, characters = duplicates(batch, spans)
            yield self._test(f"duplicate_{kind}", share(count, spans.counts), most)
            yield self._test(f"duplicate_{kind[:-1]}_characters", share(characters, sizes), most_characters)

        runs = Runs(batch, alive)
        for length, most in zip(TOP, rules.max_top_ngrams, strict=True):
            runs.extend(length)
            yield self._test(f"top_{length}_gram", runs.top(most), most)
        runs.extend(DUPLICATE[0])
        bound = runs.covered()
        runs.drop(bound <= min(rules.max_duplicate_ngrams))
        for length, most in zip(DUPLICATE, rules.max_duplicate_ngrams, strict=True):
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
