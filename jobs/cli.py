"""The command line that every job shares: compose the configuration, check it, run, and speak plainly when it is wrong."""

import dataclasses
import difflib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from common import interrupt
from common.artefacts import localise
from common.errors import UserError, suggestion
from common.files import nothing_left
from conf.schema import Config
from conf.schema.check import check, keys
from conf.schema.kinds import schema, stored
from conf.schema.ranges import limits_at, no_number
from jobs.exit_status import guard
from jobs.help import prefixes, show
from jobs.launch.emptied import empty_sections
from jobs.launch.following import tell_following
from jobs.launch.multirun import register
from jobs.launch.naming import label_of, name_point, refuse_equal_names
from model.open_model import close_default
from slurm.allocation import take_up

CONF = Path(__file__).resolve().parent.parent / "conf"
KEEP_REFERENCES = ("doctor", "fetch", "status")
"""Jobs that see `hf://` references as they were written; all others, unless they only plan, see the local paths of what was mirrored."""
STORE = ConfigStore.instance()
STORE.store(name="schema", node=schema(Config))
for section, kind, node in stored(Config):
    STORE.store(group=f"kind/{section}", name=kind, node=node)
OPEN = (
    "cluster.environment.",
    "cluster.sbatch.",
    "corpus.sources.",
    "corpus.languages.",
    "data.heldout.",
    "evaluation.domain.",
    "evaluation.general.",
    "mixture.sources.",
    "phases.",
    "mixture.topic_caps.",
)
"""Keys below these are for the user to name."""
OPEN_SECTIONS = ("corpus.sources.", "phases.")
"""Those of them whose values are sections, which OmegaConf adds only whole."""
WITH_VALUE = ("--cfg", "-c", "--package", "-p")
"""Flags of Hydra that take the argument after them."""
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
    with explained(), hydra.initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        composed = hydra.compose(job, [o.input_line for o in parsed])
        empty_sections(composed, parsed)
        return composed


@contextmanager
def explained() -> Iterator[None]:
    """What Hydra and OmegaConf refuse, as one UserError that names the key."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_explain(error)) from error
    except OverflowError as error:  # a float of hundreds of digits; OmegaConf tells its key in the text alone
        key = str(error).partition("full_key: ")[2].partition("\n")[0]
        raise UserError(f"{key} has more digits than a number may have; give {limits_at(Config, key) or 'fewer'}") from error


def parse(overrides: list[str]) -> list[Override]:
    """Command-line overrides as Hydra understands them. Raises UserError for one that is none."""
    try:
        return OverridesParser.create().parse_overrides(overrides)
    except ValueError as error:  # whole numbers of thousands of digits
        raise UserError(f"cannot read the argument: {_first_line(error).partition(';')[0]}; give a shorter one") from error
    except HydraException as error:
        raise UserError(
            f"cannot read the argument: {_first_line(error)}; write key=value with a key of ASCII letters, and quote a value "
            "with = or , in it"
        ) from error


def to_config(composed: DictConfig) -> Config:
    """The composed configuration as plain typed objects, interpolations resolved, values checked."""
    with explained():
        config = OmegaConf.to_object(composed)
    check(config)
    return config if config.pipeline.steps else close_default(config)


def check_override(override: Override) -> None:
    """Raise UserError with a suggestion when an override names no key of the schema and no group of ``conf/``."""
    key = override.key_or_group
    if key.split(".")[0].split("/")[0] == "hydra":
        return
    folder = CONF / key
    if folder.is_dir() and key != "schema":
        options = [
            str(path.relative_to(folder).with_suffix("")) for path in sorted(folder.rglob("*.yaml")) if path.parent.name != "language"
        ]
        for value in _values(override):
            if value not in (*options, "null", "None"):
                raise UserError(
                    f"{key}={value}: there is no conf/{key}/{value}.yaml{suggestion(value, options)}; there are: {', '.join(options)}"
                )
        return
    known = list(keys(Config))
    if key.startswith(OPEN):
        return
    if key not in known:
        raise UserError(f"unknown key '{key}'{_nearest(key, known)}; `--cfg job` prints every key with its value")


def _nearest(key: str, known: list[str]) -> str:
    """A suggestion by the whole dotted key, else by its last part."""
    found = suggestion(key, known)
    if found:
        return found
    last = key.rpartition(".")[2]
    near = difflib.get_close_matches(last, {k.rpartition(".")[2] for k in known}, n=1, cutoff=0.7)
    return f"; did you mean '{next(k for k in known if k.rpartition('.')[2] == near[0])}'?" if near else ""


def _values(override: Override) -> list[str]:
    return [str(value) for value in override.sweep_string_iterator()] if override.is_sweep_override() else [str(override.value())]


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _explain(error: BaseException) -> str:
    """Hydra's and OmegaConf's several lines, as one sentence with the key and a suggestion."""
    root = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    key = getattr(root, "full_key", None)
    text = _first_line(root)
    if mistaken := no_number(Config, root):
        return str(mistaken)
    if key and "not in '" in text:
        owner = root.object_type if dataclasses.is_dataclass(root.object_type) else None
        hint = suggestion(key.rpartition(".")[2], [field.name for field in dataclasses.fields(owner)]) if owner else ""
        return f"unknown key '{key}'{hint or ' in a YAML file under conf/' + _nearest(key, list(keys(Config)))}"
    if key and "not in struct" in text:
        return f"{key} is new; add it outright ({key}=... or {key}.<key>=...), or in a YAML under conf/experiment"
    return f"{key}: {text}" if key and key not in text else text


def first_point(overrides: list[str]) -> list[str]:
    """The overrides of a multirun with each sweep narrowed to its first value, to check a grid before it starts."""
    parsed = parse(overrides)
    return [
        f"{'++' if o.is_force_add() else ''}{o.key_or_group}={_values(o)[0]}" if o.is_sweep_override() else o.input_line for o in parsed
    ]


def start(job: str, run: Callable[[Config], Any], config: Config) -> Any:
    """Run a job here, or queue it where cluster.kind=slurm asks for that and it is a job that can be queued."""
    from jobs.launch.catalogue import JOBS

    if config.cluster.kind == "slurm" and job in JOBS and not config.plan:
        return start_all(job, [config])
    return run_here(job, run, config)


def run_here(job: str, run: Callable[[Config], Any], config: Config) -> Any:
    """Run a job in this process. One that is refused leaves no folder for its result."""
    from jobs.launch.catalogue import JOBS

    if job not in JOBS:
        return run(config)
    with nothing_left(JOBS[job].home(config)):
        return run(config)


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
    argument = argument if argument.startswith("-") else f"{key}{sign}{_quoted(value)}"
    if section := next((one for one in OPEN_SECTIONS if argument.startswith(one)), ""):
        names, _, value = argument.removeprefix(section).partition("=")
        for name in reversed(names.split(".")):
            value = f"{{{name}: {value}}}"
        return f"++{section[:-1]}={value}"
    return f"++{argument}" if argument.startswith(OPEN) or f"{key}." in OPEN else argument


def _quoted(value: str) -> str:
    """A value with quotes where Hydra's grammar needs them and nobody wrote any: around 12_3 (an element of job 12, and not the number
    123), around paths such as runs/mine/seed=1 and a[1]/b, and around each word with letters beyond ASCII, also within a list."""
    if WHOLE.fullmatch(value):
        return f'"{value}"'
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

    Exit status: 0 done, 2 bad input or a disk that does not do, 75 stopped by a signal with
    everything saved, 76 superseded, 130 interrupted."""
    interrupt.begin()
    try:
        _main(job, run, sections)
        interrupt.heed()  # what passed over it
    except BaseException as error:
        if interrupt.asked() or isinstance(error, KeyboardInterrupt):
            interrupt.leave(told=isinstance(error, SystemExit))  # a training that has saved says so itself
        raise
    finally:
        interrupt.end()


