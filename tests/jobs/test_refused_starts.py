"""A start that is refused is one sentence and leaves every folder as it was, in each job; a dry run refuses what the
start refuses."""

import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from common.artefacts import localise
from common.errors import UserError
from common.files import digest
from jobs import train
from jobs.cli import start
from jobs.launch.compose import compose, spelled_out, to_config

SHORT = [
    "train.steps=8", "train.seq_length=64", "train.global_batch=2", "train.micro_batch=2",
    "train.validation_fraction=0.05", "name=refused",
    "train.checkpoint.resume_every_minutes=0", "parallel.threads=1",
]  # fmt: skip
DECODER = [
    "model=decoder/tiny", "objective=causal", "model.num_layers=2", "model.hidden_size=32", "model.num_heads=2",
    "model.num_kv_heads=1",
    "model.head_width=16", "model.ffn_size=48", "model.vocab_size=320", "model.max_positions=64",
]  # fmt: skip


def tree(*folders: Path) -> dict[str, tuple[int, str]]:
    """Every folder and file below, with the bytes of files."""
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return {
        str(path): digest(path) if path.is_file() else "folder" for path in paths if path.exists() or path.is_symlink()
    }


def command(job: str, *overrides: str) -> None:
    """What `python -m jobs.<job>` does in its own process once modules are read."""
    config = localise(to_config(compose(job, [spelled_out(one) for one in overrides])))
    start(job, import_module(f"jobs.{job}").run, config)


@pytest.fixture(scope="module")
def bases(trainable) -> dict[str, Path]:
    """A checkpoint of an encoder and one of a decoder."""
    nets = {"encoder": [], "decoder": DECODER}
    plain = [one for one in trainable if not one.startswith("model.")]
    found = {}
    for name, net in nets.items():
        config = to_config(compose("train", [*(plain if net else trainable), *net, *SHORT, f"run={name}"]))
        train.run(config)
        found[name] = (Path(config.run_dir) / "checkpoints" / "last").resolve()
    return found


def spoilt(bases: dict[str, Path], what: str, folder: Path) -> tuple[str, Path]:
    """A place to start from that a start refuses, and for which kind of net."""
    kind = "decoder" if what in ("nan", "decoder header") else "encoder"
    if what == "missing":
        return kind, folder / "nowhere"
    if what == "another family":
        return kind, bases["decoder"]
    place = shutil.copytree(bases[kind] / "hf", folder / "copy")
    file = place / "model.safetensors"
    tensors = load_file(file)
    if what == "cut off":
        file.write_bytes(file.read_bytes()[:-100])
    elif what == "a byte of a checkpoint":
        place = shutil.copytree(bases[kind], folder / "checkpoint")
        file = place / "hf" / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    elif what == "no weights":
        file.unlink()
    elif what == "nothing":
        shutil.rmtree(place)
        place.mkdir()
    elif what == "another shape":
        config = json.loads((place / "config.json").read_text()) | {"num_hidden_layers": 1}
        (place / "config.json").write_text(json.dumps(config))
    elif what == "nan":
        tensors["model.norm.weight"][0] = torch.nan
        save_file(tensors, file)
    elif what == "a tensor less":
        tensors.pop("head.dense.weight")
        save_file(tensors, file)
    elif what in ("a tensor of another shape", "decoder header"):
        name = "head.dense.weight" if kind == "encoder" else "model.layers.0.mlp.up_proj.weight"
        tensors[name] = tensors[name][:-1].clone()
        save_file(tensors, file)
    elif what == "a tensor more":
        save_file(tensors | {"foreign": torch.zeros(2)}, file)
    elif what == "an untied decoder":
        config = json.loads((place / "config.json").read_text()) | {"tie_word_embeddings": True}
        (place / "config.json").write_text(json.dumps(config))
    elif what == "another tokenizer":
        known = json.loads((place / "tokenizer.json").read_text())
        known["added_tokens"][0]["content"] = "[OTHER]"
        (place / "tokenizer.json").write_text(json.dumps(known))
    return kind, place


