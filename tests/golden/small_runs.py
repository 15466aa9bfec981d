"""Small fixed runs through the jobs, and what of their results no refactoring may change."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import chdir
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from common.files import digest
from jobs import corpus, export, prepare, sweep, tokenizer, train
from jobs.launch.compose import compose, spelled_out, to_config
from model.training.checkpoints.checkpoints import list_checkpoints, set_link
from tests.jobs.phased import prepared

ROOT = Path(__file__).resolve().parents[2]
NET = [
    "model.num_layers=4", "model.hidden_size=32", "model.num_heads=2", "model.ffn_size=48", "model.vocab_size=640",
    "model.max_positions=64", "model.attention_out_dropout=0", "model.embedding_dropout=0",
]  # fmt: skip
COURSE = [
    "train.steps=12", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2",
    "train.validation_fraction=0.05", "optim.lr=3e-3",
    "train.checkpoint.probe_at_start=false", "train.checkpoint.probe_share=0", "train.checkpoint.probe_every_steps=6",
    "train.checkpoint.resume_every_steps=3",
    "train.checkpoint.resume_every_minutes=0", "train.checkpoint.keep_last=9", "optim.schedule.warmup_steps=2",
    "optim.schedule.decay_steps=3",
    "parallel.threads=1", "train.log_every_steps=1",
]  # fmt: skip
LAYOUTS = {"tensor": ["parallel.tensor=2"], "pipeline": ["parallel.pipeline=2"], "data": []}
PROBE = [
    "probe.steps=20", "probe.batch=32", "probe.pairs=100", "probe.beside=[last]", "probe.query_tokens=32",
    "probe.document_tokens=60",
    "probe.train_document_tokens=60",
]  # fmt: skip
SUBJECTS = [
    "the court",
    "a tenant",
    "the owner of the house",
    "an heir",
    "the notary",
    "a judge",
    "the state",
    "that lawyer",
]
VERBS = ["have to pay", "signs", "ends", "owes", "will appeal against", "be bound to", "disputes", "agrees with"]
OBJECTS = [
    "the lease",
    "a debt",
    "the decision of the court",
    "that contract",
    "the ship",
    "a claim to the land",
    "the inheritance",
    "this fee",
]


def sentences(rng: np.random.Generator, count: int) -> str:
    """English enough for the rules: subject, verb, object, a number or two."""
    parts = [[str(rng.choice(words)) for words in (SUBJECTS, VERBS, OBJECTS)] for _ in range(count)]
    return " ".join(f"{' '.join(part)} and article {rng.integers(1, 999)} of the code.".capitalize() for part in parts)


def write_texts(folder: Path) -> None:
    """150 documents; one in ten is there twice, one in ten nearly, one in ten is junk, one in ten names a person's
    address."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    records = []
    for number in range(150):
        text = sentences(rng, int(rng.integers(8, 20)))
        more = {3: [text], 5: [f"{text} And so on."], 7: ["# menu login cart " * 40]}.get(number % 10, [])
        text = f"{text} Write to jan.kowalski@example.org about it." if number % 10 == 1 else text
        records += [{"id": f"{number}.{part}", "text": one} for part, one in enumerate([text, *more])]
    for part in range(3):
        (folder / f"part_{part}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records[part::3]))


def write_retrieval(folder: Path) -> None:
    """A BEIR folder by split: a query is a part of its document."""
    rng = np.random.default_rng(1)
    for split, pairs in {"train": 120, "dev": 30, "test": 40}.items():
        (folder / split).mkdir(parents=True)
        documents = [sentences(rng, 4) for _ in range(pairs)]
        rows = {
            "corpus": [("d", text) for text in documents],
            "queries": [("q", text.split(".")[1]) for text in documents],
        }
        for name, texts in rows.items():
            lines = (json.dumps({"_id": f"{kind}{row}", "text": text}) + "\n" for row, (kind, text) in enumerate(texts))
            (folder / split / f"{name}.jsonl").write_text("".join(lines))
        qrels = "".join(f"q{row}\td{row}\t1\n" for row in range(pairs))
        (folder / split / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}")


def run(job, name: str, overrides: list[str]):
    """A job of the suite in this process; its configuration."""
    config = to_config(compose(name, [spelled_out(one) for one in overrides]))
    job.run(config)
    return config


def train_on_two(overrides: list[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "jobs.train",
        *overrides,
    ]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def losses(run_folder: Path) -> list[dict]:
    """Step, tokens, rate, losses and gradient norm of every logged step."""
    lines = map(json.loads, (run_folder / "metrics.jsonl").read_text().splitlines())
    keys = ("step", "tokens", "lr", "loss", "validation_loss", "validation_losses", "grad_norm", "loss_by_source")
    return [{key: line[key] for key in keys if key in line} for line in lines]


def tensors(folder: Path) -> dict[str, list]:
    """Shape, mean and root of the mean square of each tensor that a Hugging Face folder holds."""
    loaded = {name: value for file in sorted(folder.glob("*.safetensors")) for name, value in load_file(file).items()}
    return {
        name: [list(x.shape), float(x.mean(dtype=float)), float((x.astype(float) ** 2).mean() ** 0.5)]
        for name, x in loaded.items()
    }


def digests(folder: Path, patterns: Iterable[str]) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): digest(path) for pattern in patterns for path in sorted(folder.glob(pattern))
    }


