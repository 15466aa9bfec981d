"""Server that imports torch, Megatron-Core and transformers once and forks each Python process that a test asks for.

A fresh interpreter spends 2 seconds of CPU on torch and 6 on Megatron-Core before the first line of ours. A child of
this server has those packages, and nothing of ours: it imports all of `common`, `conf`, `model`, `jobs`, ... itself,
has its own standard streams, environment, folder and exit status, and ends as any interpreter does. What it shares with
its siblings is the seed of the hashes of strings, and the command line that `ps` shows. `tests/processes.py` has the
side of the tests.
"""

import importlib
import json
import multiprocessing.process
import os
import runpy
import select
import signal
import socket
import sys
import types
import warnings
from pathlib import Path

PRELOADED = (
    "torch.distributed.checkpoint",
    "torch.distributed.nn.functional",
    "torch.nn.attention.varlen",
    "torch.utils.tensorboard",
    "megatron.core.datasets.indexed_dataset",
    "megatron.core.dist_checkpointing.validation",
    "megatron.core.models.common.language_module.language_module",
    "megatron.core.optimizer",
    "megatron.core.pipeline_parallel.schedules",
    "megatron.core.transformer.transformer_block",
    "safetensors.torch",
    "transformers.modeling_utils",
    "transformers.tokenization_utils_tokenizers",
    "hydra",
    "rich.console",
)
OURS = {"benchmarks", "common", "conf", "data_prep", "jobs", "model", "slurm", "tests"}


def main(address: str, owner: int) -> dict:
    """Serve for as long as the process ``owner`` lives; returns in each child, with what was asked for."""
    ending = os.pidfd_open(owner)
    for name in PRELOADED:
        importlib.import_module(name)
    if strangers := OURS & set(sys.modules):
        sys.exit(f"{sorted(strangers)} were imported before the fork")
    if (threads := len(os.listdir("/proc/self/task"))) > 1:  # noqa: PTH208
        sys.exit(f"{threads} threads run, of which a child would have one")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{address}.new")
    listener.listen()
    os.rename(f"{address}.new", address)
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([ending, listener], [], [], 0.01 if children else None)
        if ending in ready:
            end(list(children))
        if listener in ready:
            connection, _ = listener.accept()
            body, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            child = os.fork()
            if not child:
                os.close(ending)
                for inherited in (listener, connection, *children.values()):
                    inherited.close()
                become(request := json.loads(body), streams)
                return request
            for stream in streams:
                os.close(stream)
            children[child] = connection
            connection.sendall(str(child).encode())
        reap(children)


def end(children: list[int]) -> None:
    """End with all children."""
    for child in children:
        os.kill(child, signal.SIGKILL)
    sys.exit()


def reap(children: dict[int, socket.socket]) -> None:
    """Tell of the exit status of each child that has ended."""
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        with children.pop(child) as connection:
            try:
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            except OSError:
                continue  # whoever asked has gone


def become(request: dict, streams: list[int]) -> None:
    """Give this child the streams, the environment, the folder and the path of a fresh interpreter."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if os.environ.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")
    multiprocessing.process.ORIGINAL_DIR = request["cwd"]
    sys.argv = request["argv"]
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    script = not request["argv"][0].startswith("-")
    first = str(Path(request["argv"][0]).resolve().parent) if script else request["cwd"]
    sys.path[:1] = [first, *(entry for entry in given if entry not in sys.path[1:])]


if __name__ == "__main__":
    asked = main(sys.argv[1], int(sys.argv[2]))
    if asked["code"]:
        sys.modules["__main__"] = run = types.ModuleType("__main__")
        exec(compile(asked["code"], "<string>", "exec"), run.__dict__)  # noqa: S102  as `python -c` does
    elif asked["module"]:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(asked["argv"][0], run_name="__main__")
