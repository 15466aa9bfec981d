"""What is saved is what was there, what is loaded goes on as if nothing had happened, and what does not fit is refused
whole."""

import math
import os
import pickle
import random
import shutil
import time

import numpy as np
import pytest
import torch

from common.errors import UserError
from model.megatron import checkpoint
from model.megatron.metadata import read_metadata
from model.megatron.rng import pack_rng, unpack_rng

STATE = {
    "step": 3,
    "tokens": 12345,
    "lr": 0.1 + 0.2,
    "position": {"phase": 0, "sample": 96},
    "history": [1.5, math.inf],
}


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """Checkpoints after three steps of four runs; the losses of three more, and where these ended."""
    folder, expected = tmp_path_factory.mktemp("checkpoints"), []
    for name in ("adamw", "stable_adamw"):
        for precision in ("fp32", "bf16"):
            run = tiny.Run(name, precision)
            run.steps(0, 3)
            checkpoint.save(folder / f"{name}_{precision}", run.model, run.optimizer, STATE)
            expected += [*run.steps(3, 6), run.digest()]
    return folder, expected


def test_a_fresh_process_goes_on_bit_for_bit(runs, python, script):
    folder, expected = runs
    assert python(script, "resume", folder) == expected


def test_saving_changes_nothing(tiny, runs):
    run = tiny.Run("adamw")
    run.steps(0, 3)
    assert [*run.steps(3, 6), run.digest()] == runs[1][:4]


def test_state_and_generators_come_back(tiny, runs):
    folder = runs[0] / "adamw_fp32"
    assert checkpoint.read_state(folder) == STATE
    run = tiny.Run("adamw")
    assert checkpoint.load(folder, run.model, run.optimizer) == STATE
    draws = (random.random(), np.random.rand(), torch.rand(3).tolist())
    assert checkpoint.load(folder, run.model, run.optimizer) == STATE
    assert draws == (random.random(), np.random.rand(), torch.rand(3).tolist())


def test_generators_of_megatron_come_back():
    from megatron.core.tensor_parallel import get_cuda_rng_tracker

    def draw():
        with get_cuda_rng_tracker().fork():
            return torch.rand(3).tolist()

    packed = pack_rng()
    first = [draw(), draw()]
    assert first[0] != first[1]
    unpack_rng(packed)
    assert [draw(), draw()] == first


def test_a_checkpoint_of_step_0_can_be_loaded(tiny, tmp_path):
    run = tiny.Run("adamw")
    checkpoint.save(tmp_path / "checkpoint", run.model, run.optimizer, {"step": 0})
    expected = run.steps(0, 3)
    again = tiny.Run("adamw", seed=7)
    again.steps(5, 7)
    checkpoint.load(tmp_path / "checkpoint", again.model, again.optimizer)
    assert again.steps(0, 3) == expected


def test_the_checkpoint_is_of_its_moment(tiny, tmp_path):
    """Everything is overwritten right after save() returned; the bytes on disk are those of before."""
    run = tiny.Run("adamw", "bf16")
    run.steps(0, 1)
    before = run.parameters()
    checkpoint.save(tmp_path / "checkpoint", run.model, run.optimizer, {})
    files = {path.name: path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()}
    with torch.no_grad():
        for tensor in [*run.model.parameters(), *run.optimizer.get_parameters()]:
            tensor.fill_(7)
    time.sleep(0.2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoint").iterdir()} == files
    checkpoint.load(tmp_path / "checkpoint", run.model, run.optimizer)
    assert all(torch.equal(param, before[name]) for name, param in run.parameters().items())
    for param in run.model.module.parameters():
        assert torch.equal(param.main_param.bfloat16(), param)


def test_a_checkpoint_is_quick_and_starts_no_process(tiny, tmp_path, monkeypatch):
    run = tiny.Run()
    checkpoint.save(tmp_path / "first", run.model, run.optimizer, {})
    monkeypatch.setattr(
        "megatron.core.dist_checkpointing.strategies.filesystem_async._results_queue", None
    )  # as in a new process
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", lambda self: pytest.fail("a process was started"))
    begin = time.perf_counter()
    checkpoint.save(tmp_path / "second", run.model, run.optimizer, {})
    assert time.perf_counter() - begin < 2  # 0.1 s on an idle machine


def test_the_net_alone_can_be_loaded_in_another_precision(tiny, runs):
    trained = tiny.Run("stable_adamw", "bf16")
    checkpoint.load(runs[0] / "stable_adamw_bf16", trained.model, trained.optimizer)
    other = tiny.Run("adamw", seed=5)
    assert checkpoint.load_model_only(runs[0] / "stable_adamw_bf16", other.model) == STATE
    for name, param in other.parameters().items():
        assert torch.equal(param, trained.parameters()[name].float()), name
    bare = tiny.Run("adamw", seed=6).model.module
    checkpoint.load_model_only(runs[0] / "stable_adamw_bf16", bare)
    assert all(torch.equal(*pair) for pair in zip(bare.parameters(), other.model.parameters(), strict=True))


def test_master_weights_come_from_whatever_precision_saved_them(tiny, runs):
    trained = tiny.Run("adamw", "bf16")
    checkpoint.load(runs[0] / "adamw_bf16", trained.model, trained.optimizer)
    fine = tiny.Run("adamw", "fp32")
    checkpoint.load(runs[0] / "adamw_fp32", fine.model, fine.optimizer)
    coarse = tiny.Run("adamw", "bf16")
    checkpoint.load(runs[0] / "adamw_fp32", coarse.model, coarse.optimizer)
    for theirs, ours in zip(fine.model.parameters(), coarse.model.parameters(), strict=True):
        assert torch.equal(ours.main_param, theirs)
        assert torch.equal(ours, theirs.bfloat16())


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"vocab_size": 72}, r"embedding\.word_embeddings\.weight is \[64, 32\] there and \[72, 32\] here"),
        ({"ffn_size": 48}, r"mlp\.linear_fc1\.weight is \[64, 32\] there and \[96, 32\] here"),
        ({"num_layers": 4}, r"has no tensor encoder\.layers\.3\."),
        ({"num_layers": 2}, r"its tensor encoder\.layers\.2\..* does not exist here"),
        ({"tie_embeddings": False}, r"has no tensor output_layer\.weight"),
    ],
)
def test_another_net_is_refused_before_anything_is_overwritten(tiny, runs, sizes, says):
    run = tiny.Run("adamw", sizes=sizes)
    run.steps(0, 1)
    before, rng = run.parameters(), torch.get_rng_state()
    moments = [state["exp_avg"].clone() for state in run.optimizer.state.values()]
    for load in (
        lambda: checkpoint.load(runs[0] / "adamw_fp32", run.model, run.optimizer),
        lambda: checkpoint.load_model_only(runs[0] / "adamw_fp32", run.model),
    ):
        with pytest.raises(UserError, match=says):
            load()
    assert all(torch.equal(param, before[name]) for name, param in run.parameters().items())
    assert all(torch.equal(a, b["exp_avg"]) for a, b in zip(moments, run.optimizer.state.values(), strict=True))
    assert torch.equal(rng, torch.get_rng_state())


