"""The command line that every job shares: compose the configuration, check it, run, and speak plainly when it is
wrong."""

import copy
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from common import collection, interrupt
from common.artefacts import localise
from common.errors import UserError
from common.files import nothing_left
from conf.schema import Config
from jobs.arguments.flags import MULTIRUN, WITH_VALUE, read_flags, versions
from jobs.arguments.groups import CONF
from jobs.arguments.overrides import SWEEPER, refuse_twice
from jobs.arguments.text import quoted
from jobs.arguments.unreadable import refuse_unreadable
from jobs.help import prefixes, show
from jobs.launch.compose import compose, explained, parse, spelled_out, to_config
from jobs.launch.emptied import empty_sections
from jobs.launch.exit_status import guard
from jobs.launch.following import tell_following
from jobs.launch.grid import check_points, first_point, refuse_grid, refuse_multirun, several
from jobs.launch.multirun import register
from jobs.launch.naming import label_of, name_point, refuse_equal_names
from jobs.registry import JOBS
from slurm.allocation import inside, take_up


def start(job: str, run: Callable[[Config], Any], config: Config) -> Any:
    """Run a job here, or queue it where cluster.kind=slurm asks for that and it is a job that can be queued."""
    if config.cluster.kind == "slurm" and JOBS[job].is_queueable and not config.plan:
        return start_all(job, [config])
    return run_here(job, run, config)


def run_here(job: str, run: Callable[[Config], Any], config: Config) -> Any:
    """Run a job in this process. One that is refused leaves no folder for its result."""
    from jobs.validate.order import validate_start

    validate_start(job, config)
    home = JOBS[job].home
    with nothing_left(home(config)) if home else nullcontext():
        return run(config)


def start_all(job: str, configs: Sequence[Config], labels: Sequence[str] = ()) -> Any:
    """Queue one job for several configurations."""
    from jobs.launch.graph import launch_graph
    from jobs.launch.points import launch

    if JOBS[job].is_chain:
        return launch_graph(configs, labels)
    if not JOBS[job].is_queueable:
        raise UserError(f"jobs.{job} is not for multiruns with cluster=slurm; give it one configuration at a time")
    return launch(job, configs, labels)


def main(job: str, run: Callable[[Config], Any]) -> None:
    """Entry point of ``python -m jobs.<job>``.

    Exit status: 0 done, 2 bad input or a disk that does not do, 75 stopped by a signal with everything saved, 76
    superseded, 130 interrupted."""
    try:
        interrupt.begin()  # within: from its middle on Ctrl-C may be raised
        _main(job, run)
        interrupt.heed()  # what passed over it
    except BaseException as error:
        if interrupt.asked() or isinstance(error, KeyboardInterrupt):
            interrupt.leave(told=isinstance(error, SystemExit))  # a training that has saved says so itself
        raise
    finally:
        interrupt.end()
        collection.end()


def _main(job: str, run: Callable[[Config], Any]) -> None:
    os.environ.setdefault(
        "TOKENIZERS_PARALLELISM", "false"
    )  # forked readers after a threaded encode would warn and stall
    # OpenMP threads spin for milliseconds while they wait, and starve each other where another program wants a core;
    # microseconds are as fast on a quiet machine (0.248 s a quickstart step against 0.249 s; without any spinning 0.299
    # s).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    register()
    given = sys.argv[1:]
    if "--version" in given:
        print(versions())
        return
    if (wanted := prefixes(given)) is not None:
        guard(lambda: show(job, sys.modules["__main__"].__doc__ or "", JOBS[job].sections, CONF, wanted))
        return
    arguments = sys.argv[1:] = guard(lambda: read(job, given))
    take_up(job, arguments)
    command = _Command(job, run, arguments)
    guard(command.check)
    with _aside(
        command.multirun and not inside() and not any(o.lstrip("+").startswith(SWEEPER) for o in command.overrides)
    ) as folder:
        if folder:
            sys.argv.append(f"hydra.sweep.dir={quoted(folder)}")
        hydra.main(config_path=str(CONF), config_name=job, version_base="1.3")(command.task())()
    guard(lambda: tell_following(job, given, command.done))


