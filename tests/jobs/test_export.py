"""jobs.export: the folder loads where people will load it, and says what was measured."""

import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from common import manifest as manifests
from common.errors import UserError
from common.files import digest
from conf.schema import Config, DecoderConfig, OptimConfig, ParallelConfig
from conf.schema.phase import PhaseConfig
from jobs.export import run as job
from model.evaluation.interface.store import result_file, weights_digest, write_result
from model.evaluation.sweep import sweep
from model.hf.folder import export_net
from model.megatron import checkpoint
from model.megatron.optimizer import build_optimizer
from model.megatron.startup import start
from model.megatron.step import distribute
from model.nets.decoder import build_decoder
from model.nets.pack import Pack
from model.training.checkpoints.checkpoints import PROBE, RESUME, read_checkpoint
from model.training.checkpoints.write import write_checkpoint
from tests.model.megatron import attacks


def same_logits(folder, model) -> None:
    """transformers computes from ``folder`` what ``model`` does."""
    from transformers import AutoModelForMaskedLM

    theirs = AutoModelForMaskedLM.from_pretrained(folder).eval()
    ids = np.random.default_rng(0).integers(0, 125, 40)
    with torch.inference_mode():
        ours = model.eval()(Pack.from_documents([ids]))
        torch.testing.assert_close(theirs(torch.from_numpy(ids)[None]).logits[0], ours, atol=1e-5, rtol=1e-4)


def test_best_checkpoint_with_card(sweep_config, run_folder, encoders, capsys):
    sweep(sweep_config)
    output = job(sweep_config)
    same_logits(output, encoders.planted(3))
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["kind"] == "export" and manifest["parent"]["step"] == 20
    card = (output / "README.md").read_text()
    found = json.loads((run_folder / "eval" / "retrieval" / "step_0000020.json").read_text())["metrics"]["cat"]["test"][
        "ndcg@10"
    ]
    row = next(line for line in card.splitlines() if line.startswith("| this model, step 20 | cat "))
    assert float(row.split("|")[3]) == pytest.approx(found, abs=1e-4) and "| untrained | cat " in card
    assert "held-out loss | 5" in card
    assert "version of torch" in card and not any(
        f"version of {name}" in card for name in ("xgboost-cpu", "ftfy", "rensa", "simplemma")
    )

    before = (output / "manifest.json").stat().st_mtime_ns
    job(sweep_config)
    assert (output / "manifest.json").stat().st_mtime_ns == before and "holds step 20" in capsys.readouterr().err
    sweep_config.export.checkpoint = str(run_folder / "checkpoints" / "step_0000030")
    job(sweep_config)
    same_logits(output, encoders.random(4))
    assert "step 0 is the net before its training" not in capsys.readouterr().err
    sweep_config.export.checkpoint = str(run_folder / "checkpoints" / "step_0000000")
    job(sweep_config)
    assert "step 0 is the net before its training" in capsys.readouterr().err


