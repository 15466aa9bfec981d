"""``frozen_ranks.py FOLDER``, on a pipeline of two: which parameters of small nets move in one step where a phase
freezes parts of them.

Imported by its test too, which does the same on one rank.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel import vocab_parallel_cross_entropy

from common.errors import AlreadyReported, UserError
from common.files import write_json
from conf.schema import EncoderConfig, LoraConfig, ModelConfig, OptimConfig, ParallelConfig
from model.megatron import ranks, startup, step
from model.megatron.metrics import Record
from model.megatron.optimizer import build_optimizer
from model.nets.build import build_net
from model.nets.pack import Pack
from model.nets.sharding import global_names
from model.training.frozen import check_frozen, freeze
from tests.model.nets.decoder_peers import SMALL

DECODER = dataclasses.replace(SMALL["qwen3"], num_layers=4)
ENCODER = EncoderConfig(
    vocab_size=200, num_layers=4, hidden_size=32, num_heads=2, ffn_size=48, max_positions=256, global_every=2
)
NETS: dict[str, ModelConfig] = {
    "decoder": DECODER,
    "phi": dataclasses.replace(SMALL["phi"], num_layers=4),
    "gemma3_text": SMALL["gemma3_text"],
    "olmo2": dataclasses.replace(SMALL["olmo2"], num_layers=4),
    "pairs": dataclasses.replace(DECODER, lora=LoraConfig(4, 8.0)),
    "encoder": ENCODER,
}
FROZEN = [
    [], ["embeddings"], ["head"], ["norms"], ["layers"], ["layers.0"], ["layers.3"], ["layers.0-1"], ["layers.2-3"],
    ["layers.1-2"], ["layers.4"], ["*.layers.2.mlp.*"], ["*coder.layers.1.self_attention.linear_qkv.weight"],
    ["embedding.word_embeddings.weight"], ["output_layer.weight"], ["*.final_layernorm.*"], ["*lora_b*"],
    ["*q_layernorm*"], ["*post_mlp_layernorm*"], ["embeddings", "layers.1", "norms"],
]  # fmt: skip


def forward_step(
    model: torch.nn.Module, pack: Pack, record: Record
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """Tell from each token a fixed permutation of it."""
    output = model(pack)
    if not parallel_state.is_pipeline_last_stage():
        return output
    losses = vocab_parallel_cross_entropy(output.unsqueeze(1), (pack.tokens * 7 % 200).unsqueeze(1))
    return losses.sum(), torch.tensor(losses.numel())


def moved(name: str, parallel: ParallelConfig, frozen: list[str]) -> list[str]:
    """Names, in the whole net, of the parameters that one step changes; a refusal in their place."""
    net = build_net(NETS[name], parallel)
    with torch.no_grad():
        for key, parameter in global_names(net).items():
            if ".lora_b." in key:  # while B is zero, A has no gradient
                parameter.normal_(generator=torch.Generator().manual_seed(len(key)))
    try:
        check_frozen(net, {"main": frozen})
    except (UserError, AlreadyReported) as error:
        return [f"refused: {error}"]
    freeze(net, frozen)
    model = step.distribute(net, parallel)
    optimizer = build_optimizer(model, OptimConfig(name="adamw", clip_grad=1.0), parallel)
    before = {key: parameter.detach().clone() for key, parameter in global_names(net).items()}
    draw = np.random.default_rng(0)
    packs = [Pack.from_documents([draw.integers(0, 200, length) for length in (50, 7)]) for _ in range(2)]
    step.train_step(model, optimizer, forward_step, packs)
    names = global_names(net)
    if net.share_embeddings_and_output_weights:
        if len(set(ranks.gather(net.shared_embedding_or_output_weight().detach().numpy().tobytes()))) > 1:
            return ["the tied head is not the embedding table any more"]
        names.pop("output_layer.weight", None)  # the last stage's copy of the table
    return [key for key, parameter in names.items() if not torch.equal(before[key], parameter)]


def main(folder: Path) -> None:
    """Every net with everything frozen that is in `FROZEN`."""
    parallel = ParallelConfig(pipeline=2, threads=1)
    startup.start(parallel, seed=3)
    found = {
        name: [
            sorted({key for keys in ranks.gather(moved(name, parallel, frozen)) for key in keys}) for frozen in FROZEN
        ]
        for name in NETS
    }
    if ranks.is_first():
        write_json(folder / "moved.json", found)
    startup.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
