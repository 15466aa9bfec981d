"""Artefacts of the Hugging Face hub that a configuration names, found in the cache without the network.

Each key in `KEYS` takes a local path or a reference `hf://[datasets/]org/name[@revision][/path]`. `jobs.fetch` mirrors
what is referred to; every other job sees local paths only (`localise`), pinned to the commit that was mirrored, so it
needs no network and no hub library."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common import layout
from common.errors import UserError
from common.files import read_json

SCHEME = "hf://"
TEXT = ("*.jsonl", "*.jsonl.gz", "*.jsonl.zst", "*.parquet")
RETRIEVAL = (*TEXT, "*.tsv", "*.tsv.gz", "*.tsv.zst")
TOKENIZER = (
    layout.TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt",
    "*.model", "chat_template*", "config.json",
)  # fmt: skip
WEIGHTS = ("*.safetensors", "model.safetensors.index.json", "generation_config.json", *TOKENIZER)
KEYS = {
    "data.inputs": TEXT,
    "data.tokenizer": TOKENIZER,
    "data.retrieval": RETRIEVAL,
    "tokenizer.compare": TOKENIZER,
    "train.init_from": WEIGHTS,
}
"""Keys of the configuration that may name a hub artefact, and which of its files each of them reads.

`train.branch_from` and `prepare.adopt` are not among them: a Megatron checkpoint and a .bin/.idx pair belong to the
machine that wrote them. Of a whole data set `data.inputs` reads the records; .txt and .md are read where the path names
them: most are READMEs and licences."""


@dataclass(frozen=True)
class Reference:
    """A model or data set on the hub, or a file, folder or glob in it."""

    kind: str
    """model or dataset."""
    name: str
    """``org/name``."""
    revision: str = "main"
    """Branch, tag or commit."""
    path: str = ""
    """A file, folder or glob inside; empty for the whole."""

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        kind, slash = "datasets/" if self.kind == "dataset" else "", "/" if self.path else ""
        return f"{SCHEME}{kind}{self.name}{revision}{slash}{self.path}"

    def patterns(self, files: Sequence[str]) -> list[str]:
        """Return which paths in the repository are meant when files like ``files`` are wanted; a file that is named is
        always meant."""
        return [self.path, *(f"{self.path}/{pattern}" for pattern in files)] if self.path else list(files)

    def folder(self, cache: Path) -> Path:
        """Folder in which the hub library keeps the repository (its documented layout: blobs, refs, snapshots)."""
        return cache / f"{self.kind}s--{self.name.replace('/', '--')}"

    def record(self, cache: Path) -> Path:
        """Our manifest of what has been mirrored of this revision; written last."""
        return self.folder(cache) / "mirrored" / f"{quote(self.revision, safe='')}.json"


def parse(text: str) -> Reference:
    """Read ``hf://...``. Raises UserError saying what is wrong with it."""
    from huggingface_hub import parse_hf_uri
    from huggingface_hub.errors import HfUriError

    form = f"write {SCHEME}[datasets/]org/name[@revision][/path]"
    try:
        uri = parse_hf_uri(text)
    except HfUriError as error:
        raise UserError(
            f"{text} is no reference to the hub ({error.msg.splitlines()[0].rstrip('. ')}); {form}"
        ) from error
    if uri.type not in ("model", "dataset") or ".." in uri.path_in_repo.split("/"):
        raise UserError(f"{text} names neither a model nor a data set, nor a path in one; {form}")
    return Reference(uri.type, uri.id, uri.revision or "main", uri.path_in_repo.strip("/"))


def cache_folder(chosen: str | None = None) -> Path:
    """``chosen``, else the hub library's own cache (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub)."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(chosen or HF_HUB_CACHE).expanduser().absolute()


def references(config: Any) -> Iterator[tuple[str, str]]:
    """(key, reference) for every hub artefact that ``config`` names."""
    for key in KEYS:
        section, name = key.split(".")
        value = getattr(getattr(config, section), name)
        yield from (
            (key, value_there)
            for value_there in (value if isinstance(value, list) else [value])
            if value_there and value_there.startswith(SCHEME)
        )


def snapshot(reference: Reference, patterns: Sequence[str], cache: Path) -> Path | None:
    """Folder of the mirrored repository; None where any file of these patterns is missing or was cut off."""
    record = reference.record(cache)
    if not record.is_file():
        return None
    mirrored = read_json(record)
    folder = reference.folder(cache) / "snapshots" / mirrored["commit"]
    if not set(patterns) <= set(mirrored["patterns"]):
        return None
    whole = all(
        (folder / path).is_file() and (folder / path).stat().st_size == size for path, size in mirrored["files"].items()
    )
    return folder if whole else None


def resolve(reference: str, key: str | None = None, cache: Path | None = None) -> Path:
    """The local place of a mirrored artefact (a local path is returned as it is), without the network.

    Raises UserError naming the artefact and the command that mirrors it. ``key`` says which of its files are read."""
    if not reference.startswith(SCHEME):
        return Path(reference)
    parsed = parse(reference)
    place = snapshot(parsed, parsed.patterns(KEYS[key]) if key else [], cache or cache_folder())
    if place is None:
        raise UserError(
            f"{f'{key}: ' if key else ''}{reference} is not in {cache or cache_folder()}; "
            f"where there is internet run: python -m jobs.fetch {_argument(reference, key)}"
        )
    return place / parsed.path


def _argument(reference: str, key: str | None) -> str:
    if key and key != "data.inputs":
        return f"{key}={reference}"
    listed = key or ("fetch.datasets" if parse(reference).kind == "dataset" else "fetch.models")
    return f"'{listed}=[{reference}]'"


def missing(config: Any) -> list[str]:
    """References of ``config`` that have not been mirrored, as they are written there."""
    cache = cache_folder(config.fetch.cache)
    parsed = [(text, key, parse(text)) for key, text in references(config)]
    return [
        text for text, key, reference in parsed if snapshot(reference, reference.patterns(KEYS[key]), cache) is None
    ]


def localise(config: Any) -> Any:
    """``config`` with every reference replaced by the mirrored path. Raises UserError for the first one that is
    missing.

    The path holds the commit, so a configuration frozen afterwards keeps its bytes when the reference is mirrored
    anew."""
    if not any(references(config)):
        return config
    config, cache = copy.deepcopy(config), cache_folder(config.fetch.cache)
    for key in KEYS:
        section, name = key.split(".")
        owner, value = getattr(config, section), getattr(getattr(config, section), name)
        if isinstance(value, list):
            setattr(owner, name, [path for named in value for path in _inputs(named, key, cache)])
        elif value:
            setattr(owner, name, str(resolve(value, key, cache)) if value.startswith(SCHEME) else value)
    return config


def _inputs(text: str, key: str, cache: Path) -> list[str]:
    """A folder of the hub as globs: what else has been mirrored into it (a README, a tokenizer) is no input."""
    place = resolve(text, key, cache)
    if not text.startswith(SCHEME) or not place.is_dir():
        return [text if not text.startswith(SCHEME) else str(place)]
    return [str(place / "**" / pattern) for pattern in KEYS[key] if next(place.rglob(pattern), None)]
