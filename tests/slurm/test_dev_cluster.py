"""The cluster that the other tests rely on: several nodes, refusals as on a real site, and faults that SLURM notices."""

import subprocess

import pytest

from tests.dev_cluster import Cluster

pytestmark = pytest.mark.slurm


def test_two_nodes_run_a_job(cluster: Cluster):
    script = "echo $(hostname) $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"
    command = ["srun", "--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=2", "sh", "-c", script]
    rows = sorted(line.split() for line in subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.splitlines())
    assert [row[1:] for row in rows] == [["n1", "0,1"], ["n2", "0,1"]]
    if cluster.own_host_names:
        assert [row[0] for row in rows] == ["n1", "n2"]


@pytest.mark.parametrize(
    ("option", "complaint"),
    [("--partition=mian", "invalid partition specified: mian"), ("--account=nobody", "Invalid account or account/partition combination")],
)
def test_what_does_not_exist_is_refused(cluster: Cluster, option, complaint):
    done = subprocess.run(["sbatch", option, "--wrap=true"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_a_job_goes_on_after_its_node_and_the_controller_died(cluster: Cluster, tmp_path):
    script = f'echo "$SLURMD_NODENAME ${{SLURM_RESTART_COUNT:-0}}" >>{tmp_path}/starts; [ -n "$SLURM_RESTART_COUNT" ] || sleep 300'
    command = ["sbatch", "--parsable", "--requeue", "--output=/dev/null", f"--wrap={script}"]
    job = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    starts = lambda: (tmp_path / "starts").read_text().split("\n")[:-1] if (tmp_path / "starts").exists() else []  # noqa: E731
    cluster.wait_for(starts, 20, "the first start")
    node = starts()[0].split()[0]
    try:
        cluster.restart_controller()
        cluster.node("kill", node)
        cluster.wait_for(lambda: len(starts()) == 2, 60, "the second start")
        assert starts()[1].split()[1] == "1"
        states = lambda: [row["State"] for row in cluster.accounting(job) if row["JobID"] == job]  # noqa: E731
        cluster.wait_for(lambda: states()[-1:] == ["COMPLETED"], 20, "the end")
        assert states() == ["NODE_FAIL", "COMPLETED"]
    finally:
        cluster.idle()
