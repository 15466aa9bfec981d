"""What near-duplicates of very many documents cost: disk, memory and time of each stage, from constants measured here.

The rates of `curate`'s part (keys, sorted files) and the edges a document come from Turkish legal text; those of
buckets and clusters from random keys of a few million documents with as many duplicates, since they depend on the
number of keys alone.

  TERZI_DATA=... python -m benchmarks.clustering_plan                          100M documents on 64 array tasks, 8 parts
  TERZI_DATA=... python -m benchmarks.clustering_plan --documents 1e9 --array-size 256 --parts 64   about 2 minutes
"""

import os

os.environ |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import in_child, peak_memory
from benchmarks.minhash import CONFIG, batches
from benchmarks.record import keep
from benchmarks.text import turkish_legal
from data_prep.dedup.buckets import edges, write_sorted
from data_prep.dedup.clusters import components
from data_prep.dedup.signature import Signer
from data_prep.text.language import load_language

MANY = 3_000_000
SHARDS = 30
SHARD = 50_000
"""Documents of a shard: 64 MB, packed about five times."""
MIB = 1 << 20


def seconds(step: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a step, and what it returns."""
    started = time.process_time()
    result = step()
    return time.process_time() - started, result


def from_text(folder: Path) -> dict[str, float]:
    """Constants of a document: seconds of keys and files, bytes of files, edges."""
    jsonl = turkish_legal(folder / "text.jsonl", 2)
    signer, laid = Signer(CONFIG, load_language("tr")), list(batches(jsonl))
    for batch in laid:
        _ = batch.lower, batch.flags, batch.tokens  # which the filters have asked for already
    took, keys = seconds(lambda: np.concatenate([signer.keys(batch) for batch in laid]))
    home = folder / "text"
    home.mkdir()
    sorting, _ = seconds(lambda: write_sorted(home, keys))
    pairs = [edges([home], [0], column, 0, 1) for column in range(signer.columns)]
    return {
        "text_bytes": jsonl.stat().st_size / len(keys),
        "key_seconds": (took + sorting) / len(keys),
        "key_bytes": sum(path.stat().st_size for path in home.iterdir()) / len(keys),
        "edges": sum(map(len, pairs)) / len(keys) / signer.columns,
    }


def bucket(folder: Path, count: int) -> tuple[float, np.ndarray]:
    """CPU seconds and edges of one column of ``count`` documents."""
    homes = [folder / f"{shard}" for shard in range(SHARDS)]
    return seconds(lambda: edges(homes, list(range(0, count, count // SHARDS)), 0, 0, 1))


def bucket_memory(folder: Path, count: int) -> dict[str, float]:
    """Peak memory of it, in a process of its own."""
    return peak_memory(lambda: bucket(folder, count))


def cluster_memory(documents: int, pairs: int) -> dict[str, float]:
    """Peak memory of components of random edges, half of them in one array."""
    return peak_memory(lambda: components(np.array_split(random_pairs(documents, pairs), 2), documents))


def random_pairs(documents: int, pairs: int) -> np.ndarray:
    """Edges [pairs, 2] between random documents."""
    return np.random.default_rng(0).integers(0, documents, (pairs, 2))


def from_keys(folder: Path, edge_rate: float) -> dict[str, float]:
    """Constants of a key and of an edge: seconds and bytes of memory."""
    draw = np.random.default_rng(0)
    keys = draw.integers(0, 1 << 64, MANY, np.uint64)
    again = draw.random(MANY) < edge_rate
    keys[again] = keys[draw.integers(0, MANY, again.sum())]
    for shard, part in enumerate(np.split(keys, SHARDS)):
        (folder / f"{shard}").mkdir()
        write_sorted(folder / f"{shard}", part[:, None])
    took, _ = bucket(folder, MANY)
    pairs = random_pairs(MANY, MANY)
    clustering, _ = seconds(lambda: components(np.array_split(pairs, 10), MANY))
    memory = {
        "bucket": in_child(bucket_memory, folder, MANY),
        "few": in_child(cluster_memory, MANY, 2),
        "many": in_child(cluster_memory, MANY, MANY),
    }
    used = {name: (one["peak_mib"] - one["before_mib"]) * MIB for name, one in memory.items()}
    return {
        "bucket_seconds": took / MANY,
        "bucket_memory": used["bucket"] / MANY,
        "cluster_seconds_per_edge": clustering / MANY,
        "cluster_memory_per_document": used["few"] / MANY,
        "cluster_memory_per_edge": max(used["many"] - used["few"], 0) / (MANY / 2),
    }


def plan(
    found: dict[str, float], documents: float, array_size: int, parts: int
) -> list[tuple[str, float, float, float]]:
    """Stage, GB on disk, GB of memory of an array task, hours by the clock."""
    columns = 1 + CONFIG.bands
    units = columns * parts
    pairs = documents * columns * found["edges"]
    keys = found["bucket_seconds"] * documents / parts
    rounds = -(-units // array_size)
    cluster = found["cluster_memory_per_document"] * documents + found["cluster_memory_per_edge"] * pairs / units
    return [
        (
            "keys (in curate)",
            found["key_bytes"] * documents,
            3 * found["key_bytes"] * SHARD,
            found["key_seconds"] * documents / array_size,
        ),
        (f"buckets ({columns} x {parts})", 16 * pairs, found["bucket_memory"] * documents / parts, keys * rounds),
        ("clusters (one array task)", 8 * documents, cluster, found["cluster_seconds_per_edge"] * pairs),
    ]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=float, default=1e8)
    parser.add_argument("--array-size", type=int, default=64)
    parser.add_argument("--parts", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = from_text(Path(place))
        found |= from_keys(Path(place), found["edges"])
    for name, value in found.items():
        print(f"{name:28} {value:.4g}")
    rows = plan(found, asked.documents, asked.array_size, asked.parts)
    size = asked.documents * found["text_bytes"] / 1e12
    print(f"\n{asked.documents:,.0f} documents ({size:.2f} TB of text), {asked.array_size} array tasks of one core")
    print(f"{'stage':24} {'disk, GB':>10} {'memory of an array task, GB':>26} {'hours':>8}")
    for name, disk, memory, took in rows:
        print(f"{name:24} {disk / 1e9:10.1f} {memory / 1e9:26.2f} {took / 3600:8.2f}")
    table = [dict(zip(("stage", "disk_bytes", "memory_bytes", "seconds"), row, strict=True)) for row in rows]
    print(f"written: {keep('clustering_plan', vars(asked) | {'constants': found, 'plan': table})}")


if __name__ == "__main__":
    main()
