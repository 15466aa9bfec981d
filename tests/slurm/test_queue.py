"""What is queued is known whatever a shell sets, whoever asks, and whatever sbatch says of it; nothing is queued
twice."""

import json
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from common.errors import UserError
from common.files import read_json, write_json
from conf.schema import Config
from jobs.launch import control
from jobs.launch.points import is_queued
from slurm import outbox, submit
from slurm.commands import SlurmError, Unreachable, outside, run
from slurm.queue import living, look_up
from slurm.site import read_site
from slurm.states import survey
from slurm.submission import Array, Point, Submission, submissions

NOBODY = 65534
REAL = shutil.which("sbatch")
SHELL = {
    "SQUEUE_ACCOUNT": "other", "SQUEUE_PARTITION": "low", "SQUEUE_NAMES": "mine", "SQUEUE_QOS": "none",
    "SQUEUE_LICENSES": "matlab",
    "SQUEUE_USERS": "nobody", "SQUEUE_STATES": "RUNNING", "SQUEUE_FORMAT": "%i", "SQUEUE_FORMAT2": "jobid",
    "SQUEUE_SORT": "-i",
    "SACCT_FORMAT": "jobname", "SINFO_PARTITION": "low", "SINFO_FORMAT": "%n", "SINFO_SORT": "N", "SCONTROL_ALL": "1",
    "SCANCEL_STATE": "RUNNING", "SCANCEL_PARTITION": "low", "SCANCEL_NAME": "mine", "SLURM_TIME_FORMAT": "relative",
    "SLURM_CLUSTERS": "elsewhere", "SBATCH_CLUSTERS": "elsewhere", "SBATCH_PARTITION": "mian",
    "SBATCH_ACCOUNT": "other",
    "SLURM_DEBUG": "3", "SLURM_EXIT_ERROR": "9", "SALLOC_PARTITION": "mian", "SRUN_CPUS_PER_TASK": "9",
}  # fmt: skip


def test_of_slurms_variables_commands_get_those_that_say_where_the_cluster_is(monkeypatch):
    kept = {
        "SLURM_CONF": "/etc/a",
        "SLURM_CONF_SERVER": "b:1",
        "SLURM_JWT": "c",
        "SLURMER": "no variable of SLURM's",
        "TMPDIR": "/t",
    }
    for name, value in (SHELL | kept).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    told = run(["sh", "-c", "env"]).splitlines()
    assert {line.partition("=")[0] for line in told} & (SHELL.keys() | kept.keys()) == kept.keys()
    monkeypatch.setenv("SLURM_JOB_ID", "12")  # a job's own folder is not its children's
    assert "TMPDIR" not in outside() and "SLURM_JOB_ID" not in outside()


@pytest.fixture
def config(cluster, tmp_path) -> Config:
    """Jobs that are held back; the cluster is empty again afterwards."""
    config = Config(name="q", runs_dir=str(tmp_path / "runs"))
    config.cluster.kind, config.cluster.sbatch = "slurm", {"hold": "true"}
    yield config
    subprocess.run(["scancel", "--user=nobody"], check=False)
    cluster.idle()


def point(config: Config, name: str = "tokenizer") -> Point:
    return Point(config, f"{config.runs_dir}/{name}", name)


@pytest.fixture
def sbatch(monkeypatch, tmp_path):
    """Puts a site's wrapper around sbatch into the PATH; ``body`` is shell, in which `$sbatch "$@"` is the real one."""

    def wrap(body: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "sbatch").write_text(f"#!/bin/sh\necho call >> {tmp_path}/calls\nsbatch={REAL}\n{body}\n")
        (folder / "sbatch").chmod(0o755)
        if str(folder) not in os.environ["PATH"]:
            monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return wrap


def in_queue() -> list[str]:
    """Ids of the arrays that SLURM has, asked by hand."""
    rows = subprocess.run(
        ["squeue", "--noheader", "--states=pending,running", "--format=%F"], capture_output=True, text=True, check=True
    )
    return rows.stdout.split()


@pytest.mark.slurm
def test_a_shells_variables_hide_no_job(config, monkeypatch, cluster):
    site = read_site()
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    (submission,) = submit.submit("tokenizer", [point(config)]).submissions
    job = submission.jobs_of(0)[0]
    assert living([job]) == {job: "PENDING"} and is_queued("tokenizer", [point(config)]) == {point(config).home: job}
    assert [array_task.state.name for array_task in survey(config.runs_dir)[0]] == ["queued"]
    assert (read_site().partitions, read_site().accounts) == (site.partitions, site.accounts)
    assert control.cancel(config, str(submission.folder)) == [job]
    cluster.wait_for(lambda: look_up([job])[job].state.startswith("CANCELLED"), 20, "the cancellation")


