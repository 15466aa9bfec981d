"""The corpus factory from raw text to tokens: every stage of `jobs.corpus` and then `jobs.prepare`, on Turkish legal
text, with one and with two processes, in turns. Required: 2 MB/s of UTF-8 a core, two processes at least 1.8 times as
fast as one, 1.5 GB a process.

Two processes are measured on the same text, where each pays the start-up and the first look at every word for half of
it, and on twice the text (the second half are copies, which all stages but the last steps work on alike).

    python -m benchmarks.corpus
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from benchmarks.record import keep
from benchmarks.text import data, learn_tokenizer, turkish_legal
from common.layout import MANIFEST

FILES = 24
MB_A_SECOND, SCALING, PEAK_MIB = 2.0, 1.8, 1430
RULES = "[url,fineweb,gopher_quality,gopher_repetition,c4,identification,morphology,quality]"
CLEANING = "[repair,nfc,whitespace,boilerplate,repeated_lines]"


def job(name: str, *overrides: str) -> dict[str, float]:
    """Seconds and CPU seconds of a job's command, with the processes that it starts, and its own peak memory."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", f"jobs.{name}", *overrides], env=env, stdout=subprocess.DEVNULL)
    peak = 0.0
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        peak = max(peak, _peak_mib(process.pid))
        time.sleep(0.05)
    if ended[1]:
        raise SystemExit(f"jobs.{name} failed")
    cpu = ended[2].ru_utime + ended[2].ru_stime
    return {"wall": round(time.perf_counter() - started, 2), "cpu": round(cpu, 2), "peak_mib": peak}


def _peak_mib(process: int) -> float:
    """Peak memory of a process since it became this program (the kernel's `ru_maxrss` counts what started it too); 0
    when it is gone."""
    try:
        line = next(
            line
            for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
            if line.startswith("VmHWM")
        )
    except (OSError, StopIteration):
        return 0.0
    return round(int(line.split()[1]) / 1024, 1)


def prepare(folder: Path) -> tuple[list[str], int]:
    """Text in FILES files, tokenizer, embedding and quality classifier; the overrides of all jobs, and the bytes of
    text."""
    whole = turkish_legal(folder / "all.jsonl")
    lines = whole.read_bytes().splitlines(keepends=True)
    (folder / "texts").mkdir()
    for number in range(FILES):
        (folder / "texts" / f"{number:02d}.jsonl").write_bytes(b"".join(lines[number::FILES]))
    tokenizer = learn_tokenizer(whole, folder / "tokenizer")
    models = [
        f"corpus.semantic.model={folder}/embedder",
        f"quality.model={folder}/quality",
        f"data.tokenizer={tokenizer}",
    ]
    job("embedder", f"data.inputs=[{folder}/texts]", *models)
    job("quality", f"quality.good=[{folder}/texts]", "quality.language=tr", "quality.documents=1500", *models)
    (folder / "addresses.txt").write_text("example.org\n")
    overrides = [
        "corpus.language=tr", "corpus.shard_bytes=4_000_000", "corpus.pii=true",
        f"corpus.rules={RULES}", f"corpus.cleaning={CLEANING}",
        f"corpus.url_lists=[{folder}/addresses.txt]", "corpus.semantic.enabled=true", "corpus.semantic.threshold=0.99",
        "corpus.paragraphs.enabled=true", f"corpus.tokenizer={tokenizer}",
        f"corpus.contamination.inputs=[{data()}/retrieval/tr_legal_qa_chunks/queries.jsonl]", *models,
    ]  # fmt: skip
    return overrides, sum(len(orjson.loads(line)["text"].encode()) for line in lines)


def run(folder: Path, overrides: list[str], workers: int, copies: int = 1) -> dict[str, Any]:
    """Seconds of both jobs with so many processes, and the corpus's own account of its stages."""
    output, inputs = folder / "out", folder / f"times_{copies}"
    shutil.rmtree(output, ignore_errors=True)
    if not inputs.exists():
        for number in range(copies):
            shutil.copytree(folder / "texts", inputs / str(number))
    common = [*overrides, f"corpus.inputs=[{inputs}]", f"corpus.output={output}/corpus", f"cluster.workers={workers}"]
    corpus = job("corpus", *common)
    tokens = job(
        "prepare",
        *common,
        f"data.inputs=[{output}/corpus/documents]",
        f"data.tokens={output}/tokens",
        "prepare.shard_bytes=1000000",
    )
    manifest = json.loads((output / "corpus" / MANIFEST).read_text())
    return {
        "wall": round(corpus["wall"] + tokens["wall"], 2), "corpus": corpus, "prepare": tokens,
        "read": manifest["read"], "kept": manifest["kept"],
        "stages": json.loads((output / "corpus" / "timing.json").read_text()),
    }  # fmt: skip


def main() -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        overrides, size = prepare(folder)
        runs: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
        for workers in (1, 2, 2, 1):
            runs[workers].append(run(folder, overrides, workers))
        doubled = run(folder, overrides, 2, copies=2)
        large = run(folder, [*overrides, "corpus.shard_bytes=200_000_000"], 1, copies=2)
    one, two = (min(runs[workers], key=lambda found: found["wall"]) for workers in (1, 2))
    figures = {
        "mb_of_text": round(size / 1e6, 1), "mb_a_second_one_process": round(size / 1e6 / one["wall"], 2),
        "required": MB_A_SECOND,
        "scaling_same_text": round(one["wall"] / two["wall"], 2),
        "scaling_text_each": round(2 * one["wall"] / doubled["wall"], 2),
        "required_scaling": SCALING, "doubled": doubled,
        "peak_mib_of_a_shard_of_128_mb": large["corpus"]["peak_mib"], "allowed_peak_mib": PEAK_MIB,
        "rounds": {"1": runs[1], "2": runs[2]},
    }  # fmt: skip
    print(f"one process: {figures['mb_a_second_one_process']} MB/s (required {MB_A_SECOND})")
    print(f"two: {figures['scaling_same_text']} times as fast on the same text, start-up included (required {SCALING})")
    print(f"two, each with as much text as the one had: {figures['scaling_text_each']} times the text in the time")
    print(
        f"peak memory of an array task on a shard of 128 MB: {figures['peak_mib_of_a_shard_of_128_mb']} MiB (allowed"
        f" {PEAK_MIB})"
    )
    print(f"kept in {keep('corpus', figures)}")


if __name__ == "__main__":
    main()
