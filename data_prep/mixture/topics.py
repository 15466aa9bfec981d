"""Caps on topics: each source is cut into strata by the topic of its documents, and what a cap leaves no room for is
left out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from common.errors import UserError, suggestion
from common.reading.bad import BadDocuments
from conf.schema.data import DataConfig
from conf.schema.mixture import MixtureConfig
from conf.schema.phase import PhaseConfig
from data_prep.mixture.budget import ask
from data_prep.mixture.order import key_of, permuted
from data_prep.mixture.sources import Source, Stratum
from data_prep.sources.readers import Span, read_documents

OTHER = "Other"
STEPS = 10_000
NEAR = 1e-4


def read_topics(source: Source, key: str, done: Callable[[float], Any]) -> tuple[np.ndarray, list[str]]:
    """Number of each document's topic [documents] (uint16), and the names, read from the files that were tokenised.

    Raises UserError where the tokens folder does not say where its documents came from."""
    if source.origins is None:
        raise UserError(
            f"mixture.topic_caps: {source.folder} does not say where its documents came from, so their topics are not"
            " known; remove it and run jobs.prepare again"
        )
    names = {OTHER: 0}
    topics = np.zeros(source.documents, np.uint16)
    first = 0
    for number, span in enumerate(source.origins.spans):
        end = first + int(np.searchsorted(source.origins.rows[first:, 0], number, side="right"))
        rows = source.origins.rows[first:end, 1].tolist()
        topic_of_row = _topics_of(span, source.manifest, key)
        for document, row in zip(range(first, end), rows, strict=True):
            topics[document] = names.setdefault(topic_of_row.get(row, OTHER), len(names))
        first = end
        done(1)
    return topics, list(names)


def _topics_of(span: Span, manifest: dict[str, Any], key: str) -> dict[int, str]:
    """Topic by the row of a span, where a document names one."""
    data = DataConfig(
        text_field=manifest["settings"]["text_field"], max_document_bytes=manifest.get("max_document_bytes", 0)
    )
    documents = read_documents(span, data, BadDocuments("skip", limit=1 << 60), fields=(key,))
    return {document.row: str(document.fields[key]) for document in documents if document.fields.get(key)}


def strata_by_topic(
    config: MixtureConfig,
    phases: Mapping[str, PhaseConfig],
    sources: Sequence[Source],
    topics: Sequence[tuple[np.ndarray, list[str]]],
    seed: int,
) -> list[Stratum]:
    """The strata, thinned so that in every phase no capped topic has more than its share of the documents.

    Raises UserError for a cap on a topic that no document has, and for caps that cannot be met."""
    names = sorted({name for _, own in topics for name in own})
    for name in config.topic_caps:
        if name not in names:
            raise UserError(
                f"mixture.topic_caps names '{name}', and no document has that topic{suggestion(name, names)}; {names}"
                " are there"
            )
    documents, tokens = (np.zeros((len(sources), len(names))) for _ in range(2))
    columns = []
    for number, (source, (codes, own)) in enumerate(zip(sources, topics, strict=True)):
        columns.append(np.array([names.index(name) for name in own])[codes])
        documents[number] = np.bincount(columns[-1], minlength=len(names))
        tokens[number] = np.bincount(columns[-1], source.index.lengths, minlength=len(names))
    kept = _thin(config, phases, [source.name for source in sources], names, documents, tokens)
    strata = []
    for source, column in zip(sources, columns, strict=True):
        for topic in np.unique(column):
            chosen = np.flatnonzero(column == topic)
            count = int(kept[topic] * len(chosen))
            if count < len(chosen):
                chosen = np.sort(
                    chosen[permuted(0, count, len(chosen), key_of(seed, source.name, names[topic], "kept"))]
                )
            if count:
                strata.append(Stratum(source, seed, names[topic], chosen))
    return strata


def _thin(
    config: MixtureConfig,
    phases: Mapping[str, PhaseConfig],
    sources: list[str],
    names: list[str],
    documents: np.ndarray,
    tokens: np.ndarray,
) -> np.ndarray:
    """Share of each topic's documents that is kept [topics]; ``documents`` and ``tokens`` are [sources, topics].

    The one most above its cap in some phase is lowered in proportion, again and again, until all fit."""
    caps = np.array([config.topic_caps.get(name, 1.0) for name in names])
    kept, totals = np.ones(len(names)), documents.sum(axis=0)
    present = totals > 0  # "Other" is always a name, and often of no document
    for _ in range(STEPS):
        shares = _shares(phases, sources, kept * documents, kept * tokens)
        excess = shares.max(axis=0) / caps
        if excess.max() <= 1 + NEAR:
            return kept
        kept = kept * (1 / np.maximum(1, excess))
        if (present & (kept * totals < 1)).any():
            break
    worst = int(excess.argmax())
    share = shares[:, worst].max()
    phase = list(phases)[int(shares[:, worst].argmax())]
    raise UserError(
        f"mixture.topic_caps.{names[worst]}={caps[worst]:g} cannot be met: in the phase {phase} the topic has"
        f" {share:.1%} of the documents, and its sources have too little of other topics; raise the cap or give other"
        " sources more weight"
    )


def _shares(
    phases: Mapping[str, PhaseConfig], sources: list[str], documents: np.ndarray, tokens: np.ndarray
) -> np.ndarray:
    """Share of each topic in the documents of each phase [phases, topics]."""
    sizes = tokens.sum(axis=1)
    asked = ask(phases, dict(zip(sources, np.maximum(1, np.round(sizes)).astype(int).tolist(), strict=True)))
    rows = []
    for wanted in asked.values():
        times = np.array([wanted.get(name, 0) for name in sources]) / np.maximum(sizes, 1)
        drawn = times @ documents
        rows.append(drawn / drawn.sum())
    return np.array(rows)
