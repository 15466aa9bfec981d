"""Documents in the streams of `jobs.mix`: which one is where, and how often it is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from common.layout import DOCUMENTS
from data_prep.tokens.origins import read_rows

SHOWN = 10
"""Positions that are listed."""
BLOCK = 1 << 20


@dataclass(frozen=True)
class Reading:
    """One place of a stream."""

    position: int
    """Number of the document in the stream, from 0."""
    folder: Path
    """Tokens folder of its source."""
    document: int
    """Its number there."""
    title: str
    """The place, for people."""


@dataclass(frozen=True)
class Readings:
    """Everything that a phase reads."""

    folder: Path
    mixture: dict[str, Any]
    rows: np.ndarray

    def at(self, position: int) -> Reading:
        """The document at a position. Raises UserError where the stream has none."""
        if position >= len(self.rows):
            raise UserError(f"status.document={position}: {self.folder} has documents 0 to {len(self.rows) - 1}")
        number, document, repeat = self.rows[position].tolist()
        source = self.mixture["sources"][number]
        title = f"{position:,} of {self.folder}: source {source['name']}, read for the {repeat + 1}. time"
        return Reading(position, Path(source["folder"]), document, title)

    def first(self, source: int, document: int) -> Reading | None:
        """The first reading of a document; None where the phase has none."""
        found = self.positions(source, document)
        return self.at(found[0]) if found else None

    def positions(self, source: int, document: int) -> list[int]:
        """Every position of a document."""
        found: list[int] = []
        for first in range(0, len(self.rows), BLOCK):
            part = self.rows[first : first + BLOCK]
            found += (first + np.flatnonzero((part[:, 0] == source) & (part[:, 1] == document))).tolist()
        return found


def readings(folder: Path, manifest: dict[str, Any]) -> Readings:
    """The stream of a phase with the manifest ``manifest``."""
    return Readings(folder, manifest["mixture"], read_rows(folder / DOCUMENTS, 3))


def in_stream(tokens: Path, document: int, mixture: str) -> list[str]:
    """Where the phases of the mixture in the folder ``mixture`` read a document of the tokens folder ``tokens``."""
    found = []
    for path in sorted(Path(mixture).glob(f"*/{DOCUMENTS}")):
        known = manifests.read(path.parent)
        for number, source in enumerate(known["mixture"]["sources"]):
            if Path(source["folder"]).resolve() == tokens.resolve():
                places = readings(path.parent, known).positions(number, document)
                more = f" and {len(places) - SHOWN:,} more" if len(places) > SHOWN else ""
                where = f"positions {', '.join(f'{one:,}' for one in places[:SHOWN])}{more}" if places else "not read"
                found.append(f"{path.parent}: {where}")
    return found
