"""What a site's SLURM is like: its settings, partitions, nodes, and what it knows of you."""

import os
import pwd
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from slurm.commands import SlurmError, run
from slurm.quantities import seconds

TIMEOUT = 10
SETTINGS = ["scontrol", "show", "config"]
PARTITIONS = ["scontrol", "--all", "--oneliner", "show", "partition"]
NODES = ["sinfo", "--all", "--exact", "--noheader", "--format=%R|%D|%c|%m|%G|%T"]
QOS = ["sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=name,maxwall,flags"]


@dataclass(frozen=True)
class Nodes:
    """Nodes of a partition that are alike."""

    count: int
    cpus: int
    memory: int
    """MiB."""
    gpus: int
    state: str
    """idle, mixed, allocated, drained, down, ..."""


@dataclass(frozen=True)
class Partition:
    """A queue."""

    name: str
    default: bool
    state: str
    """UP; DOWN queues jobs, DRAIN and INACTIVE refuse them."""
    max_time: int | None
    """Seconds; None for no limit."""
    max_nodes: int | None
    preemption: str
    """What becomes of its jobs when others preempt them: OFF, REQUEUE, CANCEL, SUSPEND."""
    grace: int
    """Seconds between the signal of a preemption and its end."""
    nodes: tuple[Nodes, ...]


@dataclass(frozen=True)
class Qos:
    """A quality of service."""

    max_time: int | None
    """Seconds; None for no limit."""
    flags: tuple[str, ...]
    """PartitionTimeLimit and PartitionMaxNodes put its limits in the place of the partition's."""


@dataclass(frozen=True)
class Site:
    """A cluster as its controller and its accounting describe it."""

    settings: dict[str, str]
    """Of slurm.conf, by the names that `scontrol show config` prints."""
    partitions: dict[str, Partition]
    accounts: dict[str, tuple[str, ...]] | None
    """Your accounts, each with the qualities of service that it may use; None where the accounting does not answer."""
    qos: dict[str, Qos] | None
    """Likewise."""

    def number(self, setting: str) -> int:
        """A setting that is a number, without its unit: `KillWait = 30 sec`."""
        found = re.match(r"\d+", self.settings.get(setting, ""))
        return int(found[0]) if found else 0

    def enforces(self, what: str) -> bool:
        """Whether jobs are refused or held over `associations`, `limits` or `qos`."""
        enforced = self.settings.get("AccountingStorageEnforce", "").lower().split(",")
        return what in enforced or (what == "limits" and "safe" in enforced) or "all" in enforced

    def chosen(self, partition: str | None) -> list[str]:
        """Names of the partitions that a job may run in: those given, else the default."""
        return (
            partition.split(",") if partition else [found.name for found in self.partitions.values() if found.default]
        )


def read_site() -> Site:
    """Ask SLURM, in a fraction of a second. Raises SlurmError where the controller does not answer; the accounting may
    be silent."""
    with ThreadPoolExecutor() as pool:
        known = pool.submit(_accounts)
        qos = pool.submit(_silent, QOS)
        settings, partitions, nodes = pool.map(lambda command: run(command, TIMEOUT), (SETTINGS, PARTITIONS, NODES))
        return Site(
            parse_settings(settings), parse_partitions(partitions, nodes), known.result(), parse_qos(qos.result())
        )


def accounting_answers() -> bool:
    """Whether sacct can say what became of a job."""
    return _silent(["sacct", "--noheader", "--allocations", "--starttime=now", "--format=JobID"]) is not None


def parse_settings(text: str) -> dict[str, str]:
    """`scontrol show config`: one `Name = value` a line."""
    return {
        name.strip(): value.strip() for line in text.splitlines() for name, sign, value in [line.partition("=")] if sign
    }


def parse_partitions(text: str, nodes: str) -> dict[str, Partition]:
    """`scontrol --oneliner show partition` with what sinfo says of the nodes."""
    kinds: dict[str, list[Nodes]] = {}
    for line in nodes.splitlines():
        if line.count("|") == 5:
            name, count, cpus, memory, gres, state = line.split("|")
            kind = Nodes(int(count), _whole(cpus), _whole(memory), _gpus(gres), state.rstrip("*~#!%$@^-+"))
            kinds.setdefault(name, []).append(kind)
    found = {}
    for line in text.splitlines():
        fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if name := fields.get("PartitionName"):
            found[name] = Partition(
                name=name,
                default=fields.get("Default") == "YES",
                state=fields.get("State", "UP"),
                max_time=seconds(fields.get("MaxTime", "")),
                max_nodes=int(fields["MaxNodes"]) if fields.get("MaxNodes", "").isdigit() else None,
                preemption=fields.get("PreemptMode", "OFF").split(",")[-1],
                grace=_whole(fields.get("GraceTime", "0")),
                nodes=tuple(kinds.get(name, ())),
            )
    return found


def parse_accounts(text: str | None) -> dict[str, tuple[str, ...]] | None:
    """Rows of `sacctmgr show associations`: account|qos,qos,..."""
    if text is None:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        account, _, qos = line.partition("|")
        found[account] = (*found.get(account, ()), *_listed(qos))
    return found


def parse_qos(text: str | None) -> dict[str, Qos] | None:
    """Rows of `sacctmgr show qos`: name|maxwall|flag,flag,..."""
    rows = None if text is None else [line.split("|") for line in text.splitlines() if line.count("|") == 2]
    return None if rows is None else {name: Qos(seconds(wall), _listed(flags)) for name, wall, flags in rows}


def _accounts() -> dict[str, tuple[str, ...]] | None:
    try:
        me = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None
    show = ["sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={me}", "format=account,qos"]
    return parse_accounts(_silent(show))


def _silent(command: Sequence[str]) -> str | None:
    """What a command prints; None where it fails, as the accounting's do on sites without one."""
    try:
        return run(command, TIMEOUT)
    except SlurmError:
        return None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _whole(text: str) -> int:
    """`8`, or `8+` where SLURM rounds down over several."""
    found = re.match(r"\d+", text)
    return int(found[0]) if found else 0


def _gpus(gres: str) -> int:
    """GPUs in `gpu:a100:4(S:0-1),gpu:h100:2,nvme:1` or `gpu:4`."""
    return sum(int(count) for count in re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d+)", gres))
