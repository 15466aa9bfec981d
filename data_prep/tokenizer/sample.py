"""A sample of documents, even over all of them, of about so many bytes, in one pass."""

import heapq
import random


class Sample:
    """Keeps the documents with the smallest random numbers while they fit in ``budget`` bytes.

    One pass, at most ``budget`` bytes (and one document) in memory, every document with the same chance wherever it
    stands. Depends on the documents and their order alone: the numbers come from a fixed seed."""

    def __init__(self, budget: int):
        self.budget = budget
        self.size = self.seen = 0
        self.heap: list[tuple[float, int, str]] = []
        self.draw = random.Random(0).random

    def add(self, text: str) -> None:
        """Offer one document."""
        number = self.draw()
        self.seen += 1
        if self.size >= self.budget and -self.heap[0][0] <= number:
            return
        heapq.heappush(self.heap, (-number, self.seen, text))
        self.size += len(text.encode())
        while len(self.heap) > 1 and self.size - len(self.heap[0][2].encode()) >= self.budget:
            self.size -= len(heapq.heappop(self.heap)[2].encode())

    def texts(self) -> list[str]:
        """The documents kept, in the order in which they came."""
        return [text for _, _, text in sorted(self.heap, key=lambda item: item[1])]
