"""Work over threads: in order, as many at a time as PyTorch has, and nothing left changed."""

import threading

import pytest
import torch
from model.evaluation.threads import spread


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("given", "items", "workers", "within"), [(3, 8, 3, 1), (4, 2, 2, 2), (1, 5, 1, 1), (4, 1, 1, 4), (2, 0, 0, 0)]
)
def test_threads_are_shared_out(threads, given, items, workers, within):
    threads(given)
    together, seen = threading.Barrier(max(1, workers)), []

    def work(item: int) -> int:
        if item < workers:
            together.wait(20)  # passes only where that many run at the same time
        seen.append((threading.get_ident(), torch.get_num_threads()))
        return item * item

    assert spread(work, list(range(items))) == [item * item for item in range(items)]
    assert len({thread for thread, _ in seen}) == workers and all(number == within for _, number in seen)
    assert torch.get_num_threads() == given


def test_an_error_comes_out_and_threads_are_restored(threads):
    threads(2)
    with pytest.raises(ZeroDivisionError):
        spread(lambda item: 1 // item, [1, 0, 2])
    assert torch.get_num_threads() == 2
