"""Ctrl-C, as a terminal sends it: to every process of the job at once. It ends with 130 and one line, and the same
command continues."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from common.fence import EXIT_SUPERSEDED, Fence
from common.files import digest
from jobs import prepare, tokenizer
from jobs.launch.compose import compose, to_config

ROOT = Path(__file__).resolve().parents[2]
LINE = "interrupted; the same command continues"
IMPORTED = "import time:"


class Started:
    """A job in a session of its own. ``told``: lines of standard error so far, those on imports left out."""

    def __init__(self, command: list[str], **variables: str):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", **variables}
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, text=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        self.told: list[str] = []

    def until(self, text: str, times: int = 1) -> None:
        """Read on until ``text`` was at the end of a line for that many ``times``."""
        for line in self.process.stderr:
            if not line.startswith(IMPORTED):
                self.told.append(line.rstrip())
            times -= line.rstrip().endswith(text)
            if not times:
                return
        raise AssertionError(f"never said {text}: {self.told}")

    def press(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Its exit status; by then all of its session have ended."""
        self.told += [
            line.rstrip()
            for line in self.process.communicate(timeout=120)[1].splitlines()
            if not line.startswith(IMPORTED)
        ]
        for _ in range(200):
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return self.process.returncode
            time.sleep(0.05)
        raise AssertionError("processes of the job live on")


def job(name: str, *overrides: str, **variables: str) -> Started:
    return Started(["-m", f"jobs.{name}", *overrides], **variables)


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> list[str]:
    """Overrides for four shards of text, with a tokenizer for it."""
    folder = tmp_path_factory.mktemp("interrupted")
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnoprstuvyz"), size=rng.integers(2, 9))) for _ in range(600)]
    with (folder / "text.jsonl").open("w") as file:
        for _ in range(1500):
            file.write(json.dumps({"text": " ".join(rng.choice(words, size=60))}) + "\n")
    overrides = [
        f"data.inputs=['{folder}/text.jsonl']",
        f"data.tokenizer={folder}/tokenizer",
        "prepare.shard_bytes=150000",
    ]
    tokenizer.run(to_config(compose("tokenizer", [*overrides, "tokenizer.vocab_size=400"])))
    prepare.run(to_config(compose("prepare", [*overrides, f"data.tokens={folder}/tokens"])))
    return [*overrides, f"data.tokens={folder}/tokens"]


def tokens_of(folder: str | Path) -> list[str]:
    return [digest(Path(folder, name)) for name in ("tokens.bin", "tokens.idx")]


@pytest.mark.parametrize("module", ["jobs", "numpy", "omegaconf", "jobs.cli"])
def test_while_modules_are_imported(module):
    started = job("prepare", PYTHONPROFILEIMPORTTIME="1")
    started.until(f" {module}")
    started.press()
    assert (started.end(), started.told) == (130, [LINE])


@pytest.mark.parametrize(
    ("module", "times", "workers"), [("awkward._connect", 1, 1), ("awkward.operations", 1, 1), ("omegaconf", 2, 2)]
)
def test_while_a_library_imports_its_own_or_array_tasks_start(texts, tmp_path, module, times, workers):
    """gigatoken passes over whatever befalls its import of awkward; the second process to import omegaconf is an
    array task."""
    arguments = [*texts[:-1], f"data.tokens={tmp_path}/tokens", f"cluster.workers={workers}", "prepare.array_size=4"]
    started = job("prepare", *arguments, PYTHONPROFILEIMPORTTIME="1")
    started.until(f" {module}", times)
    started.press()
    assert started.end() == 130
    assert [line for line in started.told if not line.startswith("tokenise: ")] == [LINE]
    assert not (tmp_path / "tokens" / "tokens.bin").exists()


