"""The jobs of a small user, one after another, each by its command line: an encoder that is probed and exported, and an
adapter."""

import json
from pathlib import Path

import numpy as np

from tests.jobs import phased
from tests.jobs.conftest import NET

COURSE = [
    "train.steps=4", "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2",
    "train.validation_fraction=0.1",
    "train.eval_packs=2", "train.eval_every_steps=2", "train.checkpoint.probe_at_start=false",
    "train.checkpoint.probe_share=0",
    "train.checkpoint.probe_every_steps=2", "train.checkpoint.resume_every_steps=3", "train.checkpoint.keep_last=9",
    "optim.lr=3e-3",
    "optim.schedule.warmup_steps=1", "parallel.threads=1", "seed=1",
]  # fmt: skip
WORDS = [
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


def write_texts(folder: Path) -> None:
    """200 documents of the same few words in one file, and a second, so that there are two shards."""
    rng = np.random.default_rng(0)
    for part in ("one", "two"):
        texts = (" ".join(rng.choice(WORDS, size=rng.integers(20, 90))) for _ in range(100))
        (folder / f"{part}.jsonl").write_text(
            "".join(json.dumps({"id": f"{part}{row}", "text": text}) + "\n" for row, text in enumerate(texts))
        )


def jobs_in(folder: Path, texts: Path, retrieval: Path) -> list[tuple[str, list[str]]]:
    """Names and overrides; all that they write is below ``folder``."""
    both = [
        f"runs_dir={folder}/runs",
        f"data.tokenizer={folder}/tokenizer",
        f"data.retrieval={retrieval}",
        "cluster.workers=1",
    ]
    corpus = [
        *both,
        f"corpus.inputs=['{texts}/*.jsonl']",
        "corpus.language=en",
        "corpus.rules=[]",
        f"corpus.output={folder}/corpus",
    ]
    corpus += ["corpus.shard_bytes=20000", "corpus.duplicates.near=false"]
    data = [*both, f"data.inputs=['{folder}/corpus/documents']", f"data.tokens={folder}/tokens"]
    encoder = [*data, *NET, *COURSE, "name=e", "run=one"]
    decoder = [*data, *phased.NET, *COURSE, "name=d", "model.num_layers=2", "model.vocab_size=320", "run=base"]
    adapter = [
        *data,
        *COURSE,
        "name=d",
        "run=adapter",
        "objective=causal",
        "optim=adamw",
        f"train.init_from={folder}/base",
    ]
    probe = [
        *both,
        f"sweep.run={folder}/runs/e/one",
        "probe.steps=3",
        "probe.batch=16",
        "probe.pairs=60",
        "sweep.bootstrap=20",
    ]
    probe += [
        "probe.beside=[last]",
        "parallel.threads=1",
        "probe.query_tokens=32",
        "probe.train_document_tokens=32",
        "probe.document_tokens=64",
    ]
    embedder = [*both, "data.inputs=['" + str(texts / "one.jsonl") + "']", f"corpus.semantic.model={folder}/embedder"]
    return [
        ("corpus", corpus),
        ("tokenizer", [*data, "tokenizer.vocab_size=300"]),
        ("prepare", [*data, "prepare.shard_bytes=9000", "prepare.array_size=2"]),
        ("train", encoder),
        ("sweep", probe),
        (
            "export",
            [*both, f"export.checkpoint={folder}/runs/e/one/checkpoints/best", f"export.output={folder}/export"],
        ),
        ("merge", [*probe, f"merge.run={folder}/runs/e/one", f"merge.output={folder}/merged", "merge.window=[2]"]),
        ("split", [*data, f"split.output={folder}/split"]),
        ("embedder", [*embedder, "corpus.semantic.dimensions=8"]),
        ("train", decoder),
        ("export", [*both, f"export.checkpoint={folder}/runs/d/base/checkpoints/last", f"export.output={folder}/base"]),
        ("train", [*adapter, "model.lora.rank=4"]),
    ]
