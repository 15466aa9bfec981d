"""What the papers' runs cost on some layouts, by the cost model of `plan=true` (model/training/cost,
docs/scaling.md).

python -m benchmarks.scaling
"""

from pathlib import Path

import yaml

from conf.schema import CausalConfig, Config, MlmConfig, ParallelConfig, TrainConfig
from conf.schema.hardware import HardwareConfig
from conf.schema.kinds import section
from model.training.cost.flops import step_flops
from model.training.cost.layouts import Proposal, cost
from model.training.cost.work import Layout, spans

NETS = Path(__file__).parents[1] / "conf" / "model"
GPU, NODE = "H100-64GB", 4
RUNS = {
    "encoder/mursit_base": (
        1024,
        4608,
        112.7e9,
        [(4, "none", 64), (32, "none", 48), (32, "full", 144), (128, "none", 36)],
    ),
    "encoder/mursit_large": (
        2048,
        2304,
        112.7e9,
        [(4, "none", 16), (32, "none", 12), (32, "full", 36), (128, "none", 9)],
    ),
    "decoder/qwen3_1_7b": (4096, 512, 250.6e9, [(32, "none", 2), (32, "full", 8), (128, "none", 2), (256, "none", 1)]),
    "decoder/qwen3_4b": (4096, 512, 250.6e9, [(32, "none", 1), (32, "full", 4), (128, "none", 1), (256, "none", 1)]),
}
"""Net -> tokens of a pack, packs of a step, tokens of the run, and (GPUs, recompute, packs of a forward pass) of each
layout."""
COLUMNS = [
    "net", "GPUs", "recompute", "packs", "states, GB", "activations, GB", "the rest, GB", "FLOPs a token", "step, s",
    "of it traffic",
    "GPU hours",
]  # fmt: skip


def configuration(name: str) -> Config:
    """A run of the net ``name``, in bf16, cut over data alone."""
    values = yaml.safe_load((NETS / f"{name}.yaml").read_text(encoding="utf-8"))
    values = {"architecture": "modernbert", **{key: value for key, value in values.items() if key != "defaults"}}
    length, batch, tokens, _ = RUNS[name]
    return Config(
        model=section(Config, "model", values),
        objective=CausalConfig() if name.startswith("decoder") else MlmConfig(),
        parallel=ParallelConfig(precision="bf16"),
        train=TrainConfig(seq_length=length, global_batch=batch, tokens=int(tokens)),
        hardware=HardwareConfig(gpu=GPU, gpus_per_node=NODE),
    )


def row(config: Config, found: Proposal) -> list[str]:
    """A row of the table, but its name."""
    (span,), (step,), memory = spans(config), found.steps, found.memory
    states = memory.parameters + memory.gradients + memory.optimizer
    flops = step_flops(config.model, [span.length], span.predicted(config, 1)) / span.length
    return [
        str(found.layout.gpus),
        found.layout.parallel.recompute,
        str(found.micro_batches[0]),
        f"{states / 1e9:.1f}",
        f"{memory.activations / 1e9:.0f}",
        f"{(memory.passing + memory.reserve) / 1e9:.0f}",
        f"{flops / 1e9:.2f}e9",
        f"{step.total:.2f}",
        f"{(step.tensor + step.data) / step.total:.1%}",
        f"{found.gpu_hours:,.0f}",
    ]


def main() -> None:
    """Print the table."""
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---" * len(COLUMNS) + "|")
    for name, (*_, layouts) in RUNS.items():
        config = configuration(name)
        for gpus, recompute, packs in layouts:
            layout = Layout(gpus, NODE, ParallelConfig(precision="bf16", recompute=recompute))
            print(
                "| "
                + " | ".join([name.split("/")[1], *row(config, cost(config, spans(config), layout, (packs,)))])
                + " |"
            )


if __name__ == "__main__":
    main()
