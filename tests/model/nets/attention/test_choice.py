"""Which backend attends, and that a person is told why."""

import dataclasses
import logging

import pytest
import torch

from common.errors import UserError
from conf.schema import ParallelConfig
from model.megatron import startup
from model.nets.attention import Geometry, flash, sdpa, varlen
from model.nets.attention.choice import choose
from model.nets.attention.trial import trial
from tests.model.nets.attention.reference import inputs

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
GEOMETRY = {
    "head_width": 4,
    "max_positions": 64,
    "window": 16,
    "theta_global": 1e4,
    "theta_local": 1e4,
    "dtype": torch.float32,
}


@pytest.fixture
def available(monkeypatch):
    """`available(flash=..., varlen=...)` sets what they answer, None or why they do not run; returns the calls made."""
    calls = []

    def set_answers(**answers):
        for module in (flash, varlen):
            name = module.__name__.rpartition(".")[2]
            monkeypatch.setattr(
                module, "refusal", lambda *where, name=name: calls.append((name, *where)) or answers[name]
            )
        return calls

    return set_answers


@pytest.mark.parametrize(
    ("flash_says", "varlen_says", "expected"),
    [
        (None, None, "flash"),
        ("no module", None, "varlen"),
        ("no module", "old GPU", "sdpa"),
        (None, "old GPU", "flash"),
    ],
)
def test_the_first_that_runs_is_taken(available, flash_says, varlen_says, expected):
    available(flash=flash_says, varlen=varlen_says)
    choice = choose("auto", GPU, torch.bfloat16, 64)
    assert choice.name == choice.backend.__name__.rpartition(".")[2] == expected
    better = {"flash": {}, "varlen": {"flash": flash_says}, "sdpa": {"flash": flash_says, "varlen": varlen_says}}[
        expected
    ]
    assert choice.passed_over == better
    assert all(reason in choice.reason for reason in better.values())


def test_the_cpu_takes_sdpa_and_says_why():
    choice = choose("auto", CPU, torch.float32, 64)
    assert choice.name == "sdpa"
    assert choice.reason == "not flash, varlen: it needs a GPU"


@pytest.mark.parametrize("wish", ["flash", "varlen"])
def test_what_cannot_run_cannot_be_forced(wish):
    with pytest.raises(
        UserError, match=f"parallel.attention={wish} does not run here .it needs a GPU.; set parallel.attention=auto"
    ):
        choose(wish, CPU, torch.float32, 64)


@pytest.mark.parametrize("wish", ["flash", "varlen", "sdpa"])
def test_what_can_run_can_be_forced(available, wish):
    available(flash=None, varlen=None)
    assert choose(wish, GPU, torch.bfloat16, 64).name == wish


def test_a_trial_needs_no_training_around_it():
    with torch.inference_mode():
        trial(sdpa.prepare, CPU, torch.float32, 8)
    with pytest.raises(NotImplementedError, match="CPU"):
        trial(varlen.prepare, CPU, torch.bfloat16, 64)


def test_each_question_is_asked_once(available):
    calls = available(flash="absent", varlen="absent")
    pack = inputs([3, 2])[0]
    for _ in range(3):
        Geometry(**GEOMETRY).plan(pack)
    assert [call[0] for call in calls] == ["flash", "varlen"]
    Geometry(**{**GEOMETRY, "dtype": torch.bfloat16}).plan(pack)
    assert len(calls) == 4


def test_sdpa_on_a_gpu_is_a_warning(available, caplog):
    available(flash="absent", varlen="fp32 is beyond it")
    with caplog.at_level(logging.WARNING):
        choose("auto", GPU, torch.float32, 64)
        choose("auto", GPU, torch.float32, 64)
    (record,) = caplog.records
    assert "fp32 is beyond it" in record.getMessage()
    caplog.clear()
    choose("auto", CPU, torch.float32, 64)
    assert not caplog.records


def test_the_configuration_decides():
    """`parallel.attention`, as the process was started with it, reaches the plan of a net built afterwards."""
    layout = startup.parallel()
    try:
        startup.start(dataclasses.replace(layout, attention="varlen"), seed=0)
        geometry = Geometry(**GEOMETRY)
        with pytest.raises(UserError, match="parallel.attention=varlen"):
            geometry.plan(inputs([3, 2])[0].to("cpu"))
    finally:
        startup.start(layout, seed=0)
    assert Geometry(**GEOMETRY).attention == ParallelConfig().attention == "auto"


def test_local_and_global_layers_see_what_they_should():
    plan = Geometry(**GEOMETRY).plan(inputs([40])[0])
    windows = [
        (reach.attend.keywords["window"].left, reach.attend.keywords["window"].right)
        for reach in (plan.everywhere, plan.nearby)
    ]
    assert windows == [(-1, -1), (8, 8)]
