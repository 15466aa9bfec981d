"""The machine: GPUs, cores, memory, text for the tests."""

import os
import shutil
from pathlib import Path

from conf.schema import Config
from jobs.checks.finding import NOTE, OK, Finding

GB = 1e9


def gpus(config: Config) -> Finding:
    """GPUs that this process sees."""
    import torch

    if torch.cuda.is_available():
        each = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        return Finding("GPUs", OK, ", ".join(f"{gpu.name} with {gpu.total_memory / GB:.0f} GB" for gpu in each))
    if shutil.which("nvidia-smi"):
        mend = "install a CUDA build of torch that fits the driver, and look at CUDA_VISIBLE_DEVICES"
        return Finding("GPUs", NOTE, "nvidia-smi is here, but torch sees no GPU", mend)
    return Finding("GPUs", NOTE, "none", "training runs on the CPU")


def cores(config: Config) -> Finding:
    """Cores that this process may use, and the threads that a rank will take."""
    from common import environment

    usable, threads = environment.cores(), environment.resolve_threads(config.parallel.threads)
    found = f"{usable} of {os.cpu_count()} cores; threads of a rank: {threads}"
    if threads > usable:
        return Finding("cores", NOTE, found, "more threads than cores wait for each other; lower parallel.threads")
    return Finding("cores", OK, found)


def memory(config: Config) -> Finding:
    """Main memory, cut by the limit of the control group."""
    import psutil

    machine, limit = psutil.virtual_memory(), memory_limit()
    if limit is None or limit >= machine.total:
        return Finding("memory", OK, f"{machine.available / GB:.0f} of {machine.total / GB:.0f} GB are free")
    return Finding(
        "memory", OK, f"{limit / GB:.0f} GB by the control group's limit; the machine has {machine.total / GB:.0f} GB"
    )


def memory_limit(mine: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this process's control group (of version 1 or 2) and those around it allow; None where none sets a
    limit."""
    limits = []
    for line in mine.read_text(encoding="utf-8").splitlines() if mine.is_file() else []:
        _, kinds, place = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        base, name = (root / "memory", "memory.limit_in_bytes") if kinds else (root, "memory.max")
        folder = base / place.lstrip("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(base) and (group / name).is_file():
                limits.append((group / name).read_text(encoding="ascii").strip())
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)


def data(config: Config) -> Finding:
    """Real text for the tests."""
    folder = os.environ.get("TERZI_DATA")
    if folder is None:
        return Finding("TERZI_DATA", NOTE, "not set", "optional: tests on real text skip without")
    there = Path(folder).is_dir()
    return Finding(
        "TERZI_DATA", OK if there else NOTE, folder, "" if there else "this is no folder; mend it or unset it"
    )