@pytest.mark.long
def test_again_and_again_at_any_moment_the_job_ends_with_the_same_bytes(texts, tmp_path):
    arguments = [*texts[:-1], f"data.tokens={tmp_path}/tokens", "cluster.workers=1"]
    seed = random.randrange(1000)
    moments = random.Random(seed)
    for _ in range(4):
        started = job("prepare", *arguments, PYTHONPROFILEIMPORTTIME="1")
        started.until(" jobs.cli")
        time.sleep(moments.uniform(0, 1))
        started.press()
        assert (started.end(), started.told[-1]) == (
            130,
            LINE,
        ) or started.process.returncode == 0, f"seed {seed}: {started.told}"
        assert "Traceback" not in "".join(started.told) and "warning" not in "".join(started.told), (
            f"seed {seed}: {started.told}"
        )
    assert job("prepare", *arguments).end() == 0
    assert tokens_of(tmp_path / "tokens") == tokens_of(texts[-1].partition("=")[2])
    assert not list(tmp_path.rglob(".aside-*"))


LIBRARY = """
    import atexit, hashlib, os, sys, time
    from common import interrupt

    interrupt.watch()
    interrupt.PATIENCE = 0.5
    from jobs import cli

    def say(text):
        print(text, file=sys.stderr, flush=True)

    def swallow(seconds):
        end = time.monotonic() + seconds
        say("begun")
        while time.monotonic() < end:
            try:
                time.sleep(0.01)
            except BaseException:
                pass

    def convert():
        say("begun")
        try:
            time.sleep(60)
        except BaseException as error:
            raise RuntimeError("the library failed") from error

    def native():
        say("begun")
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)  # minutes, in C

    def at_exit():
        atexit.register(swallow, 60)

    cli.main("status", lambda config: eval(os.environ["DOES"]), ())
"""


@pytest.fixture
def library(tmp_path):
    """A job that does what a library of others may do with Ctrl-C."""
    (tmp_path / "library.py").write_text(textwrap.dedent(LIBRARY))
    return lambda does: Started([str(tmp_path / "library.py")], DOES=does)


@pytest.mark.parametrize("does", ["swallow(0.4)", "swallow(60)", "convert()", "native()", "at_exit()"])
def test_whatever_a_library_makes_of_it(library, does):
    started = library(does)
    started.until("begun")
    started.press()
    status = started.end()
    told = [line for line in started.told if not line.startswith("next: ")]  # which a job says that was done by then
    assert (status, told) == (130, ["begun", LINE])


def test_a_second_one_ends_the_job_at_once(library):
    started = library("setattr(interrupt, 'PATIENCE', 3600) or native()")
    started.until("begun")
    started.press()
    time.sleep(0.5)
    assert started.process.poll() is None
    started.press()
    status = started.end()
    told = [line for line in started.told if not line.startswith("next: ")]  # which a job says that was done by then
    assert (status, told) == (130, ["begun", LINE])


@pytest.mark.long
def test_a_training_saves_first_and_one_that_is_superseded_ends_with_76(trainable, tmp_path):
    run = tmp_path / "t" / "seed_0"
    course = [
        "train.steps=3000",
        "train.seq_length=64",
        "train.global_batch=2",
        "train.micro_batch=2",
        "train.validation_fraction=0.05",
    ]
    checkpoints = [
        "train.checkpoint.probe_at_start=false",
        "train.checkpoint.probe_share=0",
        "train.checkpoint.resume_every_minutes=0",
    ]
    command = [*trainable[1:], f"runs_dir={tmp_path}", "name=t", *course, *checkpoints, "parallel.threads=1"]

    def step() -> int:
        return len((run / "metrics.jsonl").read_text().splitlines()) if (run / "metrics.jsonl").exists() else 0

    def at_step(number: int) -> Started:
        started = job("train", *command)
        while started.process.poll() is None and step() < number:
            time.sleep(0.02)
        return started

    started = at_step(5)
    started.press()
    assert started.end() == 130 and "Traceback" not in "".join(started.told)
    saved = json.loads((run / "manifest.json").read_text())
    assert (
        saved["status"] == "interrupted"
        and saved["step"] == step()
        and (run / "checkpoints" / "last" / "manifest.json").is_file()
    )
    assert started.told[-1] == f"stopped after step {saved['step']} of 3000, saved; the same command continues"

    started = at_step(saved["step"] + 5)
    Fence(run).claim(3)
    assert started.end() == EXIT_SUPERSEDED
    assert started.told[-1].startswith("attempt 3 (process ") and started.told[-1].endswith(
        "this process leaves it alone and ends"
    )