def _main(job: str, run: Callable[[Config], Any], sections: tuple[str, ...]) -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # forked readers after a threaded encode would warn and stall
    # OpenMP threads spin for milliseconds while they wait, and starve each other where another program wants a core; microseconds are as
    # fast on a quiet machine (0.248 s a quickstart step against 0.249 s; without any spinning 0.299 s).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    register()
    if (wanted := prefixes(sys.argv[1:])) is not None:
        guard(lambda: show(job, sys.modules["__main__"].__doc__ or "", sections, CONF, wanted))
        return
    typed_in, done = sys.argv[1:], []  # done: the configurations whose work has been done
    given = [spelled_out(argument) for argument in typed_in]
    arguments = sys.argv[1:] = sorted(given, key=lambda one: one not in ("-m", "--multirun"))  # Hydra wants the flag before all overrides
    take_up(job, arguments)
    overrides = [a for before, a in zip(["", *arguments], arguments, strict=False) if not a.startswith("-") and before not in WITH_VALUE]
    multirun = "-m" in arguments or "--multirun" in arguments
    swept: list[str] = []

    def typed(composed: DictConfig, point: Sequence[str]) -> Config:
        with explained():
            empty_sections(composed, parse(list(point)))
            if swept:
                name_point(composed, label_of(point, swept))
        config = to_config(composed)
        return config if job in KEEP_REFERENCES or config.plan else localise(config)

    def all_typed(composed: Sequence[DictConfig], points: Sequence[Sequence[str]]) -> list[Config]:
        configs = [typed(*pair) for pair in zip(composed, points, strict=True)]
        refuse_equal_names(configs)
        return configs

    def task(composed: DictConfig) -> Any:
        def here() -> Any:
            config = typed(composed, HydraConfig.get().overrides.task)
            value = start(job, run, config)
            done.append(config)
            return value

        return guard(here)

    def queue(composed: Sequence[DictConfig], points: Sequence[Sequence[str]], sweeper: str) -> Any:
        def all_at_once() -> Any:
            configs = all_typed(composed, points)
            refuse_grid(configs, sweeper)
            value = start_all(job, configs, [label_of(point, swept) for point in points])
            done.extend(configs)
            return value

        return guard(all_at_once)

    task.queue, task.check, task.read = queue, lambda *points: guard(lambda: all_typed(*points)), _read

    def checked() -> None:
        point = first_point(overrides) if multirun else overrides
        swept.extend(o.key_or_group for o in parse(overrides) if o.is_sweep_override())
        if swept and not multirun:
            raise UserError(f"{swept[0]} has several values; add -m to run one job for each")
        to_config(compose(job, point))
        GlobalHydra.instance().clear()

    if not any(a in ("--hydra-help", "--version", "--info", "-i") for a in arguments):
        guard(checked)
    hydra.main(config_path=str(CONF), config_name=job, version_base="1.3")(task)()
    guard(lambda: tell_following(job, typed_in, done))


def _read(compose: Callable[[], DictConfig]) -> DictConfig:
    """A point of a multirun as Hydra composes it; ends with one sentence where that is refused."""

    def plainly() -> DictConfig:
        with explained():
            return compose()

    return guard(plainly)
