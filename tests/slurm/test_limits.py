"""What would be refused or wait for ever is said before it is queued, on recorded answers and on a real cluster."""

import subprocess

import pytest

from conf.schema import ClusterConfig
from slurm.limits import refusals
from slurm.site import (
    Nodes,
    Site,
    accounting_answers,
    parse_accounts,
    parse_partitions,
    parse_qos,
    parse_settings,
    read_site,
)
from tests.dev_cluster import Cluster

SETTINGS = """Configuration data as of 2026-11-22T04:12:47
AccountingStorageEnforce = associations,limits,qos
JobRequeue              = 0
KillWait                = 30 sec
MaxArraySize            = 1001
"""
PARTITIONS = """\
PartitionName=boost AllowGroups=ALL Default=YES GraceTime=0 MaxNodes=64 MaxTime=1-00:00:00 Nodes=b[1-100] PreemptMode=OFF State=UP
PartitionName=serial Default=NO MaxNodes=UNLIMITED MaxTime=04:00:00 Nodes=s[1-2] PreemptMode=GANG,SUSPEND State=UP
PartitionName=old Default=NO MaxNodes=0 MaxTime=UNLIMITED Nodes=(null) PreemptMode=CANCEL GraceTime=60 State=INACTIVE
"""  # noqa: E501
NODES = """\
boost|90|32|515000|gpu:a100:4(S:0-1),nvme:1|allocated
boost|2|32|515000|gpu:a100:4(S:0-1)|down*
boost|8|64|1030000|gpu:a100:2,gpu:h100:2|mixed
serial|2|8|16000|(null)|idle
"""


def site(
    settings: str = SETTINGS,
    accounts: str | None = "lab|normal,long\ntest|normal\n",
    qos: str | None = "normal||\nlong|4-00:00:00|\n",
):
    return Site(parse_settings(settings), parse_partitions(PARTITIONS, NODES), parse_accounts(accounts), parse_qos(qos))


def asked(**keys) -> ClusterConfig:
    return ClusterConfig(kind="slurm", **keys)


def test_what_the_commands_print_is_read():
    found = site()
    assert found.number("KillWait") == 30
    assert found.number("NoSuchSetting") == 0
    assert found.enforces("limits")
    boost, serial, old = found.partitions.values()
    assert boost.nodes == (
        Nodes(90, 32, 515000, 4, "allocated"),
        Nodes(2, 32, 515000, 4, "down"),
        Nodes(8, 64, 1030000, 4, "mixed"),
    )
    assert (boost.default, boost.max_time, boost.max_nodes) == (True, 86400, 64)
    assert (serial.max_nodes, serial.preemption, serial.nodes[0].gpus) == (None, "SUSPEND", 0)
    assert (old.max_time, old.nodes, old.grace, old.state) == (None, (), 60, "INACTIVE")