def test_sentence_transformers_loads_it(sweep_config, run_folder):
    from sentence_transformers import SentenceTransformer

    sweep(sweep_config)
    vectors = SentenceTransformer(str(job(sweep_config)), device="cpu").encode(["q1 q2 q3", "d1 d2 d3", "d40 d41 d42"])
    assert vectors.shape == (3, 32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.1


def test_a_resume_checkpoint_is_exported_from_its_megatron_half(sweep_config, run_folder, encoders, tokenizer_folder):
    model, parallel = encoders.random(11), ParallelConfig(threads=1)
    optimizer = build_optimizer(distribute(model, parallel), OptimConfig(), parallel)
    write_checkpoint(
        run_folder,
        50,
        RESUME,
        lambda folder: checkpoint.save(folder / "megatron", model, optimizer, {"step": 50}),
        tokens=1,
    )
    frozen = yaml.safe_load((run_folder / "config.yaml").read_text())
    frozen["data"]["tokenizer"] = str(tokenizer_folder)
    (run_folder / "config.yaml").write_text(yaml.safe_dump(frozen))
    sweep_config.export.checkpoint = str(run_folder / "checkpoints" / "last")
    start(parallel, 77)
    same_logits(job(sweep_config), model)


def test_a_checkpoint_of_a_stranger_runs_no_code(sweep_config, run_folder, encoders, tokenizer_folder, tmp_path):
    model, parallel = encoders.random(11), ParallelConfig(threads=1)
    optimizer = build_optimizer(distribute(model, parallel), OptimConfig(), parallel)
    write_checkpoint(
        run_folder,
        50,
        RESUME,
        lambda folder: checkpoint.save(folder / "megatron", model, optimizer, {"step": 50}),
        tokens=1,
    )
    for number, attack in enumerate(attacks.ALL):
        theirs = shutil.copytree(run_folder, tmp_path / f"theirs_{number}", symlinks=True)
        save = theirs / "checkpoints" / "step_0000050"
        attacks.handed_over(save, attack, tmp_path / "hurt")
        sweep_config.export.checkpoint, sweep_config.export.output = str(save), str(tmp_path / "exported")
        with pytest.raises(UserError, match="choose another checkpoint") as told:
            job(sweep_config)
        assert "\n" not in str(told.value) and str(save) in str(told.value)
        assert not (tmp_path / "hurt").exists() and not (tmp_path / "exported").exists()


def test_an_export_replaces_an_export_and_nothing_else(sweep_config, run_folder, tmp_path):
    sweep_config.export.checkpoint = str(run_folder / "checkpoints" / "step_0000020")
    output = sweep_config.export.output = str(tmp_path / "out")
    job(sweep_config)
    sweep_config.export.checkpoint = str(run_folder / "checkpoints" / "step_0000010")
    (tmp_path / "out" / "thesis.txt").write_text("do not lose")
    with pytest.raises(
        UserError, match=r"out is not replaced: it holds thesis.txt, which its manifest.json does not list"
    ):
        job(sweep_config)
    (tmp_path / "out" / "thesis.txt").rename(tmp_path / "thesis.txt")
    (tmp_path / "out").rename(tmp_path / "theirs")
    (tmp_path / "out").symlink_to("theirs")
    with pytest.raises(UserError, match=r"out is not replaced: it is a link"):
        job(sweep_config)
    assert manifests.read(tmp_path / "theirs")["parent"]["step"] == 20
    (tmp_path / "out").unlink()
    (tmp_path / "theirs").rename(output)
    assert manifests.read(job(sweep_config))["parent"]["step"] == 10


def test_bad_input_is_named(sweep_config, run_folder, tmp_path):
    with pytest.raises(UserError, match=r"there is no checkpoint .*best; run jobs.sweep, which chooses the best one"):
        job(sweep_config)
    sweep_config.export.checkpoint = str(run_folder)
    with pytest.raises(UserError, match=r"is not a checkpoint|is not the manifest of a checkpoint"):
        job(sweep_config)
    sweep_config.export.checkpoint = str(run_folder / "checkpoints" / "step_0000020")
    sweep_config.export.output = str(tmp_path / "precious")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("do not lose")
    with pytest.raises(UserError, match=r"precious exists and is not an export of this job; set export.output"):
        job(sweep_config)
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "do not lose"
    sweep_config.export.output = str(tmp_path / "new")
    (run_folder / "checkpoints" / "step_0000020" / "hf" / "config.json").unlink()
    with pytest.raises(UserError, match=r"damaged \(hf/config.json is missing\)"):
        job(sweep_config)
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".aside-*"))


@pytest.mark.parametrize("broken", ["shape", "tensor"])
def test_a_folder_that_cannot_be_loaded_never_appears(sweep_config, run_folder, tmp_path, broken):
    """A checkpoint whose every byte is as written, and yet no model: another shape than its config.json says, or a
    tensor too few."""
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
    sweep_config.export.checkpoint, sweep_config.export.output = str(save), str(tmp_path / "new")
    with pytest.raises(UserError, match="transformers (cannot load|loads) the exported folder"):
        job(sweep_config)
    assert not (tmp_path / "new").exists()


DECODER = DecoderConfig(
    architecture="llama", vocab_size=125, num_layers=2, hidden_size=32, num_heads=2, num_kv_heads=1, head_width=16,
    ffn_size=48,
    max_positions=64, tie_embeddings=False, init_std=0.3,
)  # fmt: skip


