"""Bad documents, which cannot be read: an error that names its place, or a count with an upper limit."""

from collections import Counter

from common.errors import UserError

EXAMPLES = 20


class BadDocuments:
    """Counts of unreadable documents by kind, with the first few places. Each is counted once: read = documents + bad.

    Kinds: invalid_json, no_text, not_utf8, wrong_encoding, nul_bytes, too_long, too_deep (a page of HTML),
    no_text_layer (a .pdf of images), invalid_pages, unreadable_field (of a column that is asked for), and broken_file
    (the rest of the file counts as one). With ``mode`` error the first one raises UserError; with skip, the one after
    ``limit`` does, ``before`` of which came earlier. ``section`` is that of the keys in messages; empty where no key
    passes over bad documents."""

    def __init__(self, mode: str = "error", limit: int = 1000, before: int = 0, section: str = "prepare"):
        self.mode, self.limit, self.before, self.section = mode, limit, before, section
        self.counts: Counter[str] = Counter()
        self.examples: list[str] = []

    def add(self, kind: str, place: str, fault: str) -> None:
        """Count one; ``place`` is the file (and line), ``fault`` goes on after it."""
        if self.mode == "error":
            instead = f", or pass over such documents with {self.section}.on_bad_document=skip" if self.section else ""
            raise UserError(f"{place} {fault}; mend it{instead}")
        self.counts[kind] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{place} {fault}")
        count = self.before + self.counts.total()
        if count > self.limit:
            raise too_many(count, self.limit, f"{place} {fault}", self.section)


def too_many(count: int, limit: int, example: str, section: str = "prepare") -> UserError:
    """The error for more bad documents than ``<section>.max_bad_documents`` allows."""
    return UserError(
        f"{count} bad documents, more than {section}.max_bad_documents={limit}, such as: {example}; mend them or raise"
        " the limit"
    )