@pytest.mark.parametrize(
    ("keys", "sentences"),
    [
        ({}, []),
        ({"time": "24:00:00", "nodes": 64, "gpus_per_node": 4, "cpus_per_task": 8, "mem": "494000M", "account": "LAB"},
        []),
        ({"partition": "bost"},
        ["partition=bost: there is no such partition; did you mean 'boost'?; there are: boost, old, serial"]),
        ({"partition": "serial,boost", "gpus_per_node": 1}, []),  # the second has them
        ({"partition": "old"}, ["partition old takes no jobs now (its state is INACTIVE)",
        "limit of partition old, 0"]),
        ({"time": "1-00:00:01"}, ["cluster.time=1-00:00:01 is above the limit of partition boost, 1-00:00:00"]),
        ({"time": "UNLIMITED"}, ["cluster.time=UNLIMITED is above the limit of partition boost"]),
        ({"time": "3 hours"},
        ["cluster.time: '3 hours' is no time that SLURM reads; write minutes, hh:mm:ss or d-hh:mm:ss"]),
        ({"mem": "64GiB", "nodes": 0}, ["cluster.mem: '64GiB' is no amount", "cluster.nodes=0 is below 1"]),
        ({"nodes": 65}, ["cluster.nodes=65 is above the limit of partition boost, 64"]),
        ({"partition": "serial", "nodes": 3}, ["cluster.nodes=3: partition serial has 2 nodes of that size"]),
        ({"nodes": 9, "mem": "600G"}, ["cluster.nodes=9: partition boost has 8 nodes of that size"]),
        ({"gpus_per_node": 8, "cpus_per_task": 8}, ["cluster.gpus_per_node=8: nodes of partition boost have 4 GPUs"]),
        ({"partition": "serial", "gpus_per_node": 1},
        ["cluster.gpus_per_node=1: nodes of partition serial have no GPUs"]),
        ({"gpus_per_node": 4, "cpus_per_task": 20},
        ["cpus_per_task=20 for 4 ranks a node is 80 CPUs: nodes of partition boost have 64"]),
        ({"mem": "2T"}, ["cluster.mem=2T: nodes of partition boost have 1030000M"]),
        ({"account": "lba"}, ["cluster.account=lba is no account of yours; did you mean 'lab'?; yours: lab, test"]),
        ({"qos": "lnog"}, ["cluster.qos=lnog is not open to your account; did you mean 'long'?; yours: long, normal"]),
        ({"qos": "long", "account": "test"}, ["cluster.qos=long is not open to your account; yours: normal"]),
        ({"signal_lead": 20}, ["cluster.signal_lead=20 is too short"]),
        ({"time": "2"}, ["cluster.signal_lead=120 s is not below cluster.time=2"]),
    ],
)  # fmt: skip
def test_refusals(keys, sentences):
    found = refusals(asked(**keys), site())
    assert len(found) == len(sentences), found
    for said, wanted in zip(found, sentences, strict=True):
        assert wanted in said


def test_a_quality_of_service_may_lift_the_limit_of_the_partition():
    lifting = site(qos="long|4-00:00:00|DenyOnLimit,PartitionTimeLimit\n")
    assert refusals(asked(time="3-0", qos="long"), lifting) == []
    assert "limit of cluster.qos=long, 4-00:00:00" in refusals(asked(time="5-0", qos="long"), lifting)[0]
    assert len(refusals(asked(time="3-0", qos="long"), site())) == 1  # this one does not lift it


def test_without_accounting_nothing_is_held_against_an_account():
    silent = site(accounts=None, qos=None)
    assert refusals(asked(account="any", qos="some", time="3-0"), silent) == []
    assert "knows no account of yours" in refusals(asked(), site(accounts=""))[0]
    assert refusals(asked(account="any"), site(settings="AccountingStorageEnforce = none")) == []


def test_nothing_is_asked_for_this_machine():
    assert refusals(ClusterConfig(kind="local", partition="none", time="x")) == []


@pytest.mark.slurm
def test_a_real_cluster_is_read(cluster: Cluster):
    found = read_site()
    assert found.number("MaxArraySize") == 16
    assert found.partitions["main"].default
    assert [(each.count, each.cpus, each.gpus) for each in found.partitions["main"].nodes] == [(4, 8, 4)]
    assert (found.partitions["low"].preemption, found.partitions["lowgrace"].grace) == ("REQUEUE", 10)
    assert set(found.accounts) >= {"lab"}
    assert accounting_answers()


@pytest.mark.slurm
@pytest.mark.parametrize(
    ("keys", "options", "taken"),
    [
        (
            {"nodes": 4, "gpus_per_node": 4, "cpus_per_task": 2},
            ["-N4", "--gpus-per-node=4", "--ntasks-per-node=4", "-c2"],
            True,
        ),
        ({"partition": "mian"}, ["--partition=mian"], False),
        ({"account": "nobody"}, ["--account=nobody"], False),
        ({"qos": "urgent"}, ["--qos=urgent"], False),
        ({"nodes": 5}, ["--nodes=5"], False),
        ({"gpus_per_node": 5}, ["--gpus-per-node=5"], False),
        ({"mem": "17G"}, ["--mem=17G"], False),
        ({"cpus_per_task": 9}, ["--cpus-per-task=9"], False),
        ({"time": "soon"}, ["--time=soon"], False),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_slurm_agrees(cluster: Cluster, keys, options, taken):
    tried = subprocess.run(
        ["sbatch", "--test-only", *options, "--wrap=true"], capture_output=True, text=True, timeout=60
    )
    assert (tried.returncode == 0) is taken, tried.stderr
    assert (refusals(asked(**keys)) == []) is taken
