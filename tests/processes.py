"""Python processes of their own for tests: forked by `tests/zygote.py`, which has the large packages imported.

`run_python(["-m", "jobs.train", ...])` reads as `subprocess.run([sys.executable, ...])` does, `Process` as `Popen`, and
`run_ranks` does what torchrun does, without its agent. A test of a start itself (torchrun, workers, what is imported,
peak memory, bytes that must not depend on the seed of the hashes) takes a true interpreter, through `subprocess`.
"""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock

from tests import session

ROOT = Path(__file__).resolve().parents[1]
FOREIGN = ("SLURM_", "SUBMITIT_", "TORCHELASTIC_", "RANK", "WORLD_SIZE", "LOCAL_", "MASTER_")
"""Environment of a job that the tests themselves may run in; no child takes itself for a part of that."""
DEFAULTS = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
Stream = IO | int | None


class Process:
    """A Python process, with the part of `subprocess.Popen` that tests use.

    Its output is kept in files, so nobody needs to read it while it runs."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        cwd: Path | str = ROOT,
        env: Mapping[str, str] | None = None,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
    ):
        self.args = list(map(str, arguments))
        self.returncode: int | None = None
        self._files = [tempfile.TemporaryFile() if stream is PIPE else None for stream in (stdout, stderr)]  # noqa: SIM115
        with Path(os.devnull).open("r+b") as nothing:
            chosen = [nothing]
            for file, stream, inherited in zip(self._files, (stdout, stderr), (1, 2), strict=True):
                chosen.append(nothing if stream == DEVNULL else file or stream or inherited)
            request = {**_command(self.args), "cwd": str(cwd), "env": {**DEFAULTS, **(clean() if env is None else env)}}
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._connection.connect(_server())
            numbers = [stream if isinstance(stream, int) else stream.fileno() for stream in chosen]
            socket.send_fds(self._connection, [json.dumps(request).encode()], numbers)
        self.pid = int(self._connection.recv(16))

    def poll(self) -> int | None:
        """Exit status, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(1e-6)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Exit status. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                status = self._connection.recv(16)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout) from None
            self.returncode = int(status) if status else -signal.SIGKILL
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; what it wrote to its standard output and error."""
        self.wait(timeout)
        return tuple(map(_text, self._files))

    def send_signal(self, number: int) -> None:
        """Send a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@contextmanager
def ended(process: Process) -> Iterator[Process]:
    """The process, which does not outlive the block."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def clean() -> dict[str, str]:
    """Environment of the tests without that of a job around them."""
    return {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}


def run_python(arguments: Sequence[str | Path], timeout: float = 240, **given) -> subprocess.CompletedProcess[str]:
    """Run Python with ``arguments`` to its end; ``given``: see `Process`."""
    process = Process(arguments, **given)
    try:
        out, err = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_ranks(
    arguments: Sequence[str | Path], ranks: int = 2, timeout: float = 240, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python with ``arguments`` as the ranks of one job; the output of all in their order, the first bad status."""
    sizes = {"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1"}
    common = {**(clean() if env is None else env), **sizes, "MASTER_PORT": str(free_port())}
    own = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]
    processes = [Process(arguments, env=common | variables) for variables in own]
    end = time.monotonic() + timeout
    try:
        while any(process.poll() is None for process in processes) and time.monotonic() < end:
            if any(process.returncode for process in processes):
                end = min(end, time.monotonic() + 10)  # the others wait for one that is gone
            time.sleep(0.01)
    finally:
        for process in processes:
            process.kill()
    out, err = map("".join, zip(*(process.communicate() for process in processes), strict=True))
    bad = [process.returncode for process in processes if process.returncode]
    return subprocess.CompletedProcess(processes[0].args, max(bad, default=0), out, err)


def free_port() -> int:
    """A TCP port of this machine that nobody listens at."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def _command(arguments: list[str]) -> dict:
    """What Python is to run: a module, code or a script; and its ``sys.argv``, as it is until the module is located."""
    kind, rest = {"-m": ("module", 1), "-c": ("code", 1)}.get(arguments[0], ("script", 0))
    argv = [arguments[0], *arguments[1 + rest :]]
    return {"module": "", "code": "", kind: arguments[rest], "argv": argv}


def _text(file: IO[bytes] | None) -> str:
    """All that was written into a file."""
    if file is None:
        return ""
    with file:
        file.seek(0)
        return file.read().decode(errors="replace")


@functools.cache
def _server() -> str:
    """Address of the session's server, which the first process to ask starts."""
    address = session.folder() / "zygote"
    with FileLock(session.folder() / ".zygote.lock"):
        if not address.exists():
            env = {**clean(), **DEFAULTS, "OPENBLAS_NUM_THREADS": "1"}
            command = [sys.executable, ROOT / "tests" / "zygote.py", address, str(session.owner())]
            with (session.folder() / "zygote.log").open("w") as log:
                server = subprocess.Popen(command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            while not address.exists():
                assert server.poll() is None, (session.folder() / "zygote.log").read_text()
                time.sleep(0.02)
    return str(address)
