"""Time of a step, in cases that can be worked out by hand."""

import dataclasses

import pytest

from conf.schema import CausalConfig, Config, DecoderConfig, EncoderConfig, ParallelConfig
from conf.schema.hardware import HardwareConfig
from model.training.cost.anatomy import anatomy
from model.training.cost.flops import forward_flops, step_flops
from model.training.cost.machines import MACHINES
from model.training.cost.memory import held
from model.training.cost.seconds import LAUNCH, LINKS, seconds
from model.training.cost.work import Layout, Span

NET = DecoderConfig(
    vocab_size=32_000, num_layers=8, hidden_size=2048, num_heads=16, num_kv_heads=8, head_width=128, ffn_size=6144,
    tie_embeddings=False
)  # fmt: skip
CONFIG = Config(model=NET, objective=CausalConfig(), hardware=HardwareConfig(gpu="H100-64GB"))
GPU = MACHINES["H100-64GB"]
SPAN = Span("", 4096, 64, 1, 1)


def step(gpus=1, packs=2, config=CONFIG, **keys):
    parallel = ParallelConfig(precision="bf16", **keys)
    return seconds(config, Layout(gpus, 4, parallel), SPAN, packs)


def test_one_gpu_computes_and_updates():
    found = step()
    assert found.arithmetic == pytest.approx(step_flops(NET, [4096] * 64, 64 * 4095) / (9.895e14 * GPU.mfu))
    assert found.tensor == found.bubble == found.data == 0
    assert found.update == pytest.approx(30 * anatomy(NET).parameters / GPU.bandwidth)


def test_recomputation_repeats_the_layers_and_not_the_head():
    forward = forward_flops(NET, [4096] * 64, 64 * 4095)
    rate = 9.895e14 * GPU.mfu
    assert step(recompute="full").arithmetic - step().arithmetic == pytest.approx(
        (forward.layers + forward.attention) / rate
    )
    assert step(recompute="selective").arithmetic - step().arithmetic == pytest.approx(forward.attention / rate)


def test_gradients_travel_once_a_step():
    """Reduced in fp32 and gathered in bf16 by the sharded optimizer; all-reduced in fp32 without it; over all ports of
    a node."""
    inside, across = step(gpus=4), step(gpus=16)
    count = anatomy(NET).parameters
    assert inside.data == pytest.approx(3 / 4 * 6 * count / (GPU.inside * LINKS))
    assert across.data == pytest.approx(15 / 16 * 6 * count / (4 * GPU.between * LINKS))
    assert step(gpus=4, distributed_optimizer=False).data == pytest.approx(8 / 6 * inside.data)
    assert step(gpus=4, distributed_optimizer=False).update == pytest.approx(4 * inside.update)
    two = step(gpus=16, tensor=2, sequence=True)
    assert two.data == pytest.approx(
        7 / 8 * 6 * held(anatomy(NET), ParallelConfig(tensor=2), 0)[1] / (2 * GPU.between * LINKS)
    )


def test_tensor_parallel_traffic():
    """Four all-reduces a layer, each of which sends its states nearly twice; under sequence parallelism two gathers
    more."""
    states, layers = 2 * 2048 * 4096 * 64, 8
    once = layers * 3 / 4 * states / (GPU.inside * LINKS)
    assert step(gpus=4, tensor=4).tensor == pytest.approx(8 * once)
    assert step(gpus=4, tensor=4, sequence=True).tensor == pytest.approx(10 * once)
    assert step(gpus=4, tensor=4, recompute="full").tensor == pytest.approx(12 * once)


def test_the_slowest_stage_sets_the_pace_and_the_pipeline_fills_once():
    whole, cut = step(gpus=1, packs=1), step(gpus=4, packs=1, pipeline=4)
    forward = forward_flops(NET, [4096], 4095)
    last = (3 * (forward.layers + forward.attention) / 4 + 3 * forward.head) / (9.895e14 * GPU.mfu)
    assert cut.arithmetic == pytest.approx(64 * last) and cut.arithmetic > whole.arithmetic / 4
    handed = 64 * 2 * 2 * 4096 * 2048 / (GPU.inside * LINKS)
    assert cut.bubble == pytest.approx(3 * last + handed)
    tied = dataclasses.replace(CONFIG, model=dataclasses.replace(NET, tie_embeddings=True))
    assert step(gpus=4, packs=1, pipeline=4, config=tied).bubble - cut.bubble == pytest.approx(
        4 * 32_000 * 2048 / (GPU.inside * LINKS)
    )


def test_small_micro_batches_wait_for_python():
    small = dataclasses.replace(CONFIG, model=EncoderConfig(), objective=CausalConfig())
    found = seconds(small, Layout(1, 4, ParallelConfig(precision="bf16")), dataclasses.replace(SPAN, length=128), 1)
    assert found.arithmetic == pytest.approx(64 * LAUNCH * 22)
