"""How benchmarks measure: two sides in turns, peak memory in a process of its own, and the rate of the machine's matrix
products."""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

Step = Callable[[], Any]


def settle() -> None:
    """Wait for the device to finish what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def alternate(sides: dict[str, Step], rounds: int, warm_up: int = 1) -> dict[str, dict[str, list[float]]]:
    """Seconds of each side, `wall` and `cpu` (of all threads), one value a round.

    Each round runs every side once, every second one in the opposite order, so that a machine that slows down or is
    shared slows all alike."""
    times: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in sides}
    for number in range(-warm_up, rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            settle()
            cpu, wall = time.process_time(), time.perf_counter()
            sides[name]()
            settle()
            if number >= 0:
                times[name]["wall"].append(time.perf_counter() - wall)
                times[name]["cpu"].append(time.process_time() - cpu)
    return times


def summary(times: dict[str, list[float]]) -> dict[str, float]:
    """Median and least of each clock."""
    return {
        f"{clock}_{name}": round(of(values), 5) for clock, values in times.items() for name, of in _SUMMARIES.items()
    }


def ratio(theirs: dict[str, list[float]], ours: dict[str, list[float]], clock: str) -> dict[str, float]:
    """How many times faster ours is: median and least over the rounds, and the ratio of the least times (the least
    disturbed)."""
    by_round = [a / b for a, b in zip(theirs[clock], ours[clock], strict=True)]
    found = {name: of(by_round) for name, of in _SUMMARIES.items()} | {
        "of_least": min(theirs[clock]) / min(ours[clock])
    }
    return {name: round(value, 3) for name, value in found.items()}


_SUMMARIES: dict[str, Callable[[list[float]], float]] = {"median": statistics.median, "least": min}


def in_child(function: Callable, *arguments: Any) -> Any:
    """`function(*arguments)` in a fresh process; both must be picklable, and the caller's `__main__` guarded."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_memory(step: Step) -> dict[str, float]:
    """MiB of this process before `step`, and at most while it runs (Linux; None where the kernel does not say)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets the peak to the present
    before = _status("VmRSS")
    step()
    return {"before_mib": before, "peak_mib": _status("VmHWM")}


def _status(key: str) -> float:
    line = next(
        line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if line.startswith(key)
    )
    return round(int(line.split()[1]) / 1024, 1)


def matmul_rate(
    rows: int, inner: int, columns: int, dtype: torch.dtype, device: torch.device, seconds: float = 1.0
) -> float:
    """FLOP/s of the fastest of many products `[rows, inner] x [inner, columns]` of random numbers within `seconds`."""
    a, b = (torch.randn(shape, device=device).to(dtype) for shape in ((rows, inner), (inner, columns)))
    least, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        settle()
        started = time.perf_counter()
        torch.matmul(a, b)
        settle()
        least = min(least, time.perf_counter() - started)
    return 2 * rows * inner * columns / least
