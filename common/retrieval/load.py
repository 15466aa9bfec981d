"""A retrieval set read whole, as train, dev and test, with a line on whatever is not as it should be."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.files import digest, digest_of
from common.progress import say
from common.reading.form import LIMIT
from common.retrieval.draw import donors, drawn
from common.retrieval.layout import LAYOUT, SPLITS, WHOLE, Layout, layouts
from common.retrieval.qrels import Judged, read_qrels
from common.retrieval.tables import Table, read_table

SHOWN = 3
Grades = dict[str, dict[str, int]]


@dataclass
class RetrievalSet:
    """Documents, the queries that have at least one relevant document, and the grades of relevance."""

    doc_ids: list[str]
    """Ids of the corpus, in the order of the file."""
    doc_texts: list[str]
    """Title and text of each document, joined by a space."""
    query_ids: list[str]
    """Ids of the queries, in the order of the file."""
    query_texts: list[str]
    """Texts of the queries."""
    qrels: Grades
    """Grade by query id and document id; a grade above 0 is relevant. Documents that the corpus does not have stay in:
    nothing finds them, and recall and the best possible ranking count them, as trec_eval does."""


@dataclass
class _Part:
    """Part of a set: what one split, or the whole set, has in its files."""

    corpus: Table
    queries: Table
    grades: Grades
    """Of the queries with a relevant document."""

    def only(self, names: Collection[str]) -> RetrievalSet:
        kept = [index for index, name in enumerate(self.queries.ids) if name in names]
        qrels = {name: grades for name, grades in self.grades.items() if name in names}
        ids, texts = ([column[index] for index in kept] for column in (self.queries.ids, self.queries.texts))
        return RetrievalSet(self.corpus.ids, self.corpus.texts, ids, texts, qrels)


def load_retrieval(folder: str | Path, seed: int = 0, max_bytes: int | None = LIMIT) -> dict[str, RetrievalSet]:
    """Read the set at ``folder`` as ``{"train", "dev", "test"}`` with disjoint queries.

    Three layouts: ``train/ dev/ test/`` with a corpus each; one corpus with ``qrels/{train,dev,test}.tsv``; one corpus
    with one ``qrels.tsv``, whose queries are split 50/20/30 by a hash of ``seed`` and query id. A split that is missing
    is drawn in the same way from one that is there, test queries last. Sets of one corpus share the lists of documents.
    Says in a line each what was drawn or is absent, empty or repeated. Raises UserError naming file and line for
    whatever is missing, broken, empty or has more than ``max_bytes``."""
    folder = Path(folder)
    parts: dict[str, _Part] = {}
    notices: list[str] = []
    for name, layout in _layouts(folder).items():
        parts |= _read(layout, name, max_bytes, notices)
    there = {name: part for name, part in parts.items() if training_pairs(part.only(part.grades))}
    if not there:
        raise UserError(
            f"the retrieval set {folder} has no query with a relevant document in its corpus; add qrels for it"
        )
    if WHOLE in there:
        owners, sources = dict.fromkeys(SPLITS, WHOLE), {WHOLE: SPLITS}
    else:
        owners = donors(there)
        sources = {donor: tuple(split for split in SPLITS if owners[split] == donor) for donor in there}
    splits = {donor: drawn(there[donor].grades, seed, among) for donor, among in sources.items()}
    sets = {
        split: there[donor].only({n for n, s in splits[donor].items() if s == split}) for split, donor in owners.items()
    }
    for split, loaded in sets.items():
        if not training_pairs(loaded):
            raise UserError(
                f"the retrieval set {folder} has too few queries with a relevant document to draw {split} from; add"
                " qrels, so that there is one at least for each of train, dev and test"
            )
    for notice in notices:  # after all that is refused
        say(notice)
    _tell_drawn(folder, sets, owners, parts)
    return sets


def digest_retrieval(folder: str | Path) -> str:
    """Hex digest of the bytes of every file that `load_retrieval` reads. Raises UserError for a file that is not
    there."""
    folder = Path(folder)
    files = {path for layout in _layouts(folder).values() for path in layout.files}
    return digest_of({str(path.relative_to(folder)): digest(path) for path in sorted(files)})


def check_retrieval(folder: str | Path) -> None:
    """Raise UserError where the files of the set ``folder`` are not there."""
    _layouts(Path(folder))


def training_pairs(retrieval: RetrievalSet) -> list[tuple[int, int]]:
    """Positions (query, document) of all pairs with a grade above 0 whose document is there, in the order of queries
    and qrels."""
    row = {name: index for index, name in enumerate(retrieval.doc_ids)}
    return [
        (query, row[document])
        for query, name in enumerate(retrieval.query_ids)
        for document, grade in retrieval.qrels[name].items()
        if grade > 0 and document in row
    ]


def _layouts(folder: Path) -> dict[str, Layout]:
    if not folder.is_dir():
        raise UserError(f"the retrieval set {folder} does not exist; set data.retrieval to a folder with {LAYOUT}")
    return layouts(folder)


def _read(layout: Layout, name: str, max_bytes: int | None, notices: list[str]) -> dict[str, _Part]:
    """Read what the files of one corpus hold, by split; ``name``: the split that all of it is, or `WHOLE` where its own
    files tell."""
    corpus, queries = read_table(layout.corpus, max_bytes, titled=True), read_table(layout.queries, max_bytes)
    query_ids, documents = set(queries.ids), set(corpus.ids)
    files = layout.qrels
    if name and WHOLE not in files:
        if name not in files:
            first = next(iter(files.values()))[0]
            raise UserError(
                f"{layout.folder} is the {name} split and judges others; rename {first} to"
                f" {name}{''.join(first.suffixes)}"
            )
        files = {name: files[name]}
    judged = {split: read_qrels(paths, query_ids, documents) for split, paths in files.items()}
    _refuse_shared(layout, judged)
    notices += _notices(layout, corpus, queries, judged)
    return {split or name: _Part(corpus, queries, _relevant(judgements.grades)) for split, judgements in judged.items()}


def _relevant(grades: Grades) -> Grades:
    return {
        name: grades_of_query
        for name, grades_of_query in grades.items()
        if any(grade > 0 for grade in grades_of_query.values())
    }


def _refuse_shared(layout: Layout, judged: Mapping[str, Judged]) -> None:
    """Raise UserError for queries of two splits: what is trained on must not be measured on."""
    owner: dict[str, str] = {}
    shared = [
        (name, split)
        for split, judgements in judged.items()
        for name in judgements.grades
        if owner.setdefault(name, split) != split
    ]
    if shared:
        (name, split), more = shared[0], f" (so are {len(shared) - 1} others)" if len(shared) > 1 else ""
        files = [layout.qrels[judgements][0].relative_to(layout.folder) for judgements in (owner[name], split)]
        raise UserError(
            f"query {name} is in {files[0]} and in {files[1]} of {layout.folder}{more}; keep each in one split"
        )


def _notices(layout: Layout, corpus: Table, queries: Table, judged: Mapping[str, Judged]) -> list[str]:
    """What the files lack or hold twice, for people."""
    absent = {name for judgements in judged.values() for name in judgements.absent}
    listed = {
        "judged documents that the corpus does not have, which count as never found, as in trec_eval": sorted(absent),
        "empty documents": corpus.empty,
        "empty queries": queries.empty,
        "documents that stand there again with the same text, which count once": corpus.repeated,
        "queries that stand there again with the same text, which count once": queries.repeated,
    }
    notices = [
        f"{layout.folder} has {what}: {len(names):,}"
        f" ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
        for what, names in listed.items()
        if names
    ]
    for path in layout.unread:
        by_split = next(iter(layout.qrels.values()))[0].parent.name
        notices.append(f"{layout.folder}: {path.name} is not read, since {by_split}/ has judgements by split")
    return notices


def _tell_drawn(
    folder: Path, sets: Mapping[str, RetrievalSet], owners: Mapping[str, str], parts: Mapping[str, _Part]
) -> None:
    """Say which splits are drawn, and from what."""
    missing = [split for split in SPLITS if owners[split] not in (split, WHOLE)]
    if missing:
        why = "empty" if all(split in parts for split in missing) else "missing"
        said = ", ".join(f"{split} from {owners[split]} ({len(sets[split].query_ids):,} queries)" for split in missing)
        left = ", ".join(
            f"{donor} keeps {len(sets[donor].query_ids):,}"
            for donor in dict.fromkeys(owners[split] for split in missing)
        )
        say(f"{folder}: splits that are {why} are drawn by a hash of the query ids: {said}; {left}")
