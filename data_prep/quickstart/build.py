"""The quickstart's data: training text and a retrieval set out of installed docstrings or a folder of one's own."""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import atomic_folder, digest, digest_of
from common.progress import say
from common.reading.unread import Unread
from common.remove import strange
from common.retrieval.layout import is_judgements
from common.retrieval.load import load_retrieval
from conf.schema import Config
from data_prep.quickstart.beir import copy_set, corpus_files, find_set, set_files, write_set
from data_prep.quickstart.collect import Collected, from_docstrings, from_files
from data_prep.quickstart.docstrings import environment, installed_roots
from data_prep.quickstart.report import show
from data_prep.quickstart.selection import SPLITS, Selection, by_hash, select
from data_prep.sources.inputs import search
from data_prep.sources.readers import BadDocuments

RECIPE = 2
"""Raise it when equal settings would give other files."""
READ_PER_TRAINED = 2.0
"""Bytes collected for each byte of training text: about a third goes to dev and test, a quarter of the rest is
near-duplicates."""
NOTES = ("readme", "license", "licence")
"""Files that lie beside published sets and are no text to train on."""
MIN_TRAIN_BYTES = 200_000
MIN_PAIRS = 200
MIN_QUERIES = 20


@dataclass
class Sources:
    """Sources of the text: packages below ``roots``, or ``files`` (with a retrieval set at ``given``, if the
    folder holds one)."""

    name: str
    roots: list[Path] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    given: Path | None = None
    unread: Unread = field(default_factory=Unread)
    """Files of other kinds beside them."""

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for equal text: versions of the packages, or digests of the files."""
        if self.roots:
            return {"environment": environment(self.roots)}
        files = sorted({*self.files, *(set_files(self.given) if self.given else [])})
        return {"inputs": {str(path): digest(path) for path in files}}


def build_quickstart(config: Config, roots: Sequence[Path] | None = None) -> dict[str, Any]:
    """Write `quickstart.output` (train.jsonl, report.txt, manifest.json) and `data.retrieval` (train/, dev/, test/);
    return the manifest (with `dry_run` nothing is written, and it is empty).

    ``roots`` are the folders whose packages are read when `quickstart.folder` is null (default: those of this
    environment). Does nothing where the result of equal settings and equal sources is there; packages installed since
    are no other source, or the tests' own would undo the quickstart. Raises UserError for an empty folder, too little
    text, or an output folder that holds something else."""
    output, retrieval = Path(config.quickstart.output), Path(config.data.retrieval)
    sources = _sources(config, roots)
    _check_places(output, retrieval, sources)
    if config.dry_run:
        say(f"would gather text and a retrieval set from {sources.name} into {output} and {retrieval}")
        return {}
    identity = sources.identity()
    key = digest_of({"recipe": RECIPE, "settings": _settings(config), **({} if sources.roots else identity)})
    former = _former(output, retrieval, key)
    if former:
        say(f"{output} and {retrieval} are there, made with the same settings from {sources.name}")
        if sources.roots and former["environment"] != identity["environment"]:
            say("packages have come or gone since; to gather their text, begin again under another name=<name>")
        return former
    if sources.given:  # refused here rather than after hours of training
        load_retrieval(sources.given, config.probe.seed, config.data.max_document_bytes or None)
    collected = _gather(config, sources)
    settings = config.quickstart
    shares = {} if sources.given else {"test": settings.test_share, "dev": settings.dev_share}
    selection = select(collected.texts, shares, settings.max_train_bytes, settings.max_queries)
    _check_enough(selection, sources)
    manifest = _describe(config, collected, selection, sources, {"key": key, **identity})
    _write(selection, sources, manifest, output, retrieval)
    return manifest


def _settings(config: Config) -> dict[str, Any]:
    """The part of the configuration that decides what is written."""
    own = {
        name: value
        for name, value in dataclasses.asdict(config.quickstart).items()
        if name not in ("enabled", "output")
    }
    return {
        **own,
        "text_field": config.data.text_field,
        "id_field": config.data.id_field,
        "on_bad": config.prepare.on_bad_document,
    }


def _sources(config: Config, roots: Sequence[Path] | None) -> Sources:
    if config.quickstart.folder is None:
        return Sources("the installed packages", roots=list(installed_roots() if roots is None else roots))
    folder = Path(config.quickstart.folder).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"quickstart.folder={folder} is not a folder; name one with .txt, .md, .jsonl or .parquet files"
        )
    files, others = search([str(folder)], "quickstart.folder")
    given, of_set = find_set(folder), []
    if given:
        of_set = set_files(given)
        own = [
            path for path in files if path not in of_set and not is_judgements(path) and path.stem.lower() not in NOTES
        ]
        files = own or corpus_files(given)
    unread = Unread.of(path for path in others if path not in of_set)
    unread.tell("quickstart.folder")
    return Sources(str(folder), files=files, given=given, unread=unread)


def _check_places(output: Path, retrieval: Path, sources: Sources) -> None:
    """Refuse to replace what this job did not write."""
    output_place, other = output.resolve(), retrieval.resolve()
    if output_place == other or output_place in other.parents or other in output_place.parents:
        raise UserError(
            f"quickstart.output={output} and data.retrieval={retrieval} must not lie in each other; name two folders"
        )
    for key, folder, kind in (("quickstart.output", output, "quickstart"), ("data.retrieval", retrieval, "retrieval")):
        if any(folder.resolve() in path.resolve().parents for path in sources.files):
            raise UserError(f"{key}={folder} holds the text to be read; name another folder")
        if reason := strange(folder, kind):
            raise UserError(
                f"{key}={folder} holds files that this job did not write ({reason}); name another folder or empty it"
            )


def _kind(folder: Path) -> str | None:
    try:
        return manifests.read(folder).get("kind")
    except UserError:
        return None


def _former(output: Path, retrieval: Path, key: str) -> dict[str, Any] | None:
    """The manifest of an earlier result with this key, if all its files are as they were written."""
    if _kind(output) != "quickstart" or _kind(retrieval) != "retrieval":
        return None
    manifest = manifests.read(output)
    whole = (
        manifests.digests(output) == manifest["files"] and manifests.digests(retrieval) == manifest["retrieval_files"]
    )
    return manifest if whole and manifest["key"] == key else None


def _gather(config: Config, sources: Sources) -> Collected:
    limit = config.quickstart.max_train_bytes * READ_PER_TRAINED
    if sources.roots:
        return from_docstrings(sources.roots, config.cluster.workers or len(os.sched_getaffinity(0)), limit)
    data = config.data
    if sources.given and sources.files == corpus_files(sources.given):
        data = dataclasses.replace(data, text_field="text", id_field="_id")
    bad = BadDocuments(config.prepare.on_bad_document, config.prepare.max_bad_documents)
    return from_files(Path(sources.name), sources.files, data, bad, limit)


def _check_enough(selection: Selection, sources: Sources) -> None:
    size = sum(text.size for text in selection.texts["train"].items)
    pairs = {split: len(selection.pairs[split].items) for split in SPLITS}
    enough = sources.given or (sum(pairs.values()) >= MIN_PAIRS and min(pairs["dev"], pairs["test"]) >= MIN_QUERIES)
    if size < MIN_TRAIN_BYTES or not enough:
        read = sum(remaining.counts["read"] for remaining in selection.texts.values())
        gave = f"too little text in {sources.name}: {read} texts gave {size / 1e6:.2f} MB for training"
        wanted = f"{MIN_TRAIN_BYTES / 1e6:.1f} MB"
        if sources.given:
            raise UserError(
                f"{gave}; lay {wanted} or more of text of its kind beside the retrieval set {sources.given}"
            )
        raise UserError(
            f"{gave} and {pairs['train']} train, {pairs['dev']} dev, {pairs['test']} test pairs; add text until there"
            f" are {wanted}, {MIN_PAIRS} pairs, and {MIN_QUERIES} each for dev and test"
        )


def _describe(
    config: Config, collected: Collected, selection: Selection, sources: Sources, made_from: dict[str, Any]
) -> dict[str, Any]:
    groups: dict[str, list[str]] = {split: [] for split in SPLITS}
    for group, split in sorted(selection.splits.items()):
        groups[split].append(group)
    named = {"packages": groups} if collected.grouped_by == "package" else {}
    return manifests.describe(
        "quickstart",
        settings=_settings(config),
        grouped_by=collected.grouped_by,
        groups={split: len(groups[split]) for split in SPLITS},
        bytes={split: sum(text.size for text in selection.texts[split].items) for split in SPLITS},
        texts={split: dict(selection.texts[split].counts) for split in SPLITS},
        pairs={} if sources.given else {split: dict(selection.pairs[split].counts) for split in SPLITS},
        passed_over=dict(collected.passed_over)
        | {f"files of a kind that is not read ({suffix})": count for suffix, count in sources.unread.counts.items()},
        given_set=str(sources.given) if sources.given else None,
        **made_from, **collected.facts, **named,
    )  # fmt: skip


def _write(selection: Selection, sources: Sources, manifest: dict[str, Any], output: Path, retrieval: Path) -> None:
    """Write both folders, each whole or not at all; the one with the manifest that `_former` asks for comes last."""
    with atomic_folder(retrieval, "retrieval") as folder:
        if sources.given:
            copy_set(sources.given, folder)
        else:
            for split in SPLITS:
                write_set(folder / split, ((entry.id, entry.pair) for entry in selection.pairs[split].items))
        manifest["retrieval_files"] = manifests.digests(folder)
        manifests.write(folder, manifests.describe("retrieval", key=manifest["key"], files=manifest["retrieval_files"]))
    with atomic_folder(output, "quickstart") as folder:
        with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
            for text in selection.texts["train"].items:
                file.write(
                    json.dumps({"id": text.id, "text": text.text, "group": text.group}, ensure_ascii=False) + "\n"
                )
        examples = [] if sources.given else sorted(selection.pairs["train"].items, key=by_hash)[:3]
        show(manifest, examples, folder / "report.txt")
        manifest["files"] = manifests.digests(folder)
        manifests.write(folder, manifest)
