"""Garbage collection around a start: imports and set-up only add objects, which collections would walk again and
again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Collect nothing for as long as the block takes, or until `settle`; may decorate a function."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """Keep what there is by now out of all later collections, and collect again: the start is over."""
    gc.freeze()
    gc.enable()


def end() -> None:
    """Spare the interpreter the collections of its end, which take a second once torch is loaded; call it last."""
    gc.freeze()
