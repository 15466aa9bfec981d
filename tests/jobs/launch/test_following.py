"""Each job ends with the next command, and that command gets past its checks, word for word."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from conf.schema import Config
from jobs.launch.compose import compose, spelled_out, to_config
from jobs.launch.following import following
from jobs.records.job import Job
from jobs.registry import JOBS as RECORDS
from tests.jobs.conftest import NET
from tests.jobs.test_cli import ROOT

SMALL = [
    *NET[:6],
    "train.seq_length=64",
    "train.global_batch=4",
    "train.micro_batch=4",
    "train.steps=2",
    "parallel.threads=1",
]


def configured(job: str, given: Sequence[str]) -> Config:
    return to_config(compose(job, [spelled_out(argument) for argument in given if argument != "-m"]))


def next_of(job: str, given: Sequence[str], *configs: Config) -> tuple[str, list[str]]:
    """Name and arguments of the job that is to come next, as a shell takes them apart."""
    _, dash, module, *arguments = shlex.split(following(job, given, list(configs) or [configured(job, given)]))
    assert dash == "-m" and module.startswith("jobs.")
    return module.removeprefix("jobs."), arguments


@pytest.fixture
def odd(tmp_path, monkeypatch) -> Path:
    """A folder of a name that shells and Hydra both want quoted, with text in it; the working folder is beside it."""
    folder = tmp_path / "Ali's texts, (new) $x=1"
    folder.mkdir()
    rng = np.random.default_rng(0)
    words = [
        "court",
        "tenant",
        "owner",
        "lease",
        "judge",
        "house",
        "debt",
        "heir",
        "pays",
        "signs",
        "ends",
        "owes",
        "the",
        "a",
    ]
    lines = (json.dumps({"text": " ".join(rng.choice(words, size=60))}) + "\n" for _ in range(150))
    (folder / "text.jsonl").write_text("".join(lines))
    monkeypatch.chdir(tmp_path)
    return folder


def quoted(folder: Path) -> str:
    return "data.inputs=['" + str(folder).replace("'", "\\'") + "']"


def test_every_job_has_one():
    none = Job.__dataclass_fields__["following"].default
    assert [name for name, record in RECORDS.items() if record.following is none] == []


def test_from_text_to_a_model_that_is_used(odd, tmp_path):
    """Each command is run as the job before it gave it; settings that make the training small are all that is added."""
    job, given = "tokenizer", ["name=a b", quoted(odd), "tokenizer.vocab_size=300"]
    seen = []
    while True:
        config = configured(job, given)
        import_module(f"jobs.{job}").run(config)
        seen.append(job)
        if job == "export":
            break
        job, given = next_of(job, given, config)
        if job == "train":
            assert {"model=encoder/modernbert_base", "train.steps=100", "train.global_batch=16"} <= set(given)
            import_module("jobs.train").run(configured(job, [*given, "dry_run=true", "parallel.threads=1"]))
            given = [one for one in given if not one.startswith(("model=", "train."))] + SMALL
    assert seen == ["tokenizer", "prepare", "train", "export"] and given == [
        "name=a b",
        "parallel.threads=1",
        "export.checkpoint='runs/a b/seed_0/checkpoints/last'",
    ]
    python, flag, code = shlex.split(following("export", given, [config]))
    used = subprocess.run([sys.executable, flag, code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert used.returncode == 0 and "'score'" in used.stdout, used.stderr


def test_it_is_printed_at_the_end_and_after_a_dry_run(odd, tmp_path):
    """In a process, as a person starts it."""
    given = [quoted(odd), "name=mine", "tokenizer.vocab_size=300"]
    for more in (["dry_run=true"], []):
        command = [sys.executable, "-m", "jobs.tokenizer", *given, *more]
        ended = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, timeout=120
        )
        *_, last = ended.stderr.splitlines()
        assert ended.returncode == 0 and last.startswith("next: "), ended.stderr
        _, _, module, *arguments = shlex.split(last.removeprefix("next: "))
        wanted = ("jobs.tokenizer", given) if more else ("jobs.prepare", given[:2])
        assert (module, arguments) == wanted
    again = subprocess.run(
        [*command, "tokenizer.vocab_size=301"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert again.returncode == 2 and "next:" not in again.stderr


def made(folder: Path, **manifest: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("job", "given", "wanted"),
    [
        ("quickstart", ["name=q", "quickstart.folder=x"], ("tokenizer", ["name=q",
        "data.inputs=[data/q/corpus/train.jsonl]"])),
        ("quickstart", ["experiment=quickstart"], ("tokenizer", ["experiment=quickstart"])),
        ("quickstart", ["experiment=quickstart", "quickstart.output=z"], ("tokenizer", ["experiment=quickstart",
        "quickstart.output=z"])),
        ("corpus", ["name=c", "corpus.inputs=[x]"], ("tokenizer", ["name=c", "data.inputs=[data/c/corpus/documents]"])),
        ("corpus", ["name=c", "corpus.inputs=[x]", "corpus.array_task=3", "corpus.array_size=4"],
         ("corpus", ["name=c", "corpus.inputs=[x]", "corpus.array_size=4"])),
        ("quality", ["name=c", "quality.good=[x y]", "quality.language=pl"],
         ("corpus", ["name=c", "quality.good=[x y]", "quality.language=pl",
                     "corpus.rules=[gopher_quality,gopher_repetition,fineweb,glued_words,quality]",
                     "corpus.inputs=['x y']", "corpus.language=pl"])),
        ("topics", ["name=c", "topics.labelled=[x]", "corpus.inputs=[y]"],
         ("corpus", ["name=c", "topics.labelled=[x]", "corpus.inputs=[y]",
                     "corpus.rules=[gopher_quality,gopher_repetition,fineweb,glued_words,topics]"])),
        ("embedder", ["name=c", "data.inputs=[x]"],
         ("corpus", ["name=c", "data.inputs=[x]", "corpus.semantic.enabled=true", "corpus.inputs=[x]"])),
        ("ocr", ["name=c", "ocr.inputs=[x]"], ("corpus", ["name=c", "corpus.inputs=[data/c/ocr]"])),
        ("recycle", ["name=c", "recycle.inputs=[x]"], ("tokenizer", ["name=c",
        "data.inputs=[data/c/recycled/documents]"])),
        ("split", ["name=c", "data.inputs=[x]"], ("tokenizer", ["name=c",
        "data.inputs=[data/c/split/train.jsonl.zst]"])),
        ("train", ["name=c", "train.steps=5", "data.retrieval=."], ("sweep", ["name=c", "data.retrieval=."])),
        ("train", ["name=c", "plan=true", "optim.lr=1"], ("doctor", ["name=c", "optim.lr=1"])),
        ("train", ["name=c", "dry_run=true", "optim.lr=1"], ("train", ["name=c", "optim.lr=1"])),
        ("sweep", ["name=c", "data.retrieval=x", "sweep.metric=test/map@100"], ("export", ["name=c",
        "sweep.metric=test/map@100"])),
        ("sweep", ["name=c", "sweep.run=runs/a=b"], ("export", ["name=c", "sweep.run=runs/a=b"])),
        ("merge", ["merge.output=m/a b"], ("status", ["status.artefact='m/a b'"])),
        ("fetch", ["fetch.models=[a/b]"], ("doctor", ["fetch.models=[a/b]"])),
        ("doctor", ["cluster=slurm"], ("pipeline", ["cluster=slurm", "dry_run=true", "experiment=quickstart"])),
        ("doctor", ["experiment=quickstart"], ("pipeline", ["experiment=quickstart", "dry_run=true"])),
        ("status", ["runs_dir=x"], ("status", ["runs_dir=x", "status.watch=5"])),
        ("status", ["runs_dir=x", "status.artefact=y"], ("status", ["runs_dir=x"])),
        ("train", ["name=c", "runs_dir=x", "cluster=slurm", "train.steps=5"], ("status", ["name=c", "runs_dir=x",
        "status.watch=5"])),
    ],
)  # fmt: skip
def test_names_and_paths_are_carried_on(job, given, wanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = next_of(job, given)
    assert found == wanted
    configured(*found)  # it composes


def test_tokens_and_mixtures_go_to_a_training_of_one_reading(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "data" / "c" / "tokens", tokens=10**11, vocab_size=60_000)
    found = next_of("prepare", ["name=c", "data.inputs=[x]", "prepare.array_size=4"])
    steps = 10**11 // (1024 * 4608)
    assert found == (
        "train",
        [
            "name=c",
            "data.inputs=[x]",
            "model=encoder/modernbert_base",
            "model.vocab_size=60032",
            f"train.steps={steps}",
        ],
    )
    made(tmp_path / "data" / "c" / "mixture" / "main", tokens=10**5, vocab_size=300)
    given = [
        "name=c",
        "mixture.sources.web=w",
        "phases.main.tokens=100",
        "phases.main.weights={web: 1.0}",
        "train.seq_length=64",
    ]
    job, arguments = next_of("mix", given)
    assert (job, arguments[:3]) == ("train", ["name=c", "train.seq_length=64", "data.tokens=data/c/mixture/main"])
    assert configured(job, arguments).phases == {} and arguments[3:] == ["train.global_batch=16", "train.steps=100"]


def test_the_runs_of_a_grid_are_measured_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "set")
    configs = [configured("train", ["name=c", f"seed={seed}", "data.retrieval=set"]) for seed in (1, 2)]
    line = following("train", ["-m", "name=c", "seed=1,2", "data.retrieval=set"], configs)
    assert shlex.split(line)[2:] == [
        "jobs.sweep",
        "-m",
        "name=c",
        "seed=1,2",
        "data.retrieval=set",
        "sweep.runs=[runs/c/seed_1,runs/c/seed_2]",
    ]