@pytest.fixture
def decoder_run(tmp_path, tokenizer_folder):
    """A run of a decoder in two phases, the second with another RoPE base: a probe checkpoint in the first, one to
    resume from in the second."""
    parallel, run = ParallelConfig(threads=1), tmp_path / "runs" / "decoder" / "seed_0"
    start(parallel, 5)
    first, later = build_decoder(DECODER).eval(), dataclasses.replace(DECODER, rope_theta=500_000.0)
    write_checkpoint(
        run, 10, PROBE, lambda folder: export_net(first, DECODER, folder / "hf", tokenizer_folder), tokens=7, loss=3.5
    )
    second = build_decoder(later).eval()
    optimizer = build_optimizer(distribute(second, parallel), OptimConfig(), parallel)

    def fill(folder):
        checkpoint.save(folder / "megatron", second, optimizer, {"step": 20})

    write_checkpoint(run, 20, RESUME, fill, tokens=9, phases={"general": {}, "long": {}})
    phases = {name: dataclasses.asdict(PhaseConfig(tokens=10)) for name in ("general", "long")}
    phases["long"]["rope_theta"] = 500_000.0
    frozen = {"model": dataclasses.asdict(DECODER), "data": {"tokenizer": str(tokenizer_folder)}, "phases": phases}
    (run / "config.yaml").write_text(yaml.safe_dump(frozen))
    return SimpleNamespace(folder=run, first=first, second=second)


def exported(run, step, output):
    config = Config(name="statutes")
    config.parallel.threads = 1
    config.export.checkpoint, config.export.output = str(run / "checkpoints" / f"step_{step:07d}"), str(output)
    return job(config)


def same_causal_logits(folder, model) -> None:
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = np.random.default_rng(0).integers(0, 125, 40)
    with torch.inference_mode():
        ours = model(Pack.from_documents([ids]))[:, :125]
        torch.testing.assert_close(theirs(torch.from_numpy(ids)[None]).logits[0], ours, atol=1e-5, rtol=1e-4)


