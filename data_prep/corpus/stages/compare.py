"""Stages 2 to 5: documents compared with each other, whatever shard and source they are in. The first one always stays.

Documents are numbered through: source by source, shard by shard, in the order of the files. So "first" does not depend
on array tasks."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from common.arrays import save_array
from common.progress import ProgressReport
from data_prep.corpus.stages.curate import EMBEDDINGS, PARAGRAPHS, PLACES, Curate
from data_prep.corpus.stages.stage import CorpusWork, Stage, Task
from data_prep.dedup import buckets, clusters, paragraphs, semantic

EDGES, EXACT, NEAR, CENTROIDS, REPEATS = "edges.npy", "exact.npy", "near.npy", "centroids.npy", "repeats.npy"
CELL_DOCUMENTS = 20_000


class Buckets(Stage):
    """Pairs of documents with an equal key: the exact digest, or a band of the MinHash signature."""

    name, version = "buckets", 1

    def __init__(self, work: CorpusWork, curate: Curate):
        super().__init__(work, curate)
        self.curate = curate

    def columns(self) -> list[int]:
        """Columns of the key arrays that are compared: 0 the exact digest, the others bands."""
        config = self.work.config.duplicates
        return [0] * config.exact + list(range(1, config.bands + 1)) * config.near

    def settings(self) -> dict[str, Any]:
        """Return which keys are compared."""
        return dataclasses.asdict(self.work.config.duplicates)

    def tasks(self) -> list[Task]:
        """A task a column and part."""
        parts = self.work.config.duplicates.parts
        return self.even([f"column_{column:02d}_part_{part:03d}" for column in self.columns() for part in range(parts)])

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Find the pairs of one part of one column."""
        _, column, _, part = task.name.split("_")
        homes = [self.curate.folder / task_of_shard.name for task_of_shard in self.curate.tasks()]
        edges = buckets.edges(
            homes, self.curate.firsts()[:-1], int(column), int(part), self.work.config.duplicates.parts
        )
        save_array(folder / EDGES, edges)
        report.advance(task.size)
        return {"column": int(column), "edges": len(edges)}


class Clusters(Stage):
    """Clusters of duplicates: of documents with an equal digest, and of those connected by equal bands, the first
    stays."""

    name, version = "clusters", 1

    def __init__(self, work: CorpusWork, buckets_: Buckets):
        super().__init__(work, buckets_)
        self.buckets, self.curate = buckets_, buckets_.curate

    def settings(self) -> dict[str, Any]:
        """Return the settings of the cells that vectors are cut into."""
        return dataclasses.asdict(self.work.config.semantic)

    def tasks(self) -> list[Task]:
        """Return the one task."""
        return self.even(["all"])

    def versions(self, task: Task) -> dict[str, int]:
        """Return the version of the centroids, too, where there are any."""
        made = {"semantic": semantic.VERSION} if self.work.config.semantic.enabled else {}
        return super().versions(task) | made

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Write for each document the first of its exact group and of its cluster; and, for the semantic stage,
        centroids."""
        documents = int(self.curate.firsts()[-1])
        pairs = list(zip(self.buckets.manifests, self.buckets.files(EDGES), strict=True))
        exact = clusters.components((np.load(path) for bucket, path in pairs if bucket["column"] == 0), documents)
        near = clusters.components((np.load(path) for _, path in pairs), documents)
        save_array(folder / EXACT, exact)
        save_array(folder / NEAR, near)
        stays = np.flatnonzero(near == np.arange(documents))
        fields = {"documents": documents, "stays": len(stays)}
        if self.work.config.semantic.enabled:
            save_array(folder / CENTROIDS, self._centroids(stays))
        report.advance(task.size)
        return fields

    def _centroids(self, stays: np.ndarray) -> np.ndarray:
        """Centres of the cells, learnt from an even sample of the documents that stay."""
        config = self.work.config.semantic
        cells = config.cells or max(1, round(len(stays) / CELL_DOCUMENTS))
        sample = (
            stays[np.linspace(0, len(stays) - 1, min(config.sample, len(stays))).astype(np.int64)]
            if len(stays)
            else stays
        )
        return semantic.centroids(
            Vectors(self.curate).take(sample), min(cells, max(1, len(sample))), self.work.config.duplicates.seed
        )

    def dropped(self) -> np.ndarray:
        """[documents] bool: exact and near duplicates."""
        near = np.load(self.folder / "all" / NEAR, mmap_mode="r")
        return near != np.arange(len(near))


class Vectors:
    """The embeddings of all shards as one array, mapped."""

    def __init__(self, curate: Curate):
        self.firsts = curate.firsts()
        self.parts = [np.load(path, mmap_mode="r") for path in curate.files(EMBEDDINGS)]

    def take(self, documents: np.ndarray) -> np.ndarray:
        """[k, d] float32: vectors of ``documents`` [k], ascending."""
        cuts = np.searchsorted(documents, self.firsts)
        taken = [
            part[documents[low:high] - first]
            for part, first, low, high in zip(self.parts, self.firsts[:-1], cuts[:-1], cuts[1:], strict=True)
        ]
        return np.concatenate(taken).astype(np.float32)


class Cells(Stage):
    """The cell of every document, shard by shard."""

    name, version = "cells", 1

    def __init__(self, work: CorpusWork, clusters_: Clusters):
        super().__init__(work, clusters_)
        self.clusters, self.curate = clusters_, clusters_.curate

    def tasks(self) -> list[Task]:
        """A task a shard."""
        return self.curate.tasks()

    def versions(self, task: Task) -> dict[str, int]:
        """Return the version of the comparison of vectors, too."""
        return super().versions(task) | {"semantic": semantic.VERSION}

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Assign the documents of one shard."""
        vectors = np.load(self.curate.folder / task.name / EMBEDDINGS).astype(np.float32)
        save_array(
            folder / "cells.npy",
            semantic.assign(vectors, np.load(self.clusters.folder / "all" / CENTROIDS)).astype(np.int32),
        )
        report.advance(task.size)
        return {}