def test_another_optimizer_is_refused(tiny, runs):
    run = tiny.Run("stable_adamw")
    with pytest.raises(UserError, match=r"optim\.name=adamw, not stable_adamw"):
        checkpoint.load(runs[0] / "adamw_fp32", run.model, run.optimizer)


def test_hyperparameters_are_those_of_the_configuration(tiny, runs):
    run = tiny.Run("adamw", beta2=0.5)
    checkpoint.load(runs[0] / "adamw_fp32", run.model, run.optimizer)
    assert {group["betas"] for group in run.optimizer.param_groups} == {(0.9, 0.5)}


@pytest.mark.parametrize("victim", ["metadata.json", ".metadata", "common.pt"])
def test_a_torn_checkpoint_is_refused(tiny, runs, tmp_path, victim):
    shutil.copytree(runs[0] / "adamw_fp32", tmp_path / "checkpoint")
    run = tiny.Run("adamw")
    if victim != "metadata.json":
        path = tmp_path / "checkpoint" / victim
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(UserError, match="damaged"):
            checkpoint.load(tmp_path / "checkpoint", run.model, run.optimizer)
    (tmp_path / "checkpoint" / victim).unlink()
    with pytest.raises(UserError, match="not a complete|missing"):
        checkpoint.load(tmp_path / "checkpoint", run.model, run.optimizer)


class Bomb:
    """Unpickled without care, this makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_in_a_checkpoint_is_executed(tiny, runs, tmp_path):
    run = tiny.Run("adamw")
    for victim, write in (
        (".metadata", lambda bomb, path: path.write_bytes(pickle.dumps(bomb))),
        ("common.pt", torch.save),
    ):
        folder = tmp_path / victim
        shutil.copytree(runs[0] / "adamw_fp32", folder)
        write(Bomb(tmp_path / "hurt"), folder / victim)
        with pytest.raises(UserError, match="not ours"):
            checkpoint.load(folder, run.model, run.optimizer)
        assert not (tmp_path / "hurt").exists()
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    kinds = {type(entry) for entry in read_metadata(runs[0] / "adamw_fp32").state_dict_metadata.values()}
    assert kinds == {TensorStorageMetadata}, "objects would be unpickled on loading"


def test_a_state_that_could_not_be_read_again_is_not_written(tiny, tmp_path):
    run = tiny.Run()
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path / "checkpoint", run.model, run.optimizer, {"step": np.int64(3)})


def test_a_pickle_may_ask_for_members_of_enumerations_alone(tmp_path):
    """Python 3.11.0 to 3.11.3 write an enumeration's member as a call of getattr."""
    (tmp_path / "metadata.json").write_text("{}")
    classes = "ctorch.distributed.checkpoint.metadata\nMetadata\n"
    (tmp_path / ".metadata").write_bytes(f"cbuiltins\ngetattr\n({classes}V__init__\ntR.".encode())
    with pytest.raises(UserError, match="it asks for __init__"):
        read_metadata(tmp_path)
