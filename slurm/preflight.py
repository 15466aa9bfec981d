"""A look at the nodes before the ranks start: matrix products on each rank, then all-reduces among all. A slow or
silent node is named.

``python -m slurm.preflight FOLDER`` is one rank of it.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common.environment import read_ranks
from common.files import make_folder, read_json, write_json
from slurm.array_task import ArrayTask
from slurm.commands import run
from slurm.script import rank_command, ranks_per_node

SLOW = 3.0
"""A node this many times slower than the median of all is taken for sick."""
SIZE, TIMES = 1024, 8


def preflight(array_task: ArrayTask) -> dict[str, str]:
    """Node -> what is wrong with it, of the nodes of this allocation; empty where nothing is. Takes
    `cluster.preflight_seconds` at most."""
    submission = array_task.submission
    cluster, folder = (
        submission.cluster,
        make_folder(submission.folder / "preflight" / f"{array_task.job}_attempt_{array_task.number}"),
    )
    print(f"preflight on {os.environ.get('SLURM_JOB_NODELIST')}, results in {folder}", flush=True)
    command = rank_command(submission, "slurm.preflight", [str(folder)], folder / "rank_%t.log")
    try:
        subprocess.run(command, timeout=cluster.preflight_seconds, check=False)
    except subprocess.TimeoutExpired:
        print(f"the preflight did not end within {cluster.preflight_seconds} s", flush=True)
    found = [read_json(file) for file in folder.glob("rank_*.json")]
    return judge(found, node_names(), ranks_per_node(cluster))


def judge(found: list[dict], nodes: list[str], each: int) -> dict[str, str]:
    """What is wrong with which of ``nodes``, each of which should have reported ``each`` times."""
    bad = {}
    usual = statistics.median([rank["product"] for rank in found]) if found else 0.0
    for node in nodes:
        own = [rank for rank in found if rank["node"] == node]
        if len(own) < each:
            bad[node] = f"{len(own)} of {each} ranks answered"
        elif max(rank["product"] for rank in own) > SLOW * usual:
            bad[node] = (
                f"matrix products take {max(rank['product'] for rank in own) / usual:.1f} times as long as elsewhere"
            )
    if not bad and any(rank["reduce"] is None for rank in found):
        first = next(rank for rank in found if rank["reduce"] is None)
        bad[first["node"]] = "the all-reduce did not end"
    return {} if len(bad) == len(nodes) > 1 else bad  # all of them at once is no fault of a node


def node_names() -> list[str]:
    """Nodes of this allocation."""
    return run(["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]).split()


def main(folder: Path) -> None:
    """One rank: report the time of a matrix product before meeting the others, and that of an all-reduce after."""
    ranks = read_ranks()
    node = os.environ.get("SLURMD_NODENAME", socket.gethostname().partition(".")[0])
    file = folder / f"rank_{ranks.rank}.json"
    import torch
    import torch.distributed as dist

    cuda = torch.cuda.is_available()
    device = torch.device("cuda", ranks.local_rank % torch.cuda.device_count()) if cuda else torch.device("cpu")
    known = {"node": node, "product": _time(lambda: _product(torch, device)), "reduce": None}
    write_json(file, known)
    if ranks.size > 1:
        dist.init_process_group(
            "nccl" if cuda else "gloo", init_method=ranks.meeting_point, rank=ranks.rank, world_size=ranks.size
        )
        tensor = torch.ones(SIZE * SIZE, device=device)
        known["reduce"] = _time(lambda: dist.all_reduce(tensor) or float(tensor[0]))
        dist.destroy_process_group()
    else:
        known["reduce"] = 0.0
    write_json(file, known)
    print(json.dumps(known))


def _product(torch, device) -> float:
    matrix = torch.ones(SIZE, SIZE, device=device)
    return float((matrix @ matrix)[0, 0])


def _time(function) -> float:
    """Shortest of several runs, in seconds; the first one warms up."""
    times = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times[1:])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
