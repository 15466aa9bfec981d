"""What happens to a document that cannot be read: an error that names its place, or a count with an upper limit."""

from collections import Counter

from common.errors import UserError

EXAMPLES = 20


class BadDocuments:
    """Counts of unreadable documents by kind (invalid_json, no_text, not_utf8, broken_file) with the first few places.

    With ``mode`` error the first one raises UserError; with skip, the one after ``limit`` does, ``before`` of which came earlier."""

    def __init__(self, mode: str = "error", limit: int = 1000, before: int = 0):
        self.mode, self.limit, self.before = mode, limit, before
        self.counts: Counter[str] = Counter()
        self.examples: list[str] = []

    def add(self, kind: str, place: str, fault: str) -> None:
        """Count one; ``place`` is the file (and line), ``fault`` goes on after it."""
        if self.mode == "error":
            raise UserError(f"{place} {fault}; mend it, or pass over such documents with prepare.on_bad_document=skip")
        self.counts[kind] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{place} {fault}")
        count = self.before + self.counts.total()
        if count > self.limit:
            raise too_many(count, self.limit, f"{place} {fault}")


def too_many(count: int, limit: int, example: str) -> UserError:
    """The error for more bad documents than ``prepare.max_bad_documents`` allows."""
    return UserError(
        f"{count} bad documents, more than prepare.max_bad_documents={limit}, such as: {example}; mend them or raise the limit"
    )