@pytest.fixture
def open_cluster(cluster):
    """The cluster as that of a site: other users read its configuration, reach munge, and run scripts from the nodes'
    spool folders. `make cluster` makes it for its user alone."""
    parts = [
        cluster.folder,
        *(cluster.folder / part for part in ("etc", "run", "spool")),
        *(cluster.folder / "spool").glob("n*"),
    ]
    modes = dict.fromkeys(parts, 0o711) | {cluster.folder / "etc" / "slurm.conf": 0o644}
    former = {path: stat.S_IMODE(path.stat().st_mode) for path in modes}
    for path, mode in modes.items():
        path.chmod(mode)
    yield cluster
    for path, mode in former.items():
        path.chmod(mode)


@pytest.mark.slurm
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can submit as another user")
def test_the_job_of_another_user_is_seen(config, open_cluster):
    """Of a shared runs_dir: what a colleague queued is not queued again; nor is it found stopped."""
    run(["sacctmgr", "--immediate", "add", "user", "nobody", "account=lab"])
    call = ["sbatch", "--parsable", "--hold", "--array=0", "--output=/dev/null", "--wrap=true"]
    done = subprocess.run(
        call, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/tmp", capture_output=True, text=True, check=True
    )
    (submission,) = submit.prepare("tokenizer", [point(config)]).submissions
    job = f"{done.stdout.strip()}_0"
    submission.queued([Array(done.stdout.strip(), 0, 1)])
    assert is_queued("tokenizer", [point(config)]) == {point(config).home: job}
    assert [array_task.state.name for array_task in survey(config.runs_dir)[0]] == ["queued"]
    run(["scontrol", "release", job])
    open_cluster.wait_for(lambda: look_up([job])[job].state == "COMPLETED", 30, "its end")


@pytest.mark.slurm
def test_ids_that_slurm_has_forgotten_are_no_error(config):
    (submission,) = submit.submit("tokenizer", [point(config)]).submissions
    (job,) = submission.jobs_of(0)
    forgotten = [f"{number}_0" for number in range(900_000, 902_500)]
    assert living(forgotten[:1]) == living(forgotten[:2]) == look_up(forgotten[:1]) == {}
    assert living([*forgotten, job]) == {job: "PENDING"} and living([]) == {}
    assert look_up([*forgotten, job]).keys() == {job}


TIMED_OUT = 'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1'
FOUND = {
    "greets": 'echo "Welcome, 3 projects"; echo; exec $sbatch "$@"',
    "counts": '$sbatch "$@"; echo "42 of 1000 hours used"',
    "names the cluster": 'echo "$($sbatch "$@");north"; echo bye',
    "prints a number too": 'echo 1250; $sbatch "$@"',
    "is not asked for an id": '$sbatch "$@" > /dev/null; echo "Submitted batch job"',
    "times out": f'$sbatch "$@" > /dev/null; {TIMED_OUT}',
    "fails after it": '$sbatch "$@"; echo "cannot write the statistics" >&2; exit 3',
}


@pytest.mark.slurm
@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_the_job_is_known_whatever_sbatch_prints(config, sbatch, body):
    sbatch(body)
    (submission,) = submit.submit("tokenizer", [point(config)]).submissions
    assert [array.job_id for array in submission.arrays] == in_queue() and submission.asked is None
    assert is_queued("tokenizer", [point(config)]) == {point(config).home: submission.jobs_of(0)[0]}


@pytest.mark.slurm
def test_a_refusal_leaves_nothing(config, sbatch):
    sbatch('echo "sbatch: error: Batch job submission failed: Access/permission denied" >&2; exit 1')
    with pytest.raises(SlurmError, match="Access/permission denied"):
        submit.submit("tokenizer", [point(config)])
    assert not in_queue() and not list(submissions(config.runs_dir))


@pytest.mark.slurm
def test_what_sbatch_did_not_answer_about_is_looked_for_before_it_is_queued_again(config, sbatch, monkeypatch, cluster):
    monkeypatch.setattr(submit, "PATIENCE", 0)
    sbatch(f'(sleep 3; $sbatch "$@") > /dev/null 2>&1 & {TIMED_OUT}')  # the controller takes its time
    with pytest.raises(Unreachable, match="may have been queued, so the same command looks for it first"):
        submit.submit("tokenizer", [point(config)])
    with pytest.raises(
        UserError, match="sbatch was called for .* ago and has not answered; .* give the command again in two minutes"
    ):
        is_queued("tokenizer", [point(config)])
    assert [array_task.state.name for array_task in survey(config.runs_dir)[0]] == ["queued"]
    cluster.wait_for(in_queue, 20, "the job")
    (job,) = in_queue()
    assert is_queued("tokenizer", [point(config)]) == {point(config).home: f"{job}_0"}
    (seen,) = survey(config.runs_dir)[0]
    assert (seen.state.name, seen.alive) == ("queued", [f"{job}_0"])
    with pytest.raises(UserError, match="all of it has finished, is queued or runs"):
        control.retry(config, point(config).home)

    sbatch(TIMED_OUT)  # and this one was lost
    with pytest.raises(Unreachable):
        submit.submit("tokenizer", [point(config, "other")])
    lost = list(submissions(config.runs_dir))[-1]
    record = read_json(lost.folder / "jobs.json")
    write_json(lost.folder / "jobs.json", record | {"asked": record["asked"] | {"time": time.time() - 121}})
    assert is_queued("tokenizer", [point(config, "other")]) == {}
    assert {array_task.state.name for array_task in survey(config.runs_dir)[0]} == {"queued", "stopped"}
    sbatch('exec $sbatch "$@"')
    control.retry(config, point(config, "other").home)
    assert len(in_queue()) == 2 and lost.arrays and lost.asked is None


