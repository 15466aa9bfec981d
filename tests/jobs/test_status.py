"""`python -m jobs.status`: real trainings, failures and artefacts, as a person sees them."""

import dataclasses
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from common import manifest as manifests
from common.errors import UserError
from conf.schema import Config
from jobs import export, prepare, status, tokenizer, train
from jobs.launch import control
from jobs.launch.compose import compose, spelled_out, to_config
from jobs.views.lineage import lineage, render_lineage
from jobs.views.progress import best_ndcg, read_progress
from jobs.views.rows import overview
from jobs.views.table import clock, render
from jobs.views.trace import byte_span, find, render_trace
from jobs.views.training_uses import read_uses
from model.evaluation.sweep import sweep
from model.training.data.inputs import open_data
from model.training.data.packed_tokens import PackedTokens
from model.training.run.folder import open_run
from model.training.timeline.phase import MAIN
from model.training.timeline.timeline import build_timeline

ROOT = Path(__file__).resolve().parents[2]
COURSE = ["train.steps=20", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2", "parallel.threads=1"]


@pytest.fixture(scope="module")
def trained(trainable) -> Config:
    """A finished run of 20 steps with an export, in a folder of its own."""
    config = to_config(compose("train", [*trainable, "name=status", *COURSE]))
    train.run(config)
    config.export.checkpoint = f"{config.run_dir}/checkpoints/step_0000020"
    config.export.output = f"{config.run_dir}/export"
    export.run(config)
    return config


@pytest.fixture
def runs(trained, tmp_path) -> Config:
    """A runs_dir with a copy of that run, to do something to it."""
    folder = tmp_path / "runs" / "status" / "seed_0"
    shutil.copytree(trained.run_dir, folder, symlinks=True)
    return dataclasses.replace(
        trained, runs_dir=str(tmp_path / "runs"), run_dir=str(folder), status=_status(f"{tmp_path}/runs/*/*")
    )


def _status(*patterns: str):
    return dataclasses.replace(Config().status, runs=list(patterns))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "jobs.status", *arguments]


def text(shown, width: int = 10_000) -> str:
    console = Console(highlight=False, width=width)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def mark(run: Config, **fields) -> None:
    """Change the manifest of a run and its last attempt."""
    manifest = manifests.read(run.run_dir)
    manifest["attempts"][-1].update({name: fields.pop(name) for name in ("host", "pid") if name in fields})
    manifests.write(run.run_dir, manifest | fields)


def test_a_finished_run(runs):
    shown = overview(runs)
    (row,) = shown.rows
    last = json.loads((Path(runs.run_dir) / "metrics.jsonl").read_text().splitlines()[-1])
    assert (row.name, row.state.name, row.state.attempt) == ("status/seed_0", "finished", 1)
    assert (row.progress.step, row.progress.total, row.progress.loss) == (20, 20, last["loss"])
    assert (
        row.progress.tokens_per_second == last["tokens_per_second"]
        and row.seconds_left is None
        and row.progress.best is None
    )
    said = text(render(shown, 120))
    assert re.search(rf"status/seed_0 +finished +1 +20 / 20 +{last['loss']:.4f} ", said) and said.endswith(
        "\n1 finished\n"
    )
    assert "MFU" not in said and "nDCG" not in said  # nothing to say


def test_a_run_that_runs_and_one_whose_process_is_gone(runs):
    lines = (Path(runs.run_dir) / "metrics.jsonl").read_text().splitlines(keepends=True)[:16]
    (Path(runs.run_dir) / "metrics.jsonl").write_text("".join(lines) + '{"step": 16, "lo')  # being written
    mark(runs, status="running", step=0, pid=os.getpid())
    (row,) = overview(runs).rows
    seconds = np.mean([json.loads(line)["seconds"] for line in lines[1:]])  # the first is of step 0
    assert (row.state.name, row.progress.step) == ("running", 15) and row.seconds_left == pytest.approx(5 * seconds)
    done = subprocess.Popen(["true"])
    done.wait()
    mark(runs, pid=done.pid)
    (row,) = overview(runs).rows
    assert row.state.name == "stopped" and row.seconds_left is None
    assert f"stopped: its process {done.pid} ended without a word; the same command continues" in text(
        render(overview(runs), 120)
    )


