"""Retrieval sets in BEIR format (Thakur et al. 2021, arXiv 2104.08663): written, found in a folder, copied."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError
from common.folders import files_below
from common.retrieval.layout import SPLITS, folder_of, has_judgements, homes, is_set, layouts
from data_prep.quickstart.pairs import Pair


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


def find_set(folder: Path) -> Path | None:
    """The retrieval set at or below ``folder``, links followed: a folder with corpus, queries and qrels, or one with
    such sets in train/, dev/ and test/.

    Raises UserError when there is more than one, or when its qrels are not there.
    """
    files = files_below(folder, "quickstart.folder", once=False)
    places = sorted({place for path in files if (place := folder_of(path)) and is_set(place)})
    if not places:
        return None
    parent = places[0].parent
    if len(places) == 1 or not {*places} <= {parent / split for split in SPLITS}:
        parent = places[0]
    if len(places) > 1 and parent in places:
        raise UserError(
            f"{folder} holds more than one retrieval set, {places[0]} and {places[1]}; leave one, or train/, dev/ and"
            " test/ of one"
        )
    for home in homes(parent).values() or [parent]:
        if not has_judgements(home):
            raise UserError(
                f"the retrieval set {home} has no qrels.tsv; add it, or qrels/ with train.tsv, dev.tsv or test.tsv"
            )
    layouts(parent)
    return parent


def set_files(folder: Path) -> list[Path]:
    """Files of the retrieval set ``folder``, sorted."""
    return sorted({path for layout in layouts(folder).values() for path in layout.files})


def corpus_files(folder: Path) -> list[Path]:
    """List those of them that hold its documents."""
    return sorted({path for layout in layouts(folder).values() for path in layout.corpus})


def copy_set(source: Path, target: Path) -> None:
    """Copy the files of a retrieval set, as they are."""
    for path in set_files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
