"""``lora_ranks.py FOLDER``, on two ranks: go on from FOLDER/start in every layout, save and export both ways; read
FOLDER/given."""

import hashlib
import sys
from pathlib import Path

import torch

from common.files import write_json
from conf.schema import ParallelConfig
from model.hf.adapter import export_adapter, load_adapter
from model.hf.decoder.folder import export_decoder
from model.megatron import checkpoint, ranks, startup
from model.nets.decoder import build_decoder
from model.nets.lora import LoraLinear
from tests.model.nets.lora_peers import Training, adapted_config, adapted_net

LAYOUTS = {
    "tensor": {"tensor": 2},
    "sequence": {"tensor": 2, "sequence": True},
    "pipeline": {"pipeline": 2},
    "data": {},
}


def go_on(folder: Path, how: str, parallel: ParallelConfig) -> None:
    """Three steps from the start, of which loss and gradient norm are kept."""
    training = Training(build_decoder(adapted_config()), parallel)
    checkpoint.load(folder / "start", training.model, training.optimizer)
    mine = slice(ranks.place()[0], None, 2) if how == "data" else slice(None)
    results = [training.step(index, mine=mine) for index in range(3)]
    checkpoint.save(folder / how, training.model, training.optimizer, {})
    export_adapter(training.net, adapted_config(), folder / f"adapter_{how}", "base")
    export_decoder(training.net, adapted_config(), folder / f"merged_{how}")
    load_adapter(training.net, folder / "given")
    export_adapter(training.net, adapted_config(), folder / f"again_{how}", "base")
    if ranks.is_first():
        write_json(folder / f"{how}.json", [(result.loss, result.grad_norm) for result in results])


def drop(folder: Path, how: str, parallel: ParallelConfig) -> None:
    """Two steps with dropout; what every rank has of the matrices that tensor-parallel ranks have whole, and what it
    drops."""
    training = Training(adapted_net(adapted_config(dropout=0.3)), parallel)
    for index in range(2):
        training.step(index, seeds=(2 * index, 2 * index + 1))
    whole = [p for p in training.net.parameters() if p.requires_grad and not getattr(p, "tensor_model_parallel", False)]
    digest = hashlib.sha256(b"".join(parameter.detach().numpy().tobytes() for parameter in whole)).hexdigest()
    mlp = training.net.decoder.layers[0].mlp
    found = ranks.gather(
        {"whole": [len(whole), digest], "by columns": mask(mlp.linear_fc1), "by rows": mask(mlp.linear_fc2)}
    )
    if ranks.is_first():
        write_json(folder / f"whole_{how}.json", found)


def mask(linear: LoraLinear) -> list[bool]:
    """Which of the layer's inputs reach its pairs: those that have a gradient once the weight is gone."""
    startup.seed_dropout(1)
    linear.weight.data.zero_()
    inputs = torch.ones(4, 1, linear.weight.shape[1], requires_grad=True)
    linear(inputs)[0].sum().backward()
    return inputs.grad.ne(0).flatten().tolist()


def main(folder: Path) -> None:
    for how, layout in LAYOUTS.items():
        parallel = ParallelConfig(**layout, threads=1)
        startup.start(parallel, seed=3)
        go_on(folder, how, parallel)
        if parallel.tensor > 1:
            drop(folder, how, parallel)
        startup.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
