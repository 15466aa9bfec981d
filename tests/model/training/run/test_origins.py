"""What a model card says of the base model and the text, by the manifests that the jobs leave behind."""

import json
from pathlib import Path

import pytest
import yaml

from model.training.checkpoints.checkpoints import read_checkpoint
from model.training.run.origins import Base, base_of, origins


def made(folder: Path, **manifest: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def run_of(folder: Path, sources: dict[str, int], inputs: dict[str, Path], **train: str) -> Path:
    """A run with one checkpoint that has read ``sources`` of the tokens in ``inputs``; the checkpoint."""
    made(folder, kind="run", inputs={name: {"path": str(path), "digests": {}} for name, path in inputs.items()})
    (folder / "config.yaml").write_text(yaml.safe_dump({"name": "mine", "train": train}))
    return made(
        folder / "checkpoints" / "step_0000010",
        kind="checkpoint",
        checkpoint="probe",
        step=10,
        name="mine",
        sources=sources,
        files={},
        versions={},
    )


def test_a_corpus_and_a_data_set_of_the_hub(tmp_path):
    corpus = made(tmp_path / "corpus", kind="corpus", sources={
        "court": {"licence": "CC-BY-4.0", "language": "tr", "kept": 3}, "web": {"licence": "unknown", "language": "pl",
        "kept": 2},
        "none_of_it": {"licence": "secret", "language": "xx", "kept": 0},
    })  # fmt: skip
    texts = [f"{corpus}/documents/court/0000{number}.jsonl.zst" for number in range(7)] + [
        f"{corpus}/documents/web/00000.jsonl.zst"
    ]
    texts.append("/cache/datasets--org--law/snapshots/0123abc/data/train.parquet")
    texts += [f"hub:org/streamed,default,train,{number:05}-of-00002" for number in range(2)]
    tokens = made(
        tmp_path / "law" / "tokens", kind="tokens", documents=5, tokens=1234, inputs=dict.fromkeys(texts, "-")
    )
    found = origins(
        read_checkpoint(run_of(tmp_path / "run", {str(tokens): 999}, {"tokens": tokens, "tokenizer": tmp_path}))
    )
    assert found.languages == ["tr", "pl"] and found.datasets == ["org/law", "org/streamed"] and found.base is None
    assert found.licences == {"court": "CC-BY-4.0", "web": "unknown"}
    assert "has read 999 tokens of law, which holds 1,234 tokens in 5 documents (00000.jsonl.zst, " in found.told()
    assert " and 4 more)" in found.told() and "secret" not in found.told() and str(tmp_path) not in found.told()


def test_phases_of_a_mixture(tmp_path):
    web, law = (
        made(tmp_path / name / "tokens", kind="tokens", documents=2, tokens=50, inputs={f"{name}.jsonl": "-"})
        for name in ("web", "law")
    )
    sources = [{"name": "web", "folder": str(web)}, {"name": "law", "folder": str(law)}]
    phases = {
        f"phases.{name}": made(tmp_path / name, kind="tokens", mixture={"sources": sources})
        for name in ("first", "second")
    }
    told = origins(read_checkpoint(run_of(tmp_path / "run", {"web": 70, "law": 30}, phases))).told()
    assert "has read 100 tokens:\n\n- 70 of web, which holds 50 tokens in 2 documents (web.jsonl)\n- 30 of law" in told


def test_what_is_gone_is_left_out(tmp_path):
    found = origins(read_checkpoint(run_of(tmp_path / "run", {"/secret/place/tokens": 5}, {})))
    assert found.told() == "Up to this checkpoint the training has read 5 tokens of place.\n" and not found.languages
    assert origins(read_checkpoint(run_of(tmp_path / "bare", {}, {}))).told() == ""


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("hf://Qwen/Qwen3-1.7B@main", Base("Qwen/Qwen3-1.7B", True)),
        (
            "{tmp}/hub/models--Qwen--Qwen3-1.7B/snapshots/01ab",
            Base("Qwen/Qwen3-1.7B", True, {"license": "apache-2.0", "language": "en"}),
        ),
        ("{tmp}/models/qwen", Base("qwen", False)),
        ("{tmp}/gone", Base("gone", False)),
        (None, None),
    ],
)
def test_the_base_is_named_as_the_hub_names_it(tmp_path, place, wanted):
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen3-1.7B" / "snapshots" / "01ab"
    snapshot.mkdir(parents=True)
    (snapshot / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: en\n---\n# Qwen3\n")
    (tmp_path / "models" / "qwen").mkdir(parents=True)
    (tmp_path / "models" / "qwen" / "README.md").write_text("---\n- [\n---\n")
    train = {"init_from": place.format(tmp=tmp_path)} if place else {}
    checkpoint = run_of(tmp_path / "first", {}, {}, **train)
    assert base_of(tmp_path / "first") == wanted
    run_of(tmp_path / "branch", {}, {}, branch_from=str(checkpoint))
    export = made(tmp_path / "export", kind="export", name="mine", parent={"checkpoint": str(checkpoint)})
    run_of(tmp_path / "later", {}, {}, init_from=str(export))
    assert base_of(tmp_path / "branch") == wanted and base_of(tmp_path / "later") == (wanted or Base("mine", False))


def test_runs_that_start_from_each_other_come_to_an_end(tmp_path):
    checkpoint = tmp_path / "run" / "checkpoints" / "step_0000010"
    run_of(tmp_path / "run", {}, {}, branch_from=str(checkpoint))
    assert base_of(tmp_path / "run") is None
