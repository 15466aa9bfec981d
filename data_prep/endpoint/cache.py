"""Answers on disk, by a digest of the request."""

import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from common.disk import naming
from common.files import digest_of, make_folder

SUFFIX = ".answers"


def request_key(body: dict[str, Any]) -> str:
    """Digest of a request's body."""
    return digest_of(body)


class Cache:
    """A folder of files of JSON lines ``{"key", "answer"}``. Every process appends to a file of its own, so that two of
    them, on two machines even, do not meet; a line that a kill cut off is the last one of its file, and is passed over.

    Memory holds the place of each answer, not the answer."""

    def __init__(self, folder: Path):
        self.folder = make_folder(folder)
        self.places: dict[str, tuple[Path, int, int]] = {}
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            self._index(path)
        self.mine = self._new()
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
        line = orjson.dumps({"key": key, "answer": answer}, option=orjson.OPT_APPEND_NEWLINE)
        try:
            with naming(self.mine):
                self.file = self.file or self.mine.open("xb")
                start = self.file.tell()
                self.file.write(line)
                self.file.flush()
                os.fsync(self.file.fileno())
        except OSError:  # half a line may be on disk: nothing comes after it
            self.close()
            self.mine = self._new()
            raise
        self.places[key] = (self.mine, start, len(line))

    def _new(self) -> Path:
        return self.folder / f"{uuid.uuid4().hex}{SUFFIX}"

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            with suppress(OSError):  # what could not be written would be written once more
                self.file.close()
            self.file = None
