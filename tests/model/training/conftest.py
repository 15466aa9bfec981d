"""A tokenizer and a tokens folder of a few kB, and the configuration of a training that takes seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

from common.files import digest, write_json
from conf.schema import (
    CheckpointConfig,
    Config,
    DataConfig,
    EncoderConfig,
    MlmConfig,
    OptimConfig,
    ParallelConfig,
    ScheduleConfig,
    TrainConfig,
)

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
NOUNS = ["court", "tenant", "owner", "lease", "judge", "house", "debt", "heir", "claim", "seller"]
VERBS = ["sees", "pays", "signs", "ends", "owes", "leaves", "takes", "keeps"]


def sentences(seed: int, count: int) -> str:
    """Text with enough order in it for a net to learn something within seconds."""
    rng = np.random.default_rng(seed)
    return " ".join(f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)} ." for _ in range(count))


def make_tokenizer(folder: Path, texts: list[str], vocab_size: int = 320) -> tokenizers.Tokenizer:
    """A byte-level BPE in ``folder``, as AutoTokenizer reads it."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL.values()), show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **SPECIAL}
    write_json(folder / "tokenizer_config.json", settings)
    return tokenizer


def write_tokens(folder: Path, documents: list[list[int]], tokenizer: Path, vocab_size: int) -> None:
    """A tokens folder as `jobs.prepare` leaves it, through Megatron-Core's own writer."""
    folder.mkdir(parents=True, exist_ok=True)
    builder = IndexedDatasetBuilder(str(folder / "tokens.bin"), dtype=np.uint16)
    for document in documents:
        builder.add_document(np.array(document), [len(document)])
    builder.finalize(str(folder / "tokens.idx"))
    files = {name: digest(folder / name) for name in ("tokens.bin", "tokens.idx")}
    write_json(
        folder / "manifest.json",
        {"kind": "tokens", "tokenizer": digest(tokenizer / "tokenizer.json"), "vocab_size": vocab_size,
        "documents": len(documents),
         "tokens": sum(map(len, documents)), "files": files, "inputs": {}},
    )  # fmt: skip


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Folder with tokenizer/ and tokens/: 120 documents of 1 to 12 sentences, each in [CLS] ... [SEP]."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = [sentences(seed, 1 + seed % 12) for seed in range(120)]
    tokenizer = make_tokenizer(folder / "tokenizer", texts)
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    documents = [[cls, *tokenizer.encode(text).ids, sep] for text in texts]
    write_tokens(folder / "tokens", documents, folder / "tokenizer", tokenizer.get_vocab_size())
    return folder


@pytest.fixture
def config(corpus, tmp_path) -> Config:
    """A training of 12 steps of a net with 2 layers, dropout on, in ``tmp_path``/runs/test/seed_1."""
    vocab_size = json.loads((corpus / "tokens" / "manifest.json").read_text())["vocab_size"]
    return Config(
        name="test", seed=1, runs_dir=str(tmp_path / "runs"), run="seed_1",
        run_dir=str(tmp_path / "runs" / "test" / "seed_1"),
        data=DataConfig(tokenizer=str(corpus / "tokenizer"), tokens=str(corpus / "tokens")),
        model=EncoderConfig(vocab_size=-(-vocab_size // 64) * 64, num_layers=2, hidden_size=32, num_heads=2,
        ffn_size=48, max_positions=64,
                            local_window=16, global_every=2, embedding_dropout=0.1),
        objective=MlmConfig(), parallel=ParallelConfig(threads=1),
        optim=OptimConfig(name="adamw", lr=3e-3, schedule=ScheduleConfig("wsd", warmup_steps=2, decay_steps=4)),
        train=TrainConfig(seq_length=64, global_batch=4, micro_batch=2, steps=12, validation_fraction=0.1, eval_packs=4,
                          checkpoint=CheckpointConfig(probe_at_start=False, probe_share=0, resume_every_minutes=0)),
    )  # fmt: skip


def metrics(run_dir: str | Path) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl."""
    return [json.loads(line) for line in (Path(run_dir) / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(name="metrics")
def _metrics():
    return metrics


@pytest.fixture(name="write_tokens")
def _write_tokens():
    return write_tokens
