"""A configuration out of conf/ and the command line's overrides, as plain typed objects."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from common.errors import UserError
from conf.schema import Config
from conf.schema.check import check
from conf.schema.kinds import schema, stored
from conf.schema.ranges import limits_at
from jobs.arguments.explain import explain
from jobs.arguments.flags import OF_ONE_JOB
from jobs.arguments.groups import CONF
from jobs.arguments.overrides import OPEN, check_override
from jobs.arguments.text import quoted
from jobs.arguments.unreadable import refuse_unreadable, wholly
from jobs.arguments.values import settle
from jobs.launch.emptied import empty_sections
from model.training.run.open_model import close_default

STORE = ConfigStore.instance()
STORE.store(name="schema", node=schema(Config))
for section, kind, node in stored(Config):
    STORE.store(group=f"kind/{section}", name=kind, node=node)
OPEN_SECTIONS = ("corpus.sources.", "phases.")
"""Those of them whose values are sections, which OmegaConf adds only whole."""
SHORT = {flag: override for flag, (_, override) in OF_ONE_JOB.items()}
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
        composed = hydra.compose(job, [o.input_line for o in parsed])
        empty_sections(composed, parsed)
        return composed


@contextmanager
def explained(given: Sequence[Override] = ()) -> Iterator[None]:
    """What Hydra and OmegaConf refuse, as one UserError that names the key. ``given``: the overrides."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, given)) from error
    except OverflowError as error:  # a float of hundreds of digits; OmegaConf tells its key in the text alone
        key = str(error).partition("full_key: ")[2].partition("\n")[0]
        raise UserError(
            f"{key} has more digits than a number may have; give {limits_at(Config, key) or 'fewer'}"
        ) from error


def parse(overrides: Sequence[str]) -> list[Override]:
    """Command-line overrides as Hydra understands them. Raises UserError for one that is none."""
    try:
        refuse_unreadable("", overrides, overrides)
        return OverridesParser.create().parse_overrides(list(overrides))
    except ValueError as error:  # whole numbers of thousands of digits
        raise UserError(f"cannot read the argument: {str(error).partition(';')[0]}; give a shorter one") from error


def to_config(composed: DictConfig) -> Config:
    """The composed configuration as plain typed objects, interpolations resolved, values checked."""
    with explained():
        config = OmegaConf.to_object(composed)
    settle(config)
    check(config)
    return config if config.pipeline.steps else close_default(config)


def spelled_out(argument: str) -> str:
    """An argument as Hydra takes it: a short flag written out; what its grammar does not know unquoted quoted
    (`_quoted`); a new key below `OPEN` with the sign that adds it."""
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
    """A value with quotes where Hydra's grammar needs them and nobody wrote any: around 12_3 (an array task of job 12,
    and not the number 123), around paths such as runs/mine/seed=1 and a[1]/b, and around each word with letters beyond
    ASCII, also within a list."""
    if WHOLE.fullmatch(value):
        return quoted(value)
    if "'" in value or '"' in value:
        return value
    words = r"(?:\$\{[^}]*\}|[^\[\]{}(),:])+" if re.search(r"(?<!\$)\{", value) else r"(?:\$\{[^}]*\}|[^\[\]{}(),])+"
    return re.sub(
        words, lambda word: re.sub(r"\S(?:.*\S)?", r'"\g<0>"', word[0]) if UNKNOWN.search(word[0]) else word[0], value
    )
