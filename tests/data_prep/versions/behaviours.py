"""Everything in data_prep whose results are kept on disk: its version, and the digest of what it makes of the
sample."""

import tempfile
from pathlib import Path

from tests.data_prep.versions import of_dedup, of_documents, of_models, of_rules, of_stages, of_tokens
from tests.data_prep.versions.table import Entry

ROOMS = (of_rules, of_documents, of_dedup, of_models, of_tokens, of_stages)


def measure_all() -> dict[str, Entry]:
    """Entries of all behaviours."""
    entries: dict[str, Entry] = {}
    with tempfile.TemporaryDirectory() as folder:
        for room in ROOMS:
            home = Path(folder, room.__name__.rpartition(".")[2])
            home.mkdir()
            entries |= room.entries(home)
    return entries
