"""The command line as a person meets it."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from common.errors import UserError
from conf.schema import Config
from conf.schema.documentation import documented
from jobs import train
from jobs.cli import main
from jobs.launch.compose import compose, parse, spelled_out, to_config

ROOT = Path(__file__).resolve().parents[2]
JOBS = [
    "corpus",
    "quickstart",
    "doctor",
    "embedder",
    "quality",
    "topics",
    "export",
    "fetch",
    "merge",
    "mix",
    "ocr",
    "pipeline",
    "prepare",
    "recycle",
    "split",
    "status",
    "sweep",
    "tokenizer",
    "train",
]


def job(name: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", f"jobs.{name}", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120
    )


@pytest.mark.parametrize("name", JOBS)
def test_help_teaches(name):
    shown = job(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "python -m jobs." in shown.stdout
    assert "dry_run=true" in shown.stdout
    assert shown.stdout.count("python -m jobs") >= 2, "the description should give an example"


@pytest.fixture
def helped(monkeypatch, capsys) -> Callable[..., list[str]]:
    """Lines that `jobs.train` prints into a pipe."""

    def lines(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        main("train", train.run)
        return capsys.readouterr().out.splitlines()

    return lines


def test_a_key_is_one_line_of_the_help_with_its_default_and_meaning(helped):
    keys = [key for key in documented(Config) if key.name.startswith(("optim.", "train.", "cluster."))]
    assert len(keys) > 60
    assert not {f"{key.name}={key.default}  {key.meaning}" for key in keys} - set(helped("--help"))


def test_on_a_narrow_terminal_no_key_is_broken():
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.environ |= {"COLUMNS": "40", "TERM": "dumb"}
        os.execv(sys.executable, [sys.executable, "-m", "jobs.train", "--help", "cluster"])
    shown = b""
    with suppress(OSError):  # the terminal is closed
        while read := os.read(terminal, 1 << 16):
            shown += read
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    lines = shown.decode().splitlines()
    assert "cluster.container.mounts=[]" in lines
    assert (
        all(len(line) <= 40 for line in lines if line.startswith(" "))
        and sum(line.startswith("    ") for line in lines) > 60
    )


def test_help_on_a_prefix_shows_the_keys_below_it_alone(helped):
    everything = helped("--help")
    assert "--help data " in everything[1], "the top of the help says that there is this"
    schedule = [line for line in everything if line.startswith("optim.schedule.")]
    for arguments in (
        ["--help", "optim.schedule"],
        ["--help=optim.schedule"],
        ["-h", "optim.schedule."],
        ["seed=1", "--help", "optim.schedule"],
    ):
        assert helped(*arguments) == schedule
    shown = helped("--help", "train.checkpoint.probe", "phases.law.lr")
    assert shown[-1].startswith("phases.<name>.lr=") and len(shown) > 3
    assert all(line.startswith("train.checkpoint.probe_") for line in shown[:-1])


@pytest.mark.parametrize(
    ("prefix", "hint"),
    [("optm", "; did you mean 'optim'?"), ("optim.shedule", "; did you mean 'optim.schedule'?"), ("corpus", "")],
)
def test_help_on_what_is_no_prefix_is_one_sentence(helped, capsys, prefix, hint):
    with pytest.raises(SystemExit) as end:
        helped("--help", prefix)
    assert end.value.code == 2
    assert (
        capsys.readouterr().err
        == f"error: jobs.train reads no key that begins with '{prefix}'{hint}; --help shows them all\n"
    )


def test_a_typo_ends_with_one_line_and_status_2():
    """As a process; in every job: tests/jobs/arguments/test_wrong_command_lines.py."""
    ended = job("train", "optim.lrr=3")
    assert ended.returncode == 2
    assert (
        ended.stderr.strip()
        == "error: unknown key 'optim.lrr'; did you mean 'optim.lr'?; `--cfg job` prints every key with its value"
    )
    assert ended.stdout == ""


def test_several_values_want_multirun():
    ended = job("train", "seed=1,2")
    assert ended.returncode == 2
    assert "add -m" in ended.stderr


def test_a_grid_is_queued_whole_or_not_at_all(tmp_path):
    ended = job("train", "-m", "cluster=local,slurm", f"runs_dir={tmp_path}", "train.steps=1")
    assert ended.returncode == 2
    assert ended.stderr.strip().startswith(
        "error: some points of this multirun have cluster=local and others cluster=slurm"
    )


def test_the_chain_can_be_seen_before_it_runs(tmp_path):
    shown = job("pipeline", "experiment=quickstart", "dry_run=true")
    assert shown.returncode == 0, shown.stderr
    order = [line.split()[0] for line in shown.stderr.splitlines() if "->" in line]
    assert order == ["quickstart", "tokenizer", "prepare", "train", "sweep", "export"]


def test_a_section_of_a_new_name_can_be_given_key_by_key():
    given = ["phases.main.tokens=5", "phases.main.weights={a: 0.5}", "corpus.sources.web.inputs=[a/b.txt,c]"]
    config = to_config(compose("mix", [spelled_out(one) for one in given]))
    assert (config.phases["main"].tokens, config.phases["main"].weights) == (5, {"a": 0.5})
    assert config.corpus.sources["web"].inputs == ["a/b.txt", "c"]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("name=şarkı", "şarkı"),
        ("name=Łódź ve İzmir", "Łódź ve İzmir"),
        ("name='şarkı'", "şarkı"),
        ("name=a#1 & b", "a#1 & b"),
        ("name=x:ş", "x:ş"),
        ("name=e\u0301tude", "e\u0301tude"),  # a letter and its accent
        ("runs_dir=/tmp/a[1]/runs", "/tmp/a[1]/runs"),
        ("runs_dir=/tmp/ş[1]/runs", "/tmp/ş[1]/runs"),
        ("sweep.run=${runs_dir}/ş", "${runs_dir}/ş"),
        ("data.inputs=[veri/türkçe.txt, c, a b/ş c.txt]", ["veri/türkçe.txt", "c", "a b/ş c.txt"]),
        ("evaluation.domain={a: veri/ş.txt, b: c}", {"a": "veri/ş.txt", "b": "c"}),
        ("corpus.sources.web.inputs=[türkçe.txt]", {"web": {"inputs": ["türkçe.txt"]}}),
    ],
)
def test_letters_and_signs_that_hydra_knows_within_quotes_alone(argument, value):
    (override,) = parse([spelled_out(argument)])
    assert override.value() == value


def test_several_values_with_other_letters_stay_several():
    (override,) = parse([spelled_out("name=şarkı,b,choice")])
    assert [str(one) for one in override.sweep_string_iterator()] == ['"şarkı"', "b", "choice"]


def test_a_key_with_other_letters_is_refused_with_the_mend():
    with pytest.raises(UserError, match="write key=value with a key of ASCII letters"):
        parse([spelled_out("phases.ş.tokens=5")])


def test_a_name_with_other_letters_is_taken_whole(tmp_path):
    shown = job("train", "name=şarkı ğ", f"runs_dir={tmp_path}", "--cfg", "job")
    assert shown.returncode == 0 and shown.stdout.startswith("name: şarkı ğ\n")


def test_paths_are_printed_whole_and_cannot_steer_the_terminal(tmp_path, tokenizer_folder):
    tokenizer = f"data.tokenizer={tokenizer_folder}"
    ended = job("prepare", f"data.inputs=['{tmp_path}/[bold]x[/bold] \x1b[31m']", tokenizer, cwd=tmp_path)
    assert (
        ended.returncode == 2 and f"{tmp_path}/[bold]x[/bold] \ufffd[31m" in ended.stderr and "\x1b" not in ended.stderr
    )
    folder = tmp_path / "[bold]in[/bold]"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"text": "a"}\n')
    told = job(
        "prepare", f"data.inputs=['{folder}']", tokenizer, f"data.tokens={tmp_path}/out", "dry_run=true", cwd=tmp_path
    )
    assert told.returncode == 0 and "[bold]in[/bold]" in "".join(told.stdout.split()), told.stderr


def test_a_password_in_a_url_is_neither_frozen_nor_printed(tmp_path):
    for key, value in (
        ("ocr.endpoint.url", "http://ada:geheim@node7/v1"),
        ("cluster.setup", "['export https_proxy=http://a:geheim@b:1']"),
    ):
        ended = job("ocr", f"{key}={value}", cwd=tmp_path)
        assert ended.returncode == 2 and "geheim" not in ended.stdout + ended.stderr
        assert f"error: {key} has a password or key in a URL" in ended.stderr
    assert "geheim" not in job("ocr", "ocr.endpoint.url=http://ada:geheim@[", cwd=tmp_path).stderr


@pytest.mark.parametrize("streams", [("stdout",), ("stdout", "stderr")])
@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_a_log_on_a_full_disk(tmp_path, streams, arguments):
    """Status 2, not a bug's, and one sentence where there is room for it."""
    with Path("/dev/full").open("w") as full:
        given = {stream: full if stream in streams else subprocess.PIPE for stream in ("stdout", "stderr")}
        done = subprocess.run(
            [sys.executable, "-m", "jobs.status", f"runs_dir={tmp_path}/runs", *arguments],
            cwd=ROOT,
            text=True,
            timeout=60,
            check=False,
            **given,
        )
    assert done.returncode == 2
    if "stderr" not in streams:
        assert done.stderr.startswith(
            "error: standard output, or a file that the system does not name, cannot be written"
        )
        assert done.stderr.count("\n") == 1


def test_a_reader_that_goes_away_ends_a_job_without_a_word(tmp_path):
    """As `| head` does; with the status of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "jobs.status", f"runs_dir={tmp_path}/runs"]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