class _Numbers(HTMLParser):
    """Numbers in the text that a page shows; words may change, figures may not."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[float] = []
        self.hidden = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.hidden = tag in ("style", "script")

    def handle_data(self, data):
        if not self.hidden:
            self.found += [float(number) for number in re.findall(r"(?<![\w.:/-])-?\d+\.\d+(?![\w.:/])", data)]


def numbers(page: Path) -> list[float]:
    """Decimal fractions in the text of a report, in their order."""
    return _Numbers(page.read_text()).found


def encoder(here: Path) -> dict:
    """A corpus to an exported encoder with scores, alone, continued, and on two ranks in three layouts."""
    here.mkdir()
    with chdir(here):  # a corpus names its sources as they were given
        return _encoder(Path("."))


def _encoder(folder: Path) -> dict:
    write_texts(folder / "texts")
    write_retrieval(folder / "retrieval")
    made = [
        f"corpus.inputs=[{folder}/texts]",
        "corpus.language=en",
        f"corpus.output={folder}/corpus",
        "corpus.shard_bytes=30_000",
    ]
    run(corpus, "corpus", [*made, "name=golden", "corpus.pii=true", "corpus.rules=[gopher_quality]"])
    text = [
        f"data.inputs=['{folder}/corpus/documents/*/*']",
        f"data.tokenizer={folder}/tokenizer",
        f"data.tokens={folder}/tokens",
    ]
    run(tokenizer, "tokenizer", [*text, "name=golden", "tokenizer.vocab_size=600"])
    run(prepare, "prepare", [*text, "name=golden"])
    training = [f"runs_dir={folder}/runs", "name=golden", *text, *NET, *COURSE]
    whole = run(train, "train", [*training, "run=whole"])
    first = Path(whole.run_dir)
    shutil.copytree(first, first.with_name("resumed"), symlinks=True)
    for checkpoint in list_checkpoints(first.with_name("resumed")):
        if checkpoint.step > 6:
            shutil.rmtree(checkpoint.folder)
    set_link(first.with_name("resumed"), "last", 6)
    run(train, "train", [*training, "run=resumed"])
    for layout, keys in LAYOUTS.items():
        train_on_two([*training, *keys, f"run={layout}"])
    measured = [*training, "run=whole", f"data.retrieval={folder}/retrieval", *PROBE]
    run(sweep, "sweep", measured)
    exported = run(export, "export", [*measured, f"export.output={folder}/export"]).export.output
    scores = [json.loads(path.read_text())["metrics"] for path in sorted(first.glob("eval/retrieval/step_*.json"))]
    return {
        "corpus": digests(folder / "corpus", ["documents/*/*", "funnel.json"]),
        "tokens": digests(folder, ["tokens/*.bin", "tokens/*.idx", "tokenizer/tokenizer.json"]),
        "losses": {name: losses(first.with_name(name)) for name in ("whole", "resumed", *LAYOUTS)},
        "export": tensors(Path(exported)),
        "scores": scores,
        "report": numbers(first / "report.html"),
    }


def decoder(folder: Path) -> dict:
    """A mixture in four phases to a decoder."""
    folder.mkdir()
    config = run(train, "train", [*prepared(folder), "run=whole"])
    run_folder = Path(config.run_dir)
    last = sorted(run_folder.glob("checkpoints/step_*"))[-1]
    return {
        "tokens": digests(folder, ["mixture/*/tokens.bin", "mixture/*/documents.npy"]),
        "losses": losses(run_folder),
        "sources": json.loads((last / "manifest.json").read_text())["sources"],
        "export": tensors(last / "hf"),
    }
