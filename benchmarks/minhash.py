"""MinHash near-duplicates, from text on the disk to clusters: ours against datatrove's stages with a regular expression
for words.

Three sides, one thread each, on Turkish legal text in a plain .jsonl (56 million characters), with 14 bands of 8 (ours:
shingles of 26 letters, theirs: of 5 words):
- ours: what `jobs.corpus` does for it: read, `Batch`, keys (the exact digest too), sorted files, edges, components;
- rensa: datatrove's reader, signature, bucket and cluster stages as they are, but with the hash functions of rensa,
  which it calls for
  each document;
- own: the same with its own hash functions. datatrove's executor, its logs and its last stage (filter) are left out.
  Its text normalisation (numbers become 0, diacritics go) is part of its shingles, so that it finds more; how far
  clusters agree on equal shingles is measured by `benchmarks.minhash_agreement`. Bar: ours at least 1.3 times as fast
  as rensa.

  TERZI_DATA=... python -m benchmarks.minhash         about 4 minutes on one core
"""

import os

os.environ |= {
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # before the libraries start their threads

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

from benchmarks.measure import alternate, in_child, peak_memory, ratio, summary
from benchmarks.minhash_peers import Regex, Rensa, firsts, settings, stages
from benchmarks.record import keep
from benchmarks.text import turkish_legal
from conf.schema.data import DataConfig
from conf.schema.duplicates import DuplicatesConfig
from data_prep.corpus.stages.curate import BATCH_CHARACTERS
from data_prep.dedup.buckets import edges, write_sorted
from data_prep.dedup.clusters import components
from data_prep.dedup.signature import Signer
from data_prep.sources.readers import read_documents
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

ROUNDS = 3
BAR = 1.3
CONFIG = DuplicatesConfig()


def batches(jsonl: Path) -> Iterator[Batch]:
    """The documents of a file as the corpus factory lays them together."""
    texts, size, casing = [], 0, load_language("tr").casing
    for document in read_documents(jsonl, DataConfig()):
        texts.append(document.text)
        size += len(document.text)
        if size >= BATCH_CHARACTERS:
            yield Batch(texts, casing)
            texts, size = [], 0
    if texts:
        yield Batch(texts, casing)


def ours(jsonl: Path, folder: Path) -> np.ndarray:
    """[documents] the first document of each one's cluster."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    signer = Signer(CONFIG, load_language("tr"))
    keys = np.concatenate([signer.keys(batch) for batch in batches(jsonl)])
    write_sorted(folder, keys)
    return components((edges([folder], [0], column, 0, 1) for column in range(signer.columns)), len(keys))


def theirs(jsonl: Path, folder: Path, kind: type[MinhashDedupSignature]) -> Path:
    """The folder of datatrove's clusters."""
    shutil.rmtree(folder, ignore_errors=True)
    return stages(jsonl, folder, kind(str(folder / "signatures"), settings(CONFIG), Regex()))


def peak_of_ours(jsonl: Path, folder: Path) -> dict[str, float]:
    """Peak memory of our side, in a process of its own."""
    return peak_memory(lambda: ours(jsonl, folder))


def peak_of_theirs(jsonl: Path, folder: Path) -> dict[str, float]:
    """Peak memory of the side rensa, in a process of its own."""
    return peak_memory(lambda: theirs(jsonl, folder, Rensa))


def main() -> None:
    """Time, print and keep."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jsonl = turkish_legal(folder / "text.jsonl")
        memory = {
            "ours": in_child(peak_of_ours, jsonl, folder / "ours"),
            "rensa": in_child(peak_of_theirs, jsonl, folder / "rensa"),
        }
        sides = {
            "ours": lambda: ours(jsonl, folder / "ours"),
            "rensa": lambda: theirs(jsonl, folder / "rensa", Rensa),
            "own": lambda: theirs(jsonl, folder / "own", MinhashDedupSignature),
        }
        times = alternate(sides, ROUNDS, warm_up=0)
        found = ours(jsonl, folder / "ours")
        dropped = {"ours": int((found != np.arange(len(found))).sum())}
        for name in ("rensa", "own"):
            other = firsts(folder / name / "clusters", len(found))
            dropped[name] = int((other != np.arange(len(other))).sum())
        size = jsonl.stat().st_size
    report(
        times,
        {"threads_of_each_side": 1, "bytes": size, "documents": len(found), "dropped": dropped, "peak_memory": memory},
    )


def report(times: dict[str, dict[str, list[float]]], figures: dict[str, Any]) -> None:
    """Print the ratios and keep everything."""
    ratios = {
        name: {clock: ratio(times[name], times["ours"], clock) for clock in ("wall", "cpu")}
        for name in ("rensa", "own")
    }
    for name, found in ratios.items():
        wall, cpu = (found[clock]["median"] for clock in ("wall", "cpu"))
        bar = f"; bar {BAR}, {'met' if cpu >= BAR else 'MISSED'}" if name == "rensa" else ""
        print(f"ours / {name}: {wall:.2f} times as fast by the clock, {cpu:.2f} by CPU time{bar}")
    sides = {name: summary(found) for name, found in times.items()}
    for name, found in sides.items():
        seconds = found["cpu_median"]
        print(
            f"{name:5}: {figures['bytes'] / 1e6 / seconds:6.2f} MB and {figures['documents'] / seconds:8,.0f} documents"
            " a CPU second"
        )
    print(f"dropped: {figures['dropped']}; peak memory, MiB: {figures['peak_memory']}")
    print(f"written: {keep('minhash', figures | {'rounds': ROUNDS, 'seconds': sides, 'bar': BAR, 'ratios': ratios})}")


if __name__ == "__main__":
    main()
