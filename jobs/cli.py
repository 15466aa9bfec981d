"""The command line that every job shares: compose the configuration, check it, run, and speak plainly when it is wrong."""

import copy
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, get_origin

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from common.artefacts import localise
from common.errors import ToldElsewhere, UserError
from common.screen import plain
from conf.schema import Config
from conf.schema.check import check
from conf.schema.kinds import schema, stored
from jobs.arguments.explain import explain
from jobs.arguments.flags import MULTIRUN, WITH_VALUE, read_flags, versions
from jobs.arguments.groups import CONF, groups
from jobs.arguments.overrides import OPEN, SWEEPER, check_override, refuse_twice, values
from jobs.arguments.text import for_shell, quoted
from jobs.arguments.types import mend, type_at
from jobs.arguments.unreadable import refuse_unreadable, wholly
from jobs.arguments.values import refuse_unset, settle
from jobs.help import show
from jobs.launch.multirun import register
from model.open_model import close_default
from slurm.allocation import inside, take_up

KEEP_REFERENCES = ("doctor", "fetch", "status")
"""Jobs that see `hf://` references as they were written; all others, unless they only plan, see the local paths of what was mirrored."""
STORE = ConfigStore.instance()
STORE.store(name="schema", node=schema(Config))
for section, kind, node in stored(Config):
    STORE.store(group=f"kind/{section}", name=kind, node=node)
OPEN_SECTIONS = ("corpus.sources.", "phases.")
"""Those of them whose values are sections, which OmegaConf adds only whole."""
ALONE = ("doctor", "fetch", "status")
"""Jobs that look at everything at once, and take no multirun."""
SHORT = {"--watch": "status.watch=5"}
"""Flags that stand for an override."""
WHOLE = re.compile(r"""\d+_\d+|[^'"\[{(][^'"]*=[^'"]*|[^'"\[{(,][^'",({]*[\[\]][^'",({]*""")
"""Values that are one string, whatever Hydra would make of them."""
UNKNOWN = re.compile(r"[^\x00-\x7f]|[#&!~;<>^`]")
"""What Hydra's grammar knows within quotes alone."""


def compose(job: str, overrides: list[str]) -> DictConfig:
    """Compose ``conf/<job>.yaml`` with command-line overrides; a mistake becomes one UserError that names the key."""
    parsed = parse(overrides)
    for override in parsed:
        check_override(override)
    GlobalHydra.instance().clear()
    with explained(parsed), hydra.initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        return hydra.compose(job, [o.input_line for o in parsed])