SPOILT = (
    "missing", "another family", "cut off", "a byte of a checkpoint", "no weights", "nothing", "another shape", "nan",
    "a tensor less",
    "a tensor of another shape", "decoder header", "a tensor more", "an untied decoder", "another tokenizer",
)  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_a_dry_run_refuses_the_weights_that_the_start_refuses_in_the_same_words(what, trainable, bases, tmp_path):
    kind, place = spoilt(bases, what, tmp_path)
    net = DECODER if kind == "decoder" else []
    plain = [one for one in trainable if not net or not one.startswith("model.")]
    overrides = [*plain, *net, *SHORT, f"train.init_from={place}", f"runs_dir={tmp_path}/runs", "run=new"]
    overrides += ["model.tie_embeddings=true"] if what == "an untied decoder" else []
    assert_refused_dry_too(overrides, tmp_path)


def assert_refused_dry_too(overrides: list[str], folder: Path) -> None:
    """A training and its dry run are refused in the same words, and leave ``folder`` as it was."""
    before, said = tree(folder), []
    for more in ([], ["dry_run=true"]):
        with pytest.raises(UserError) as error:
            command("train", *overrides, *more)
        said.append(str(error.value))
        assert tree(folder) == before
    assert said[0] == said[1]


TRAIN_REFUSALS = {
    "branch from nowhere": ["train.branch_from={tmp}/nowhere"],
    "branch with another seed": ["train.branch_from={encoder}", "seed=5", "train.steps=20"],
    "branch with another optimizer": ["train.branch_from={encoder}", "optim.name={other}", "train.steps=20"],
    "branch of another net": ["train.branch_from={decoder}", "train.steps=20"],
    "branch that is over": ["train.branch_from={encoder}"],
    "no tokens": ["data.tokens={tmp}/none"],
    "no tokenizer": ["data.tokenizer={tmp}/none"],
    "no held-out text": ["data.validation.law={tmp}/none"],
    "no phase": ["train.steps=0", "train.validation_fraction=0", "phases.one.tokens=1000",
    "phases.one.data={tmp}/none"],
    "nothing of that name to freeze": [
        "train.steps=0", "train.validation_fraction=0", "phases.one.tokens=1000", "phases.one.data={tokens}",
        "phases.one.frozen=[nothing]",
    ],
    "heads": ["model.num_heads=3"],
    "too few rows": ["model.vocab_size=128"],
    "retrieval": ["sweep.trigger=at_end", "data.retrieval={tmp}/none"],
    "hub": ["train.init_from=hf://nobody/nothing"],
    "objective": ["objective=causal"],
}  # fmt: skip


@pytest.mark.parametrize("what", TRAIN_REFUSALS)
def test_what_a_training_refuses_is_refused_dry_too_and_leaves_nothing(what, trainable, bases, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    tokens = next(one for one in trainable if one.startswith("data.tokens=")).partition("=")[2]
    base = to_config(compose("train", [*trainable, *SHORT]))
    other = {"adamw": "stable_adamw", "stable_adamw": "adamw"}[base.optim.name]
    words = {"tmp": tmp_path, "tokens": tokens, "other": other, **bases}
    overrides = [
        *trainable,
        *SHORT,
        f"runs_dir={tmp_path}/runs",
        "run=new",
        *(one.format(**words) for one in TRAIN_REFUSALS[what]),
    ]
    assert_refused_dry_too(overrides, tmp_path)


def test_a_refused_start_leaves_a_run_that_is_there_as_it_was(trainable, bases, tmp_path):
    """Its plan, its owner and its configuration, too."""
    run = shutil.copytree(bases["encoder"].parents[1], tmp_path / "runs" / "refused" / "old")
    shutil.rmtree(run / "checkpoints")
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "failed"}))
    _, place = spoilt(bases, "a tensor less", tmp_path)
    overrides = [*trainable, *SHORT, f"runs_dir={tmp_path}/runs", "run=old", f"train.init_from={place}", "seed=3"]
    before = tree(tmp_path)
    with pytest.raises(UserError, match="has no tensor head.dense.weight"):
        command("train", *overrides)
    assert tree(tmp_path) == before


