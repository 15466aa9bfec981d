"""jobs.doctor: right on this machine, and plain words where something is broken."""

import importlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from jobs import doctor
from jobs.checks import disk, hub, machine, packages, scheduler, training
from jobs.checks.finding import MISSING, NOTE, OK, look
from jobs.launch.compose import compose, to_config
from jobs.validate import site
from tests.jobs.test_cli import job


@pytest.fixture
def config():
    return to_config(compose("doctor", []))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`package(name, text)` puts a package of that name and content first in line."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(name: str, text: str) -> None:
        for known in [module for module in sys.modules if module.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, known)
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
        importlib.invalidate_caches()
        made.append(name)

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_help_teaches():
    shown = job("doctor", "--help")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("python -m jobs.doctor") >= 3
    assert "parallel.attention" in shown.stdout


def test_training_can_run_where_the_tests_do(config, capsys):
    findings = {finding.name: finding for finding in doctor.run(config)}
    assert len(findings) > len(doctor.CHECKS)
    shown = capsys.readouterr().out
    assert all(name in shown for name in findings)
    assert shown.rstrip().endswith("Training can run here.")
    assert findings["torch"].found.startswith(torch.__version__)
    assert findings["megatron-core"].found == "0.16.1"
    if not torch.cuda.is_available():
        assert findings["attention bf16"].found == "sdpa (not flash, varlen: it needs a GPU)"
        assert findings["GPUs"].state == NOTE


def test_what_is_missing_ends_the_job_with_status_1(config, capsys, package, monkeypatch):
    package("gigatoken", "raise OSError('libgiga.so: cannot open shared object file')")
    monkeypatch.setattr(doctor, "CHECKS", [packages.python, packages.tokenizer])
    with pytest.raises(SystemExit) as ended:
        doctor.run(config)
    assert ended.value.code == 1
    shown = capsys.readouterr().out
    assert "OSError: libgiga.so: cannot open shared object file" in shown
    assert shown.rstrip().endswith("Training cannot run here: tokenizer.")


@pytest.mark.parametrize(
    ("check", "name", "text", "found"),
    [
        (packages.apex, "apex", "", "No module named 'apex.optimizers'"),  # the web toolkit
        (
            packages.flash_attn,
            "flash_attn",
            "raise ImportError('undefined symbol: _ZN3c10')",
            "undefined symbol: _ZN3c10",
        ),
        (
            packages.flash_attn,
            "flash_attn",
            "",
            "there is no flash_attn_varlen_func in flash_attn",
        ),  # built without its kernels
        (packages.transformer_engine, "transformer_engine", "raise RuntimeError('no cuDNN')", "RuntimeError: no cuDNN"),
    ],
)
def test_a_broken_optional_package_is_a_note(config, package, check, name, text, found):
    package(name, text)
    finding = look(check, config)
    assert finding.state == NOTE
    assert found in finding.found
    assert "optional" in finding.mend


def test_a_check_that_fails_is_a_finding(config):
    def broken(config):
        raise RuntimeError("no luck\nat all")

    finding = look(broken, config)
    assert (finding.name, finding.state, finding.found) == ("broken", MISSING, "RuntimeError: no luck")


@pytest.mark.skipif(torch.cuda.is_available(), reason="flash or varlen may run on a GPU")
def test_a_forced_backend_that_cannot_run_is_missing(config):
    config.parallel.attention = "varlen"
    asked, other = (look(training.attention(precision), config) for precision in ("fp32", "bf16"))
    assert (asked.state, other.state) == (MISSING, NOTE)
    assert "varlen does not run here (it needs a GPU)" in asked.found
    assert asked.mend == "set parallel.attention=auto"


def test_requirements_name_what_does_not_fit(config, monkeypatch):
    asked = ["torch>=999", "no-such-package>=1", "numpy", "ruff==0; extra == 'dev'"]
    monkeypatch.setattr(packages.importlib.metadata, "requires", lambda name: asked)
    finding = packages.requirements(config)
    assert finding.state == MISSING
    assert finding.found == f"torch {torch.__version__} is not >=999; no-such-package>=1 is not installed"


