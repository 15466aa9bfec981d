"""The compact protocol of Thrift, as far as the page headers of a .parquet need it."""

import struct
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
DEEPEST = 16


class Malformed(ValueError):
    """Bytes that are no struct."""


class Cut(Malformed):
    """Bytes that end inside a struct."""


class Reader:
    """Reads structs out of ``data``; ``at`` is the place behind what has been read."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def fields(self, depth: int = 0) -> dict[int, Any]:
        """A struct: its fields by number, those of structs inside likewise; binaries, lists and maps are passed over.
        Raises Malformed."""
        values: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            values[number] = self._value(head & 15, depth)
        return values

    def _value(self, kind: int, depth: int) -> Any:
        if depth > DEEPEST:
            raise Malformed("values are nested too deeply")
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind in (I16, I32, I64):
            return self._zigzag()
        if kind == DOUBLE:
            return struct.unpack("<d", self._take(8))[0]
        if kind == BINARY:
            self._take(self._varint())
            return None
        if kind == STRUCT:
            return self.fields(depth + 1)
        if kind in (LIST, SET):
            return self._elements(depth)
        raise Malformed(f"there is no type {kind} in a page header")

    def _elements(self, depth: int) -> None:
        head = self._byte()
        kind, count = head & 15, head >> 4
        for _ in range(self._varint() if count == 15 else count):
            if kind in (TRUE, FALSE):
                self._byte()
            else:
                self._value(kind, depth + 1)

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise Cut("it ends inside a struct")
        self.at += count
        return self.data[self.at - count : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise Malformed("a number has more than 64 bits")

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
