"""What tokens depend on, and what keeps `jobs.prepare` from filling a folder: other settings, and the tokens of other
files."""

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import digest
from common.layout import TOKENIZER
from common.manifest import MADE_BY
from common.progress import say
from common.tokenizer import DocumentTokenizer, end_of_text
from conf.schema import Config
from data_prep.sources import version
from data_prep.tokens.state import END, VERSION, read_manifest, refuse_others

NAMED = 3
"""Files that a message names."""


def settings_of(config: Config) -> dict[str, Any]:
    """What the tokens depend on beside the text. Raises UserError where there is no tokenizer."""
    tokenizer = Path(config.data.tokenizer) / TOKENIZER
    if not tokenizer.is_file():
        raise UserError(
            f"there is no {tokenizer}; run jobs.tokenizer first or name a folder that has one with data.tokenizer"
        )
    settings = {"tokenizer": digest(tokenizer)}
    if config.prepare.adopt:
        return settings | {"adopt": config.prepare.adopt}
    settings |= {"add_special_tokens": config.prepare.add_special_tokens, "text_field": config.data.text_field}
    return settings | {MADE_BY: {"tokens": VERSION, "reader": version.VERSION}} | _end(config)


def _end(config: Config) -> dict[str, str]:
    """The end-of-text token where documents end with it: the file beside tokenizer.json names it, and a model tuned to
    chat often has another there than its base, with the same tokenizer.json."""
    from data_prep.tokenizer.backends import load_reference

    folder = Path(config.data.tokenizer)
    ends = config.prepare.add_special_tokens and not DocumentTokenizer.of(load_reference(folder), folder).after
    return {END: end_of_text(folder)} if ends else {}


def check_folder(config: Config, paths: Sequence[Path]) -> None:
    """Raise UserError where `data.tokens` was begun with other settings, or holds the tokens of other files than
    ``paths``."""
    folder = Path(config.data.tokens)
    refuse_others(folder, settings_of(config))
    finished = read_manifest(folder)
    if finished and not config.prepare.adopt:
        refuse_other_files(folder, finished, paths)


def refuse_other_files(folder: Path, finished: dict[str, Any], paths: Sequence[Path]) -> None:
    """Raise UserError where none of the files that the tokens in ``folder`` were made of is among ``paths``: then
    another corpus was given the name of this one. Files that come or go beside others that stay are a corpus that
    grows."""
    before, now = _real(finished["stamps"]), _real(paths)
    if before and not before & now:
        raise UserError(
            f"{folder} holds the tokens of other files ({_named(before)}), which these would replace; choose another"
            " name or data.tokens, or remove that folder"
        )


def tell_changes(folder: Path, finished: dict[str, Any], paths: Sequence[Path]) -> None:
    """Say which files come to the tokens in ``folder``, and which go."""
    before, now = _real(finished["stamps"]), _real(paths)
    for what, files in (("new in the text", now - before), ("no longer in the text", before - now)):
        if before and files:
            say(f"{folder}: {what}: {_named(files)}")


def _real(files: Iterable[str | Path]) -> set[str]:
    """Where links lead; a folder may be named by any of its names."""
    return {os.path.realpath(path) for path in files}


def _named(files: Collection[str]) -> str:
    return ", ".join(sorted(files)[:NAMED]) + (f" and {len(files) - NAMED:,} more" if len(files) > NAMED else "")
