"""Tokenizer files of a model folder, and how the model is to generate."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json
from common.layout import TOKENIZER
from model.hf.carried import carry, check_inside, without_code

FILES = (
    TOKENIZER, "special_tokens_map.json", "chat_template.jinja", "added_tokens.json", "vocab.json", "merges.txt",
    "tokenizer.model",
)  # fmt: skip
SETTINGS, SPECIAL, GENERATION = "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"
ENCODER_ROLES = ("pad", "cls", "sep")
DECODER_ROLES = ("bos", "eos", "pad")
_STANDS_FOR = {"bos": "cls", "eos": "sep"}
"""What begins and ends a document where a tokenizer was made for an encoder."""


def check_tokenizer_files(source: Path) -> None:
    """Raise UserError where `copy_tokenizer` or `write_generation` would copy a file that is not of the folder
    ``source``."""
    for name in (*FILES, SETTINGS, GENERATION):
        if (source / name).is_file():
            check_inside(source / name, source)


def copy_tokenizer(
    source: Path, folder: Path, max_positions: int, roles: Sequence[str] = ENCODER_ROLES
) -> dict[str, int | None]:
    """Copy the tokenizer in `source` to `folder`, with the model's length; returns the id of the token of each of
    `roles` (None where there is none). Raises UserError where there is no tokenizer, or a file of it is a link that
    leads elsewhere."""
    if not (source / FILES[0]).is_file():
        raise UserError(
            f"{source / FILES[0]} does not exist; name the folder that jobs.tokenizer wrote (data.tokenizer)"
        )
    check_tokenizer_files(source)
    for name in FILES:
        if (source / name).is_file():
            carry(source / name, folder / name, source)
    settings = (
        read_json(source / SETTINGS)
        if (source / SETTINGS).is_file()
        else {"tokenizer_class": "PreTrainedTokenizerFast"}
    )
    write_json(folder / SETTINGS, {**_for_all_versions(without_code(settings)), "model_max_length": max_positions})
    named = (read_json(source / SPECIAL) if (source / SPECIAL).is_file() else {}) | settings
    ids = _ids(read_json(source / FILES[0]))
    found = {name: ids.get(_content(named.get(f"{name}_token"))) for name in {*roles, *_STANDS_FOR.values()}}
    return {name: found[name] if found[name] is not None else found.get(_STANDS_FOR.get(name, name)) for name in roles}


def _for_all_versions(settings: dict[str, Any]) -> dict[str, Any]:
    """tokenizer_config.json as transformers 4 reads it too: 5 has another name for the class, and for a list of special
    tokens."""
    settings = dict(settings)
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(settings.get("extra_special_tokens"), list):
        settings.setdefault("additional_special_tokens", settings.pop("extra_special_tokens"))
    return settings


def write_generation(folder: Path, ids: Mapping[str, int | None], source: Path | None) -> None:
    """Write generation_config.json: that of `source` where it has one (a chat model ends at several tokens), else the
    special `ids`."""
    if source and (source / GENERATION).is_file():
        carry(source / GENERATION, folder / GENERATION, source)
        return
    write_json(folder / GENERATION, {f"{name}_token_id": number for name, number in ids.items() if number is not None})


def _ids(tokenizer: dict) -> dict[str, int]:
    """Token -> id, of the vocabulary and of what was added to it."""
    ids = tokenizer["model"]["vocab"] if isinstance(tokenizer["model"]["vocab"], dict) else {}
    return ids | {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}


def _content(token: str | dict | None) -> str | None:
    """Text of a special token, written as itself or with its properties."""
    return token["content"] if isinstance(token, dict) else token
