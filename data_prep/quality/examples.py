"""Labelled texts to learn from and to measure on: from files, or by degrading good text."""

import heapq
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from common.errors import UserError, suggestion
from conf.schema.data import DataConfig
from conf.schema.quality import QualityConfig
from data_prep.quality.degrade.degrade import HIGH, KINDS, LOW, MEDIUM, degrade
from data_prep.quickstart.group_split import share_of
from data_prep.sources.inputs import list_inputs
from data_prep.sources.readers import read_documents

LABELS = (LOW, MEDIUM, HIGH)
PIECE = (300, 12_000)
"""Texts are cut to lengths drawn from this range, evenly on a logarithmic scale and before they are degraded: length
tells nothing."""
MIN_CHARACTERS = 200
SHORT_LINE, MAX_SHORT = 40, 0.25
"""Good text may have no larger share of its characters in lines as short as that: tables and lists in good files are
not good text."""


@dataclass(frozen=True)
class Example:
    """A text with its label."""

    text: str
    label: str
    kind: str
    """How it was degraded; "good", or "labelled" where the label was given."""
    group: str
    """What no two sides of a split may share: the document it was made from."""
    source: str


@dataclass(frozen=True)
class Examples:
    """Examples by their use."""

    train: list[Example]
    held_out: dict[str, list[Example]]
    """Sets to measure on, by name."""
    full: dict[str, str]
    """Group -> the whole good text behind the training examples, for the vocabulary."""


def check(config: QualityConfig) -> None:
    """Raise UserError for what is wrong before anything is read."""
    for kind in config.held_out_kinds:
        if kind not in KINDS:
            raise UserError(
                f"quality.held_out_kinds: there is no degradation {kind}{suggestion(kind, KINDS)}; there are:"
                f" {', '.join(KINDS)}"
            )
    if not config.labelled and not config.good:
        raise UserError("name labelled documents (quality.labelled) or good text to degrade (quality.good)")


def collect_examples(config: QualityConfig, data: DataConfig, seed: int) -> Examples:
    """Read and make all examples; the same for the same files, keys and seed. Raises UserError for a label, kind or
    source that is not."""
    check(config)
    made = _labelled(config, data) if config.labelled else _degraded(config, data, seed)
    for path in config.measured:
        made.held_out[path] = list(_read(config, data, [path]))
    present = {example.label for example in made.train}
    if present != set(LABELS):
        raise UserError(
            f"there are no training documents of {', '.join(sorted(set(LABELS) - present))} (quality.labelled,"
            " quality.good)"
        )
    return made


def _labelled(config: QualityConfig, data: DataConfig) -> Examples:
    sample = _smallest(_read(config, data, config.labelled), config.documents, lambda example: example.group)
    sources = [example for example in sample if example.source in config.held_out_sources]
    others = [example for example in sample if example.source not in config.held_out_sources]
    train = [example for example in others if not _is_held_out(example.group, config)]
    held_out = {"other documents": [example for example in others if _is_held_out(example.group, config)]}
    for example in sources:
        held_out.setdefault(f"source {example.source}", []).append(example)
    return Examples(train, held_out, {example.group: example.text for example in train if example.label == HIGH})


