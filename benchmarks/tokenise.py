"""Text to .bin/.idx: our path against that of Megatron's preprocessing tool, and against the encoding library alone.

Three sides, one thread each, on Turkish legal text in a plain .jsonl (56 million characters, one shard of the default
size):
- ours: `run_shard_group`, what `jobs.prepare` runs for a shard: the tokenizer is loaded, the input digested, parsed,
  encoded by gigatoken
  and a sample of it checked against `tokenizers`; .bin and .idx with digests, fsync, rename, manifest;
- alone: gigatoken loads the same tokenizer.json and encodes the texts of the same file, which are in memory already, in
  one call;
  nothing is written;
- peer: what Megatron's tools/preprocess_data.py does with one worker, without its hop between processes: `json`,
  `tokenizers` one
  document at a time, `IndexedDatasetBuilder`. It takes so long that it reads every sixteenth document, with its
  tokenizer already loaded, and its times are multiplied by the ratio of the bytes.
Of that part, ours and the peer must write the same .bin and .idx. Bars: ours at least 20 times as fast as the peer, and
at least half as fast as gigatoken alone.

  TERZI_DATA=... python -m benchmarks.tokenise         about 1.5 minutes on one core
"""

import os

from common.layout import TOKENIZER

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # before the libraries start their threads

import gc
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import orjson
from gigatoken import Tokenizer as Gigatoken
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder
from tokenizers import Tokenizer

from benchmarks.measure import alternate, in_child, peak_memory, ratio, summary
from benchmarks.record import keep
from benchmarks.text import learn_tokenizer, turkish_legal
from common.files import digest
from conf.schema import DataConfig, PrepareConfig
from data_prep.sources.shards import plan_shards
from data_prep.tokenizer.backends import load_reference
from data_prep.tokenizer.bulk import identity
from data_prep.tokens.indexed import BIN, IDX
from data_prep.tokens.merge import Merged
from data_prep.tokens.tokenise import ShardGroup, TokeniseWork, run_shard_group

ROUNDS = 3
PART = 16
BARS = {"peer": 20.0, "alone": 0.5}


class Quiet:
    """A report that nobody reads, but for warnings: those would mean that a slower library was timed."""

    def advance(self, amount: float) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Stop."""
        raise AssertionError(message)


def work_of(tokenizer: Path, folder: Path) -> TokeniseWork:
    """What a job makes once, for all its shards."""
    data = DataConfig(tokenizer=str(tokenizer), tokens=str(folder))
    return TokeniseWork(folder, data, PrepareConfig(), {}, *identity(tokenizer, True), Merged(folder, None))


def ours(jsonl: Path, work: TokeniseWork) -> Path:
    """Make ``jsonl`` one shard, anew; returns the shard's folder."""
    shutil.rmtree(work.folder / "shards", ignore_errors=True)  # else it would be found whole
    (shard,) = plan_shards([jsonl], work.prepare.shard_bytes)
    run_shard_group(ShardGroup(work, [shard]), Quiet())
    return work.folder / "shards" / shard.key


def peer(jsonl: Path, tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokens.bin and tokens.idx into ``folder`` as Megatron's tool does."""
    builder = IndexedDatasetBuilder(str(folder / BIN), dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
    with jsonl.open(encoding="utf-8") as file:
        for line in file:
            ids = tokenizer.encode(json.loads(line)["text"]).ids
            builder.add_document(ids, [len(ids)])
    builder.finalize(str(folder / IDX))


def peak_of_ours(jsonl: Path, tokenizer: Path, folder: Path) -> dict[str, float]:
    """Peak memory of our side, in a process of its own."""
    work = work_of(tokenizer, folder)
    return peak_memory(lambda: ours(jsonl, work))


def peak_of_peer(jsonl: Path, tokenizer: Path, folder: Path) -> dict[str, float]:
    """Peak memory of the peer, in a process of its own."""
    return peak_memory(lambda: peer(jsonl, load_reference(tokenizer), folder))


def main() -> None:
    """Compare, time, print and keep."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        whole, part = turkish_legal(folder / "whole.jsonl"), turkish_legal(folder / "part.jsonl", PART)
        tokenizer = learn_tokenizer(turkish_legal(folder / "sample.jsonl", 8), folder / "tokenizer")
        memory = {
            "ours": in_child(peak_of_ours, whole, tokenizer, folder),
            "peer": in_child(peak_of_peer, part, tokenizer, folder),
        }
        work = work_of(tokenizer, folder)
        shard = ours(part, work)
        for name in (BIN, IDX):
            assert digest(shard / name) == digest(folder / name), f"{name} of the peer differs"
        size, texts = whole.stat().st_size, [orjson.loads(line)["text"] for line in whole.open("rb")]
        reference = load_reference(tokenizer)
        sides = {
            "ours": lambda: ours(whole, work),
            "alone": (
                lambda: Gigatoken.from_json((tokenizer / TOKENIZER).read_text(encoding="utf-8")).encode_batch(texts)
            ),
            "peer": lambda: peer(part, reference, folder),
        }
        gc.freeze()  # the collector need not walk through PyTorch's objects, which a job of ours does not have
        times = alternate(sides, ROUNDS)
        scale = size / part.stat().st_size
    times["peer"] = {clock: [scale * value for value in values] for clock, values in times["peer"].items()}
    report(
        times,
        {"threads_of_each_side": 1, "bytes": size, "documents": len(texts), "rounds": ROUNDS, "peak_memory": memory},
    )


def report(times: dict[str, dict[str, list[float]]], figures: dict[str, Any]) -> None:
    """Print the ratios and keep everything."""
    ratios = {name: {clock: ratio(times[name], times["ours"], clock) for clock in ("wall", "cpu")} for name in BARS}
    for name, bar in BARS.items():
        wall, cpu = (ratios[name][clock]["median"] for clock in ("wall", "cpu"))
        print(
            f"ours / {name}: {wall:.2f} times as fast by the clock, {cpu:.2f} by CPU time; bar {bar},"
            f" {'met' if cpu >= bar else 'MISSED'}"
        )
    sides = {name: summary(found) for name, found in times.items()}
    for name, found in sides.items():
        wall, cpu = (figures["bytes"] / 1e6 / found[f"{clock}_median"] for clock in ("wall", "cpu"))
        print(f"{name:5}: {wall:5.1f} MB/s, {cpu:5.1f} MB per CPU second")
    print(f"peak memory, MiB: {figures['peak_memory']}")
    print(f"written: {keep('tokenise', figures | {'seconds': sides, 'bars': BARS, 'ratios': ratios})}")


if __name__ == "__main__":
    main()