def test_a_run_on_another_machine_is_known_by_its_metrics(runs):
    mark(runs, status="running", host="n17")
    assert overview(runs).rows[0].state.name == "running"
    os.utime(Path(runs.run_dir) / "metrics.jsonl", (time.time() - 3600,) * 2)
    assert overview(runs).rows[0].state.note == "no sign of life from n17 for 60 minutes; the same command continues"


@pytest.mark.parametrize(("status", "name"), [("failed", "failed"), ("interrupted", "stopped")])
def test_how_an_attempt_ended(runs, status, name):
    mark(runs, status=status)
    shown = overview(runs)
    assert shown.summary == f"1 {name}" and "the same command continues" in shown.rows[0].state.note


def test_a_broken_run_hides_no_other(runs):
    other = Path(runs.run_dir).with_name("broken")
    shutil.copytree(runs.run_dir, other, symlinks=True)
    (other / "config.yaml").write_text("train: [")
    (other / "metrics.jsonl").unlink()
    names = {row.name: row for row in overview(runs).rows}
    assert names["status/seed_0"].state.name == "finished" and names["status/broken"].state.note.startswith(
        "cannot be read: "
    )


def test_best_ndcg_is_the_highest_on_dev(sweep_config, run_folder):
    assert best_ndcg(run_folder) is None
    found = sweep(sweep_config)
    assert best_ndcg(run_folder) == max(result.mean("dev", "ndcg@10") for result in found.measures["retrieval"].results)


def test_steps_of_a_branch_that_only_decays(runs):
    branched = dataclasses.replace(runs, run_dir=str(Path(runs.run_dir).with_name("branch")))
    checkpoint = f"{runs.run_dir}/checkpoints/step_0000020"
    branched.train = dataclasses.replace(runs.train, branch_from=checkpoint, decay_only=True, steps=0)
    branched.optim = dataclasses.replace(runs.optim, schedule=dataclasses.replace(runs.optim.schedule, decay_steps=3))
    train.run(branched)
    found = read_progress(Path(branched.run_dir))
    assert (found.step, found.total, found.status) == (23, 23, "finished")


@pytest.fixture
def grid(runs) -> Config:
    """Ten runs with long names, every third failed."""
    for number in range(10):
        folder = Path(runs.run_dir).with_name(
            f"model.num_layers=2,optim.schedule.min_lr_ratio=0.1,optim.lr=0.{number:03},seed={number}"
        )
        shutil.copytree(runs.run_dir, folder, symlinks=True, ignore=shutil.ignore_patterns("checkpoints"))
        (folder / "checkpoints").mkdir()
        mark(dataclasses.replace(runs, run_dir=str(folder)), status="failed" if number % 3 else "finished")
    return runs


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(grid, width):
    said = text(render(overview(grid), width), width).splitlines()
    assert (
        max(map(len, said)) <= width
        and len([line for line in said if "optim.lr=0.00" in line and "/ 20" in line]) == 10
    )
    assert [name in said[0] for name in ("step", "loss", "tokens/s")] == [True, True, width > 60]


def test_equal_causes_are_told_once(grid):
    said = text(render(overview(grid), 200), 200)
    assert (
        said.count("failed: the reason was printed where it was started") == 1
        and said.count("optim.lr=0.001,seed=1") == 2
    )
    assert said.endswith("\n6 failed, 5 finished\n")