def test_a_decoder_with_card(decoder_run, tmp_path):
    output = exported(decoder_run.folder, 10, tmp_path / "out")
    same_causal_logits(output, decoder_run.first)
    assert not (output / "modules.json").exists() and not (output / "1_Pooling").exists()
    card = (output / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert (
        header["library_name"] == "transformers"
        and header["pipeline_tag"] == "text-generation"
        and header["tags"] == ["llama"]
    )
    count = sum(parameter.numel() for parameter in decoder_run.first.parameters()) - 2 * 3 * 32
    for piece in (
        f"{count:,} parameters",
        "head with weights of its own",
        "AutoModelForCausalLM",
        "| training loss | 3.5 |",
    ):
        assert piece in card, piece
    assert "sentence" not in card and "Perplexity" not in card
    assert json.loads((output / "manifest.json").read_text())["parameters"] == count


def test_a_decoder_is_exported_from_its_megatron_half_with_the_rope_base_of_its_phase(decoder_run, tmp_path):
    output = exported(decoder_run.folder, 20, tmp_path / "out")
    assert json.loads((output / "config.json").read_text())["rope_parameters"]["rope_theta"] == 500_000.0
    same_causal_logits(output, decoder_run.second)


def test_the_header_is_what_the_hub_reads(decoder_run, tmp_path):
    """By what training left behind; and by the configuration, which wins and makes the export again."""
    from huggingface_hub import ModelCard
    from huggingface_hub.utils import validate_repo_id

    run, base = decoder_run.folder, tmp_path / "models--org--base" / "snapshots" / "0a"
    base.mkdir(parents=True)
    (base / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: [en]\n---\n")
    frozen = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(frozen | {"name": "mine", "train": {"init_from": str(base)}}))
    header = ModelCard.load(exported(run, 10, tmp_path / "out") / "README.md").data
    assert (header.base_model, header.license, header.language) == ("org/base", "apache-2.0", ["en"])
    validate_repo_id(header.base_model)
    config = Config()
    config.export.checkpoint, config.export.output = str(run / "checkpoints" / "step_0000010"), str(tmp_path / "out")
    config.export.language, config.export.license, config.export.datasets = ["tr", "no"], "cc-by-4.0", ["org/law"]
    card = ModelCard.load(job(config) / "README.md")
    assert (card.data.language, card.data.license, card.data.datasets) == (["tr", "no"], "cc-by-4.0", ["org/law"])
    assert card.text.lstrip().startswith("# mine\n") and "Training started from org/base." in card.text


def test_perplexity_is_in_the_card_while_it_is_of_these_weights(decoder_run, tmp_path):
    run, save = decoder_run.folder, read_checkpoint(decoder_run.folder / "checkpoints" / "step_0000010")
    digests = {"settings": "a", "inputs": "b"}
    for step, nll, weights in ((0, 300.0, "before"), (10, 200.0, weights_digest(save))):
        texts = {"law": {"role": "domain", "documents": 3, "nll": nll, "token": 100, "character": 400, "byte": 500}}
        file = result_file(run, "perplexity", step)
        write_result(file, "perplexity", save, {"texts": texts}, digests | {"weights": weights})
        document = json.loads(result_file(run, "perplexity", step).read_text())
        result_file(run, "perplexity", step).write_text(json.dumps(document | {"step": step}))
    lines = (exported(run, 10, tmp_path / "out") / "README.md").read_text().splitlines()
    assert (
        "| law | domain | step 0 | 20.09 | 2.117 | 0.8656 |" in lines
        and "| law | domain | this model | 7.389 | 1.649 | 0.5771 |" in lines
    )
    stale = json.loads(result_file(run, "perplexity", 10).read_text())
    stale["digests"]["weights"] = "others"
    result_file(run, "perplexity", 10).write_text(json.dumps(stale))
    assert "Perplexity" not in (exported(run, 10, tmp_path / "again") / "README.md").read_text()


def test_dry_run_writes_nothing(sweep_config, run_folder, capsys):
    sweep_config.dry_run, sweep_config.export.checkpoint = True, str(run_folder / "checkpoints" / "step_0000020")
    output = job(sweep_config)
    assert not output.exists() and "would export step 20" in capsys.readouterr().err


def test_only_what_the_manifest_lists_is_exported_and_no_code(sweep_config, run_folder, tmp_path):
    sweep(sweep_config)
    folder = read_checkpoint(sweep_config.export.checkpoint).folder
    half = folder / "hf"
    (tmp_path / "secret").write_text("geheim")
    (half / "stray.json").symlink_to(tmp_path / "secret")
    (half / "stray.bin").write_bytes(b"x")
    settings = json.loads((half / "config.json").read_text())
    (half / "config.json").write_text(json.dumps(settings | {"auto_map": {"AutoConfig": "modeling_x.Config"}}))
    (half / "modeling_x.py").write_text("raise SystemExit(3)")
    known = manifests.read(folder)
    listed = [*known["files"], "hf/modeling_x.py"]
    manifests.write(folder, known | {"files": {name: digest(folder / name) for name in listed}})
    output = job(sweep_config)
    names = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    own = {name.removeprefix("hf/") for name in known["files"] if name.startswith("hf/")}
    assert names == own | {"README.md", "manifest.json"}
    assert "auto_map" not in json.loads((output / "config.json").read_text())


def _rewritten(save: Path, **changed: bytes | str) -> None:
    """The manifest of a checkpoint lists its files as they are now, and ``changed`` (name in hf/: content) with them,
    as a stranger could."""
    for name, content in changed.items():
        (save / "hf" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    manifests.write(save, manifests.read(save) | {"files": manifests.digests(save)})


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_kernel_or_a_pickle_of_a_stranger_is_not_exported(sweep_config, run_folder, key):
    save = run_folder / "checkpoints" / "step_0000020"
    before = json.loads((save / "hf" / "config.json").read_text())
    _rewritten(
        save,
        **{
            "config.json": json.dumps(before | {key: "somebody/kernel"}),
            "weights.pkl": b"cos\nsystem\n",
            "notes.txt": "x",
        },
    )
    sweep_config.export.checkpoint = str(save)
    output = job(sweep_config)
    assert json.loads((output / "config.json").read_text()) == before
    assert not (output / "weights.pkl").exists() and not (output / "notes.txt").exists()


def test_modules_of_a_stranger_are_refused(sweep_config, run_folder):
    save = run_folder / "checkpoints" / "step_0000020"
    modules = json.loads((save / "hf" / "modules.json").read_text())
    modules[1] |= {"type": "joblib.numpy_pickle", "path": "1_Pooling"}  # whose load(path) opens a pickle
    _rewritten(save, **{"modules.json": json.dumps(modules)})
    sweep_config.export.checkpoint = str(save)
    with pytest.raises(UserError, match=r"asks for joblib.numpy_pickle, which is no module of sentence-transformers"):
        job(sweep_config)
    assert not Path(sweep_config.export.output).exists()


def test_a_checkpoint_whose_files_are_links_is_refused(sweep_config, run_folder, tmp_path):
    sweep(sweep_config)
    half = read_checkpoint(sweep_config.export.checkpoint).folder / "hf"
    (half / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (half / "tokenizer.json").symlink_to(tmp_path / "tokenizer.json")
    with pytest.raises(UserError, match=r"tokenizer.json is a link, or lies outside of the checkpoint"):
        job(sweep_config)
    assert not Path(sweep_config.export.output).exists()
