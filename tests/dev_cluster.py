"""The session fixture `cluster`: a real SLURM of our own for tests marked `slurm`, from slurm/dev_cluster."""

import contextlib
import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "slurm" / "dev_cluster"
DAEMONS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch")
INSTALL = (
    "apt-get update && apt-get install -y --no-install-recommends "
    "slurmctld slurmd slurm-client slurmdbd munge mariadb-server-core mariadb-client-core"
)

COLUMNS = "JobID,JobIDRaw,JobName,Partition,Account,State,ExitCode,Submit,Start,End,Elapsed,ElapsedRaw,NodeList,AllocCPUS,Reason"  # noqa: E501


@dataclass(frozen=True)
class Cluster:
    """What tests do to the cluster, and ask it."""

    folder: Path
    env: dict[str, str]
    """Settings of the scripts; `SLURM_CONF` is in os.environ, so SLURM's commands find it by themselves."""
    small_disk: Path | None
    """A file system of 24 MB that every node sees; None without the right to mount one."""

    @property
    def own_host_names(self) -> bool:
        """Whether `hostname` says n1, n2, ... in jobs; only root can have that."""
        return (self.folder / "etc" / "own_host_names").exists()

    def script(self, name: str, *arguments: str) -> str:
        """Standard output of a script of slurm/dev_cluster."""
        command = [str(SCRIPTS / name), *arguments]
        done = subprocess.run(command, env={**os.environ, **self.env}, capture_output=True, text=True, timeout=180)
        if done.returncode:
            pytest.fail(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def node(self, what: str, name: str) -> None:
        """`kill` a node with its tasks, `kill-d` only its slurmd, or `start` it."""
        self.script("node.sh", what, name)

    def restart_controller(self) -> None:
        """slurmctld dies by SIGKILL and comes back; returns when it answers. It writes its state 5 s late, and forgets
        what it has not written, so jobs are given the time to reach the disk before."""
        with self.without_controller():
            pass

    @contextlib.contextmanager
    def without_controller(self) -> Iterator[None]:
        """slurmctld is dead within, and answers again after; see `restart_controller`."""
        time.sleep(6)
        pid = int((self.folder / "run" / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: not _alive(pid), 10, "the controller to die")
        try:
            yield
        finally:
            path = os.environ["PATH"] + ":/usr/sbin:/sbin"
            subprocess.run([shutil.which("slurmctld", path=path), "-f", self.folder / "etc" / "slurm.conf"], check=True)
            self.wait_for(lambda: _ask("scontrol", "ping").count("UP") == 1, 30, "the controller to answer")

    def states(self, job_id: str) -> dict[str, str]:
        """State by id (`12` or, for array tasks of an array, `12_0`) of what squeue still knows of a job."""
        rows = _ask(
            "squeue", "--noheader", "--array", "--states=all", f"--jobs={job_id}", "--format=%i|%T"
        ).splitlines()
        return dict(row.split("|") for row in rows)

    def accounting(self, job_id: str) -> list[dict[str, str]]:
        """Rows of sacct, steps and every incarnation of requeued jobs among them, by the names of SLURM's columns."""
        rows = _ask("sacct", "--duplicates", "--parsable2", f"--jobs={job_id}", f"--format={COLUMNS}").splitlines()
        return [dict(zip(rows[0].split("|"), row.split("|"), strict=True)) for row in rows[1:]]

    def wait_for(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Return once `condition()` holds; fail the test, with what is queued, when that takes longer than
        `seconds`."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                pytest.fail(
                    f"waited {seconds:g} s for"
                    f" {what}\n{_ask('squeue', '--array', '--states=all')}{_ask('sinfo', '--Node')}"
                )
            time.sleep(0.2)

    def idle(self) -> None:
        """Cancel whatever is queued and start nodes that are down, so that the next test finds a whole and empty
        cluster."""
        _ask("scancel", "--user", getpass.getuser())
        for file in self.folder.glob("run/slurmd-*.pid"):
            if not _alive(int(file.read_text())):
                node = file.stem.removeprefix("slurmd-")
                self.node("kill", node)  # its orphans
                self.node("start", node)
        self.wait_for(self._whole, 60, "a whole and empty cluster")

    def _whole(self) -> bool:
        waiting = _ask("squeue", "--noheader", "--states=pending,running,suspended").strip()
        return not waiting and set(_ask("sinfo", "--noheader", "--format=%T").split()) == {"idle"}


def _ask(*command: str) -> str:
    """Standard output of a command of SLURM; empty where the controller does not answer or has forgotten the job."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie, which an init that reaps nothing leaves for ever, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A freshly booted cluster of nodes n1 to n4 for the session; taken down at its end, whatever the tests did."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [daemon for daemon in DAEMONS if not shutil.which(daemon, path=path)]
    if missing:
        pytest.skip(f"needs SLURM ({', '.join(missing)} not installed): {INSTALL}")
    folder = Path(tempfile.mkdtemp(prefix="terzi-", dir="/tmp"))  # paths of unix sockets are short, TMPDIR may be long
    folder.rmdir()  # up.sh makes it
    with pytest.MonkeyPatch.context() as patch, _small_disk() as disk:
        made = Cluster(folder, {"TERZI_CLUSTER": str(folder), "TERZI_CLUSTER_PORT": str(_free_ports())}, disk)
        for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
            patch.delenv(name)  # these tests may run inside a job
        patch.setenv("SLURM_CONF", str(folder / "etc" / "slurm.conf"))
        try:
            made.script("up.sh")
            yield made
        finally:
            made.script("down.sh", "--remove")


@contextlib.contextmanager
def _small_disk() -> Iterator[Path | None]:
    """A small tmpfs, mounted before the nodes boot: they have mount tables of their own from then on."""
    folder = Path(tempfile.mkdtemp(prefix="terzi-disk-", dir="/tmp"))
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True).returncode == 0
    )
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder])
        folder.rmdir()


def _free_ports() -> int:
    """First of 20 consecutive ports that nobody listens on, below those that the kernel gives to outgoing
    connections."""
    for first in random.sample(range(20000, 32000, 20), 100):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + 20):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise RuntimeError("no 20 consecutive free ports between 20000 and 32000")
