"""Where and when a figure was measured, and the file that keeps it."""

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import torch

from common.files import write_json
from common.manifest import versions

RESULTS = Path(__file__).parent / "results"


def circumstances() -> dict[str, Any]:
    """Date, commit, processor, cores, how busy they are, threads and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _commit(),
        "processor": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(
            os.getloadavg()[1], 1
        ),  # of five minutes; above the threads of the benchmark: a shared machine
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": versions(),
    }


def _commit() -> str:
    """Commit of this checkout; empty in a copy without its history, or where there is no git."""
    try:
        return subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=RESULTS.parent
        ).stdout.strip()
    except FileNotFoundError:
        return ""


def keep(name: str, figures: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write ``figures`` with the circumstances to <folder>/<name>.json."""
    path = folder / f"{name}.json"
    write_json(path, {"benchmark": name, **circumstances(), **figures})
    return path
