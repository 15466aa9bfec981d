"""Causes: real texts of failures, provoked here where that is possible."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from common.tail import read_tail
from slurm.causes import CAUSES, cause

GLOO = """
import datetime, os, sys, time, torch, torch.distributed as dist
rank, port, ending = int(sys.argv[1]), sys.argv[2], sys.argv[3]
limit = datetime.timedelta(seconds=30 if ending == "dies" else 2)
if ending == "absent" and rank:
    sys.exit()
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2, timeout=limit)
dist.barrier()
if rank:
    if ending == "dies":
        os._exit(9)
    time.sleep(4)
    sys.exit()
dist.all_reduce(torch.ones(9))
"""
PROVOKED = {
    "ModuleNotFoundError": (
        "import megatron_of_another_site",
        "missing Python package (megatron_of_another_site): install",
    ),
    "ImportError": ("from common.tail import no_such_name", "import failed (cannot import name 'no_such_name'"),
    "MemoryError": ("bytearray(1 << 60)", "out of memory: raise cluster.mem"),
    "allocator": (
        "import torch; torch.empty(1 << 46)",
        "out of memory (you tried to allocate 281474976710656 bytes): raise",
    ),
    "vocabulary": (
        "import torch; torch.nn.Embedding(3, 2)(torch.tensor([5]))",
        "bad data: a token id lies outside the vocabulary",
    ),
    "full": ("open('/dev/full', 'wb', 0).write(b'x')", "disk full: make room"),
    "full, numpy": ("import numpy as np; np.zeros(9999).tofile('/dev/full')", "disk full: make room"),
    "full, torch": ("import torch; torch.save(torch.zeros(10**6), open('/dev/full', 'wb', 0))", "disk full: make room"),
    "files": (
        (
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)); [open('/dev/null') for _ in"
            " range(20)].sort()"
        ),
        "too many open files: put",
    ),
    "json": (
        'import json; json.loads(\'{"text": "half a\')',
        "bad data (Unterminated string starting at: line 1 column 10 (char 9)): not valid",
    ),
    "utf-8": ("b'k\\xfe'.decode()", "bad data ('utf-8' codec can't decode byte 0xfe in position 1"),
    "gzip": (
        "import gzip; gzip.decompress(b'no archive')",
        "bad data (BadGzipFile: Not a gzipped file (b'no')): a file is damaged",
    ),
    "parquet": (
        "import io, pyarrow.parquet as p; p.read_table(io.BytesIO(b'12345678901234'))",
        "bad data (ArrowInvalid: Could not open Parquet",
    ),
    "hub": (
        (
            "import os; os.environ['HF_HUB_OFFLINE'] = '1'; import huggingface_hub as h;"
            " h.hf_hub_download('nobody/nothing', 'config.json')"
        ),
        "something would have to be downloaded, and nodes see no internet: run jobs.fetch",
    ),
    "user": (
        (
            "import sys; print('error: there is no conf/data/tr.yaml; did you mean tr_legal?', file=sys.stderr);"
            " sys.exit(2)"
        ),
        "there is no conf/data/tr.yaml; did you mean tr_legal?",
    ),
    "unknown": (
        "def f(): raise LookupError('a thing nobody thought of\\nand its second line')\nf()",
        "LookupError: a thing nobody thought of; the traceback is in the log",
    ),
    "kill": (
        "import os; os.kill(os.getpid(), 9)",
        "killed (SIGKILL) without a word, mostly for lack of memory: raise cluster.mem",
    ),
    "segfault": (
        "import os; print('so far', flush=True); os.kill(os.getpid(), 11)",
        "ended by SIGSEGV; last line of the log: so far",
    ),
    "silent": ("import sys; sys.exit(3)", "ended with exit status 3, and the log is empty"),
}


@pytest.mark.parametrize("name", PROVOKED)
def test_provoked(name):
    program, expected = PROVOKED[name]
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    found = cause(done.stdout, done.returncode)
    assert found.startswith(expected) and "\n" not in found, done.stdout[-2000:]


@pytest.mark.parametrize(
    "ending, expected",
    [
        ("dies", "lost another rank (Connection "),
        ("hangs", "another rank hung: look at the logs of the others"),
        ("absent", "not all ranks came (1/2 clients joined): look for the first error"),
    ],
)
def test_ranks_under_gloo(tmp_path, ending, expected):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    ranks = []
    for rank in (0, 1):
        with (tmp_path / f"rank_{rank}.log").open("w") as log:
            ranks.append(
                subprocess.Popen(
                    [sys.executable, "-c", GLOO, str(rank), port, ending], stdout=log, stderr=subprocess.STDOUT
                )
            )
    codes = [rank.wait(60) for rank in ranks]
    log = read_tail(tmp_path / "rank_0.log")
    assert codes[0] == 1 and cause(log, codes[0]).startswith(expected), log
    assert cause(read_tail(tmp_path / "rank_1.log"), codes[1] or None)  # the one that died first has its own


TEXTS = [  # what a GPU machine, SLURM and NCCL say, shortened
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 22.78 GiB. GPU 0 has a total capacity of 31.47 GiB",  # noqa: E501
        1, "", "GPU out of memory (Tried to allocate 22.78 GiB): lower train.micro_batch",
    ),
    ("RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported", 1, "",
    "GPU out of memory: lower"),
    (
        "torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be asynchronously reported",  # noqa: E501
        1, "", "the GPU failed (uncorrectable ECC error encountered): if it happens on one node",
    ),
    ("slurmstepd: error: Detected 1 oom_kill event in StepId=440575.0.", 137, "", "out of memory, and killed by"),
    ("", 137, "OUT_OF_MEMORY", "out of memory, and killed by SLURM"),
    ("slurmstepd: error: *** STEP 12.0 ON n1 CANCELLED AT 2026-11-22T04:00:00 DUE TO TIME LIMIT ***", 143, "",
    "time limit: the"),
    ("step 12: loss 3.4", None, "TIMEOUT", "time limit: the same command continues"),
    ("RuntimeError: [pair.cc:537] Read error [10.0.0.3]:61143: Connection reset by peer.", 1, "NODE_FAIL",
    "the node failed: the same"),
    ("srun: error: Node failure on n3", 1, "", "the node failed (n3): the same command continues"),
    ("slurmstepd: error: *** JOB 4 ON n1 CANCELLED AT 2026-11-22T04:00:00 DUE TO PREEMPTION ***", 143, "",
    "preempted by another job"),
    ("", None, "CANCELLED by 1000", "cancelled: the same command"),
    (
        "[rank3]:[E321 02:07:08.465 ProcessGroupNCCL.cpp:607] [Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1580, "  # noqa: E501
        "OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600060 milliseconds before timing out.",
        134, "", "another rank hung: look at the logs",
    ),
    (
        "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, unhandled system error (run with NCCL_DEBUG=INFO)",  # noqa: E501
        1, "", "NCCL failed (unhandled system error): set NCCL_DEBUG=INFO",
    ),
    ("DistNetworkError: The client socket has timed out after 3000ms while trying to connect to (n1, 29814).", 1, "",
    "rank 0 could"),
    ("OSError: [Errno 122] Disk quota exceeded: '/home/u/runs/a'", 1, "", "disk quota exceeded (/home/u/runs/a): make"),
    ("python: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by x.so)", 1, "",
    "a library does not fit the node (GLIBC_2.34)"),
    ("", 143, "", "ended by SIGTERM before it could save"),
]  # fmt: skip


@pytest.mark.parametrize("log, code, state, expected", TEXTS, ids=[row[3][:30] for row in TEXTS])
def test_texts(log, code, state, expected):
    assert cause(log, code, state).startswith(expected)


def test_what_explains_stands_before_its_consequences():
    """A full disk in the first traceback of a chain, the lost connection in the last, torch's prefix before both."""
    chain = ["Traceback (most recent call last):", "OSError: [Errno 28] No space left on device: '/scratch/a'", "",
             "During handling of the above exception, another exception occurred:", "",
             "Traceback (most recent call last):",
             '  File "a.py", line 1, in <module>',
             "RuntimeError: [pair.cc:537] Read error: Connection reset by peer."]  # fmt: skip
    log = "\n".join(["step 1"] * 99 + [f"[rank0]: {line}" for line in chain] + ["cleaning up"] * 99)
    assert cause(log, 1).startswith("disk full (/scratch/a)")
    assert cause(
        "warning: loss or gradient is not finite at step 3; the update is skipped", None, "TIMEOUT"
    ).startswith("time limit")


def test_every_sentence_says_what_to_do():
    assert all(": " in sentence for sentence, *_ in CAUSES)


def test_tail(tmp_path):
    file = Path(tmp_path / "log")
    assert read_tail(file) == ""
    file.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert read_tail(file) == file.read_text()
    assert read_tail(file, 20) == "line 998\nline 999\n"


def test_a_signal_without_a_name_is_told_apart():
    assert cause("", 128 + 53).startswith("SLURM could not open the log of the batch script on the node (exit 0:53)")
    assert cause("", 53) == "ended with exit status 53, and the log is empty"
    assert cause("", 128 + 54) == "ended with exit status 182, and the log is empty"
