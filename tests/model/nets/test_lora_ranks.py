"""Pairs cut over tensor-parallel ranks, laid out over a pipeline or copied over data-parallel ranks learn as on one
rank."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model.hf.adapter import export_adapter
from model.hf.decoder.folder import export_decoder
from model.megatron import checkpoint
from model.nets.decoder import build_decoder
from tests.model.nets.lora_peers import Training, adapted_config, adapted_net
from tests.processes import run_ranks

SCRIPT = Path(__file__).with_name("lora_ranks.py")
LAYOUTS = ("tensor", "sequence", "pipeline", "data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What one rank made, and two of it; the losses and gradient norms on one rank, and the parameters at the end."""
    from conf.schema import ParallelConfig
    from model.megatron import startup

    startup.start(ParallelConfig(threads=1), seed=0)
    folder = tmp_path_factory.mktemp("ranks")
    export_adapter(adapted_net(adapted_config(), seed=5), adapted_config(), folder / "given", "base")
    training = Training(adapted_net(adapted_config()))
    training.step(7)  # moments that are not zero
    checkpoint.save(folder / "start", training.model, training.optimizer, {})
    done = run_ranks([SCRIPT, folder])
    assert done.returncode == 0, done.stderr[-3000:]
    results = [training.step(index) for index in range(3)]
    return folder, [(result.loss, result.grad_norm) for result in results], training


@pytest.mark.parametrize("how", LAYOUTS)
def test_training_and_saves(how, folder):
    folder, expected, training = folder
    found = json.loads((folder / f"{how}.json").read_text())
    assert [value for step in found for value in step] == pytest.approx(
        [value for step in expected for value in step], rel=1e-5
    )
    again = Training(build_decoder(adapted_config()))
    checkpoint.load(folder / how, again.model, again.optimizer)
    for (name, one), other in zip(training.net.named_parameters(), again.net.parameters(), strict=True):
        assert (one - other).abs().max() <= 1e-4 * one.abs().max(), name
    moments = [run.optimizer.optimizer.state.values() for run in (training, again)]
    for one, other in zip(*moments, strict=True):
        assert (one["exp_avg"] - other["exp_avg"]).abs().max() <= 1e-4 * one["exp_avg"].abs().max()
    export_adapter(again.net, adapted_config(), folder / f"single_{how}", "base")
    for one, other in ((f"single_{how}", f"adapter_{how}"), ("given", f"again_{how}")):
        here, there = (load_file(folder / name / "adapter_model.safetensors") for name in (one, other))
        assert here.keys() == there.keys()
        assert all(torch.equal(tensor, there[name]) for name, tensor in here.items())
    export_decoder(again.net, adapted_config(), folder / f"whole_{how}")
    here, there = (load_file(folder / f"{kind}_{how}" / "model.safetensors") for kind in ("whole", "merged"))
    assert here.keys() == there.keys()
    assert all((tensor - there[name]).abs().max() <= 1e-6 * tensor.abs().max() for name, tensor in here.items())


@pytest.mark.parametrize("how", ["tensor", "sequence"])
def test_dropout(how, folder):
    """Matrices that are whole on each rank stay the same there; a rank drops as the others do only where all have the
    same inputs."""
    one, other = json.loads((folder[0] / f"whole_{how}.json").read_text())
    assert one["whole"] == other["whole"]
    assert one["whole"][0] == 2 * (5 + 2)  # A of five projections cut by outputs, B of two cut by inputs, in two layers
    assert (one["by columns"] == other["by columns"]) == (how == "tensor")
    assert one["by rows"] != other["by rows"]
    assert 0.5 < sum(one["by rows"]) / len(one["by rows"]) < 0.9  # of 0.7
