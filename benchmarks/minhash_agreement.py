"""How far MinHash finds near-duplicates: against theory, exact Jaccard similarity, datatrove and datasketch, at equal
parameters.

All sides get the same shingles of Turkish decisions and statutes, so that differences come from hash functions alone.
- planted: each document and a copy with some of its words replaced; by ranges of their exact similarity s, the share
  that meets in a band,
  beside 1 - (1 - s**8)**14; of all pairs that meet, the share with an exact similarity of at least 0.5; and their
  number over seeds;
- clusters of the natural text: from disk to clusters, ours and datatrove's stages; the adjusted Rand index, and of the
  pairs of documents
  within a cluster of one side the share within a cluster of the other. Beside it the same for ours with another seed,
  which is what chance alone does, and for the clusters of all pairs with an exact similarity of at least 0.72, where
  the chance to meet is one half.

  TERZI_DATA=... python -m benchmarks.minhash_agreement         about 3 minutes on one core
"""

import os

os.environ |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from datasketch import MinHash
from datatrove.pipeline.dedup.minhash import MinhashDedupSignature
from scipy.sparse import csr_array

from benchmarks.minhash import CONFIG
from benchmarks.minhash_peers import Regex, SameShingles, firsts, settings, stages
from benchmarks.record import keep
from benchmarks.text import turkish_legal
from data_prep.dedup.buckets import edges, write_sorted
from data_prep.dedup.clusters import components
from data_prep.dedup.signature import Signer, shingles
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

EVERY = 3
EDGES = np.arange(0.3, 1.001, 0.05)
HALF = 0.72
SEEDS = 20
SHARES = [0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1]
PROFILE = load_language("tr")


