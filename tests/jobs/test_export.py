"""jobs.export: the folder loads where people will load it, and says what was measured."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from common import manifest as manifests
from common.errors import UserError
from conf.schema import OptimConfig, ParallelConfig
from jobs.export import run
from model.evaluation.sweep import sweep
from model.megatron import checkpoint
from model.megatron.optimizer import build_optimizer
from model.megatron.startup import start
from model.megatron.step import distribute
from model.nets.pack import Pack
from model.training.saves import RESUME
from model.training.write_save import write_save


def same_logits(folder, model) -> None:
    """transformers computes from ``folder`` what ``model`` does."""
    from transformers import AutoModelForMaskedLM

    theirs = AutoModelForMaskedLM.from_pretrained(folder).eval()
    ids = np.random.default_rng(0).integers(0, 125, 40)
    with torch.inference_mode():
        ours = model.eval()(Pack.from_documents([ids]))
        torch.testing.assert_close(theirs(torch.from_numpy(ids)[None]).logits[0], ours, atol=1e-5, rtol=1e-4)


def test_best_save_with_card(sweep_config, run_folder, encoders, capsys):
    sweep(sweep_config)
    output = run(sweep_config)
    same_logits(output, encoders.planted(3))
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["kind"] == "export" and manifest["parent"]["step"] == 20
    card = (output / "README.md").read_text()
    found = json.loads((run_folder / "eval" / "step_0000020.json").read_text())["metrics"]["cat"]["test"]["ndcg@10"]
    row = next(line for line in card.splitlines() if line.startswith("| this model, step 20 | cat "))
    assert float(row.split("|")[3]) == pytest.approx(found, abs=1e-4) and "| untrained | cat " in card
    assert "held-out loss | 5" in card

    before = (output / "manifest.json").stat().st_mtime_ns
    run(sweep_config)
    assert (output / "manifest.json").stat().st_mtime_ns == before and "holds step 20" in capsys.readouterr().err
    sweep_config.export.save = str(run_folder / "checkpoints" / "step_0000030")
    run(sweep_config)
    same_logits(output, encoders.random(4))


def test_sentence_transformers_loads_it(sweep_config, run_folder):
    from sentence_transformers import SentenceTransformer

    sweep(sweep_config)
    vectors = SentenceTransformer(str(run(sweep_config)), device="cpu").encode(["q1 q2 q3", "d1 d2 d3", "d40 d41 d42"])
    assert vectors.shape == (3, 32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.1


def test_a_resume_save_is_exported_from_its_megatron_half(sweep_config, run_folder, encoders, tokenizer_folder):
    import yaml

    model, parallel = encoders.random(11), ParallelConfig(threads=1)
    optimizer = build_optimizer(distribute(model, parallel), OptimConfig(), parallel)
    write_save(run_folder, 50, RESUME, lambda folder: checkpoint.save(folder / "megatron", model, optimizer, {"step": 50}), tokens=1)
    frozen = yaml.safe_load((run_folder / "config.yaml").read_text())
    frozen["data"]["tokenizer"] = str(tokenizer_folder)
    (run_folder / "config.yaml").write_text(yaml.safe_dump(frozen))
    sweep_config.export.save = str(run_folder / "checkpoints" / "last")
    start(parallel, 77)
    same_logits(run(sweep_config), model)


def test_bad_input_is_named(sweep_config, run_folder, tmp_path):
    with pytest.raises(UserError, match=r"there is no save .*best; run jobs.sweep, which chooses the best one"):
        run(sweep_config)
    sweep_config.export.save = str(run_folder)
    with pytest.raises(UserError, match=r"is not a save|is not the manifest of a save"):
        run(sweep_config)
    sweep_config.export.save = str(run_folder / "checkpoints" / "step_0000020")
    sweep_config.export.output = str(tmp_path / "precious")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("do not lose")
    with pytest.raises(UserError, match=r"precious exists and is not an export of this job; set export.output"):
        run(sweep_config)
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "do not lose"
    sweep_config.export.output = str(tmp_path / "new")
    (run_folder / "checkpoints" / "step_0000020" / "hf" / "config.json").unlink()
    with pytest.raises(UserError, match=r"damaged \(hf/config.json is missing\)"):
        run(sweep_config)
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".aside-*"))


@pytest.mark.parametrize("broken", ["shape", "tensor"])
def test_a_folder_that_cannot_be_loaded_never_appears(sweep_config, run_folder, tmp_path, broken):
    """A save whose every byte is as written, and yet no model: another shape than its config.json says, or a tensor too few."""
    save = run_folder / "checkpoints" / "step_0000020"
    if broken == "shape":
        config = json.loads((save / "hf" / "config.json").read_text())
        (save / "hf" / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    else:
        tensors = load_file(save / "hf" / "model.safetensors")
        tensors.pop("model.final_norm.weight")
        save_file(tensors, save / "hf" / "model.safetensors", {"format": "pt"})
    manifest = manifests.read(save)
    manifests.write(save, {**manifest, "files": manifests.digests(save)})
    sweep_config.export.save, sweep_config.export.output = str(save), str(tmp_path / "new")
    with pytest.raises(UserError, match="transformers (cannot load|loads) the exported folder"):
        run(sweep_config)
    assert not (tmp_path / "new").exists()


def test_dry_run_writes_nothing(sweep_config, run_folder, capsys):
    sweep_config.dry_run, sweep_config.export.save = True, str(run_folder / "checkpoints" / "step_0000020")
    output = run(sweep_config)
    assert not output.exists() and "would export step 20" in capsys.readouterr().err
