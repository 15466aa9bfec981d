"""Retrieval sets in BEIR format (arXiv 2104.08663): corpus.jsonl, queries.jsonl and qrels as tab-separated values."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.files import digest, digest_of
from common.reading.form import LIMIT, Form
from common.reading.jsonl import records
from common.reading.readers import opened
from common.reading.streams import blocks, lines

SPLITS = ("train", "dev", "test")
SHARES = {"train": 0.5, "dev": 0.2, "test": 0.3}
LAYOUT = "corpus.jsonl, queries.jsonl and qrels.tsv (or qrels/{train,dev,test}.tsv), or one such set in each of train/, dev/ and test/"


_GRADE = re.compile(r"-?\d{1,18}")


@dataclass
class RetrievalSet:
    """Documents, the queries that have at least one relevant document among them, and the grades of relevance."""

    doc_ids: list[str]
    """Ids of the corpus, in the order of the file."""
    doc_texts: list[str]
    """Title and text of each document, joined by a space."""
    query_ids: list[str]
    """Ids of the queries, in the order of the file."""
    query_texts: list[str]
    """Texts of the queries."""
    qrels: dict[str, dict[str, int]]
    """Grade by query id and document id; a grade above 0 is relevant."""


@dataclass
class _Table:
    ids: list[str]
    texts: list[str]


def load_retrieval(folder: str | Path, seed: int = 0, max_bytes: int | None = LIMIT) -> dict[str, RetrievalSet]:
    """Read the set at ``folder`` as ``{"train", "dev", "test"}`` with disjoint queries.

    Three layouts: ``train/ dev/ test/`` with a corpus each; one corpus with ``qrels/{train,dev,test}.tsv``; one corpus with one
    ``qrels.tsv``, whose queries are split 50/20/30 by a hash of ``seed`` and query id. In the last two the three sets share
    the lists of documents. Raises UserError naming file and line for whatever is missing, broken, unknown, empty or has more than
    ``max_bytes``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"the retrieval set {folder} does not exist; set data.retrieval to a folder with {LAYOUT}")
    if any((folder / split).is_dir() for split in SPLITS):
        sets = {split: _load_one(folder / split, max_bytes) for split in SPLITS}
    else:
        sets = _load_shared(folder, seed, max_bytes)
    for split, found in sets.items():
        if not found.query_ids:
            raise UserError(f"the {split} split of the retrieval set {folder} has no query with a relevant document; add qrels for it")
    return sets


def digest_retrieval(folder: str | Path) -> str:
    """Hex digest of the bytes of every file that `load_retrieval` may read. Raises UserError for a dead link."""
    folder = Path(folder)
    patterns = ("*.jsonl", "*.tsv", "qrels/*.tsv", *(f"{split}/*" for split in SPLITS))
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.suffix in (".jsonl", ".tsv")}
    for path in files:
        _check_there(path)
    return digest_of({str(path.relative_to(folder)): digest(path) for path in sorted(files)})


def training_pairs(retrieval: RetrievalSet) -> list[tuple[int, int]]:
    """Positions (query, document) of all pairs with a grade above 0, in the order of queries and qrels."""
    row = {name: index for index, name in enumerate(retrieval.doc_ids)}
    return [
        (query, row[document])
        for query, name in enumerate(retrieval.query_ids)
        for document, grade in retrieval.qrels[name].items()
        if grade > 0
    ]


def split_of(query_id: str, seed: int) -> str:
    """The split that a query falls into: uniform in a hash, so that adding a query moves no other one."""
    share = int.from_bytes(hashlib.sha256(f"{seed}\t{query_id}".encode()).digest()[:8], "big") / 2**64
    if share < SHARES["train"]:
        return "train"
    return "dev" if share < SHARES["train"] + SHARES["dev"] else "test"


def _load_one(folder: Path, max_bytes: int | None) -> RetrievalSet:
    corpus, queries = _read_tables(folder, max_bytes)
    return _assemble(corpus, queries, _read_qrels(folder / "qrels.tsv", queries, corpus))


