"""The batch script and the srun command, as text; what SLURM makes of them the tests marked `slurm` show."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from common.errors import UserError
from conf.schema import ClusterConfig, Config, ContainerConfig
from slurm.script import batch_script, rank_command, refuse_path
from slurm.submission import Point, Submission, freeze
from tests.jobs.validate.refusals import refuse


def submission(folder: Path, **cluster) -> Submission:
    config = OmegaConf.to_object(
        OmegaConf.structured(Config(runs_dir=str(folder), cluster=ClusterConfig(kind="slurm", **cluster)))
    )
    frozen = freeze(
        "train",
        [Point(config, "runs/a", "seed=1"), Point(config, "runs/b", "seed=2")],
        folder / "code",
        "/venv/bin/python",
    )
    return Submission.read(frozen.folder)


def options(script: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def test_every_key_reaches_sbatch(tmp_path):
    made = submission(
        tmp_path, partition="gpu", account="me", qos="long", time="2-00:00:00", nodes=4, gpus_per_node=8,
        cpus_per_task=16, mem="0",
        constraint="h100", exclude="n7", array_parallelism=1, signal_lead=300, sbatch={"reservation": "winter",
        "exclusive": "true"},
        setup=["module load cuda"],
    )  # fmt: skip
    script = batch_script(made, 0, 2, "afterok:17")
    found = options(script)
    assert found | {
        "partition": "gpu", "account": "me", "qos": "long", "time": "2-00:00:00", "nodes": "4", "ntasks-per-node": "8",
        "gpus-per-node": "8", "cpus-per-task": "16", "mem": "0", "constraint": "h100", "exclude": "n7",
        "array": "0-1%1",
        "signal": "USR1@300", "exclusive": "", "reservation": "winter", "dependency": "afterok:17",
        "kill-on-invalid-dep": "yes",
        "requeue": "", "open-mode": "append",
    } == found  # fmt: skip
    assert script.index("module load cuda") < script.index("export PYTHONPATH=") < script.index("slurm.driver")
    assert "no-requeue" in options(batch_script(submission(tmp_path, requeue="never"), 0, 1))


@pytest.mark.parametrize("kind", ["none", "apptainer", "pyxis"])
def test_ranks_start_inside_the_container(tmp_path, kind):
    container = ContainerConfig(kind=kind, image="/images/terzi.sif", mounts=["/scratch:/scratch"], python="python3.12")
    made = submission(tmp_path, nodes=2, gpus_per_node=4, container=container, srun=["--cpu-bind=cores"])
    command = rank_command(made, "slurm.rank", [str(made.folder), "0"], tmp_path / "rank_%t.log")
    assert (
        command[0] == "srun"
        and "--kill-on-bad-exit=1" in command
        and "--ntasks=8" in command
        and "--cpu-bind=cores" in command
    )
    inner = ["-u", "-m", "slurm.rank", str(made.folder), "0"]
    assert command[-5:] == inner
    assert command[-6] == ("/venv/bin/python" if kind == "none" else "python3.12")
    binds = f"{Path.cwd()}:{Path.cwd()},{made.snapshot}:{made.snapshot},{made.folder}:{made.folder},/scratch:/scratch"
    assert ("apptainer" in command, f"--container-image={container.image}" in command) == (
        kind == "apptainer",
        kind == "pyxis",
    )
    assert (binds in command, f"--container-mounts={binds}" in command) == (kind == "apptainer", kind == "pyxis")


def test_what_was_frozen_is_read_back(tmp_path):
    made = submission(tmp_path, environment={"A": "1"}, setup=["x y"])
    assert [point["label"] for point in made.points] == ["seed=1", "seed=2"]
    config = made.config(1)
    assert (
        config.cluster == made.cluster and config.cluster.environment == {"A": "1"} and config.cluster.setup == ["x y"]
    )
    assert config.runs_dir == str(tmp_path)


def test_a_percent_sign_is_no_pattern(tmp_path):
    made = submission(tmp_path / "100%j", sbatch={"job-name": "mine" * 99})
    found = options(batch_script(made, 0, 2))
    assert found["output"].strip("'") == f"{tmp_path}/100%%j/submissions/{made.folder.name}/logs/%A_%a.batch.log"
    assert f"--output={tmp_path}/100%%j/rank_%t.log" in rank_command(
        made, "slurm.rank", [], tmp_path / "100%j" / "rank_%t.log"
    )
    assert found["job-name"].endswith(made.token) and len(found["job-name"]) < 255


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "a\tb", "a:b"])
def test_a_folder_that_slurm_cannot_be_told_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="^runs_dir: .* contains .*; choose another name"):
        refuse("tokenizer", Config(runs_dir=f"{tmp_path}/{name}"))
    refuse_path("runs_dir", f"{tmp_path}/100% [a] 'ş' #{{b}}", ":")
