"""The cluster that the other tests rely on: several nodes, refusals as on a real site, and faults that SLURM
notices."""

import os
import pwd
import stat
import subprocess

import pytest

from tests.dev_cluster import Cluster

pytestmark = pytest.mark.slurm


def test_two_nodes_run_a_job(cluster: Cluster):
    script = "echo $(hostname) $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"
    command = ["srun", "--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=2", "sh", "-c", script]
    rows = sorted(
        line.split() for line in subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.splitlines()
    )
    assert [row[1:] for row in rows] == [["n1", "0,1"], ["n2", "0,1"]]
    if cluster.own_host_names:
        assert [row[0] for row in rows] == ["n1", "n2"]


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--partition=mian", "invalid partition specified: mian"),
        ("--account=nobody", "Invalid account or account/partition combination"),
    ],
)
def test_what_does_not_exist_is_refused(cluster: Cluster, option, complaint):
    done = subprocess.run(["sbatch", option, "--wrap=true"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_a_job_goes_on_after_its_node_and_the_controller_died(cluster: Cluster, tmp_path):
    script = (
        f'echo "$SLURMD_NODENAME ${{SLURM_RESTART_COUNT:-0}}" >>{tmp_path}/starts; [ -n "$SLURM_RESTART_COUNT" ] ||'
        " sleep 300"
    )
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


def test_the_database_lets_in_whoever_booted_it_and_slurmdbd(cluster: Cluster):
    """By the user id at the other end of a socket, and by a password that each boot draws; no port, no files."""
    ask = lambda *words: subprocess.run(  # noqa: E731
        ["mariadb", "--no-defaults", "--batch", "--skip-column-names", *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    socket = f"--socket={cluster.folder}/run/mariadb.socket"
    done = ask(socket, "--execute=SELECT @@port, @@skip_networking, @@secure_file_priv, LOAD_FILE('/etc/passwd')")
    assert done.stdout.split() == ["0", "1", f"{cluster.folder}/none/", "NULL"]
    assert not list((cluster.folder / "none").iterdir())
    for guess in ([], ["--password=slurm"]):
        done = ask(socket, "--user=slurm", *guess, "--execute=SELECT 1")
        assert done.returncode != 0 and "Access denied" in done.stderr
    tcp = ["--protocol=tcp", "--host=127.0.0.1", f"--port={int(cluster.env['TERZI_CLUSTER_PORT']) + 2}"]
    for user in ("root", "slurm"):
        done = ask(*tcp, f"--user={user}", "--execute=SELECT 1")
        assert done.returncode != 0 and "Can't connect" in done.stderr


def test_nobody_else_looks_into_the_folder(cluster: Cluster):
    """Its passwords, keys and state are the user's alone, in a folder that nobody else can enter."""
    assert stat.S_IMODE(cluster.folder.stat().st_mode) == 0o700
    files = [
        path
        for name in ("etc", "munge", "state")
        for path in (cluster.folder / name).iterdir()
        if not path.is_symlink()
    ]
    assert {"slurm.conf", "slurmdbd.conf", "init.sql", "key"} <= {file.name for file in files}
    assert not [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody").pw_uid
        for file in ("etc/slurm.conf", "run/munge.socket", "run/mariadb.socket"):
            done = subprocess.run(
                ["stat", cluster.folder / file], user=nobody, capture_output=True, text=True, timeout=60
            )
            assert done.returncode != 0 and "Permission denied" in done.stderr, done
