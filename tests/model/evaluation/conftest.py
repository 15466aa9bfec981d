"""A small retrieval set with a known answer, and runs with checkpoints of encoders that differ in how well they can
solve it.

Every concept has two words, one that queries use and one that documents use. An encoder whose embedding table gives
both the same vector finds the document; a random one has only what the probe's head can learn."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from conf.schema import Config, EncoderConfig, ParallelConfig, ProbeConfig
from model.hf.modernbert.folder import export_modernbert
from model.megatron.startup import start
from model.nets.encoder import ModernBert, build_encoder
from model.training.checkpoints.checkpoints import PROBE, RESUME
from model.training.checkpoints.write import write_checkpoint

CONCEPTS = 60
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = SPECIALS + [f"{side}{concept}" for side in "qd" for concept in range(CONCEPTS)]
SHAPE = EncoderConfig(
    vocab_size=len(VOCABULARY),
    num_layers=2,
    hidden_size=32,
    num_heads=2,
    ffn_size=32,
    max_positions=128,
    tie_embeddings=False,
)


def write_split(folder: Path, pairs: int, seed: int) -> None:
    """Pairs of 5 concepts each, said in the words of queries and in those of documents, which add one more."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    concepts = [rng.choice(CONCEPTS, 6, replace=False) for _ in range(pairs)]
    for name, side, count in (("queries.jsonl", "q", 5), ("corpus.jsonl", "d", 6)):
        rows = (
            {"_id": f"{side}-{row}", "text": " ".join(f"{side}{c}" for c in chosen[:count])}
            for row, chosen in enumerate(concepts)
        )
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q-{row}\td-{row}\t1\n" for row in range(pairs))
    )


@pytest.fixture(scope="session")
def retrieval_folder(tmp_path_factory) -> Path:
    """A set of 300 training, 60 dev and 150 test pairs."""
    folder = tmp_path_factory.mktemp("retrieval")
    for seed, (split, pairs) in enumerate({"train": 300, "dev": 60, "test": 150}.items()):
        write_split(folder / split, pairs, seed)
    return folder


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory) -> Path:
    """A tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{f"{name}_token": token for name, token in names.items()},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def random_encoder(seed: int, shape: EncoderConfig = SHAPE) -> ModernBert:
    """Untrained."""
    start(ParallelConfig(threads=1), seed)
    return build_encoder(shape)


def planted_encoder(seed: int) -> ModernBert:
    """Both words of a concept have one embedding."""
    model = random_encoder(seed)
    table = model.embedding.word_embeddings.weight.data
    first = len(SPECIALS)
    table[first + CONCEPTS :] = table[first : first + CONCEPTS]
    return model


def collapsed_encoder(seed: int) -> ModernBert:
    """All words have one embedding."""
    model = random_encoder(seed)
    model.embedding.word_embeddings.weight.data[:] = model.embedding.word_embeddings.weight.data[0]
    return model


@pytest.fixture
def encoders() -> SimpleNamespace:
    """Makers of encoders by seed, and their shape."""
    return SimpleNamespace(random=random_encoder, planted=planted_encoder, collapsed=collapsed_encoder, shape=SHAPE)


MakeCheckpoint = Callable[..., Path]


@pytest.fixture
def make_checkpoint(tokenizer_folder) -> MakeCheckpoint:
    """``make_checkpoint(run, step, model, kind="probe")`` writes a checkpoint as training does, without moments."""

    def make(run: Path, step: int, model: ModernBert, kind: str = PROBE) -> Path:
        def fill(folder: Path) -> None:
            if kind == PROBE:
                export_modernbert(model, model.encoder_config, folder / "hf", tokenizer_folder)
            else:
                (folder / "state").write_text("no hf/ half")

        known = {
            "tokens": step * 1000,
            "samples": step,
            "loss": 5.0 - step / 100 if step else None,
            "validation_loss": 5.2 - step / 100,
        }
        write_checkpoint(run, step, kind, fill, seed=0, **known)
        return run / "checkpoints" / f"step_{step:07d}"

    return make


@pytest.fixture
def run_folder(tmp_path, make_checkpoint) -> Path:
    """A run whose best checkpoint is neither the last nor the first: step 0 random, 10 collapsed, 20 planted, 30 random
    again."""
    run = tmp_path / "runs" / "small" / "seed_0"
    encoders = {0: random_encoder(1), 10: collapsed_encoder(2), 20: planted_encoder(3), 30: random_encoder(4)}
    for step, model in encoders.items():
        make_checkpoint(run, step, model)
    make_checkpoint(run, 40, None, RESUME)
    write_frozen(run, SHAPE)
    lines = ({"step": step, "loss": 5.0 - step / 100} for step in range(1, 41))
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def write_frozen(run: Path, shape: EncoderConfig) -> None:
    """config.yaml as far as it is read here."""
    sections = {name: asdict(getattr(Config(), name)) for name in ("objective", "optim", "parallel", "train")}
    config = {"seed": 0, **sections, "model": asdict(shape), "data": {"tokenizer": "", "tokens": ""}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def sweep_config(run_folder, retrieval_folder) -> Config:
    """A sweep of ``run_folder`` that takes about a second."""
    config = Config(name="small")
    config.sweep.run = str(run_folder)
    config.data.retrieval = str(retrieval_folder)
    config.probe = ProbeConfig(beside=["last", "emb"], steps=20, batch=64, pairs=250)
    config.parallel.threads = 1
    config.export.checkpoint, config.export.output = (
        str(run_folder / "checkpoints" / "best"),
        str(run_folder / "export"),
    )
    return config
