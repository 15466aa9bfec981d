"""Publishing of tokens, from whole shards to a finished `data.tokens`: merged files, manifest, nothing left over."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import manifest
from common.errors import UserError
from common.files import digest_of
from common.reading.bad import EXAMPLES, too_many
from data_prep.tokens.indexed import BIN, token_dtype
from data_prep.tokens.merge import drop_shards, merge
from data_prep.tokens.origins import ORIGINS
from data_prep.tokens.state import END, output_stamps
from data_prep.tokens.tokenise import TokeniseWork


def publish(
    work: TokeniseWork, keys: list[str], shards: list[dict[str, Any]], unmerged: bool, done: Callable[[float], Any]
) -> dict[str, Any]:
    """Merge the shards ``keys`` (with manifests ``shards``) in order, write the manifest, drop the shards' own tokens.

    With ``unmerged`` false the merged files hold them already, and only the manifest is written again (an input has a
    new time). Killed at any moment, the next run finds either the shards or the merged files whole. Raises UserError
    for no document at all."""
    folder = work.folder
    bad = _total(shards, "bad_documents")
    examples = [example for shard in shards for example in shard["bad_examples"]][:EXAMPLES]
    if sum(bad.values()) > work.prepare.max_bad_documents:
        raise too_many(sum(bad.values()), work.prepare.max_bad_documents, examples[0])
    if not any(shard["documents"] for shard in shards):
        raise UserError("data.inputs holds no document with text; name other files")
    dtype = token_dtype(work.vocab_size)
    if unmerged:
        for key in keys:
            if not (folder / "shards" / key / BIN).exists():
                work.merged.restore(key)
        files = merge(folder, keys, shards, dtype, done)
        origins = files.pop(ORIGINS)
    else:
        former = manifest.read(folder)
        files, origins = former["files"], former["origins"]["sha256"]
    made = manifest.describe(
        "tokens",
        tokenizer=work.settings["tokenizer"],
        end_of_text=work.settings.get(END),
        vocab_size=work.vocab_size,
        dtype=dtype.name,
        documents=sum(shard["documents"] for shard in shards),
        tokens=sum(shard["tokens"] for shard in shards),
        empty_documents=sum(shard["empty_documents"] for shard in shards),
        bad_documents=bad,
        bad_examples=examples,
        max_document_bytes=_limit(shards),
        backends=dict(Counter(shard["backend"] for shard in shards)),
        passed_over=[reason for shard in shards for reason in shard["passed_over"]],
        settings=work.settings,
        files=files,
        origins={
            "sha256": origins,
            "spans": [[span["path"], span["start"], span["end"]] for shard in shards for span in shard["inputs"]],
        },
        output_stamps=output_stamps(folder),
        inputs=_digests(shards),
        stamps=_stamps(shards),
        shards=[
            {"key": key, "documents": shard["documents"], "tokens": shard["tokens"], "spans": len(shard["inputs"])}
            for key, shard in zip(keys, shards, strict=True)
        ],
    )
    manifest.write(folder, made)
    drop_shards(folder, keys)
    return made


def _total(shards: list[dict[str, Any]], key: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for shard in shards:
        counts.update(shard[key])
    return dict(counts)


def _limit(shards: list[dict[str, Any]]) -> int:
    """The largest limit of a document that a shard was made with, 0 for none."""
    limits = [shard.get("max_document_bytes", 0) for shard in shards]
    return max(limits) if all(limits) else 0


def _stamps(shards: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Size and time of every input; the oldest where spans of one file saw several, so that the next run looks
    again."""
    newest_first = sorted((span for shard in shards for span in shard["inputs"]), key=lambda span: -span["stamp"][1])
    return {span["path"]: span["stamp"] for span in newest_first}


def _digests(shards: list[dict[str, Any]]) -> dict[str, str]:
    """SHA-256 of every input file; of one that was cut into spans, ``spans-`` and the digest of its spans' digests."""
    spans: dict[str, list[dict[str, Any]]] = {}
    for shard in shards:
        for span in shard["inputs"]:
            spans.setdefault(span["path"], []).append(span)
    return {
        path: parts[0]["sha256"]
        if parts[0]["end"] is None
        else "spans-" + digest_of([part["sha256"] for part in parts])
        for path, parts in spans.items()
    }


def adopted_manifest(
    folder: Path, settings: dict[str, Any], vocab_size: int, adopted: dict[str, Any]
) -> dict[str, Any]:
    """Write and return the manifest of an adopted pair (``adopted``: what `adopt` returned)."""
    made = manifest.describe(
        "tokens",
        tokenizer=settings["tokenizer"],
        vocab_size=vocab_size,
        **adopted,
        bad_documents={},
        settings=settings,
        output_stamps=output_stamps(folder),
        inputs={},
        stamps={},
        shards=[],
    )
    manifest.write(folder, made)
    return made