@pytest.mark.slurm
def test_an_order_whose_sbatch_did_not_answer_is_submitted_once(config, sbatch, monkeypatch):
    monkeypatch.setattr(submit, "PATIENCE", 0)
    home = Path(config.runs_dir) / "q" / "seed_0"
    outbox.put(home, "step_0000010", "sweep", Point(config, str(home / "checkpoints" / "step_0000010"), "probe"))
    sbatch(f'(sleep 2; $sbatch "$@") > /dev/null 2>&1 & {TIMED_OUT}')
    with pytest.raises(Unreachable):
        outbox.drain(home)
    assert outbox.drain(home) == [] and outbox.ordered(home, "step_0000010")  # too early to say
    time.sleep(4)
    assert outbox.drain(home) == [] and not outbox.ordered(home, "step_0000010")
    (job,) = in_queue()
    assert outbox.jobs_of(outbox.record(home, "step_0000010")) == [f"{job}_0"] and outbox.vanished(home) == []
    assert len(Path(os.environ["PATH"].partition(":")[0]).with_name("calls").read_text().splitlines()) == 1


@pytest.mark.slurm
def test_a_damaged_record_is_told_of_and_hides_no_other(config):
    first, damaged = (submit.submit("tokenizer", [point(config, name)]).submissions[0] for name in ("first", "damaged"))
    file = damaged.folder / "jobs.json"
    for arrays in ([{"job_id": "Welcome", "first": 0, "count": 1}], [{"job_id": "", "first": 0, "count": 1}]):
        file.write_text(json.dumps({"arrays": arrays, "asked": None}))
        states = {Path(array_task.home).name: array_task.state for array_task in survey(config.runs_dir)[0]}
        assert states["first"].name == "queued" and states["first"].job_id == first.jobs_of(0)[0]
        assert states["damaged"].note.startswith(f"{file}: {arrays[0]['job_id']!r} is no job id")
        assert is_queued("tokenizer", [point(config, "first")])
        for action in (
            lambda: is_queued("tokenizer", [point(config, "damaged")]),
            lambda: control.retry(config, str(damaged.folder)),
        ):
            with pytest.raises(UserError, match="is no job id; write the one that squeue shows"):
                action()
    (damaged.folder / "submission.json").write_text("[]")
    assert [array_task.submission.folder for array_task in survey(config.runs_dir)[0]] == [first.folder]


@pytest.mark.slurm
def test_a_log_that_slurm_cannot_open_has_a_cause_of_its_own(config, cluster):
    (submission,) = submit.submit("tokenizer", [point(config)]).submissions
    shutil.rmtree(submission.folder / "logs")
    run(["scontrol", "release", submission.jobs_of(0)[0]])
    note = lambda: survey(config.runs_dir)[0][0].state.note  # noqa: E731
    told = "SLURM could not open the log of the batch script on the node (exit 0:53)"
    cluster.wait_for(lambda: note().startswith(told), 30, "the failure, and its exit status in the accounting")


@pytest.mark.slurm
@pytest.mark.parametrize("folder", ["100%j [a-b] {c}", "it's şarkı #1 & more"])
def test_odd_paths_and_names_reach_slurm(jobs, cluster, folder):
    data = [one for one in jobs.overrides if one.startswith("data.inputs=")]
    jobs.overrides, jobs.folder = data, jobs.folder / folder
    made = [f'data.tokenizer="{jobs.folder}/tok"', "tokenizer.vocab_size=300", "name=Łódź şarkı"]
    command = [
        f'runs_dir="{jobs.runs_dir}"' if one.startswith("runs_dir=") else one
        for one in jobs.command("tokenizer", *made)
    ]
    said = subprocess.run([*command, "cluster=slurm", "cluster.time=10"], capture_output=True, text=True, timeout=100)
    assert said.returncode == 0, said.stderr
    (submission,) = jobs.submissions()
    cluster.wait_for(lambda: submission.array_task(0)["state"] == "finished", 60, "the tokenizer")
    job = submission.jobs_of(0)[0]
    logs = {file.name for file in (jobs.runs_dir / "submissions" / submission.folder.name / "logs").iterdir()}
    assert logs == {f"{job}.batch.log", f"{job}_attempt_1_rank_0.log"}
    assert Submission.read(submission.folder).config(0).name == "Łódź şarkı"