@contextmanager
def explained(given: Sequence[Override] = ()) -> Iterator[None]:
    """What Hydra and OmegaConf refuse, as one UserError that names the key. ``given``: the overrides."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, given)) from error


def parse(overrides: Sequence[str]) -> list[Override]:
    """Command-line overrides as Hydra understands them. Raises UserError for one that is none."""
    refuse_unreadable("", overrides, overrides)
    return OverridesParser.create().parse_overrides(list(overrides))


def to_config(composed: DictConfig) -> Config:
    """The composed configuration as plain typed objects, interpolations resolved, values checked."""
    with explained():
        config = OmegaConf.to_object(composed)
    settle(config)
    check(config)
    return config if config.pipeline.steps else close_default(config)


def first_point(overrides: list[str]) -> list[str]:
    """The overrides of a multirun with each sweep narrowed to its first value, to check a grid before it starts."""
    parsed = parse(overrides)
    return [f"{'++' if o.is_force_add() else ''}{o.key_or_group}={values(o)[0]}" if o.is_sweep_override() else o.input_line for o in parsed]


def start(job: str, run: Callable[[Config], Any], config: Config) -> Any:
    """Run a job here, or queue it where cluster.kind=slurm asks for that and it is a job that can be queued."""
    from jobs.launch.catalogue import JOBS

    return start_all(job, [config]) if config.cluster.kind == "slurm" and job in JOBS and not config.plan else run(config)


def start_all(job: str, configs: Sequence[Config], labels: Sequence[str] = ()) -> Any:
    """Queue one job for several configurations."""
    from jobs.launch.catalogue import JOBS
    from jobs.launch.graph import launch_graph
    from jobs.launch.points import launch

    if job == "pipeline":
        return launch_graph(configs, labels)
    if job not in JOBS:
        raise UserError(f"jobs.{job} is not for multiruns with cluster=slurm; give it one configuration at a time")
    return launch(job, configs, labels)


def spelled_out(argument: str) -> str:
    """An argument as Hydra takes it: a short flag written out; what its grammar does not know unquoted quoted (`_quoted`); a new key below
    `OPEN` with the sign that adds it."""
    argument = SHORT.get(argument, argument)
    key, sign, value = argument.partition("=")
    argument = argument if argument.startswith("-") else wholly(f"{key}{sign}{_quoted(_at_home(value))}")
    if section := next((one for one in OPEN_SECTIONS if argument.startswith(one)), ""):
        names, _, value = argument.removeprefix(section).partition("=")
        for name in reversed(names.split(".")):
            value = f"{{{name}: {value}}}"
        return f"++{section[:-1]}={value}"
    named = sign and value.lstrip().startswith("{") and value.strip("{} ") and f"{key}." in OPEN
    return f"++{argument}" if argument.startswith(OPEN) or named else argument


def _at_home(value: str) -> str:
    """A path below ``~`` written out, as no shell does it behind ``=``."""
    return os.path.expanduser(value) if re.match(r"~[\w.-]*/", value) and "," not in value else value


def _quoted(value: str) -> str:
    """A value with quotes where Hydra's grammar needs them and nobody wrote any: around 12_3 (an element of job 12, and not the number
    123), around paths such as runs/mine/seed=1 and a[1]/b, and around each word with letters beyond ASCII, also within a list."""
    if WHOLE.fullmatch(value):
        return quoted(value)
    if "'" in value or '"' in value:
        return value
    words = r"(?:\$\{[^}]*\}|[^\[\]{}(),:])+" if re.search(r"(?<!\$)\{", value) else r"(?:\$\{[^}]*\}|[^\[\]{}(),])+"
    return re.sub(words, lambda word: re.sub(r"\S(?:.*\S)?", r'"\g<0>"', word[0]) if UNKNOWN.search(word[0]) else word[0], value)


def refuse_grid(configs: Sequence[Config], sweeper: str) -> None:
    """Raise UserError for points that cannot be queued together, and for a sweeper that wants results where there are none yet."""
    if any(config.cluster.kind == "local" for config in configs):
        raise UserError("some points of this multirun have cluster=local and others cluster=slurm; start them by two commands")
    if not sweeper.endswith(".BasicSweeper") and not all(config.cluster.wait for config in configs):
        raise UserError(f"the sweeper {sweeper} needs results, and a queued job has none yet; set cluster.wait=true")


def main(job: str, run: Callable[[Config], Any], sections: tuple[str, ...]) -> None:
    """Entry point of ``python -m jobs.<job>``; ``sections`` are the parts of the schema that it reads.

    Exit status: 0 done, 2 bad input, 130 interrupted."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # forked readers after a threaded encode would warn and stall
    # OpenMP threads spin for milliseconds while they wait, and starve each other where another program wants a core; microseconds are as
    # fast on a quiet machine (0.248 s a quickstart step against 0.249 s; without any spinning 0.299 s).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    register()
    if "--version" in sys.argv[1:]:
        print(versions())
        return
    arguments = sys.argv[1:] = _guard(lambda: read(job, sys.argv[1:]))
    if "--help" in arguments or "-h" in arguments:
        show(job, sys.modules["__main__"].__doc__ or "", sections, CONF)
        return
    take_up(job, arguments)
    overrides = overrides_of(arguments)
    multirun = any(one in arguments for one in MULTIRUN)
    swept: list[str] = []

    def label(point: Sequence[str]) -> str:
        return ",".join(o for o in point if o.partition("=")[0] in swept)

    def typed(composed: DictConfig, point: Sequence[str]) -> Config:
        if swept and OmegaConf.to_container(composed)["run"] == "seed_${seed}":
            composed.run = label(point).replace("/", "_")
        config = to_config(composed)
        return config if job in KEEP_REFERENCES or config.plan else localise(config)

    def task(composed: DictConfig) -> Any:
        return _guard(lambda: start(job, run, typed(composed, HydraConfig.get().overrides.task)))

    def queue(composed: Sequence[DictConfig], points: Sequence[Sequence[str]], sweeper: str) -> Any:
        pairs = list(zip(composed, points, strict=True))

        def all_at_once() -> Any:
            configs = [typed(*pair) for pair in pairs]
            refuse_grid(configs, sweeper)
            return start_all(job, configs, [label(point) for point in points])

        return _guard(all_at_once)

    def composed(action: Callable[[], DictConfig]) -> DictConfig:
        def plainly() -> DictConfig:
            with explained():
                return action()

        return _guard(plainly)

    task.queue, task.composed = queue, composed

    def checked() -> None:
        given = parse(overrides)
        refuse_twice(given)
        swept.extend(o.key_or_group for o in given if o.is_sweep_override())
        if swept and not multirun:
            raise UserError(_several(next(o for o in given if o.is_sweep_override())))
        if multirun:
            refuse_multirun(job, given, swept)
        first = compose(job, first_point(overrides) if multirun else overrides)
        config = to_config(copy.deepcopy(first))
        if multirun:
            check_points(job, first, overrides, given)
        refuse_unset(job, config)
        GlobalHydra.instance().clear()

    _guard(checked)
    with _aside(multirun and not inside() and not any(o.lstrip("+").startswith(SWEEPER) for o in overrides)) as folder:
        if folder:
            sys.argv.append(f"hydra.sweep.dir={quoted(folder)}")
        hydra.main(config_path=str(CONF), config_name=job, version_base="1.3")(task)()