def _load_shared(folder: Path, seed: int, max_bytes: int | None) -> dict[str, RetrievalSet]:
    corpus, queries = _read_tables(folder, max_bytes)
    if (folder / "qrels").is_dir():
        splits = {split: _read_qrels(folder / "qrels" / f"{split}.tsv", queries, corpus) for split in SPLITS}
    else:
        whole = _read_qrels(folder / "qrels.tsv", queries, corpus)
        splits = {split: {name: grades for name, grades in whole.items() if split_of(name, seed) == split} for split in SPLITS}
    owner: dict[str, str] = {}
    for split, qrels in splits.items():
        for name in qrels:
            if owner.setdefault(name, split) != split:
                raise UserError(f"query {name} is in qrels/{owner[name]}.tsv and in qrels/{split}.tsv of {folder}; keep it in one split")
    return {split: _assemble(corpus, queries, qrels) for split, qrels in splits.items()}


def _assemble(corpus: _Table, queries: _Table, qrels: dict[str, dict[str, int]]) -> RetrievalSet:
    judged = {name: grades for name, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    kept = [index for index, name in enumerate(queries.ids) if name in judged]
    return RetrievalSet(corpus.ids, corpus.texts, [queries.ids[i] for i in kept], [queries.texts[i] for i in kept], judged)


def _read_tables(folder: Path, max_bytes: int | None) -> tuple[_Table, _Table]:
    """The corpus and the queries."""
    return _read_table(folder / "corpus.jsonl", max_bytes, titled=True), _read_table(folder / "queries.jsonl", max_bytes)


def _check_there(path: Path) -> None:
    if not path.is_file():
        fault = "is a dead link" if path.is_symlink() else "does not exist"
        raise UserError(f"{path} {fault}; a retrieval set is {LAYOUT}")


def _read_table(path: Path, max_bytes: int | None, titled: bool = False) -> _Table:
    _check_there(path)
    table, seen = _Table([], []), set()
    for number, record in records(opened(path, Form(max_bytes=max_bytes, section=""))):
        if not isinstance(record.get("_id"), str | int) or not isinstance(record.get("text"), str):
            raise UserError(f'{path} line {number} needs a JSON object with an "_id" and a "text" of type string; mend or remove it')
        name, text = str(record["_id"]), record["text"]
        if name in seen:
            raise UserError(f"{path} line {number} repeats the _id {name}; ids must be unique")
        seen.add(name)
        table.ids.append(name)
        table.texts.append(f"{record.get('title') or ''} {text}".strip() if titled else text)
    if not table.ids:
        raise UserError(f"{path} is empty; give it at least one line")
    return table


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank."""
    _check_there(path)
    for number, raw in enumerate(lines(blocks(path), LIMIT), 1):
        try:
            line = (raw or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path} line {number} is not UTF-8 ({error.reason}); convert the file") from error
        if raw is None:
            raise UserError(f"{path} line {number} has more than {LIMIT} bytes; mend it")
        if line.strip():
            yield number, line.rstrip("\r\n")


def _read_qrels(path: Path, queries: _Table, corpus: _Table) -> dict[str, dict[str, int]]:
    """Lines ``query-id, corpus-id, score``; a first line whose score is no number is the header."""
    known_queries, known_documents = set(queries.ids), set(corpus.ids)
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        columns = line.split("\t")
        if number == 1 and not _GRADE.fullmatch(columns[-1].strip()):
            continue
        if len(columns) != 3 or not _GRADE.fullmatch(columns[2].strip()):
            raise UserError(f"{path} line {number} needs three columns, query-id, corpus-id and a whole number, with tabs between")
        query, document, grade = columns[0], columns[1], int(columns[2])
        if query not in known_queries:
            raise UserError(f"{path} line {number} names the query {query}, which queries.jsonl does not have; add it or remove the line")
        if document not in known_documents:
            raise UserError(
                f"{path} line {number} names the document {document}, which corpus.jsonl does not have; add it or remove the line"
            )
        if qrels.setdefault(query, {}).setdefault(document, grade) != grade:
            raise UserError(f"{path} line {number} grades {query} and {document} again, otherwise than before; keep one of the lines")
    return qrels
