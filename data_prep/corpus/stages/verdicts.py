"""Verdicts of the comparisons on the documents of one shard."""

import numpy as np

from data_prep.corpus.stages.compare import EXACT, NEAR, Clusters, Paragraphs, Semantic


class Verdicts:
    """Verdicts on the documents ``first`` to ``last`` (exclusive): whom each repeats, and its repeated paragraphs."""

    def __init__(
        self, clusters: Clusters, semantic: Semantic | None, repeated: Paragraphs | None, first: int, last: int
    ):
        self.own = np.arange(first, last)
        near, exact = (np.load(clusters.folder / "all" / name, mmap_mode="r")[first:last] for name in (NEAR, EXACT))
        self.repeats = {
            "duplicates/exact": np.array(exact),
            "duplicates/near": np.array(near),
            "duplicates/semantic": self.own.copy(),
        }
        """Step -> [documents]: the document that each repeats, itself where none."""
        if semantic:
            semantic_pairs = semantic.repeats(first, last)
            self.repeats["duplicates/semantic"][semantic_pairs[:, 0] - first] = semantic_pairs[:, 1]
        self.gone: dict[int, list[int]] = {}
        """Row -> numbers of its repeated paragraphs."""
        for document, number in repeated.places(first, last) if repeated else ():
            self.gone.setdefault(int(document) - first, []).append(int(number))

    def out(self, step: str, rows: np.ndarray) -> np.ndarray:
        """[k] bool: which of ``rows`` [k] a step of comparison drops."""
        return self.repeats[step][rows] != self.own[rows]