@pytest.mark.parametrize(
    ("mine", "files", "limit"),
    [
        (
            "0::/slurm/job_1/step_0\n",
            {"slurm/job_1/memory.max": "64", "slurm/memory.max": "100", "memory.max": "max"},
            64,
        ),
        ("0::/gone\n", {"memory.max": "500"}, 500),  # a container shows its own group as the root
        (
            "9:cpu:/a\n4:memory:/slurm/uid_1\n0::/\n",
            {"memory/slurm/uid_1/memory.limit_in_bytes": "32", "cpu/a/memory.max": "1"},
            32,
        ),
        ("0::/\n", {}, None),
    ],
    ids=["version 2", "container", "version 1", "none"],
)
def test_memory_is_what_the_control_groups_allow(tmp_path, mine, files, limit):
    (tmp_path / "cgroup").write_text(mine)
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert machine.memory_limit(tmp_path / "cgroup", tmp_path / "fs") == limit


def test_surroundings(config, tmp_path, monkeypatch):
    monkeypatch.setenv("TERZI_DATA", str(tmp_path / "none"))
    assert machine.data(config).state == NOTE
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub.hub(config).state == OK
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert hub.hub(config).state == NOTE
    config.cluster.kind = "slurm"
    assert "cluster.offline" in hub.hub(config).found


def test_runs_may_be_written(config, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    config.runs_dir = str(tmp_path / "file" / "runs")
    finding = disk.runs(config)
    assert (finding.state, finding.found) == (MISSING, f"{tmp_path}/file cannot be written to")
    config.runs_dir = str(tmp_path / "new" / "runs")
    assert disk.runs(config).state == OK
    assert "files free under" in disk.runs(config).found
    monkeypatch.setattr(disk, "FEW_FILES", 10**15)
    assert disk.runs(config).state == NOTE


def test_what_is_not_mirrored_is_missing(config, tmp_path):
    config.fetch.cache = str(tmp_path)
    assert hub.mirror(config).state == OK
    config.data.tokenizer = "hf://org/name"
    finding = hub.mirror(config)
    assert (finding.state, finding.found) == (MISSING, f"hf://org/name: not in {tmp_path}")


def test_without_slurm_jobs_run_here(config, monkeypatch):
    monkeypatch.setenv("PATH", "")
    (finding,) = scheduler.findings(config)
    assert (finding.state, finding.found) == (NOTE, "sbatch and srun are not in the PATH")
    site.check(config)
    config.cluster.kind = "slurm"
    (finding,) = scheduler.findings(config)
    assert finding.state == MISSING
    with pytest.raises(UserError, match="not in the PATH"):
        site.check(config)


def test_the_short_form_needs_no_torch():
    script = (
        "import sys; from jobs.validate import site; from jobs.launch.compose import compose, to_config;"
        " site.check(to_config(compose('train', []))); "
    )
    done = subprocess.run(
        [sys.executable, "-c", script + "print('torch' in sys.modules)"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["False"], done.stderr


@pytest.mark.slurm
def test_a_real_cluster_is_described(cluster, config, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", [])
    config.cluster.kind, config.cluster.partition, config.cluster.gpus_per_node = "slurm", "low", 4
    found = {finding.name: finding for finding in doctor.run(config)}
    assert [finding.state for finding in found.values()] == [OK] * 7
    assert "of cluster terzi" in found["SLURM"].found
    assert "main (default): 4 nodes of 4 GPUs and 8 CPUs, 7-00:00:00" in found["partitions"].found
    assert "up to 16 array tasks" in found["arrays"].found
    assert "120 to 180 s before, the kill 5 s after" in found["time limits"].found
    assert (
        found["requeue"].found
        == "jobs may be requeued; preempted jobs of low: requeue after 0 s, the signal to save first"
    )
    assert "sacct answers; your accounts: lab" in found["accounting"].found
    assert found["request"].found == "1 node with 4 GPUs each in low for 01:00:00 would be taken"
    assert "Training can run here." in capsys.readouterr().out


@pytest.mark.slurm
def test_the_short_form_gives_every_reason(cluster, config, tmp_path):
    config.cluster.kind = "slurm"
    start = time.monotonic()
    site.check(*[config] * 100)
    assert time.monotonic() - start < 2  # 0.3 s on a quiet machine
    Path(tmp_path / "file").touch()
    config.cluster.partition, config.cluster.account, config.runs_dir = "mian", "nobody", str(tmp_path / "file")
    with pytest.raises(UserError) as error:
        site.check(config)
    for reason in (
        "did you mean 'main'?",
        "cluster.account=nobody is no account of yours",
        "file cannot be written to; set runs_dir",
    ):
        assert reason in str(error.value)
    with pytest.raises(SystemExit):
        doctor.run(config)
