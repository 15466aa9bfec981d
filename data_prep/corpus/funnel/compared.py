"""Results of comparing documents with each other: sizes of clusters, and pairs to look at."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from data_prep.corpus.stages.compare import EXACT, NEAR, Clusters, Semantic
from data_prep.corpus.stages.curate import KEPT, Curate
from data_prep.corpus.stages.stage import Stage
from data_prep.dedup.report import largest, samples, sizes
from data_prep.records.record import Record, from_line
from data_prep.records.zst import read

SHOWN = 400
"""Characters of a document, and of a difference."""
MEMBERS = 3
"""Members shown of a cluster beside its first."""


def compared(line: Sequence[Stage], clusters: int) -> dict[str, Any]:
    """Return for exact, near and semantic duplicates counts, cluster sizes, and the ``clusters`` largest with what
    differs."""
    curate = next(stage for stage in line if isinstance(stage, Curate))
    grouped = next(stage for stage in line if isinstance(stage, Clusters))
    meaning = next((stage for stage in line if isinstance(stage, Semantic)), None)
    exact, near = (np.load(grouped.folder / "all" / name, mmap_mode="r") for name in (EXACT, NEAR))
    # A group of exact copies alone is none of near ones: only the first of each is looked at.
    firsts = np.flatnonzero(exact == np.arange(len(exact)))
    near_alone = np.arange(len(near))
    near_alone[firsts] = near[firsts]
    figures = {"exact": _figures(curate, exact, clusters), "near": _figures(curate, near_alone, clusters)}
    if meaning:
        pairs, alike = meaning.repeats(0, len(exact)), np.arange(len(exact))
        alike[pairs[:, 0]] = pairs[:, 1]
        figures["semantic"] = _figures(curate, alike, clusters)
    return figures


def _figures(curate: Curate, firsts: np.ndarray, clusters: int) -> dict[str, Any]:
    texts = Texts(curate, {int(number) for group in largest(firsts, clusters, MEMBERS) for number in group})
    shown = samples(firsts, lambda number: texts.records[number].text, clusters, MEMBERS)
    for cluster in shown:
        cluster |= {"text": cluster["text"][:SHOWN], "from": texts.place(cluster.pop("document"))}
        for other in cluster["others"]:
            other["from"] = texts.place(other.pop("document"))
            other["differences"] = [
                {side: words[:SHOWN] for side, words in place.items()} for place in other["differences"]
            ]
    return {**sizes(firsts), "samples": shown}


class Texts:
    """Texts of some of the documents that passed the rules, by their numbers."""

    def __init__(self, curate: Curate, numbers: Iterable[int]):
        self.records: dict[int, Record] = {}
        firsts, wanted = curate.firsts(), np.array(sorted(numbers), np.int64)
        for task, low, high in zip(curate.tasks(), firsts[:-1], firsts[1:], strict=True):
            own = set((wanted[(wanted >= low) & (wanted < high)] - low).tolist())
            if own:
                self._read(curate.folder / task.name / KEPT, int(low), own)

    def _read(self, path: Any, first: int, rows: set[int]) -> None:
        last = max(rows)
        for row, line in enumerate(read(path)):
            if row in rows:
                self.records[first + row] = from_line(line)
            if row == last:
                return

    def place(self, number: int) -> dict[str, Any]:
        """Return where a document came from."""
        record = self.records[number]
        return {"source": record.source, "id": record.id, "file": record.file, "line": record.line}
