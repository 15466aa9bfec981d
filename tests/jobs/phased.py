"""Two prepared sources, mixed into four phases, and a decoder to train on them."""

import json
from pathlib import Path

import numpy as np

from jobs import mix, prepare, tokenizer
from jobs.launch.compose import compose, spelled_out, to_config

NET = [
    "model=decoder/tiny", "objective=causal", "optim=adamw", "model.num_layers=4", "model.hidden_size=32",
    "model.num_heads=4",
    "model.num_kv_heads=2", "model.head_width=8", "model.ffn_size=48", "model.vocab_size=300",
    "model.max_positions=128",
]  # fmt: skip
COURSE = [
    "train.seq_length=64", "train.global_batch=4", "train.micro_batch=2", "train.validation_fraction=0",
    "train.checkpoint.probe_at_start=false",
    "train.checkpoint.probe_share=0",
    "train.checkpoint.resume_every_steps=3", "train.checkpoint.resume_every_minutes=0", "train.checkpoint.keep_last=9",
    "parallel.threads=1", "optim.lr=3e-3",
    "optim.schedule.kind=constant", "optim.schedule.warmup_share=0.2", "optim.schedule.decay_shape=linear",
    "optim.schedule.min_lr_ratio=0.1",
]  # fmt: skip
PHASES = [
    "phases.general.tokens=2000", "phases.general.weights={web: 0.9, law: 0.1}", "phases.general.frozen=[layers.0-1]",
    "phases.terms.tokens=1600", "phases.terms.weights={web: 0.3, law: 0.7}", "phases.terms.schedule=rewarm",
    "phases.terms.lr=2e-3",
    "phases.long.tokens=2600", "phases.long.weights={law: 1}", "phases.long.seq_length=128",
    "phases.long.global_batch=2",
    "phases.long.micro_batch=1", "phases.long.rope_theta=50000", "phases.long.schedule=continue",
    "phases.long.optimizer=reset",
    "phases.anneal.tokens=1500", "phases.anneal.weights={law: 0.5, web: 0.5}", "phases.anneal.schedule=decay",
]  # fmt: skip


def prepared(folder: Path) -> list[str]:
    """Overrides for the mixture in ``folder``, made through the jobs from text of two kinds; only `run` is missing."""
    rng = np.random.default_rng(0)
    words = {
        "web": ["house", "cat", "sea", "red", "runs", "the", "a", "and"],
        "law": ["court", "tenant", "lease", "owes", "heir", "shall"],
    }
    both = [f"data.tokenizer={folder}/tokenizer", f"runs_dir={folder}/runs", "name=p"]
    for source, vocabulary in words.items():
        for part, count in (("train", 90), ("validation", 12)):
            with (folder / f"{source}_{part}.jsonl").open("w") as file:
                for _ in range(count):
                    file.write(json.dumps({"text": " ".join(rng.choice(vocabulary, size=rng.integers(5, 90)))}) + "\n")
    texts = [
        f"data.inputs=['{folder}/*_train.jsonl']",
        "tokenizer.vocab_size=290",
        "tokenizer.mlm_tokens=false",
        "tokenizer.chat_tokens=true",
    ]
    tokenizer.run(config_of([*both, *texts], "tokenizer"))
    sources = []
    for source in words:
        for part in ("train", "validation"):
            own = [f"data.inputs=['{folder}/{source}_{part}.jsonl']", f"data.tokens={folder}/{source}_{part}"]
            prepare.run(config_of([*both, *own], "prepare"))
        sources.append(f"mixture.sources.{source}={folder}/{source}_train")
    mixture = [*both, *sources, f"mixture.output={folder}/mixture", *PHASES]
    mix.run(config_of(mixture, "mix"))
    validation = [f"data.validation.{source}={folder}/{source}_validation" for source in reversed(words)]
    return [*NET, *mixture, *validation, *COURSE]


def config_of(overrides: list[str], job: str = "train"):
    """As the command line reads them."""
    return to_config(compose(job, [spelled_out(one) for one in overrides]))
