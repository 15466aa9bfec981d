"""A whole training of pairs beside a decoder's projections, through `jobs.train.run`."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from conf.schema import CausalConfig, Config, LoraConfig
from conf.schema.replace import with_value
from jobs import train
from model.hf.decoder.folder import export_decoder
from model.megatron import startup
from model.nets.decoder import build_decoder
from model.training.checkpoints.checkpoints import list_checkpoints
from tests.model.nets.decoder_peers import SMALL


@pytest.fixture
def adapted(config, tmp_path) -> Config:
    """The configuration of a training beside the net in `tmp_path`/base, with a checkpoint after 6 and 12 steps."""
    startup.start(config.parallel, seed=0)
    shape = dataclasses.replace(SMALL["qwen3"], vocab_size=config.model.vocab_size)
    export_decoder(build_decoder(shape), shape, tmp_path / "base")
    config = dataclasses.replace(
        config, model=dataclasses.replace(shape, lora=LoraConfig(4, 8.0, 0.1)), objective=CausalConfig()
    )
    return with_value(
        with_value(config, "train.init_from", str(tmp_path / "base")), "train.checkpoint.probe_every_steps", 6
    )


def test_pairs_are_learnt_saved_merged_and_resumed(adapted, metrics, tmp_path):
    assert train.run(adapted)["status"] == "finished"
    whole = [(line["loss"], line["grad_norm"]) for line in metrics(adapted.run_dir) if line["step"]]
    assert whole[-1][0] < whole[0][0] - 0.1
    checkpoints = {checkpoint.step: checkpoint.folder for checkpoint in list_checkpoints(adapted.run_dir)}
    base, merged = (load_file(folder / "model.safetensors") for folder in (tmp_path / "base", checkpoints[12] / "hf"))
    assert base.keys() == merged.keys()
    for name, tensor in base.items():
        assert torch.equal(merged[name], tensor) == ("_proj." not in name), name

    shutil.rmtree(checkpoints[12])
    shutil.rmtree(tmp_path / "base")  # the checkpoint has all that the run needs
    assert train.run(adapted)["status"] == "finished"
    lines = [(line["loss"], line["grad_norm"]) for line in metrics(adapted.run_dir) if line["step"]]
    assert lines == whole
    again = load_file(Path(checkpoints[12]) / "hf" / "model.safetensors")
    assert all(torch.equal(tensor, again[name]) for name, tensor in merged.items())


def base_of(checkpoint) -> str:
    return json.loads((checkpoint.folder / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"]


def test_an_adapter_names_its_base_where_the_link_pointed_when_the_run_began(adapted, metrics, tmp_path, monkeypatch):
    """A relative path through a link that is moved: before a later attempt begins anew, and before a branch goes on."""
    monkeypatch.chdir(tmp_path)
    Path("latest").symlink_to("base")
    adapted = with_value(adapted, "train.init_from", "latest")
    assert train.run(adapted)["status"] == "finished"
    whole = [line["loss"] for line in metrics(adapted.run_dir)]
    base = str((tmp_path / "base").resolve())
    assert {base_of(checkpoint) for checkpoint in list_checkpoints(adapted.run_dir)} == {base}

    shape = dataclasses.replace(adapted.model, lora=LoraConfig())
    export_decoder(build_decoder(shape), shape, tmp_path / "other")
    Path("latest").unlink()
    Path("latest").symlink_to("other")
    branch = with_value(
        with_value(adapted, "train.init_from", None),
        "train.branch_from",
        str(list_checkpoints(adapted.run_dir)[0].folder),
    )
    branch = dataclasses.replace(branch, run="branch", run_dir=str(Path(adapted.run_dir).with_name("branch")))
    assert train.run(branch)["status"] == "finished"
    assert (
        base_of(list_checkpoints(branch.run_dir)[-1]) == base
    )  # not the checkpoint that it branches from, into which pairs are merged

    shutil.rmtree(Path(adapted.run_dir) / "checkpoints")
    (Path(adapted.run_dir) / "metrics.jsonl").unlink()
    assert train.run(adapted)["status"] == "finished"
    assert [line["loss"] for line in metrics(adapted.run_dir)] == whole
    assert {base_of(checkpoint) for checkpoint in list_checkpoints(adapted.run_dir)} == {base}
