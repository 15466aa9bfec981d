"""Best-fit-decreasing packing: documents into packs of one capacity, with little left over."""

import bisect
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Packs:
    """Documents, or pieces of long ones, grouped into packs; arrays may be memory-mapped."""

    starts: np.ndarray
    """First token of each piece, as a position in the .bin [pieces], in the order of the packs."""
    lengths: np.ndarray
    """Tokens of each piece [pieces]."""
    offsets: np.ndarray
    """Pack n has pieces offsets[n] to offsets[n + 1] [packs + 1]."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def tokens(self) -> int:
        """Tokens in all packs."""
        return int(self.lengths.sum(dtype=np.int64))


def cut(starts: np.ndarray, lengths: np.ndarray, capacity: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut documents at ``starts`` [n] of ``lengths`` [n] into pieces of at most ``capacity`` tokens; empty ones vanish.

    Returns starts and lengths of the pieces, in the order of the documents.
    """
    pieces = -(-lengths // capacity)
    document = np.repeat(np.arange(len(lengths)), pieces)
    within = (np.arange(len(document)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * capacity
    return starts[document] + within, np.minimum(lengths[document] - within, capacity)


def assign(lengths: np.ndarray, capacity: int) -> np.ndarray:
    """Pack number of each piece [n] of ``lengths`` [n] (1 to ``capacity``), by best fit in order of falling length.

    Pieces of one length are placed together: a pack with room r takes floor(r / length) of them in a row, which is what
    best fit does, since after the first it is the fullest that still fits. So the work is one pass over at most
    `capacity` lengths and the rooms they meet, whatever the number of documents. Best fit decreasing needs at most 11/9
    of the optimal packs + 4 (Johnson, 1974)."""
    pack = np.empty(len(lengths), dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    bounds = np.searchsorted(-lengths[order], -np.arange(capacity, -1, -1), side="left")
    rooms: dict[int, list[np.ndarray]] = {}  # room left -> numbers of the packs that have it
    sizes: list[int] = []  # keys of `rooms`, sorted
    made = 0

    def put(packs: np.ndarray, room: int) -> None:
        if room and len(packs):
            if room not in rooms:
                rooms[room] = []
                bisect.insort(sizes, room)
            rooms[room].append(packs)

    def place(pieces: np.ndarray, packs: np.ndarray, room: int, length: int) -> None:
        """Fill ``packs``, as many as ``pieces`` need, each with all that its room holds; the last may take fewer."""
        each = room // length
        pack[pieces] = np.repeat(packs, each)[: len(pieces)]
        full, rest = divmod(len(pieces), each)
        put(packs[:full], room - each * length)
        put(packs[full:], room - rest * length)

    for length in range(capacity, 0, -1):
        pieces = order[bounds[capacity - length] : bounds[capacity - length + 1]]
        while len(pieces):
            at = bisect.bisect_left(sizes, length)
            if at == len(sizes):
                count = -(-len(pieces) // (capacity // length))
                place(pieces, np.arange(made, made + count), capacity, length)
                made += count
                break
            room = sizes.pop(at)
            found = rooms.pop(room)
            open_packs = found[0] if len(found) == 1 else np.concatenate(found)
            count = min(len(open_packs), -(-len(pieces) // (room // length)))
            put(open_packs[count:], room)
            taken = count * (room // length)
            place(pieces[:taken], open_packs[:count], room, length)
            pieces = pieces[taken:]
    return pack


def pack(starts: np.ndarray, lengths: np.ndarray, capacity: int) -> Packs:
    """Pack documents at ``starts`` [n] of ``lengths`` [n] into packs of at most ``capacity`` tokens; long ones are cut
    into pieces."""
    starts, lengths = cut(starts.astype(np.int64), lengths.astype(np.int64), capacity)
    number = assign(lengths, capacity)
    order = np.argsort(number, kind="stable")
    counts = np.bincount(number) if len(number) else np.zeros(0, dtype=np.int64)
    return Packs(
        starts[order], lengths[order].astype(np.int32), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    )
