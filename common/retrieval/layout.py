"""Layout of a retrieval set: which files of a folder it is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.reading.formats import COMPRESSIONS, kind_of

SPLITS = ("train", "dev", "test")
LAYOUT = (
    "corpus.jsonl, queries.jsonl (or .parquet) and qrels.tsv (or any of qrels/{train,dev,test}.tsv), each plain, .gz or"
    " .zst, or such sets in train/, dev/ and test/"
)
WHOLE = ""
"""In place of a split: judgements of all queries."""
_NAMES = {"train": ("train",), "dev": ("dev", "validation", "valid", "val"), "test": ("test",)}
_TABLES, _JUDGEMENTS = ("jsonl", "parquet"), ("tsv", "trec", "jsonl", "parquet")
_QRELS, _OTHERS = "qrels", ("data", "default")
"""Folder of the judgements by split, and what the hub's own converters call it."""


@dataclass(frozen=True)
class Layout:
    """Files of a set with one corpus."""

    folder: Path
    corpus: tuple[Path, ...]
    queries: tuple[Path, ...]
    qrels: dict[str, tuple[Path, ...]]
    """By split, or all under `WHOLE`."""
    unread: tuple[Path, ...] = ()
    """A file of judgements of all queries, where there are some by split."""

    @property
    def files(self) -> list[Path]:
        """All that is read, sorted."""
        return sorted({*self.corpus, *self.queries, *(path for paths in self.qrels.values() for path in paths)})


def form_of(path: Path) -> str:
    """Format of a file of a set by its name: tsv, trec, jsonl, parquet, or empty for none of them."""
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    form = plain.suffix.lower().removeprefix(".")
    return form if form in _JUDGEMENTS else ""


def is_set(folder: Path) -> bool:
    """Check whether ``folder`` has a corpus and queries."""
    return bool(_table(folder, "corpus") and _table(folder, "queries"))


def has_judgements(folder: Path) -> bool:
    """Check whether ``folder`` has judgements, by split or of all queries."""
    return any(_judgements(folder))


def homes(folder: Path) -> dict[str, Path]:
    """The folders train/, dev/ and test/ that are in ``folder`` and hold a set each, by split; empty where it is one
    set itself."""
    return {} if is_set(folder) else {split: folder / split for split in SPLITS if (folder / split).is_dir()}


def folder_of(path: Path) -> Path | None:
    """The folder of the set that a file of a corpus belongs to, by its name: corpus.* or corpus/*."""
    if path.name.split(".")[0] == "corpus" and _is_table(path):
        return path.parent
    return path.parent.parent if path.parent.name == "corpus" and _is_table(path) else None


def is_judgements(path: Path) -> bool:
    """Check whether a file holds the judgements of a set, and no text."""
    if not form_of(path):
        return False
    if path.name.split(".")[0] == _QRELS:
        return is_set(path.parent)
    folder = path.parent.parent
    return (
        path.parent.name in (_QRELS, *_OTHERS)
        and is_set(folder)
        and any(path in files for files in _judgements(folder)[0].values())
    )


def find_layout(folder: Path) -> Layout:
    """The files of the set with one corpus in ``folder``. Raises UserError for one that is not there, twice there or a
    dead link."""
    tables = [_one(folder, name, _table(folder, name)) for name in ("corpus", "queries")]
    if below := (
        [] if tables[0][0].exists() else [path for path in sorted(_listed(folder)) if path.is_dir() and is_set(path)]
    ):
        raise UserError(f"{folder} is no retrieval set, but {below[0]} below it is one; name that folder")
    by_split, whole = _judgements(folder)
    layout = Layout(folder, *tables, by_split or {WHOLE: _one(folder, _QRELS, whole, "tsv")}, whole if by_split else ())
    for path in (*layout.corpus, *layout.queries, *(path for files in layout.qrels.values() for path in files)):
        check_there(path)
    return layout


def layouts(folder: Path) -> dict[str, Layout]:
    """The set in each of train/, dev/ and test/, as far as they are there, or the one set under `WHOLE`. Raises as
    `find_layout`."""
    return {split: find_layout(home) for split, home in homes(folder).items()} or {WHOLE: find_layout(folder)}


def check_there(path: Path) -> None:
    """Raise UserError for a file that is not there."""
    if not path.is_file():
        fault = "is a dead link" if path.is_symlink() else "does not exist"
        raise UserError(f"{path} {fault}; a retrieval set is {LAYOUT}")


def _is_table(path: Path) -> bool:
    return (kind_of(path) or ("",))[0] in _TABLES


def _named(folder: Path, stem: str, forms: Iterable[str]) -> tuple[Path, ...]:
    """Files ``stem.<form>`` of ``folder``, plain or packed, dead links among them."""
    names = (f"{stem}.{form}{packed}" for form in forms for packed in ("", *COMPRESSIONS))
    return tuple(path for name in names if (path := folder / name).is_file() or path.is_symlink())


def _table(folder: Path, stem: str) -> tuple[Path, ...]:
    return _named(folder, stem, _TABLES) or tuple(sorted(filter(_is_table, _listed(folder / stem))))


def _one(folder: Path, stem: str, files: tuple[Path, ...], form: str = "jsonl") -> tuple[Path, ...]:
    """The files of a table. Raises UserError where two spellings of it lie side by side."""
    if len(files) > 1 and files[0].parent == folder:
        raise UserError(f"the retrieval set {folder} has {files[0].name} and {files[1].name}; leave one of them")
    return files or (folder / f"{stem}.{form}",)


def _judgements(folder: Path) -> tuple[dict[str, tuple[Path, ...]], tuple[Path, ...]]:
    """Files of judgements by split, and those of all queries."""
    by_split, whole = _by_split(folder / _QRELS), _named(folder, _QRELS, _JUDGEMENTS)
    for other in () if by_split or whole else _OTHERS:
        by_split = by_split or _by_split(folder / other)
    return by_split, whole


def _by_split(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Judgements of each split that is there: <split>.tsv, or the pieces <split>-00000-of-00002.parquet."""
    listed = sorted(filter(form_of, _listed(folder)))
    tables_of = {split: tuple(path for path in listed if _split_name(path) in names) for split, names in _NAMES.items()}
    for split, files in tables_of.items():
        if len(files) > 1 and (len(set(map(form_of, files))) > 1 or not all("-of-" in path.name for path in files)):
            raise UserError(
                f"{folder} has {files[0].name} and {files[1].name}, both of the {split} split; leave one of them"
            )
    return {split: files for split, files in tables_of.items() if files}


def _split_name(path: Path) -> str:
    return path.name.split(".")[0].split("-")[0]


def _listed(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else iter(())
