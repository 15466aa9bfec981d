"""Origins of the documents of tokens.bin: origins.npy, [documents, 2] uint32, number of the span of input and row
in it (from 1).

The spans are listed in the manifest, in order: path, first byte, end (null: the whole file). A row of a span that
begins inside a file becomes a line of the file by counting the lines before it, which only a trace does."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from data_prep.sources.readers import Span
from data_prep.tokens.indexed import Writable

ORIGINS = "origins.npy"
BLOCK = 1 << 20


def write_rows(file: Writable, shape: tuple[int, int], parts: Iterable[np.ndarray]) -> None:
    """Write a .npy of ``shape`` in uint32 whose rows ``parts`` give in order."""
    np.lib.format.write_array_header_1_0(file, {"descr": "<u4", "fortran_order": False, "shape": shape})
    for part in parts:
        file.write(np.ascontiguousarray(part, "<u4").tobytes())


def read_rows(path: Path, columns: int) -> np.ndarray:
    """The rows of such a file [n, columns], mapped. Raises ValueError where it is none."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # no rows: nothing to map
        rows = np.load(path, allow_pickle=False)
    if rows.shape != (len(rows), columns) or rows.dtype != np.dtype("<u4"):
        raise ValueError(f"{path} does not hold {columns} columns of uint32")
    return rows


@dataclass(frozen=True)
class Origins:
    """Origins of a tokens folder: rows [documents, 2] and what the first number of each means."""

    rows: np.ndarray
    spans: list[Span]

    def of(self, document: int) -> tuple[Span, int]:
        """Span and row of a document."""
        number, row = self.rows[document].tolist()
        return self.spans[number], row

    def find(self, path: str, line: int) -> int | None:
        """The document that came from a line (row) of a file, counted from 1; None where that became none."""
        for number, span in enumerate(self.spans):
            if str(span.path) != path or line <= span.lines_before:
                continue
            for first in range(0, len(self.rows), BLOCK):
                part = self.rows[first : first + BLOCK]
                here = np.flatnonzero((part[:, 0] == number) & (part[:, 1] == line - span.lines_before))
                if len(here):
                    return first + int(here[0])
        return None


def open_origins(folder: Path, tokens_manifest: dict[str, Any]) -> Origins | None:
    """Origins of the tokens folder with the manifest ``tokens_manifest``; None where it was made before they were kept,
    or its tokens adopted."""
    if "origins" not in tokens_manifest:
        return None
    try:
        rows = read_rows(folder / ORIGINS, 2)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / ORIGINS} cannot be read ({error}); run jobs.prepare again") from error
    return Origins(rows, [Span(Path(path), start, end) for path, start, end in tokens_manifest["origins"]["spans"]])
