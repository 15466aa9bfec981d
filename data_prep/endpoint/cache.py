"""Answers on disk, by a digest of the request."""

import os
import uuid
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from common.files import digest_of, make_folder

SUFFIX = ".answers"


def request_key(body: dict[str, Any]) -> str:
    """Digest of a request's body."""
    return digest_of(body)


class Cache:
    """A folder of files of JSON lines ``{"key", "answer"}``. Every process appends to a file of its own, so that two of them, on two
    machines even, do not meet; a line that a kill cut off is the last one of its file, and is passed over.

    Memory holds the place of each answer, not the answer."""

    def __init__(self, folder: Path):
        self.folder = make_folder(folder)
        self.places: dict[str, tuple[Path, int, int]] = {}
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            self._index(path)
        self.mine = self.folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self.file: BinaryIO | None = None

    def _index(self, path: Path) -> None:
        start = 0
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"}\n"):
                    self.places[orjson.loads(line)["key"]] = (path, start, len(line))
                start += len(line)

    def __contains__(self, key: str) -> bool:
        return key in self.places

    def __len__(self) -> int:
        return len(self.places)

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer to a request; None where there is none yet."""
        if key not in self.places:
            return None
        path, start, length = self.places[key]
        with path.open("rb") as file:
            file.seek(start)
            return orjson.loads(file.read(length))["answer"]

    def put(self, key: str, answer: dict[str, Any]) -> None:
        """Keep an answer: once this returns it survives a kill, and the loss of the machine."""
        if self.file is None:
            self.file = self.mine.open("xb")
        line = orjson.dumps({"key": key, "answer": answer}, option=orjson.OPT_APPEND_NEWLINE)
        start = self.file.tell()
        self.file.write(line)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.places[key] = (self.mine, start, len(line))

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
            self.file = None
