"""CPU seconds from a command to its answer: `jobs.train --help`, `dry_run=true`, and an attempt up to its first step.

    python -m benchmarks.start [ROUNDS]

User and system time of the process, the least of ROUNDS (3), since a machine that others use adds to both; the import
of torch alone is measured beside them, as what none of the last two can be faster than. A new attempt asks transformers
once whether the net can be exported; one that goes on does not.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.record import keep
from common.layout import METRICS

ROOT = Path(__file__).resolve().parents[1]
BARS = {"help": 1.5, "dry_run": 3.0, "first_step_of_a_new_run": 3.0, "first_step_of_a_requeue": 3.0}
"""CPU seconds, on a machine that does nothing else."""
NET = [
    "model.num_layers=2", "model.hidden_size=32", "model.num_heads=2", "model.ffn_size=48", "model.vocab_size=320",
    "model.max_positions=64", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=4",
    "parallel.threads=1", "train.steps=100000", "train.log_every_steps=1", "train.checkpoint.probe_at_start=false",
    "optim.schedule.kind=constant",
]  # fmt: skip
WORDS = [
    "court",
    "tenant",
    "owner",
    "lease",
    "judge",
    "house",
    "debt",
    "heir",
    "pays",
    "signs",
    "ends",
    "owes",
    "the",
    "a",
]


def environment() -> dict[str, str]:
    """One thread, so that waiting for others does not count."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def whole(*command: str) -> float:
    """CPU seconds of a command from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def until_first_step(metrics: Path, *command: str) -> float:
    """CPU seconds of a training until ``metrics`` has one more line; it is told to stop then, and saves."""
    lines = metrics.read_bytes().count(b"\n") if metrics.is_file() else 0
    job = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
    while not (metrics.is_file() and metrics.read_bytes().count(b"\n") > lines):
        assert job.poll() is None, f"{command} ended with {job.returncode} before its first step"
        time.sleep(0.01)
    fields = Path(f"/proc/{job.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    job.send_signal(signal.SIGTERM)
    job.wait()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write_data(folder: Path) -> list[str]:
    """A small text, its tokenizer and its tokens; the overrides that name them."""
    rng = np.random.default_rng(0)
    with (folder / "text.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": " ".join(rng.choice(WORDS, size=40))}) + "\n" for _ in range(200))
    data = [f"data.inputs=[{folder}/text.jsonl]", f"data.tokenizer={folder}/tokenizer", f"data.tokens={folder}/tokens"]
    whole("-m", "jobs.tokenizer", *data, "tokenizer.vocab_size=300")
    whole("-m", "jobs.prepare", *data)
    return data


def measure(rounds: int) -> dict[str, list[float]]:
    """CPU seconds of every round, by what was started."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        train = ["-m", "jobs.train", *write_data(folder), *NET, f"runs_dir={folder}/runs", "name=start"]

        def first_step(run: str) -> float:
            return until_first_step(folder / "runs" / "start" / run / METRICS, *train, f"run={run}")

        sides: dict[str, Callable[[int], float]] = {
            "import_torch": lambda _: whole("-c", "import torch"),
            "help": lambda _: whole("-m", "jobs.train", "--help"),
            "dry_run": lambda _: whole(*train, "dry_run=true"),
            "first_step_of_a_new_run": lambda number: first_step(f"run_{number}"),
            "first_step_of_a_requeue": lambda number: first_step(f"run_{number}"),
        }
        return {name: [round(seconds(number), 2) for number in range(rounds)] for name, seconds in sides.items()}


if __name__ == "__main__":
    times = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    figures = {name: {"least": min(values), "rounds": values, "bar": BARS.get(name)} for name, values in times.items()}
    for name, values in figures.items():
        bar = f", bar {values['bar']}" if values["bar"] else ""
        print(f"{name:26} {values['least']:6.2f} s of CPU{bar}")
    print(keep("start", {"cpu_seconds": figures}))