class Semantic(Stage):
    """Neighbours in the space of the embedding, cell by cell; exact and near duplicates are out already."""

    name, version = "semantic", 1

    def __init__(self, work: CorpusWork, cells: Cells):
        super().__init__(work, cells)
        self.cells, self.clusters, self.curate = cells, cells.clusters, cells.curate

    def settings(self) -> dict[str, Any]:
        """The threshold."""
        return {"threshold": self.work.config.semantic.threshold}

    def tasks(self) -> list[Task]:
        """A task a cell."""
        centroids = self.clusters.folder / "all" / CENTROIDS
        count = len(np.load(centroids, mmap_mode="r")) if centroids.exists() else self.work.config.semantic.cells or 1
        return self.even([f"cell_{number:05d}" for number in range(count)])

    def versions(self, task: Task) -> dict[str, int]:
        """Return the version of the comparison of vectors, too."""
        return super().versions(task) | {"semantic": semantic.VERSION}

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Compare the documents of one cell."""
        cells = np.concatenate([np.load(path) for path in self.cells.files("cells.npy")])
        documents = np.flatnonzero((cells == int(task.name.rpartition("_")[2])) & ~self.clusters.dropped())
        repeats = semantic.representatives(Vectors(self.curate).take(documents), self.work.config.semantic.threshold)
        out = repeats != np.arange(len(documents))
        save_array(folder / REPEATS, np.stack([documents[out], documents[repeats[out]]], axis=1))
        report.advance(task.size)
        return {"documents": len(documents), "dropped": int(out.sum())}

    def repeats(self, first: int, last: int) -> np.ndarray:
        """[k, 2] int64: each semantic duplicate from ``first`` to ``last`` (exclusive) with the document it repeats."""
        return between(list(self.files(REPEATS)), first, last)


class Paragraphs(Stage):
    """Paragraphs that an earlier document, or the same one before, has too."""

    name, version = "paragraphs", 1

    def __init__(self, work: CorpusWork, before: Stage, clusters_: Clusters, semantic_: Semantic | None):
        super().__init__(work, before)
        self.clusters, self.curate, self.semantic = clusters_, clusters_.curate, semantic_

    def tasks(self) -> list[Task]:
        """A task a part of the range of keys."""
        return self.even([f"part_{part:03d}" for part in range(self.work.config.duplicates.parts)])

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Find the repeated paragraphs of one part, among documents that are still there."""
        dropped = self.clusters.dropped()
        if self.semantic:
            dropped[self.semantic.repeats(0, len(dropped))[:, 0]] = True
        firsts = self.curate.firsts()[:-1]
        places = [np.load(path / PLACES, mmap_mode="r") for path in self.curate.files(PARAGRAPHS)]
        alive = np.concatenate([~dropped[own[:, 0] + first] for own, first in zip(places, firsts, strict=True)])
        begins = np.cumsum([0, *map(len, places)])
        part, parts = int(task.name.rpartition("_")[2]), self.work.config.duplicates.parts
        numbers = paragraphs.repeated(list(self.curate.files(PARAGRAPHS)), begins[:-1], part, parts, alive)
        cuts = np.searchsorted(numbers, begins)
        gone = [
            own[numbers[low:high] - begin] + np.array([first, 0])
            for own, begin, first, low, high in zip(places, begins[:-1], firsts, cuts[:-1], cuts[1:], strict=True)
        ]
        save_array(folder / REPEATS, np.concatenate(gone).astype(np.int64))
        report.advance(task.size)
        return {"paragraphs": len(numbers)}

    def places(self, first: int, last: int) -> np.ndarray:
        """[k, 2] int64: document and number of each paragraph to remove from the documents ``first`` to ``last``
        (exclusive)."""
        return between(list(self.files(REPEATS)), first, last)


def between(files: list[Path], first: int, last: int) -> np.ndarray:
    """[k, 2] int64: the rows of arrays [k, 2] whose first column, ascending in each file, is from ``first`` to ``last``
    (exclusive).

    Only they are read, so that a shard costs the same however many there are."""
    mapped = [np.load(path, mmap_mode="r") for path in files]
    return np.concatenate([np.array(rows[slice(*np.searchsorted(rows[:, 0], [first, last]))]) for rows in mapped])
