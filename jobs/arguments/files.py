"""The YAML of a group or an experiment, looked at before Hydra reads it, so that a mistake is told with file and
line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import yaml

from common.errors import UserError, suggestion
from conf.schema import Config
from conf.schema.check import keys
from jobs.arguments.groups import CONF, groups, options
from jobs.arguments.types import mistaken, type_at

GLOBAL = "# @package _global_"
HEADER = re.compile(r"\A(?:\s*#.*\n|\s*\n)*\s*#\s*@package\s+_global_\s*$", re.MULTILINE)
NULL = "tag:yaml.org,2002:null"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TABS = "write blanks in the place of the tab"
MENDS = {
    "mapping values are not allowed": "a value with ': ' in it wants quotes",
    "expected ',' or ']'": "close the [, and put commas between its values",
    "expected ',' or '}'": "close the {, and put commas between its values",
    "found unexpected end of stream": "close the quote, or the bracket",
    "could not find expected ':'": "write key: value, with a blank after the colon",
    "cannot start any token": "put quotes around the value",
}


def check_files(group: str, name: str, seen: set[Path] | None = None) -> None:
    """Raise UserError for the first mistake in ``conf/<group>/<name>.yaml`` and in the experiments that it builds
    on."""
    file = CONF / group / f"{name}.yaml"
    seen = set() if seen is None else seen
    if file in seen or not file.is_file():
        return
    seen.add(file)
    text = _text(file)
    root = _root(file, text)
    if root is None:
        raise UserError(f"{_named(file)} is empty; write keys into it, or name another with {group}=...")
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "one text"
        raise UserError(
            f"{_at(file, root)} holds {kind}, and no keys; write each key as 'key: value' on a line of its own"
        )
    if group == "experiment" and not HEADER.search(text):
        raise UserError(
            f"{_named(file)} does not begin with the line '{GLOBAL}', without which its keys mean nothing; put it"
            " on top"
        )
    _check_twice(file, root)
    for key, value in root.value:
        if key.value == "defaults":
            for child in _check_defaults(file, value, group):
                check_files(*child, seen)
        elif key.value != "hydra":
            _check_keys(file, key, value, "" if group == "experiment" else f"{group}.")


def locate(key: str, chosen: list[tuple[str, str]]) -> str:
    """``file, line n`` of a dotted key in the YAML of the ``chosen`` (group, name) and what these build on; empty where
    none has it."""
    for group, name in reversed(chosen):
        file = CONF / group / f"{name}.yaml"
        if not file.is_file() or (root := _root(file, _text(file))) is None or not isinstance(root, yaml.MappingNode):
            continue
        inner = key if group == "experiment" else key.removeprefix(f"{group}.")
        if node := _find(root, re.sub(r"\[\d+\]", "", inner).split(".")):
            return _at(file, node)
        defaults = next((value for one, value in root.value if one.value == "defaults"), None)
        if defaults is not None and (found := locate(key, list(_check_defaults(file, defaults, group)))):
            return found
    return ""


def _find(node: yaml.Node, parts: list[str]) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == parts[0]:
            return key if len(parts) == 1 else _find(value, parts[1:]) or key
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{_named(file)} is no UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"cannot read {_named(file)}: {error.strerror}; make it readable") from error


def _root(file: Path, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, LOADER)
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark or error.context_mark, str(error.problem)
        tabbed = (
            mark and "\t" in (text.splitlines() or [""])[min(mark.line, text.count("\n"), len(text.splitlines()) - 1)]
        )
        mend = TABS if tabbed else next((words for part, words in MENDS.items() if part in problem), "mend that line")
        where = f"{_named(file)}, line {mark.line + 1}" if mark else _named(file)
        raise UserError(f"{where}: no YAML ({problem}); {mend}") from error
    except yaml.YAMLError as error:
        raise UserError(
            f"{_named(file)}: no YAML ({str(error).splitlines()[0]}); save it as plain UTF-8 text"
        ) from error


def _check_twice(file: Path, node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.value in lines and not isinstance(key.value, list):
                raise UserError(
                    f"{_at(file, key)}: {key.value} is there twice, first in line {lines[key.value]}; leave one of them"
                )
            lines[str(key.value)] = key.start_mark.line + 1
            _check_twice(file, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_twice(file, value)


def _check_defaults(file: Path, node: yaml.Node, group: str) -> Iterator[tuple[str, str]]:
    """(group, name) of what a file builds on. Raises UserError for what is not there."""
    if not isinstance(node, yaml.SequenceNode):
        raise UserError(
            f"{_at(file, node)}: defaults is a list; write each on a line of its own, such as '  - override /optim:"
            " adamw'"
        )
    for entry in node.value:
        single = isinstance(entry, yaml.MappingNode) and entry.value
        named, value = (entry.value[0][0].value, entry.value[0][1].value) if single else (None, entry.value)
        if named is None:
            folder, _, name = str(value).rpartition("/")
            if value == "_self_" or str(value).startswith("/kind/"):
                continue
            top, _, rest = folder.strip("/").partition("/")
            where = (top, f"{rest}/{name}".strip("/")) if str(value).startswith("/") else (group, str(value))
            _check_choice(file, entry, *where)
            yield where
            continue
        words = str(named).split()
        key = words[-1].strip("/").partition("@")[0]
        if group != "experiment" or "@" in words[-1]:
            continue
        if key not in groups():
            near = suggestion(key, groups())
            raise UserError(
                f"{_at(file, entry)}: there is no group {key}{near or '; there are: ' + ', '.join(groups())}"
            )
        if words[0] != "override" or not words[-1].startswith("/"):
            raise UserError(f"{_at(file, entry)}: a group is chosen by '- override /{key}: {value}'; write it so")
        if isinstance(value, str) and value not in ("null", ""):
            _check_choice(file, entry, key, value)


def _check_choice(file: Path, node: yaml.Node, group: str, name: str) -> None:
    known = options(group) if (CONF / group).is_dir() else []
    if not (CONF / group / f"{name}.yaml").is_file():
        near = suggestion(name, known)
        raise UserError(f"{_at(file, node)}: there is no conf/{group}/{name}.yaml{near}; there are: {', '.join(known)}")


def _check_keys(file: Path, key: yaml.Node, value: yaml.Node, prefix: str) -> None:
    """Raise UserError for a key of the file that the schema has not, down to the sections that a user names."""
    dotted = f"{prefix}{key.value}"
    if (kind := type_at(dotted)) is None:
        if not prefix or type_at(prefix[:-1]) is not None:
            _refuse_key(file, key, dotted)
        return
    is_reference = isinstance(value, yaml.ScalarNode) and ("${" in value.value or value.tag == NULL)
    wanted = (
        yaml.SequenceNode
        if get_origin(kind) is list
        else yaml.MappingNode
        if get_origin(kind) is dict or _is_closed(kind)
        else None
    )
    if wanted and not isinstance(value, wanted) and not is_reference:
        raise UserError(f"{_at(file, key)}: {mistaken(dotted, _plain(value), in_file=True)}")
    if isinstance(value, yaml.MappingNode) and _is_closed(kind):
        for inner, one in value.value:
            _check_keys(file, inner, one, f"{dotted}.")


def _plain(node: yaml.Node) -> Any:
    """The values of a node as text."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    return [_plain(one) for one in node.value] if isinstance(node, yaml.SequenceNode) else node.value


def _is_closed(kind: Any) -> bool:
    """Whether all keys below are known by the schema."""
    return isinstance(kind, type) and hasattr(kind, "__dataclass_fields__")


def _refuse_key(file: Path, key: yaml.Node, dotted: str) -> None:
    known = list(keys(Config))
    if dotted in known or dotted.rpartition(".")[0] not in ("", *known):
        return
    near = suggestion(dotted, known)
    raise UserError(f"{_at(file, key)}: unknown key '{dotted}'{near or '; --help prints every key'}")


def _named(file: Path) -> str:
    return str(file.relative_to(CONF.parent))


def _at(file: Path, node: yaml.Node) -> str:
    return f"{_named(file)}, line {node.start_mark.line + 1}"