def test_two_hundred_runs_take_seconds(runs):
    for number in range(199):
        folder = Path(runs.run_dir).with_name(f"run_{number}")
        (folder / "checkpoints").mkdir(parents=True)
        for name in ("config.yaml", "manifest.json", "metrics.jsonl"):
            shutil.copy(Path(runs.run_dir) / name, folder)
    before = time.process_time()
    assert len(overview(runs).rows) == 200
    assert time.process_time() - before < 5


def test_it_starts_without_torch(runs):
    program = (
        "import sys; from jobs.status import main, run; main('status', run); assert not {'torch', 'megatron'} &"
        " set(sys.modules)"
    )
    arguments = [f"runs_dir={runs.runs_dir}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and "1 finished" in done.stdout, done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.5


def test_a_pipe_gets_plain_lines(runs):
    done = subprocess.run(command(f"runs_dir={runs.runs_dir}"), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "\x1b" not in done.stdout and "1 finished" in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_watch_on_a_terminal_ends_with_ctrl_c(runs):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.environ["TERM"] = "xterm"
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a shell ignores in what it puts into the background
        os.execv(sys.executable, command("--watch", f"runs_dir={runs.runs_dir}"))
    seen, asked = b"", False
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 1 << 16)
            except OSError:  # the terminal is closed
                break
        if b"1 finished" in seen and not asked:
            os.write(terminal, b"\x03")
            asked = True
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"\x1b[?1049l" in seen and seen.rstrip().endswith(
        b"finished\x1b[0m"
    )  # the screen of before, and the table on it


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--watch", "status.watch=5"),
        ("status.cancel=12_3", "status.cancel='12_3'"),
        ("status.retry=runs/a/seed=1,optim.lr=3e-4", "status.retry='runs/a/seed=1,optim.lr=3e-4'"),
        ("optim.lr=1e-3,2e-3", "optim.lr=1e-3,2e-3"),
        ("status.runs=['a/b=1']", "status.runs=['a/b=1']"),
        ("-m", "-m"),
    ],
)
def test_arguments_that_hydra_would_misread(argument, expected):
    assert spelled_out(argument) == expected


def test_a_folder_with_signs_of_a_pattern_in_its_name_is_shown(tmp_path):
    for folder in ("a[1] *", "a1 b"):
        (tmp_path / folder / "runs" / "mine" / "seed_0" / "checkpoints").mkdir(parents=True)
        (tmp_path / folder / "runs" / "mine" / "seed_0" / "config.yaml").write_text("{}")
    config = to_config(compose("status", [f'runs_dir="{tmp_path}/a[1] */runs"']))
    assert [row.name for row in overview(config).rows] == ["mine/seed_0"]
    config.status.runs.append(f"{tmp_path}/a1*/runs/*/*")
    assert len(overview(config).rows) == 2


def test_runs_of_a_name_with_a_slash_are_shown(tmp_path):
    for folder in ("mine/seed_0", "own/texts/seed_0"):
        (tmp_path / "runs" / folder / "checkpoints").mkdir(parents=True)
        (tmp_path / "runs" / folder / "config.yaml").write_text("{}")
    found = overview(to_config(compose("status", [f"runs_dir={tmp_path}/runs"]))).rows
    assert sorted(row.name for row in found) == ["mine/seed_0", "own/texts/seed_0"]


def test_only_what_was_submitted_is_cancelled_or_queued_again(runs):
    for action in (control.cancel, control.retry):
        with pytest.raises(UserError, match="was not submitted from .*; stop or start it where it was started"):
            action(runs, runs.run_dir)
        with pytest.raises(UserError, match="4711 is no job that waits or runs, no result and no submission"):
            action(runs, "4711")


def test_clock():
    assert [clock(seconds) for seconds in (5, 3725, 180_000)] == ["0:00:05", "1:02:05", "2d 02h"]


# lineage


def fallen(node) -> list[str]:
    """Everything that no longer fits, by title."""
    return [f"{node.title}: {problem}" for problem in node.problems] + [
        one for parent in node.parents for one in fallen(parent)
    ]