def read(job: str, given: Sequence[str]) -> list[str]:
    """The arguments as Hydra takes them, its flag for multiruns before all others. Raises UserError for what is none."""
    given = read_flags(job, given)
    arguments = [spelled_out(one) for one in given]
    if not any(one in arguments for one in ("--help", "-h")):
        typed = overrides_of(given)
        refuse_unreadable(job, [spelled_out(one) for one in typed], typed)
    return sorted(arguments, key=lambda one: one not in MULTIRUN)


def overrides_of(arguments: Sequence[str]) -> list[str]:
    """The arguments without the flags and what follows them."""
    return [a for before, a in zip(["", *arguments], arguments, strict=False) if not a.startswith("-") and before not in WITH_VALUE]


def _aside(wanted: bool) -> Any:
    """A folder for what Hydra writes of a multirun and nobody reads; a sweeper of the user's own keeps its results below runs_dir."""
    return tempfile.TemporaryDirectory(prefix="multirun-") if wanted else nullcontext()


def _several(override: Override) -> str:
    """Several values, and no multirun: a list without brackets, a comma in a text, or -m was forgotten."""
    key, found = override.key_or_group, [one.strip("\"'") for one in values(override)]
    kind = None if key in groups() else type_at(key)
    text = override.input_line.partition("=")[2]
    if get_origin(kind) is list:
        return f"{key} takes a list; write {mend(key, found)}"
    whole = f", or quote what is one value: {for_shell(f'{key}={quoted(text)}')}" if kind is str else ""
    if kind in (int, float) and re.fullmatch(r"[\d,.]+", text):
        number = text.replace(",", "") if kind is int else text.replace(",", ".", 1)
        whole = f", or write one number without commas: {key}={number}"
    return f"{key} has several values; add -m to run one job for each{whole}"


def refuse_multirun(job: str, given: Sequence[Override], swept: Sequence[str]) -> None:
    """Raise UserError for a multirun of a job that takes none, or of nothing."""
    if job in ALONE:
        raise UserError(f"jobs.{job} looks at everything at once and takes no multirun; leave -m and several values out")
    if not swept and not any(o.key_or_group.startswith(SWEEPER) for o in given):
        raise UserError(
            "-m runs a job for each of several values, and no key has several; give one some, such as seed=1,2, or leave -m out"
        )


def check_points(job: str, composed: DictConfig, overrides: Sequence[str], given: Sequence[Override]) -> None:
    """Raise UserError for the first value of a grid that is none for its key, whichever point it would be met in. ``composed``: the first
    point, so that only choices of a group, which change other keys too, are composed again."""
    for number, override in enumerate(given):
        key, sign = override.key_or_group, "++" if override.is_force_add() else ""
        for value in values(override)[1:] if override.is_sweep_override() else ():
            one = f"{sign}{key}={value}"
            if sign or key in groups():
                to_config(compose(job, first_point([*overrides[:number], one, *overrides[number + 1 :]])))
                continue
            point, alone = copy.deepcopy(composed), parse([one])
            with explained(alone):
                OmegaConf.update(point, key, alone[0].value())
            to_config(point)


def _guard(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except ToldElsewhere:
        sys.exit(2)
    except UserError as error:
        print(plain(f"error: {error}"), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        sys.exit(130)