class _Command:
    """A job, and the arguments that it was given."""

    def __init__(self, job: str, run: Callable[[Config], Any], arguments: Sequence[str]):
        self.job, self.run = job, run
        self.overrides = overrides_of(arguments)
        self.multirun = any(one in arguments for one in MULTIRUN)
        self.swept: list[str] = []
        self.done: list[Config] = []
        """Configurations whose work is done, or queued."""

    def check(self) -> None:
        """Raise UserError for what could be no configuration, whichever point of a grid it would be met in."""
        from jobs.launch.steps import parts  # what `--help` does not need
        from jobs.validate.files import check_environment

        given = parse(self.overrides)
        refuse_twice(given)
        self.swept.extend(o.key_or_group for o in given if o.is_sweep_override())
        if self.swept and not self.multirun:
            raise UserError(several(next(o for o in given if o.is_sweep_override())))
        if self.multirun:
            refuse_multirun(self.job, given, self.swept)
        first = compose(self.job, first_point(self.overrides) if self.multirun else self.overrides)
        config = to_config(copy.deepcopy(first))
        if self.multirun:
            check_points(self.job, first, self.overrides, given)
        check_environment([(JOBS[name], own) for name, own in parts(self.job, config)])
        GlobalHydra.instance().clear()

    def task(self) -> Callable[[DictConfig], Any]:
        """What Hydra calls with a composed configuration; `TerziLauncher` calls its attributes."""

        def task(composed: DictConfig) -> Any:
            return guard(lambda: self._start(composed))

        task.queue = lambda *points: guard(lambda: self._queue(*points))
        task.check = lambda *points: guard(lambda: self._typed(*points))
        task.read = lambda compose_point: guard(lambda: _read(compose_point))
        return task

    def _start(self, composed: DictConfig) -> Any:
        config = self._point(composed, HydraConfig.get().overrides.task)
        value = start(self.job, self.run, config)
        self.done.append(config)
        return value

    def _queue(self, composed: Sequence[DictConfig], points: Sequence[Sequence[str]], sweeper: str) -> Any:
        configs = self._typed(composed, points)
        refuse_grid(configs, sweeper)
        value = start_all(self.job, configs, [label_of(point, self.swept) for point in points])
        self.done.extend(configs)
        return value

    def _typed(self, composed: Sequence[DictConfig], points: Sequence[Sequence[str]]) -> list[Config]:
        configs = [self._point(*pair) for pair in zip(composed, points, strict=True)]
        refuse_equal_names(configs)
        return configs

    def _point(self, composed: DictConfig, point: Sequence[str]) -> Config:
        with explained():
            empty_sections(composed, parse(list(point)))
            if self.swept:
                name_point(composed, label_of(point, self.swept))
        config = to_config(composed)
        from jobs.validate import configuration

        job = JOBS[self.job]
        configuration.check(job, config)  # before files, which the next line asks for
        return config if job.references or config.plan else localise(config)


def _read(compose_point: Callable[[], DictConfig]) -> DictConfig:
    """A point of a multirun as Hydra composes it."""
    with explained():
        return compose_point()


def read(job: str, given: Sequence[str]) -> list[str]:
    """The arguments as Hydra takes them, its flag for multiruns before all others. Raises UserError for what is
    none."""
    given = read_flags(job, given)
    arguments = [spelled_out(one) for one in given]
    if not any(one in arguments for one in ("--help", "-h")):
        typed = overrides_of(given)
        refuse_unreadable(job, [spelled_out(one) for one in typed], typed)
    return sorted(arguments, key=lambda one: one not in MULTIRUN)


def overrides_of(arguments: Sequence[str]) -> list[str]:
    """The arguments without the flags and what follows them."""
    return [
        a
        for before, a in zip(["", *arguments], arguments, strict=False)
        if not a.startswith("-") and before not in WITH_VALUE
    ]


def _aside(wanted: bool) -> Any:
    """A folder for what Hydra writes of a multirun and nobody reads; a sweeper of the user's own keeps its results
    below runs_dir."""
    return tempfile.TemporaryDirectory(prefix="multirun-") if wanted else nullcontext()
