"""Prints the bytes of parameters, gradients and optimizer of each of two ranks in several layouts, counted and by the
formula."""

import dataclasses
import json

from megatron.core import parallel_state

from conf.schema import DecoderConfig, EncoderConfig, LoraConfig, OptimConfig, ParallelConfig
from model.megatron.optimizer import build_optimizer
from model.megatron.startup import start, stop
from model.megatron.step import distribute
from model.nets.build import build_net
from model.training.cost.anatomy import anatomy
from model.training.cost.memory import state_bytes
from model.training.cost.work import Layout

NET = DecoderConfig(
    vocab_size=500, num_layers=4, hidden_size=128, num_heads=4, num_kv_heads=2, head_width=32, ffn_size=192,
    max_positions=64
)  # fmt: skip
NETS = {
    "qwen3": NET,
    "gemma3_text": dataclasses.replace(NET, architecture="gemma3_text", window=1024, global_every=2),
    "olmo2": dataclasses.replace(NET, architecture="olmo2", tie_embeddings=False),
    "phi": dataclasses.replace(NET, architecture="phi", num_kv_heads=4, rope_share=0.5, tie_embeddings=False),
    "lora": dataclasses.replace(NET, lora=LoraConfig(rank=8)),
    "encoder": EncoderConfig(vocab_size=512, num_layers=4, hidden_size=128, num_heads=2, ffn_size=192),
}


def report(name: str, parallel: ParallelConfig) -> None:
    """Build the net and its optimizer under ``parallel`` and print a line."""
    net = build_net(NETS[name], parallel)
    wrapped = distribute(net, parallel)
    inner = build_optimizer(wrapped, OptimConfig(), parallel).optimizer
    stage = parallel_state.get_pipeline_model_parallel_rank()
    moments = sum(tensor.nbytes for state in inner.state.values() for key, tensor in state.items() if key != "step")
    masters = sum(
        parameter.nbytes
        for group in inner.param_groups
        for parameter in group["params"]
        if parallel.precision == "bf16"
    )
    size = 2 if parallel.precision == "bf16" else 4
    parameters = size * sum(parameter.numel() for parameter in net.parameters())
    real = parameters, sum(buffer.grad_data.nbytes for buffer in wrapped.buffers), moments + masters
    line = {
        "net": name,
        "stage": stage,
        "real": real,
        "formula": state_bytes(anatomy(NETS[name]), Layout(2, 2, parallel), stage),
    }
    print(json.dumps(line) + "\n", end="", flush=True)


def main() -> None:
    """Every net cut by tensor and by pipeline, and two with the optimizer cut by data."""
    for cut in ({"tensor": 2}, {"pipeline": 2}, {}):
        parallel = ParallelConfig(threads=1, precision="bf16", **cut)
        start(parallel, 0)
        for name in NETS if cut else ("qwen3", "lora"):
            report(name, parallel)
        stop()


if __name__ == "__main__":
    main()
