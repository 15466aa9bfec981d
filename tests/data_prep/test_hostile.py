"""No text costs more than its length: not a rule, a cleaner, a finder of personal data, a reader, a pattern."""

import re
import time

import pytest

from tests.data_prep.hostile import generators, subjects

SMALL, FACTOR = 1500, 4
FLOOR = 3e-6
"""CPU seconds a character below which growth is not asked about: noise, and what no length makes slow."""
MOST = 400e-6
"""CPU seconds a character that nothing may take; the slowest takes 50e-6, an expression that stalls thousands."""
GROWTH = 2.0
"""Seconds a character may grow by this when the text is four times as long: 1 is linear, 4 quadratic."""


def _seconds(subject, text: str, rounds: int) -> float:
    """CPU seconds a character, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        subject(text)
        best = min(best, time.process_time() - start)
    return best / len(text)


def _fault(subject, make) -> str | None:
    """What is wrong with the time that a subject takes over texts that ``make`` makes; None where nothing is."""
    small, large = make(SMALL), make(SMALL * FACTOR)
    once = _seconds(subject, small, 1)
    if once > MOST and _seconds(subject, small, 2) > MOST:
        return f"takes {once * 1e6:.0f} us a character"
    if _seconds(subject, large, 1) < FLOOR:
        return None
    before, after = _seconds(subject, small, 5), _seconds(subject, large, 3)
    return (
        f"{after / before:.1f} times slower a character when four times as long"
        if after > max(FLOOR, GROWTH * before)
        else None
    )


@pytest.mark.long
def test_time_grows_no_faster_than_the_text(tmp_path, small_tokenizer):
    faults = []
    for name, subject in subjects(tmp_path, small_tokenizer).items():
        subject("Warm up. A short text of 2 sentences, 12:30.")
        faults += [
            f"{name} on {kind}: {fault}" for kind, make in generators().items() if (fault := _fault(subject, make))
        ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("pattern", [r"\.+\s", r"\S+:"])
def test_what_is_slow_is_noticed(pattern):
    slow = re.compile(pattern)
    assert any(_fault(lambda text: list(slow.finditer(text)), make) for make in generators(0).values())
