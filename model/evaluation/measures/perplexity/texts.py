"""Raw text to measure perplexity on: .txt (a document a file), .jsonl and .parquet (key `text`); plain, .gz or .zst."""

from pathlib import Path

from common.errors import UserError
from common.files import digest, digest_of
from common.folders import files_below
from common.reading.form import LIMIT, Form
from common.reading.formats import kind_of
from common.reading.readers import READERS, read_documents
from common.reading.unread import Unread

KEY = "text"
SUFFIXES = ".txt, .jsonl, .parquet (also .gz or .zst)"


def text_files(path: str | Path, key: str) -> list[Path]:
    """The file ``path``, or the files of text in and below the folder, links followed, sorted. Raises UserError, naming
    ``key`` of the configuration, where there are none, and as `files_below`."""
    path = Path(path)
    if path.is_dir():
        found = sorted(file for file in files_below(path, key) if _is_text(file))
    elif path.is_file():
        found = [path] if _is_text(path) else []
    else:
        fault = "is a dead link" if path.is_symlink() else "does not exist"
        raise UserError(f"{key}: {path} {fault}; name a file or folder of text: {SUFFIXES}")
    if not found:
        raise UserError(f"{key}: {path} is no text that can be read here; give {SUFFIXES}")
    return found


def _unread(path: str | Path, key: str) -> Unread:
    return Unread.of(file for file in files_below(path, key) if not _is_text(file)) if Path(path).is_dir() else Unread()


def _is_text(file: Path) -> bool:
    """Whether a file is read. A .md is not: most are notes about the others."""
    kind = kind_of(file)
    packed = kind is not None and kind[1]
    return (
        kind is not None and kind[0] in READERS and (file.with_suffix("") if packed else file).suffix.lower() != ".md"
    )


def digest_texts(path: str | Path, key: str) -> str:
    """Hex digest of the bytes of every file that `read_texts` reads, and of which of them are one document: the same
    lines named .txt and .jsonl are other text."""
    files = text_files(path, key)
    whole = [kind_of(file)[0] == "text" for file in files]
    return digest_of(
        [["text", digest(file)] if text else digest(file) for file, text in zip(files, whole, strict=True)]
    )


def read_texts(path: str | Path, key: str, max_bytes: int | None = LIMIT) -> list[str]:
    """Documents in the order of `text_files`; those without a visible character are left out, as `jobs.prepare` does,
    and so are rows of a .parquet without text. Says which files of other kinds the folder holds.

    Raises UserError, with file and line, for what `jobs.prepare` calls a bad document or has more than ``max_bytes``,
    and where no document is left."""
    form = Form(KEY, id_field="", max_bytes=max_bytes, section="", null_text="empty")
    _unread(path, key).tell(key)
    texts = (document.text for file in text_files(path, key) for document in read_documents(file, form, fields=()))
    found = [text for text in texts if text and not text.isspace()]
    if not found:
        raise UserError(f"{key}: {path} holds no document with a visible character; name other text")
    return found
