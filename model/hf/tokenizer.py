"""Tokenizer files of a model folder."""

import shutil
from pathlib import Path

from common.errors import UserError
from common.files import read_json, write_json

FILES = ("tokenizer.json", "special_tokens_map.json", "chat_template.jinja")
SETTINGS = "tokenizer_config.json"


def copy_tokenizer(source: Path, folder: Path, max_positions: int) -> dict[str, int | None]:
    """Copy the tokenizer in `source` to `folder`, with the model's length; returns the ids of pad, cls and sep (None where there is none).

    Raises UserError where there is no tokenizer.
    """
    if not (source / FILES[0]).is_file():
        raise UserError(f"{source / FILES[0]} does not exist; name the folder that jobs.tokenizer wrote (data.tokenizer)")
    for name in FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    settings = read_json(source / SETTINGS) if (source / SETTINGS).is_file() else {"tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(folder / SETTINGS, {**settings, "model_max_length": max_positions})
    tokenizer = read_json(source / FILES[0])
    ids = tokenizer["model"]["vocab"] if isinstance(tokenizer["model"]["vocab"], dict) else {}
    ids = ids | {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
    return {name: ids.get(_content(settings.get(f"{name}_token"))) for name in ("pad", "cls", "sep")}


def _content(token: str | dict | None) -> str | None:
    """Text of a special token, written as itself or with its properties."""
    return token["content"] if isinstance(token, dict) else token
