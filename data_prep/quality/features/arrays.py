"""Arithmetic that the features share."""

from collections.abc import Sequence

import numpy as np

from data_prep.text.batch import Spans


def share(part: np.ndarray, whole: np.ndarray | int) -> np.ndarray:
    """``part / whole`` [n], 0 where there is nothing to divide by. ``part`` may be [n, k]."""
    whole = np.asarray(whole, np.float64)
    return np.where(whole > 0, part.T / np.where(whole > 0, whole, 1), 0.0).T


def columns(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays [n] and [n, k] side by side, as float32."""
    return np.column_stack(parts).astype(np.float32)


def histogram(documents: np.ndarray, classes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """[n, k] int64: how often each class [m] occurs in each document [m]."""
    return np.bincount(documents * np.int64(shape[1]) + classes, minlength=shape[0] * shape[1]).reshape(shape)


def tally(spans: Spans, masks: Sequence[np.ndarray]) -> np.ndarray:
    """[n, k] float64: how many pieces of each document every mask holds; eight masks [pieces] at a time become the bits
    of one class."""
    shape = (len(spans.bounds) - 1, 256)
    counts = []
    for start in range(0, len(masks), 8):
        part = masks[start : start + 8]
        classes = np.zeros(len(spans), np.uint8)
        for bit, mask in enumerate(part):
            classes |= mask.view(np.uint8) << np.uint8(bit)
        bits = (np.arange(256)[:, None] >> np.arange(len(part)) & 1).astype(np.float64)
        counts.append(histogram(spans.owners, classes, shape) @ bits)  # exact: far below 2**53
    return np.concatenate(counts, 1)


def spread(spans: Spans, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [n] of a value of each piece [k]."""
    mean = share(spans.total(values.astype(np.float64)), spans.counts)
    square = share(spans.total(values.astype(np.float64) ** 2), spans.counts)
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def largest(spans: Spans, values: np.ndarray) -> np.ndarray:
    """[n]: the largest value of the pieces of each document, 0 where it has none."""
    maxima, some = np.zeros(len(spans.bounds) - 1), spans.counts > 0
    if len(values):
        maxima[some] = np.maximum.reduceat(values, spans.bounds[:-1][some])
    return maxima


def after_same(owners: np.ndarray, mask: np.ndarray, distance: int = 1) -> np.ndarray:
    """[k] bool: ``mask`` [k - distance] belongs to a piece and one before it; here it stands at the later one, if both
    are of one text."""
    follows = np.zeros(len(owners), bool)
    follows[distance:] = mask & (owners[distance:] == owners[:-distance])
    return follows