def shingles_of(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Shingles of documents, end to end, and where each document's begin."""
    flat, offsets = shingles(Batch(texts, PROFILE.casing), PROFILE.shingle)
    return flat, offsets.astype(np.int64)


def similarities(flat: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """[n, n] float32: exact Jaccard similarity."""
    _, columns = np.unique(flat, return_inverse=True)
    holds = csr_array((np.ones(len(flat), np.float32), columns, offsets))
    holds.sum_duplicates()
    holds.data[:] = 1
    both = (holds @ holds.T).toarray()
    sizes = both.diagonal()
    return both / (sizes[:, None] + sizes - both)


def band_keys(texts: list[str]) -> dict[str, np.ndarray]:
    """[documents, bands] numbers of each side, equal where the side sees an equal band."""
    flat, offsets = shingles_of(texts)
    pieces = [flat[start:end] for start, end in zip(offsets, offsets[1:], strict=False)]
    stage = MinhashDedupSignature(".", settings(CONFIG), Regex())
    rows = {
        "datatrove": [stage.get_signature((piece >> np.uint64(32)).reshape(-1, 1)) for piece in pieces],
        "datasketch": [],
    }
    for piece in pieces:
        minhash = MinHash(num_perm=CONFIG.bands * CONFIG.rows, hashfunc=lambda value: int(value) >> 32)
        minhash.update_batch(piece)
        rows["datasketch"].append(minhash.hashvalues.reshape(CONFIG.bands, CONFIG.rows))
    found = {"ours": Signer(CONFIG, PROFILE).keys(Batch(texts, PROFILE.casing))[:, 1:]}
    for name, signatures in rows.items():
        bands = np.array(signatures, np.uint64).transpose(1, 0, 2)
        found[name] = np.stack([np.unique(band, axis=0, return_inverse=True)[1].ravel() for band in bands], axis=1)
    return found


def planted(texts: list[str]) -> dict[str, Any]:
    """The curve over ranges of similarity, and the precision."""
    draw, words = random.Random(0), " ".join(texts[::20]).split()
    texts = [text for text in texts if 100 < len(text.split()) < 2000]
    shares = [draw.choice(SHARES) for _ in texts]
    copies = [
        " ".join(draw.choice(words) if draw.random() < share else word for word in text.split())
        for text, share in zip(texts, shares, strict=True)
    ]
    count, keys = len(texts), band_keys(texts + copies)
    exact = similarities(*shingles_of(texts + copies))
    own = exact[np.arange(count), np.arange(count) + count]
    theory = 1 - (1 - own**CONFIG.rows) ** CONFIG.bands
    met = {name: (side[:count] == side[count:]).any(axis=1) for name, side in keys.items()}
    curve = []
    for low, high in zip(EDGES, EDGES[1:], strict=False):
        inside = (own >= low) & (own < high)
        shown = (
            {name: round(float(side[inside].mean()), 3) for name, side in {"theory": theory, **met}.items()}
            if inside.any()
            else {}
        )
        curve.append({"from": round(float(low), 2), "pairs": int(inside.sum()), **shown})
    pairs = {name: precision(side, exact) for name, side in keys.items()}
    return {
        "documents": 2 * count,
        "curve": curve,
        "pairs_that_meet": pairs,
        "pairs_by_seed": by_seed(texts + copies, exact),
    }


def by_seed(texts: list[str], exact: np.ndarray) -> dict[str, float]:
    """How many pairs of documents meet with each of some seeds, beside what is expected of the exact similarities.

    Pairs of texts that share a formula meet together or not at all, so that their number varies widely about its
    mean."""
    expected = (1 - (1 - np.tril(exact, -1).astype(np.float64) ** CONFIG.rows) ** CONFIG.bands).sum()
    batch = Batch(texts, PROFILE.casing)
    found = [
        int(np.tril(meet(Signer(replace(CONFIG, seed=seed), PROFILE).keys(batch)[:, 1:]), -1).sum())
        for seed in range(1, SEEDS + 1)
    ]
    return {
        "expected": round(float(expected)),
        "seeds": SEEDS,
        "mean": round(float(np.mean(found))),
        "least": min(found),
        "most": max(found),
    }


def meet(keys: np.ndarray) -> np.ndarray:
    """[n, n] bool: whether two documents have an equal key in some column of keys [n, bands]."""
    met = np.zeros((len(keys), len(keys)), bool)
    for column in keys.T:
        met |= column[:, None] == column
    return met


def precision(keys: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """Of all pairs of documents that meet in a band: how many, and the shares with some exact similarity."""
    values = exact[np.tril(meet(keys), -1)]
    return {"pairs": len(values)} | {
        f"at_least_{level}": round(float((values >= level).mean()), 4) for level in (0.5, 0.6, HALF)
    }


def clusters(jsonl: Path, texts: list[str], folder: Path) -> dict[str, Any]:
    """Clusters of natural text by each side, compared with ours."""
    exact = similarities(*shingles_of(texts))
    close = np.argwhere(np.tril(exact >= HALF, -1))
    SameShingles.shingles_of = staticmethod(lambda text: shingles_of([text])[0])
    same = stages(jsonl, folder / "same", SameShingles(str(folder / "same" / "signatures"), settings(CONFIG), Regex()))
    own = stages(
        jsonl, folder / "own", MinhashDedupSignature(str(folder / "own" / "signatures"), settings(CONFIG), Regex())
    )
    sides = {
        "ours, another seed": ours(texts, folder / "seed", seed=2),
        "datatrove, our shingles": firsts(same, len(texts)),
        "datatrove, its own shingles": firsts(own, len(texts)),
        "ours with fold_numbers": ours(texts, folder / "folded", fold_numbers=True),
        "exact similarity of 0.72": components([close], len(texts)),
    }
    base = ours(texts, folder / "ours")
    found = {"ours": {"dropped": int((base != np.arange(len(base))).sum())}}
    return found | {name: compared(base, side) for name, side in sides.items()}


def ours(texts: list[str], folder: Path, **changes: Any) -> np.ndarray:
    """[documents] the first of each one's cluster."""
    folder.mkdir()
    signer = Signer(replace(CONFIG, **changes), PROFILE)
    write_sorted(folder, signer.keys(Batch(texts, PROFILE.casing)))
    return components((edges([folder], [0], column, 0, 1) for column in range(1, signer.columns)), len(texts))


def compared(base: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Agreement of two clusterings."""
    from sklearn.metrics import adjusted_rand_score
    from sklearn.metrics.cluster import pair_confusion_matrix

    (_, only_other), (only_base, both) = pair_confusion_matrix(other, base).T
    dropped = [set(np.flatnonzero(side != np.arange(len(side)))) for side in (base, other)]
    return {
        "dropped": len(dropped[1]),
        "dropped_by_both": len(dropped[0] & dropped[1]),
        "adjusted_rand_index": round(float(adjusted_rand_score(other, base)), 4),
        "of_our_pairs": round(float(both / max(both + only_base, 1)), 4),
        "of_its_pairs": round(float(both / max(both + only_other, 1)), 4),
    }


def main() -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jsonl = turkish_legal(folder / "text.jsonl", EVERY)
        texts = [orjson.loads(line)["text"] for line in jsonl.open("rb")]
        figures = {"documents": len(texts), "planted": planted(texts), "clusters": clusters(jsonl, texts, folder)}
    for row in figures["planted"]["curve"]:
        print(row)
    print(f"pairs that meet: {figures['planted']['pairs_by_seed']}")
    for part in (figures["planted"]["pairs_that_meet"], figures["clusters"]):
        for name, row in part.items():
            print(f"{name}: {row}")
    print(f"written: {keep('minhash_agreement', figures)}")


if __name__ == "__main__":
    main()
