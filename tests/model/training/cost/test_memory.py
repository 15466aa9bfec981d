"""Memory of a step against what real nets, real optimizers and autograd hold."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from conf.schema import (
    CausalConfig,
    Config,
    DecoderConfig,
    EncoderConfig,
    LoraConfig,
    MlmConfig,
    OptimConfig,
    ParallelConfig,
)
from model.megatron.optimizer import build_optimizer
from model.megatron.startup import start
from model.megatron.step import distribute
from model.nets.build import build_net
from model.training.cost.anatomy import anatomy
from model.training.cost.memory import RESERVE, layer_bytes, memory, state_bytes
from model.training.cost.work import Layout, Span
from tests.model.training.cost.counting import OneKernelNorm, kept, peak
from tests.processes import run_ranks

NET = DecoderConfig(
    vocab_size=500, num_layers=2, hidden_size=128, num_heads=4, num_kv_heads=2, head_width=32, ffn_size=192,
    max_positions=1024,
)  # fmt: skip
PHI = dataclasses.replace(NET, architecture="phi", num_kv_heads=4, rope_share=0.5, tie_embeddings=False)
ENCODER = EncoderConfig(
    vocab_size=512, num_layers=2, hidden_size=128, num_heads=2, ffn_size=192, max_positions=1024,
    attention_out_dropout=0.0,
)  # fmt: skip
NETS = {
    "qwen3": NET,
    "one group": dataclasses.replace(NET, num_kv_heads=1, hidden_size=192, ffn_size=320),
    "qwen2": dataclasses.replace(NET, architecture="qwen2"),
    "llama_biased": dataclasses.replace(NET, architecture="llama_biased"),
    "mistral": dataclasses.replace(NET, architecture="mistral", tie_embeddings=False),
    "gemma3_text": dataclasses.replace(NET, architecture="gemma3_text", window=1024, global_every=2),
    "olmo2": dataclasses.replace(NET, architecture="olmo2"),
    "olmo2, one group": dataclasses.replace(NET, architecture="olmo2", num_kv_heads=1),
    "phi": PHI,
    "lora": dataclasses.replace(NET, lora=LoraConfig(rank=8)),
    "dropout": dataclasses.replace(NET, dropout=0.1),
    "encoder": ENCODER,
}
SCRIPT = Path(__file__).with_name("two_ranks.py")


@pytest.fixture
def one_kernel(monkeypatch):
    """RMSNorm keeps what it keeps on a GPU."""
    monkeypatch.setattr(torch.nn.functional, "rms_norm", OneKernelNorm.apply)


def counted_of_a_layer(config, parallel, tokens=256):
    """Bytes that one layer keeps of a token: what falls out between nets of two and four layers."""
    few, more = (kept(dataclasses.replace(config, num_layers=layers), parallel, tokens) for layers in (2, 4))
    found = (more - few) / 2 / tokens
    if parallel.recompute != "full":  # a mask of dropout is of the type of the states on a CPU, a byte on a GPU
        found -= anatomy(config).dropouts * config.hidden_size * ((2 if parallel.precision == "bf16" else 4) - 1)
    return found


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("name", NETS)
def test_bytes_of_a_layer_are_those_that_autograd_keeps(one_kernel, name, recompute):
    parallel = ParallelConfig(threads=1, recompute=recompute)
    assert layer_bytes(anatomy(NETS[name]), parallel) == pytest.approx(
        counted_of_a_layer(NETS[name], parallel), rel=0.02
    )


@pytest.mark.parametrize("name", ["qwen3", "encoder"])
def test_bytes_of_a_layer_in_bf16(one_kernel, name):
    parallel = ParallelConfig(threads=1, precision="bf16")
    assert layer_bytes(anatomy(NETS[name]), parallel) == pytest.approx(
        counted_of_a_layer(NETS[name], parallel, 128), rel=0.02
    )


@pytest.mark.parametrize(
    ("config", "recompute"),
    [
        (dataclasses.replace(NET, vocab_size=8192), "none"),  # the loss is the fullest moment
        (dataclasses.replace(NET, vocab_size=8192, lora=LoraConfig(rank=8)), "none"),  # without a gradient of the table
        (dataclasses.replace(NET, num_layers=6, ffn_size=512), "none"),  # the backward pass of the highest layer is
        (dataclasses.replace(ENCODER, vocab_size=8192), "none"),
    ],
    ids=["loss", "lora", "backward", "encoder"],
)
def test_the_fullest_moment_of_a_step(one_kernel, config, recompute):
    parallel, tokens = ParallelConfig(threads=1, recompute=recompute), 512
    objective = (
        CausalConfig(chunk_tokens=tokens // 4) if isinstance(config, DecoderConfig) else MlmConfig(mask_rate=0.25)
    )
    span = Span("", tokens, 1, 1, 1)
    found = memory(Config(model=config, objective=objective), Layout(1, 1, parallel), span, 1)
    assert found.activations + found.passing == pytest.approx(peak(config, parallel, tokens), rel=0.05)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["qwen3", "phi", "lora", "encoder"])
def test_states_are_those_of_a_real_net_and_its_optimizer(name, precision):
    parallel = ParallelConfig(threads=1, precision=precision)
    start(parallel, 0)
    net = build_net(NETS[name], parallel)
    wrapped = distribute(net, parallel)
    inner = build_optimizer(wrapped, OptimConfig(), parallel).optimizer
    size = 2 if precision == "bf16" else 4
    moments = [tensor for state in inner.state.values() for key, tensor in state.items() if key != "step"]
    masters = (
        [parameter for group in inner.param_groups for parameter in group["params"]] if precision == "bf16" else []
    )
    real = (
        size * sum(parameter.numel() for parameter in net.parameters()),
        sum(buffer.grad_data.nbytes for buffer in wrapped.buffers),
        sum(tensor.nbytes for tensor in [*moments, *masters]),
    )
    assert state_bytes(anatomy(NETS[name]), Layout(1, 1, parallel), 0) == pytest.approx(
        real, rel=1e-3
    )  # buffers are filled up a little


def test_states_of_two_ranks():
    """Parameters, gradients and optimizer of each rank, cut by tensor, by pipeline, and the optimizer by data."""
    done = run_ranks([SCRIPT])
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 2 * 14
    for line in lines:
        assert line["formula"] == pytest.approx(line["real"], rel=2e-3), line


def test_stages_of_a_pipeline():
    """The first stage keeps as many micro-batches as there are stages; the last keeps one, and has the loss."""
    config = Config(model=dataclasses.replace(NET, num_layers=8), objective=CausalConfig(chunk_tokens=64))
    span = Span("", 256, 8, 1, 1)
    whole, cut = (memory(config, Layout(4, 4, ParallelConfig(pipeline=size)), span, 1) for size in (1, 4))
    assert cut.activations == whole.activations  # a quarter of the layers, four micro-batches
    assert cut.passing < whole.passing + 2 * 4 * 256 * 128 and whole.reserve == RESERVE
    few = memory(config, Layout(4, 4, ParallelConfig(pipeline=4)), dataclasses.replace(span, batch=1), 1)
    assert few.activations == whole.activations / 4
