"""Formats of files, by their names."""

from pathlib import Path

FORMATS = {
    ".txt": "text", ".md": "text", ".html": "html", ".htm": "html", ".jsonl": "jsonl", ".parquet": "parquet",
    ".pdf": "pdf",
    ".pages.json": "pages", ".pages.jsonl": "page_lines",
}  # fmt: skip
COMPRESSIONS = {".gz": "gz", ".zst": "zst"}


def kind_of(path: str | Path) -> tuple[str, str] | None:
    """Format (a value of FORMATS) and compression ("", gz, zst) by the suffixes; None for a file that is not read."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1], "") if suffixes else ""
    if compression:
        suffixes.pop()
    name = FORMATS.get("".join(suffixes[-2:])) or FORMATS.get("".join(suffixes[-1:]))
    return (name, compression) if name else None
