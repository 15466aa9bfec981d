"""Retrieval sets in BEIR format (Thakur et al. 2021, arXiv 2104.08663): written, found in a folder, copied."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError
from common.folders import files_below
from data_prep.quickstart.pairs import Pair

SPLITS = ("train", "dev", "test")


def write_set(folder: Path, pairs: Iterable[tuple[str, Pair]]) -> None:
    """Write ``(id, pair)`` as corpus.jsonl, queries.jsonl and qrels.tsv: document ``id`` answers query ``q-id``."""
    folder.mkdir()
    corpus, queries, qrels = [], [], ["query-id\tcorpus-id\tscore\n"]
    for name, pair in pairs:
        corpus.append(json.dumps({"_id": name, "title": "", "text": pair.document}, ensure_ascii=False) + "\n")
        queries.append(json.dumps({"_id": f"q-{name}", "text": pair.query}, ensure_ascii=False) + "\n")
        qrels.append(f"q-{name}\t{name}\t1\n")
    for file, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels.tsv", qrels)):
        (folder / file).write_text("".join(lines), encoding="utf-8", newline="\n")


def _is_set(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("corpus.jsonl", "queries.jsonl"))


def find_set(folder: Path) -> Path | None:
    """The retrieval set at or below ``folder``, links followed: a folder with corpus, queries and qrels, or one with such a set in train/,
    dev/ and test/.

    Raises UserError when there is more than one, or when its qrels are not there or do not cover all three splits.
    """
    files = files_below(folder, "quickstart.folder", once=False)
    found = sorted({path.parent for path in files if path.name == "corpus.jsonl" and _is_set(path.parent)})
    if not found:
        return None
    parent = found[0].parent
    if found == sorted(parent / split for split in SPLITS):
        for one in found:
            _need(one, "qrels.tsv")
        return parent
    if len(found) > 1:
        raise UserError(f"{folder} holds more than one retrieval set, {found[0]} and {found[1]}; leave one, or train, dev and test of one")
    if (found[0] / "qrels").is_dir():
        for split in SPLITS:
            _need(found[0], f"qrels/{split}.tsv")
    else:
        _need(found[0], "qrels.tsv")
    return found[0]


def _need(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise UserError(f"the retrieval set {folder} has no {name}; add it, or one qrels.tsv for all queries")


def set_files(folder: Path) -> list[Path]:
    """Files of the retrieval set ``folder``, sorted."""
    homes = [folder / split for split in SPLITS if _is_set(folder / split)] or [folder]
    files = [path for home in homes for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv", "qrels/*.tsv") for path in home.glob(name)]
    return sorted(path for path in files if path.is_file())


def copy_set(source: Path, target: Path) -> None:
    """Copy the files of a retrieval set, as they are."""
    for path in set_files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
