"""Probes that a training starts by itself (`sweep.trigger`)."""

import dataclasses
import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from common.children import die_with_parent, starting
from common.disk import explained
from common.errors import UserError
from common.layout import REPORT, checkpoint_name
from common.progress import say
from conf.schema import ClusterConfig, Config
from jobs.probes.records import FINISH, note_failures
from jobs.registry import JOBS
from model.evaluation.interface.store import failure_file, record_file
from model.training.checkpoints.checkpoints import PROBE, Checkpoint, list_checkpoints
from slurm import outbox
from slurm.commands import SlurmError, outside
from slurm.submission import Point

Sweep = Callable[[Config], object]
"""`jobs.sweep.run`, which the training hands over."""
AT_STOP, AT_END = 5.0, 60.0
"""Seconds that a training waits for SLURM when it was asked to stop, and when it has finished."""


def probing(config: Config, sweep: Sweep) -> "Probing":
    """Who starts the probes of a training; one rank asks."""
    if config.sweep.trigger == "manual":
        return Probing(config)
    return BySlurm(config) if config.cluster.kind == "slurm" else Afterwards(config, sweep)


class Probing:
    """sweep.trigger=manual: nothing by itself."""

    def __init__(self, config: Config):
        alone = {"runs": [], "report": None, "array_task": None, "step": None, "force": False, "retry_failed": False}
        self.config = dataclasses.replace(config, sweep=dataclasses.replace(config.sweep, run=config.run_dir, **alone))
        self.run = Path(config.run_dir)

    def start(self) -> None:
        """When the training begins or goes on."""

    def saved(self, checkpoint: Checkpoint) -> None:
        """After each probe checkpoint."""

    def end(self, finished: bool) -> None:
        """At last; ``finished``: the training has made its last step, now or in an earlier attempt."""

    def missing(self) -> list[int]:
        """Steps of the probe checkpoints that have neither a result nor failed."""
        return [
            step
            for step in self._steps()
            if not (record_file(self.run, step).is_file() or failure_file(self.run, step).is_file())
        ]

    def reported(self) -> bool:
        """Whether the report is newer than every result, and none is missing."""
        report = self.run / REPORT
        results = [file.stat().st_mtime for step in self._steps() if (file := record_file(self.run, step)).is_file()]
        return not self.missing() and report.is_file() and report.stat().st_mtime >= max(results, default=0)

    def _steps(self) -> list[int]:
        return [checkpoint.step for checkpoint in list_checkpoints(self.run) if checkpoint.kind == PROBE]


class Afterwards(Probing):
    """On this machine: jobs.sweep when the training has finished, in a process of its own."""

    def __init__(self, config: Config, sweep: Sweep):
        super().__init__(config)
        self.sweep = sweep

    def end(self, finished: bool) -> None:
        """Probe, choose and report, unless that has been done. What fails there is said, and does not hurt the
        training."""
        if not finished or not self._steps() or self.reported():
            return
        process = multiprocessing.get_context("spawn").Process(
            target=_run_alone, args=(self.sweep, self.config), daemon=True
        )
        with starting():
            process.start()
        process.join()
        if process.exitcode:
            say(f"warning: the probes failed; `python -m jobs.sweep sweep.run={self.run} ...` goes on with them")


class BySlurm(Probing):
    """Array tasks of their own, ordered in the run's outbox and queued from there by a thread, since sbatch may hang
    for a minute."""

    def __init__(self, config: Config):
        super().__init__(config)
        self.config = dataclasses.replace(self.config, cluster=probe_cluster(config))
        self.tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._work, name="probes", daemon=True)
        self.thread.start()

    def start(self) -> None:
        """Take up what an earlier attempt left: checkpoints that nobody was asked to probe, or whose array task is gone
        without a result."""
        if self.config.sweep.trigger == "on_save":
            self._order_missing()
            self.tasks.put(self._order_vanished)
            self.tasks.put(self._drain)

    def saved(self, checkpoint: Checkpoint) -> None:
        """Order a probe of a fresh checkpoint."""
        if self.config.sweep.trigger == "on_save":
            self._order(checkpoint.step)
            self.tasks.put(self._drain)

    def end(self, finished: bool) -> None:
        """Order, where the training has finished, what is still to be probed and the sweep that chooses and reports.
        The thread is given some time; what it does not come to stays in the outbox."""
        if finished and self._steps() and not self.reported():
            self._order_missing()
            outbox.put(
                self.run, FINISH, "sweep", Point(self.config, str(self.run), "best checkpoint and report"), last=True
            )
            self.tasks.put(self._order_vanished)
            self.tasks.put(self._drain)
        self.tasks.put(None)
        self.thread.join(AT_END if finished else AT_STOP)
        if self.thread.is_alive():
            say(f"SLURM does not answer; the probes that wait in {self.run / outbox.FOLDER} are queued later")

    def _order(self, step: int) -> None:
        config = dataclasses.replace(self.config, sweep=dataclasses.replace(self.config.sweep, step=step))
        outbox.put(
            self.run, checkpoint_name(step), "sweep", Point(config, JOBS["sweep"].home(config), f"probe of step {step}")
        )

    def _order_missing(self) -> None:
        for step in self.missing():
            if (
                not outbox.ordered(self.run, checkpoint_name(step))
                and outbox.record(self.run, checkpoint_name(step)) is None
            ):
                self._order(step)

    def _order_vanished(self) -> None:
        gone = outbox.vanished(self.run)
        for step in self.missing():
            if checkpoint_name(step) in gone and not outbox.ordered(self.run, checkpoint_name(step)):
                self._order(step)

    def _drain(self) -> None:
        note_failures(self.run)
        for line in outbox.drain(self.run):
            say(line)

    def _work(self) -> None:
        while task := self.tasks.get():
            try:
                task()
            except SlurmError as error:
                say(f"{error}; the probes wait in {self.run / outbox.FOLDER}, and are queued later")
            except Exception as error:  # whatever it is, the training goes on
                if known := explained(error):
                    say(f"warning: {known}")
                else:
                    traceback.print_exc()


def probe_cluster(config: Config) -> ClusterConfig:
    """What a probe asks for: one process, and `sweep.cluster` where that says something."""
    cluster, own = config.cluster, dataclasses.asdict(config.sweep.cluster)
    values = {"gpus_per_node": min(1, cluster.gpus_per_node)} | {
        key: value for key, value in own.items() if value is not None
    }
    return dataclasses.replace(cluster, nodes=1, tasks_per_node=1, preflight=False, wait=False, **values)


def _run_alone(sweep: Sweep, config: Config) -> None:
    """In a process of its own: jobs.sweep, as one rank."""
    die_with_parent()
    for name in os.environ.keys() - outside().keys() | {"RANK", "WORLD_SIZE"}:  # ranks of the training
        os.environ.pop(name, None)
    try:
        sweep(config)
    except Exception as error:
        if known := error if isinstance(error, UserError) else explained(error):
            sys.exit(f"error: {known}")
        raise