JOBS: dict[str, list[list[str]]] = {
    "prepare": [
        ["data.inputs=['{tmp}/none']"],
        ["data.inputs=['{tmp}/broken.jsonl']", "prepare.on_bad_document=error"],
        ["data.inputs=['{tmp}/good.jsonl']", "data.text_field=body", "prepare.on_bad_document=error"],
        ["data.inputs=['{tmp}/good.jsonl']", "data.tokenizer={tmp}/none"],
        ["prepare.adopt={tmp}/none"],
    ],
    "corpus": [
        ["corpus.inputs=['{tmp}/none']"],
        ["corpus.inputs=['{tmp}/good.jsonl']", "corpus.language=xx"],
        ["corpus.inputs=['{tmp}/broken.jsonl']", "corpus.on_bad_document=error"],
        ["corpus.inputs=['{tmp}/good.jsonl']", "corpus.rules=[quality]", "quality.model={tmp}/none"],
    ],
    "tokenizer": [
        ["data.inputs=['{tmp}/none']"],
        ["data.inputs=['{tmp}/broken.jsonl']", "prepare.on_bad_document=error"],
        ["data.inputs=['{tmp}/good.jsonl']", "tokenizer.vocab_size=100000"],
        ["data.inputs=['{tmp}/good.jsonl']", "tokenizer.compare={tmp}/none"],
    ],
    "sweep": [
        ["sweep.run={tmp}/none"],
        ["sweep.run={run}", "data.retrieval={tmp}/none"],
        ["sweep.run={run}", "data.retrieval={tmp}/broken"],
        ["sweep.runs=['{tmp}/runs/*']"],
        ["sweep.run={run}", "sweep.metric=nothing"],
    ],
    "export": [
        ["export.checkpoint={tmp}/none"],
        ["export.checkpoint={spoilt}"],
    ],
    "merge": [
        ["merge.run={tmp}/none"],
        ["merge.run={run}", "merge.window=[99]"],
        ["merge.checkpoints=['{encoder}','{decoder}']"],
        ["merge.run={run}", "data.retrieval={tmp}/broken"],
    ],
    "fetch": [
        ["fetch.models=['a/b/c/d']"],
        ["fetch.models=['nobody/nothing']"],
    ],
    "pipeline": [
        ["quickstart.enabled=false", "data.inputs=['{tmp}/none']"],
        ["quickstart.enabled=false", "data.inputs=['{tmp}/broken.jsonl']", "prepare.on_bad_document=error"],
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("job", "number"), [(job, number) for job, refused in JOBS.items() for number in range(len(refused))]
)
def test_a_refused_command_leaves_nothing(job, number, trainable, bases, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "good.jsonl").write_text('{"text": "the court pays"}\n' * 3)
    (tmp_path / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "corpus.jsonl").write_text("{\n")
    shutil.copytree(bases["encoder"].parents[1], tmp_path / "run", symlinks=True)
    spoilt = shutil.copytree(bases["encoder"], tmp_path / "spoilt")
    (spoilt / "hf" / "model.safetensors").write_bytes(b"")
    tokenizer = next(one for one in trainable if one.startswith("data.tokenizer="))
    words = {"tmp": tmp_path, "run": tmp_path / "run", "spoilt": spoilt, **bases}
    out = {
        "prepare": ["data.tokens={tmp}/out/tokens", tokenizer], "corpus": ["corpus.output={tmp}/out/corpus"],
        "tokenizer": ["data.tokenizer={tmp}/out/tokenizer"], "export": ["export.output={tmp}/out/export"],
        "merge": ["merge.output={tmp}/out/merged"], "fetch": ["fetch.cache={tmp}/out/hub"],
        "pipeline": ["data.tokenizer={tmp}/out/tokenizer", "data.tokens={tmp}/out/tokens"],
    }.get(job, [])  # fmt: skip
    given = [one.format(**words) for one in (*out, *JOBS[job][number])]
    before = tree(tmp_path)
    with pytest.raises(UserError):
        command(job, f"runs_dir={tmp_path}/runs", "name=refused", *given)
    left = tree(tmp_path)
    assert left == before, sorted(left.keys() ^ before.keys())
