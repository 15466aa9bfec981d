"""``decoder_ranks.py FOLDER``: one step of small decoders over the ranks of this job, in several layouts; rank 0 writes
what came of it.

Imported by its test too, which does the same on one rank.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.tensor_parallel import vocab_parallel_cross_entropy
from megatron.core.utils import get_attr_wrapped_model
from safetensors.torch import load_file, save_file

from conf.schema import OptimConfig, ParallelConfig
from model.megatron import ranks, startup, step
from model.megatron.metrics import Record
from model.megatron.optimizer import build_optimizer
from model.nets.decoder import build_decoder
from model.nets.pack import Pack
from model.nets.sharding import part, whole, whole_shape
from tests.model.nets.decoder_peers import SMALL

LAYOUTS = {
    "tensor": {"tensor": 2},
    "sequence": {"tensor": 2, "sequence": True},
    "pipeline": {"pipeline": 2},
    "context": {"context": 2},
}
NAMES = ("qwen3", "llama_biased", "gemma3_text", "olmo2", "phi")
LENGTHS = [100, 7, 40, 1, 23]  # an odd number of tokens cannot be cut in two without filling


def pack(seed: int) -> Pack:
    """Documents at random."""
    draw = np.random.default_rng(seed)
    return Pack.from_documents([draw.integers(0, 200, length) for length in LENGTHS])


def forward_step(
    model: torch.nn.Module, pack: Pack, record: Record
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """Tell from each token a fixed permutation of it."""
    output = model(pack)
    if not parallel_state.is_pipeline_last_stage():
        return output
    labels = get_attr_wrapped_model(model, "own")(pack.tokens * 7 % 200)
    losses = vocab_parallel_cross_entropy(output.unsqueeze(1), labels.unsqueeze(1))
    return losses.sum(), torch.tensor(losses.numel())


def initial(name: str, parallel: ParallelConfig) -> dict[str, torch.Tensor]:
    """Parameters as they start, each whole."""
    startup.start(parallel, seed=3)
    group = parallel_state.get_tensor_model_parallel_group()
    return {key: whole(parameter, group) for key, parameter in build_decoder(SMALL[name], parallel).named_parameters()}


def one_step(name: str, parallel: ParallelConfig, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The loss with `weights` (whole), and gradients of all parameters of this stage by their names in the whole net,
    each whole."""
    startup.start(parallel, seed=3)
    net = build_decoder(SMALL[name], parallel)
    group = parallel_state.get_tensor_model_parallel_group()
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            parameter.copy_(part(weights[_whole_name(net, key)], parameter, group))
    _check_stored(net)
    model = step.distribute(net, parallel)
    optimizer = build_optimizer(model, OptimConfig(name="adamw", clip_grad=0.0), parallel)
    result = step.train_step(model, optimizer, forward_step, [pack(0), pack(1)])
    for parameter in net.parameters():
        parameter.data = parameter.main_grad
    found = {_whole_name(net, key): whole(parameter, group) for key, parameter in net.named_parameters()}
    return found | {"loss": torch.tensor(result.loss, dtype=torch.float64)}


def _check_stored(net: torch.nn.Module) -> None:
    """A checkpoint stores every parameter by its cut, so that another layout finds it whole."""
    own = dict(net.named_parameters())
    for name, leaf in net.sharded_state_dict().items():
        if isinstance(leaf, ShardedTensor) and name in own:
            assert leaf.global_shape == whole_shape(own[name], net.tp_group), name


def _whole_name(net: torch.nn.Module, name: str) -> str:
    """Name in the whole net, where layers are counted from its first, and a tied table is the embedding's."""
    if name == "output_layer.weight" and net.share_embeddings_and_output_weights:
        return "embedding.word_embeddings.weight"
    if not name.startswith("decoder.layers."):
        return name
    _, _, number, rest = name.split(".", 3)
    return f"decoder.layers.{net.decoder.layers[int(number)].layer_number - 1}.{rest}"


def main(folder: Path) -> None:
    """Every net in every layout; weights are in ``FOLDER/NAME.safetensors``."""
    for layout, keys in LAYOUTS.items():
        parallel = ParallelConfig(**keys, threads=1, distributed_optimizer=False)
        for name in NAMES:
            found = ranks.gather_stages(one_step(name, parallel, load_file(folder / f"{name}.safetensors")))
            if ranks.is_first():
                save_file(found, folder / f"{name}_{layout}.safetensors")
        if layout == "tensor":
            start = initial("phi", parallel)
            if ranks.is_first():
                save_file(start, folder / "initial.safetensors")
        startup.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