def test_lineage_from_an_export_to_the_text(trained):
    root = lineage(trained.export.output)
    kinds, node = [], root
    while True:
        kinds.append(node.title.split()[0])
        if not node.parents:
            break
        node = node.parents[-1]
    assert kinds == ["export", "checkpoint", "run", "tokens", "text"] and root.fits
    said = text(render_lineage(trained.export.output), 200)
    assert "probe checkpoint of step 20" in said and f"tokenizer {trained.data.tokenizer}" in said
    assert said.rstrip().endswith("everything is as it was used") and "not everything" not in said


def make_chain(folder: Path) -> Config:
    """Text, tokenizer, tokens, run and export in ``folder``."""
    words = np.random.default_rng(1).choice(["court", "tenant", "owner", "lease", "judge", "house"], (120, 20))
    (folder / "text.jsonl").write_text(
        "".join(json.dumps({"id": f"doc-{n}", "text": " ".join(row)}) + "\n" for n, row in enumerate(words))
    )
    net = [
        "model.num_layers=1", "model.hidden_size=16", "model.num_heads=1", "model.ffn_size=16", "model.vocab_size=320",
        "model.max_positions=64",
    ]  # fmt: skip
    data = [
        f"data.inputs=['{folder}/text.jsonl']",
        f"data.tokenizer={folder}/tokenizer",
        f"data.tokens={folder}/tokens",
    ]
    config = to_config(
        compose(
            "train",
            [
                f"runs_dir={folder}/runs",
                *data,
                *net,
                *COURSE,
                "train.global_batch=20",
                "tokenizer.vocab_size=270",
                "prepare.shard_bytes=5000",
            ],
        )
    )
    tokenizer.run(config)
    prepare.run(config)
    train.run(config)
    config.export.checkpoint, config.export.output = f"{config.run_dir}/checkpoints/step_0000020", f"{folder}/export"
    export.run(config)
    return config


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Config:
    """One to look at."""
    return make_chain(tmp_path_factory.mktemp("chain"))


def test_lineage_says_where_bytes_are_others(tmp_path):
    chain = make_chain(tmp_path)
    assert not fallen(lineage(chain.export.output))
    file = tmp_path / "text.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    lines[60] = lines[60].replace("e", "E")
    file.write_text("".join(lines))
    changed, *again = fallen(lineage(tmp_path / "tokens"))
    assert re.fullmatch(rf"text {file}: bytes [\d,]+ to [\d,]+: changed since it was read", changed) and not again
    file.unlink()
    assert fallen(lineage(tmp_path / "tokens")) == [f"text {file}: is gone"]

    checkpoint = Path(chain.export.checkpoint)
    (checkpoint / "hf" / "config.json").write_text("edited")
    assert f"checkpoint {checkpoint}: hf/config.json is not what was written" in fallen(lineage(chain.export.output))
    shutil.rmtree(checkpoint)
    assert f"checkpoint {checkpoint}: is gone" in fallen(lineage(chain.export.output))

    (Path(chain.data.tokenizer) / "tokenizer.json").write_text("{}")
    found = fallen(lineage(chain.run_dir))
    assert f"tokenizer {chain.data.tokenizer}: tokenizer.json is not what was written" in found
    (tmp_path / "tokens" / "tokens.bin").write_bytes(b"12")
    assert f"tokens {chain.data.tokens}: tokens.bin is not what was written" in fallen(lineage(chain.run_dir))
    manifest = manifests.read(chain.data.tokens)
    manifests.write(chain.data.tokens, manifest | {"files": manifest["files"] | {"tokens.bin": "0" * 64}})
    assert f"tokens {chain.data.tokens}: tokens.bin is not the one that was used" in fallen(lineage(chain.run_dir))
    shutil.rmtree(chain.data.tokens)
    assert f"{chain.data.tokens}: is gone" in fallen(lineage(chain.run_dir))
    with pytest.raises(UserError, match="has no manifest.json; name an export, a checkpoint, a run"):
        lineage(tmp_path)


