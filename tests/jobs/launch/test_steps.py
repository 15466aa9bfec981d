"""Pipelines of any steps."""

import pytest

from common.errors import UserError
from conf.schema.phase import PhaseConfig
from conf.schema.pipeline import StepConfig
from jobs.launch.compose import compose, to_config
from jobs.launch.steps import steps


@pytest.fixture
def config():
    return to_config(compose("pipeline", ["experiment=decoder/cpt_demo", "seed=3"]))


def test_without_steps_it_is_the_chain_of_one_model():
    config = to_config(compose("pipeline", ["experiment=quickstart"]))
    assert [step.job for step in steps(config)] == ["quickstart", "tokenizer", "prepare", "train", "sweep", "export"]
    assert all(step.config is config for step in steps(config))


def test_each_step_has_its_own_configuration(config):
    found = steps(config)
    trained = [step.config for step in found if step.job == "train"]
    assert [one.run_dir.rpartition("/")[2] for one in trained] == ["start_3", "phases_3", "single_3"]
    assert [list(one.phases) for one in trained] == [[], ["general", "terminology", "long", "anneal"], ["all"]]
    assert isinstance(trained[2].phases["all"], PhaseConfig)
    assert sum(phase.tokens for phase in trained[1].phases.values()) == trained[2].phases["all"].tokens
    assert trained[0].train.init_from is None and trained[1].train.init_from.endswith("start_3/checkpoints/last")
    assert list(config.phases) == ["general", "terminology", "long", "anneal"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (StepConfig("trian"), "step 1 of pipeline.steps: there is no jobs.trian to queue; did you mean 'train'"),
        (
            StepConfig("train", {"optim.lrr": 1}),
            "step 1 of pipeline.steps .train.: cannot set optim.lrr .*did you mean 'optim.lr'",
        ),
        (StepConfig("train", {"optim.lr": "fast"}), "cannot set optim.lr"),
        (StepConfig("train", {"optim.lr": -1}), "optim.lr=-1.0 is negative"),
        (StepConfig("train", {"phases": {"a": {"token": 5}}}), "cannot set phases"),
    ],
)
def test_a_step_that_cannot_be_is_one_sentence(config, step, message):
    config.pipeline.steps = [step]
    with pytest.raises(UserError, match=message):
        steps(config)
