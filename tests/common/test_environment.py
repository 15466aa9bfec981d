"""Ranks as each starter tells them."""

import os

import pytest

from common.environment import Ranks, cores, first_host, read_ranks
from common.errors import UserError

SRUN = {
    "SLURM_JOB_ID": "812",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "7",
    "SLURM_STEP_TASKS_PER_NODE": "4,3",
    "SLURM_STEP_NODELIST": "gs[07-08]",
    "SLURM_JOB_NODELIST": "gs[07-09]",
}


def test_alone():
    assert read_ranks({}) == Ranks(rank=0, size=1, local_rank=0, local_size=1, meeting_point="")


def test_torchrun():
    env = {
        "RANK": "3",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "a",
        "MASTER_PORT": "1",
    }
    assert read_ranks({**SRUN, **env}) == Ranks(3, 4, 1, 2, "env://")


def test_srun():
    ranks = read_ranks(SRUN)
    assert (ranks.rank, ranks.size, ranks.local_rank, ranks.local_size) == (5, 7, 1, 3)
    host, port = ranks.meeting_point.removeprefix("tcp://").split(":")
    assert host == "gs07"
    assert 20_000 <= int(port) < 32_000
    assert read_ranks({**SRUN, "SLURM_PROCID": "0"}).meeting_point == ranks.meeting_point, "all ranks meet at one port"
    assert read_ranks({**SRUN, "SLURM_JOB_ID": "813"}).meeting_point != ranks.meeting_point, (
        "array tasks of an array do not"
    )
    assert read_ranks({**SRUN, "MASTER_ADDR": "b", "MASTER_PORT": "29"}).meeting_point == "tcp://b:29"


def test_a_batch_script_or_a_shell_in_an_allocation_is_alone():
    outside = {
        "SLURM_JOB_ID": "812",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NTASKS": "7",
        "SLURM_JOB_NODELIST": "gs[07-09]",
    }
    assert read_ranks(outside) == Ranks()
    assert read_ranks({**SRUN, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}) == Ranks()


def test_submitit_on_one_machine():
    env = {
        "SUBMITIT_LOCAL_JOB_ID": "99",
        "SUBMITIT_LOCAL_GLOBALID": "1",
        "SUBMITIT_LOCAL_LOCALID": "1",
        "SUBMITIT_LOCAL_NTASKS": "2",
    }
    ranks = read_ranks({**SRUN, **env})
    assert (ranks.rank, ranks.size, ranks.local_rank, ranks.local_size) == (1, 2, 1, 2)
    assert ranks.meeting_point.startswith("tcp://localhost:")


@pytest.mark.parametrize(
    ("nodelist", "host"),
    [
        ("gs07", "gs07"),
        ("gs[07-09,12],as1", "gs07"),
        ("gs07,gs08", "gs07"),
        ("n[3,5]-ib", "n3-ib"),
        ("nid[001001-001004]", "nid001001"),
        ("", ""),
    ],
)
def test_first_host(nodelist, host):
    assert first_host(nodelist) == host


def test_a_broken_environment_is_named():
    with pytest.raises(UserError, match="WORLD_SIZE is not a number"):
        read_ranks({"RANK": "0", "WORLD_SIZE": "many"})
    with pytest.raises(UserError, match="set MASTER_ADDR"):
        read_ranks({**SRUN, "SLURM_STEP_NODELIST": "", "SLURM_JOB_NODELIST": ""})


def test_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= cores() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cores() == 1