def _degraded(config: QualityConfig, data: DataConfig, seed: int) -> Examples:
    """Make three examples of each document: itself, one light and one heavy degradation; which ones is drawn by the
    name of the document."""
    wanted = max(1, config.documents // 3)
    measured = {example.group for example in _read(config, data, config.measured)} if config.measured else set()
    texts = (example for example in _good(config, data) if example.group not in measured)
    good = _evenly(texts, wanted, set(config.held_out_sources), max(1, round(wanted * config.held_out_share)))
    missing = set(config.held_out_sources) - {example.source for example in good}
    if missing:
        raise UserError(
            f"quality.held_out_sources: no document of quality.good has the source {min(missing)} (key"
            f" {config.source_field})"
        )
    kinds = [kind for kind in KINDS if kind not in config.held_out_kinds]
    train: list[Example] = []
    held_out: dict[str, list[Example]] = {"other documents": []}
    full = {}
    for example in good:
        other_source = example.source in config.held_out_sources
        if not other_source and not _is_held_out(example.group, config):
            train += _versions(example, kinds, seed)
            full[example.group] = example.text
            continue
        where = f"source {example.source}" if other_source else "other documents"
        held_out.setdefault(where, []).extend(_versions(example, kinds, seed))
        if config.held_out_kinds:
            held_out.setdefault(f"{where}, other kinds", []).extend(_versions(example, config.held_out_kinds, seed))
    return Examples(train, held_out, full)


def _versions(example: Example, kinds: Sequence[str], seed: int) -> Iterator[Example]:
    name = f"{seed}/{example.group}"
    draw = random.Random(name)
    text = piece(example.text, draw)
    if len(text) < MIN_CHARACTERS or in_short_lines(text) > MAX_SHORT:
        return
    yield Example(text, HIGH, "good", example.group, example.source)
    for label in (MEDIUM, LOW):
        kind = draw.choice(kinds)
        bad = degrade(text, kind, label, name)
        if bad != text:
            yield Example(bad, label, kind, example.group, example.source)


def piece(text: str, draw: random.Random) -> str:
    """A part of a text from the beginning of a line or sentence to the end of one."""
    wanted = math.exp(draw.uniform(*map(math.log, PIECE)))
    if len(text) <= wanted:
        return text
    start = draw.randrange(int(len(text) - wanted) + 1)
    if start:
        start = _boundary(text, start)
    end = _boundary(text, min(start + int(wanted), len(text)))
    return text[start:end].strip() or text[: int(wanted)]


def in_short_lines(text: str) -> float:
    """Share of the characters that are in short lines."""
    sizes = [len(line.strip()) for line in text.split("\n")]
    return sum(size for size in sizes if size <= SHORT_LINE) / max(sum(sizes), 1)


def _boundary(text: str, place: int) -> int:
    """The end of the line or sentence that ``place`` lies in."""
    ends = [end for sign in ("\n", ". ") if (end := text.find(sign, place)) >= 0]
    return min(ends) + 1 if ends else len(text)


def _good(config: QualityConfig, data: DataConfig) -> Iterator[Example]:
    for path in list_inputs(config.good):
        for document in read_documents(path, data, fields=(config.source_field,)):
            if len(document.text) >= MIN_CHARACTERS:
                source = str(document.fields.get(config.source_field) or path)
                yield Example(document.text, HIGH, "good", document.id, source)


def _read(config: QualityConfig, data: DataConfig, inputs: list[str]) -> Iterator[Example]:
    for path in list_inputs(inputs):
        for document in read_documents(path, data, fields=(config.label_field, config.source_field)):
            label = document.fields.get(config.label_field)
            if label not in LABELS:
                raise UserError(
                    f"{path} line {document.line}: {config.label_field}={label}; it must be LOW, MEDIUM or HIGH"
                )
            source = str(document.fields.get(config.source_field) or path)
            yield Example(document.text, label, "labelled", document.id, source)


def _is_held_out(group: str, config: QualityConfig) -> bool:
    return share_of(f"held out {group}") < config.held_out_share


def _evenly(examples: Iterable[Example], count: int, apart: set[str], each: int) -> list[Example]:
    """About ``count`` of them, as evenly from the sources as they allow, the small sources giving all they have; and
    besides ``each`` of every source ``apart``."""
    heaps: dict[str, list] = {}
    for example in examples:
        heap = heaps.setdefault(example.source, [])
        item = (-share_of(example.group), example.group, example)
        limit = each if example.source in apart else count
        heapq.heappush(heap, item) if len(heap) < limit else heapq.heappushpop(heap, item)
    ordered = {
        source: [item[2] for item in sorted(heap, key=lambda item: item[:2], reverse=True)]
        for source, heap in heaps.items()
    }
    chosen = [example for source in sorted(apart & set(ordered)) for example in ordered[source]]
    left = sorted(set(ordered) - apart, key=lambda name: (len(ordered[name]), name))
    for number, source in enumerate(left):
        share = count // (len(left) - number)
        chosen += ordered[source][:share]
        count -= min(share, len(ordered[source]))
    return chosen


def _smallest(examples: Iterable[Example], count: int, name) -> list[Example]:
    """At most ``count``, drawn by the hash of their names."""
    return heapq.nsmallest(count, examples, key=lambda example: (share_of(name(example)), name(example)))
