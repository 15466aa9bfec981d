"""The srun of an attempt: the ranks as one step, and what this process hears meanwhile, from srun and from SLURM."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from slurm.array_task import ArrayTask
from slurm.lead import Lead
from slurm.script import SIGNAL, rank_command
from slurm.submission import Submission

HEARD = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_FIRST_DEATH = re.compile(r"srun: error: \S+: tasks? (\d+)\S*: (.+)")
_heard: SimpleQueue[signal.Signals | str | None] = SimpleQueue()
"""Signals, srun's lines, and None for their end, in the order in which they came: one after another, so that no two
acts on the record of an array task meet."""


def outlive_signals() -> None:
    """From now on SLURM's signals, which are for the ranks, do not end this process; `run_ranks` hears of them."""
    for number in HEARD:
        signal.signal(number, _note)


def _note(number: int, frame: object) -> None:
    print(f"{signal.Signals(number).name}: waiting for the ranks", flush=True)
    _heard.put(signal.Signals(number))


def run_ranks(array_task: ArrayTask, terminated: Callable[[], None]) -> tuple[int, tuple[int, str] | None]:
    """Run the ranks to their end: exit status of the one that failed first, and which one that was and how it died, as
    srun told; 0 where none failed. srun itself ends with the highest status of all ranks, also of those that it has
    taken down.

    ``terminated`` is called at SIGTERM, after which SLURM leaves KillWait seconds. Ranks whose checkpoints take longer
    than SLURM's signal gives them are asked earlier."""
    submission = array_task.submission
    log = submission.log_file(array_task.index, array_task.job, array_task.number, "%t")
    environment = os.environ | rank_environment(submission) | {"TERZI_ATTEMPT": str(array_task.number)}
    command = rank_command(submission, "slurm.rank", [str(submission.folder), str(array_task.index)], log)
    print(
        f"attempt {array_task.number} of array task {array_task.index} on {os.environ.get('SLURM_JOB_NODELIST')}:"
        f" {shlex.join(command)}",
        flush=True,
    )
    death, lead = None, Lead(array_task)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as srun:
        threading.Thread(target=_listen, args=(srun,), daemon=True).start()
        while (heard := _next(lead.every)) is not None:
            if heard == "" and lead.is_due():
                srun.send_signal(signal.Signals[f"SIG{SIGNAL}"])  # it goes on to the ranks, as SLURM's own does
            elif heard is signal.SIGTERM:
                terminated()
            elif isinstance(heard, str) and death is None and (found := _FIRST_DEATH.match(heard)):
                death = int(found[1]), found[2]
    return _status(death[1], srun.returncode) if death else srun.returncode, death


def _listen(srun: subprocess.Popen) -> None:
    for line in srun.stderr:
        sys.stderr.write(line)
        _heard.put(line)
    _heard.put(None)


def _next(seconds: float) -> signal.Signals | str | None:
    """What is heard next; an empty line where that is nothing for so long."""
    try:
        return _heard.get(timeout=seconds)
    except Empty:
        return ""


def _status(told: str, otherwise: int) -> int:
    """Exit status behind srun's words: "Exited with exit code 2", "Killed"."""
    if code := re.search(r"exit code (\d+)", told):
        return int(code[1])
    return next(
        (128 + number for number in signal.valid_signals() if (signal.strsignal(number) or "?") in told), otherwise
    )


def rank_environment(submission: Submission) -> dict[str, str]:
    """Variables of the ranks beside those of the batch script."""
    cluster = submission.cluster
    found = {"SRUN_EXPORT_ENV": "ALL", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cluster.cpus_per_task))}
    if cluster.offline:
        found |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    if cluster.scratch:
        found["TMPDIR"] = os.path.expandvars(cluster.scratch)
    return found | cluster.environment