# trace


def test_every_document_is_found_by_number_line_and_id(chain):
    text = Path(chain.data.inputs[0])
    lines = text.read_text().splitlines(keepends=True)
    ends = np.cumsum([len(line.encode()) for line in lines])
    for number in (0, 1, 47, 119):
        place = find(Path(chain.data.tokens), str(number), chain.data)
        assert place.document.text == json.loads(lines[number])["text"] and place.document.line == number + 1
        assert byte_span(place.document) == (ends[number] - len(lines[number]), ends[number] - 1)
        for name in (f"doc-{number}", f"id:doc-{number}", f"{text}:{number + 1}"):
            other = find(Path(chain.data.tokens), name, chain.data)
            assert (other.position, other.shard, other.within) == (number, place.shard, place.within)
    assert len({find(Path(chain.data.tokens), str(number), chain.data).shard for number in (0, 119)}) == 2
    for wanted, message in (("120", "has documents 0 to 119"), ("doc-120", "no document of .* has that id")):
        with pytest.raises(UserError, match=message):
            find(Path(chain.data.tokens), wanted, chain.data)


def test_steps_are_those_at_which_the_plan_has_the_document(chain):
    """Twenty steps of twenty packs are several epochs: each use is looked up in the plan that training reads."""
    folder, phases = open_run(chain).plan, build_timeline(chain).phases
    plan = open_data(PackedTokens, chain, phases, folder, lambda inputs: None).orders[MAIN]
    manifest = manifests.read(chain.data.tokens)
    assert len(plan.train) < 400 < 3 * len(plan.train)
    validation = 0
    for number in range(0, 120, 7):
        first, length = int(plan.tokens.starts[number]), int(plan.tokens.lengths[number])
        uses = read_uses(Path(chain.run_dir), first, first + length, manifest)
        ids = plan.tokens.ids[first : first + length].tolist()
        pieces = [ids[begin : begin + 64] for begin in range(0, length, 64)]
        holds = [
            index for index in range(400) if any(d.tolist() in pieces for d in plan.samples(index, 1)[0].documents)
        ]
        assert [use.sample for use in uses.samples] == holds and all(
            use.done and use.step == use.sample // 20 + 1 for use in uses.samples
        )
        validation += bool(uses.validation)
        assert bool(uses.validation) == (not holds)
    assert validation < 5
    assert (
        read_uses(Path(chain.run_dir), 0, 1, manifest).samples
        or read_uses(Path(chain.run_dir), 0, 1, manifest).validation
    )
    with pytest.raises(UserError, match="was trained on other tokens than those"):
        read_uses(Path(chain.run_dir), 0, 1, manifest | {"files": {}})


def test_trace_as_a_person_sees_it(tmp_path):
    chain = make_chain(tmp_path)
    chain.status = dataclasses.replace(chain.status, document="doc-47", run=chain.run_dir)
    said = text(render_trace(chain), 300)
    assert (
        f"{tmp_path}/text.jsonl line 48, bytes " in said
        and "the text gives just these tokens" in said
        and "decoded" in said
    )
    assert re.search(r"trained on  step \d+, sample \d+ \(epoch 0, pack \d+\)", said)
    file = tmp_path / "text.jsonl"
    file.write_text(file.read_text().replace("tenant", "tENANT"))
    said = text(render_trace(chain), 300)
    assert "the text gives other tokens" in said and "has changed since it was tokenised" in said
    file.unlink()
    chain.status.document = "47"
    assert "cannot be read" in text(render_trace(chain), 300)


def test_the_job_shows_each_view(chain, capsys):
    status.run(dataclasses.replace(chain, status=dataclasses.replace(chain.status, artefact=chain.export.output)))
    assert "everything is as it was used" in capsys.readouterr().out
    status.run(dataclasses.replace(chain, status=dataclasses.replace(chain.status, document="3")))
    assert "the text gives just these tokens" in capsys.readouterr().out
