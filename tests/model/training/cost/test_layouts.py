"""Which layout is proposed, why, and what is refused."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from common.errors import UserError
from conf.schema import (
    CausalConfig,
    ClusterConfig,
    Config,
    LoraConfig,
    MlmConfig,
    ParallelConfig,
    PhaseConfig,
    TrainConfig,
)
from conf.schema.hardware import HardwareConfig
from conf.schema.kinds import section
from model.training.cost import plan_layout
from model.training.cost.layouts import SPARE, cost, estimate
from model.training.cost.machines import MACHINES, peak
from model.training.cost.show import overrides
from model.training.cost.work import spans

ROOT = Path(__file__).parents[4]


def net(name: str):
    values = yaml.safe_load((ROOT / "conf" / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
    kind = {"architecture": "modernbert"} if name.startswith("encoder") else {}
    return section(Config, "model", {**kind, **{key: value for key, value in values.items() if key != "defaults"}})


def run(name="decoder/qwen3_1_7b", gpu="H100-64GB", gpus=32, parallel=None, phases=None, **train) -> Config:
    length = {} if phases else {"tokens": 10_000_000_000}
    config = Config(
        model=net(name),
        objective=CausalConfig() if name.startswith("decoder") else MlmConfig(),
        parallel=parallel or ParallelConfig(precision="bf16"),
        train=TrainConfig(**{"seq_length": 4096, "global_batch": 256, "micro_batch": 4, **length, **train}),
        hardware=HardwareConfig(gpu=gpu, gpus=gpus, gpus_per_node=4),
    )
    return dataclasses.replace(config, phases=phases or {})


def sizes(one) -> tuple[int, int, int]:
    return one.layout.parallel.tensor, one.layout.parallel.pipeline, one.layout.data


def test_a_net_that_fits_is_laid_out_over_data_alone():
    found = estimate(run(micro_batch=8))
    assert sizes(found.best) == (1, 1, 32) and found.best.layout.parallel.recompute == "none"
    assert found.best.fits and not found.present.fits
    assert all(one.total >= found.best.total * 0.99 for one in found.others if one.fits)
    assert [one.fits for one in found.others] == sorted((one.fits for one in found.others), reverse=True)


def test_what_does_not_fit_whole_is_cut_within_the_node():
    found = estimate(run("decoder/qwen3_4b", "A100-40GB", 16))
    assert sizes(found.best) == (2, 1, 8) and found.best.layout.parallel.sequence
    assert found.best.memory.total <= (1 - SPARE) * MACHINES["A100-40GB"].memory
    assert all(one.layout.parallel.tensor <= 4 for one in [found.best, *found.others])
    assert any(line.startswith("tensor=8: its traffic") for line in found.refused)


def test_a_configured_layout_that_does_not_divide_is_not_shown():
    for parallel, keys in (({"tensor": 3}, {}), ({"tensor": 8}, {}), ({"pipeline": 8}, {}), ({}, {"micro_batch": 3})):
        config = run(parallel=ParallelConfig(precision="bf16", **parallel), **keys)
        assert estimate(config).present is None and "not shown: the configured layout" in plan_layout(config, 200)


def test_layouts_divide_heads_layers_and_batch():
    found = estimate(run("decoder/qwen2_5_3b", gpus=16, global_batch=8))  # two heads of keys, 36 layers
    for one in [found.best, *found.others]:
        tensor, pipeline, data = sizes(one)
        assert (
            tensor <= 2
            and 36 % pipeline == 0
            and tensor * pipeline * data == 16
            and 8 % (data * one.micro_batches[0]) == 0
        )
    assert "tensor=4: does not divide heads of keys=2" in found.refused
    assert any("16 data-parallel ranks do not divide train global_batch" in line for line in found.refused)


def test_phases_each_get_a_micro_batch_and_a_line():
    phases = {
        "short": PhaseConfig(tokens=4_000_000_000, seq_length=512, global_batch=2048),
        "long": PhaseConfig(tokens=2_000_000_000, seq_length=16_384, global_batch=64),
    }
    config = dataclasses.replace(run(gpus=4, phases=phases), budget=0.5)
    found = estimate(config)
    assert [(span.name, span.steps) for span in found.spans] == [("short", 1907), ("long", 953)]
    assert found.best.micro_batches[0] > found.best.micro_batches[1] == 1
    text = plan_layout(config, 200)
    assert "short: 2.00B tokens in 1,907 steps" in text
    assert f"phases.short.micro_batch={found.best.micro_batches[0]} phases.long.micro_batch=1" in text
    assert sum(found.best.spent) == pytest.approx(
        sum(span.steps * step.total for span, step in zip(found.spans, found.best.steps, strict=True))
    )


def test_what_is_pasted_is_what_was_proposed():
    config = run("encoder/mursit_base", gpus=8, seq_length=1024, global_batch=4608)
    found = estimate(config)
    values = dict(part.split("=") for part in overrides(config, found).split())
    parallel = ParallelConfig(
        precision="bf16",
        tensor=int(values["parallel.tensor"]),
        pipeline=int(values["parallel.pipeline"]),
        sequence=values["parallel.sequence"] == "true",
        recompute=values["parallel.recompute"],
    )
    pasted = dataclasses.replace(
        config, parallel=parallel, train=dataclasses.replace(config.train, micro_batch=int(values["train.micro_batch"]))
    )
    again = estimate(pasted)
    assert again.present == again.best and again.best.total == found.best.total
    assert "as configured: the same" in plan_layout(pasted, 200)


def test_the_plan_says_why():
    text = plan_layout(run(micro_batch=8), 200)
    assert "as configured: as fast, in" in plan_layout(run(micro_batch=2), 200)
    for words in (
        "proposed",
        "as configured: ",
        "GB too large",
        "slower: tensor +",
        "bubble +",
        "memory of the proposal, GB: parameters 3.4",
        "times assume 45% of peak",
        "not looked at: tensor=8, tensor=16, tensor=32: its traffic",
        "not looked at: context parallelism",
        "parallel.tensor=1 parallel.pipeline=1",
    ):
        assert words in text
    plain = plan_layout(run("encoder/tiny", parallel=ParallelConfig(precision="fp32")), 200)
    assert "parallel.precision=bf16 is many times faster" in plain
    left_open = plan_layout(run("encoder/tiny", parallel=ParallelConfig()), 200)
    assert left_open == plan_layout(run("encoder/tiny", parallel=ParallelConfig(precision="bf16")), 200) != plain


def test_low_rank_matrices_take_less():
    config = run("decoder/mistral_7b", gpus=4)
    small = dataclasses.replace(config, model=dataclasses.replace(config.model, lora=LoraConfig(rank=16)))
    whole, adapted = (cost(one, spans(one), estimate(small).best.layout, (1,)) for one in (config, small))
    assert adapted.memory.parameters > whole.memory.parameters
    assert (
        adapted.memory.gradients < whole.memory.gradients / 100
        and adapted.memory.optimizer < whole.memory.optimizer / 100
    )
    assert 0.6 * whole.total < adapted.total < 0.8 * whole.total
    assert "are learnt" in plan_layout(small, 200)


def test_every_gpu_can_be_planned_for():
    for gpu in MACHINES:
        assert peak(gpu, "bf16") > peak(gpu, "fp32") > 0
        assert estimate(run("decoder/qwen3_0_6b", gpu, 8, seq_length=2048)).best.fits


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (run(gpu="H100-80G"), r"hardware\.gpu=H100-80G is not known; take one of .*did you mean 'H100-80GB'\?"),
        (run(gpus=0), r"hardware\.gpus=0 takes the GPUs of section cluster, which names none"),
        (run("decoder/mistral_7b", "A100-40GB", 2),
        r"nothing fits A100-40GB: the smallest, .* takes \d+\.\d GB .*more GPUs"),
        (run("decoder/qwen3_0_6b", "A100-40GB", 1, seq_length=262_144),
        r"nothing fits .*a shorter train\.seq_length would help"),
        (run(tokens=0), r"set train\.tokens or train\.steps"),
        (run(phases={"law": PhaseConfig()}), r"phases\.law\.tokens=0"),
        (run(global_batch=1), r"no layout of 32 GPUs divides net and batch"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_an_error(config, message):
    with pytest.raises(UserError, match=message):
        plan_layout(config)


def test_gpus_of_the_cluster_count_where_none_are_named():
    config = dataclasses.replace(run(gpus=0), cluster=ClusterConfig(nodes=4, gpus_per_node=4))
    assert estimate(config).best.layout.gpus == 16


def test_a_plan_loads_no_torch():
    code = "import sys, model.training.cost; sys.exit('torch' in sys.modules or 'megatron' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
