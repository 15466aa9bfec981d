"""Save and load the state of a training process in Megatron-Core's distributed format.

A checkpoint is a folder: `common.pt` (plain values), one `.distcp` file a rank (tensors), `.metadata` and
`metadata.json` (what is where). Tensors are stored whole or in pieces by name and position, so another layout of ranks
can load them. Every function here is collective: all ranks call it. Nothing is atomic and nothing is kept or removed
here; that is the business of whoever names the folder."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from megatron.core import dist_checkpointing, parallel_state
from megatron.core.dist_checkpointing.dict_utils import dict_list_map_outplace, nested_values
from megatron.core.dist_checkpointing.mapping import LocalNonpersistentObject, ShardedTensor, ShardedTensorFactory
from megatron.core.optimizer import MegatronOptimizer
from torch.distributed.checkpoint.metadata import Metadata

from common.disk import naming
from common.errors import UserError
from common.files import make_folder
from model.megatron.checkpoint_io import WriteHere, load_tensors
from model.megatron.metadata import read_metadata
from model.megatron.optimizer import get_step, load_moments, optimizer_name
from model.megatron.rng import pack_rng, unpack_rng

Leaf = ShardedTensor | ShardedTensorFactory
_SHARDING = {"distrib_optim_sharding_type": "fully_reshardable"}
_NOT_THE_NET = ("optimizer.", "rng.")
_COMMON = {"state": str, "optimizer": str, "updates": int, "layout": dict}
_RNG_BYTES = 1 << 24


def save(folder: str | Path, model: torch.nn.Module, optimizer: MegatronOptimizer, state: dict[str, Any]) -> None:
    """Write net, moments, master weights, random generators and `state` into `folder`, which is made and must be empty.

    `state` is the loop's own, and JSON-able: step, tokens, data position. Returns when everything is on disk;
    parameters may change then."""
    make_folder(folder)
    torch.distributed.barrier()
    net = _unwrap(model).sharded_state_dict()
    content: dict[str, Any] = _leaves(net, optimizer.sharded_state_dict(net, metadata=_SHARDING))
    content[_rng_key()] = ShardedTensor.from_rank_offsets(_rng_key(), pack_rng())
    content |= {
        "state": json.dumps(state),
        "optimizer": optimizer_name(optimizer),
        "updates": get_step(optimizer),
        "layout": _layout(),
    }
    with naming(folder):
        dist_checkpointing.save(content, str(folder), sharded_strategy=WriteHere())


def load(
    folder: str | Path, model: torch.nn.Module, optimizer: MegatronOptimizer, moments: str = "all"
) -> dict[str, Any]:
    """Set net, moments, master weights and random generators to those of `folder`; returns the loop's `state`.

    `moments`: all; known, where parameters that were not trained before keep theirs at zero; none. Hyperparameters of
    the optimizer stay as built. Where the layout of ranks is another, generators stay as seeded. Raises UserError,
    before anything is overwritten, where the folder is not a checkpoint, was made by another optimizer, or holds
    another net than `model`: the message names the tensor and both shapes."""
    if moments == "none":
        state = load_model_only(folder, model)
        optimizer.reload_model_params()
        return state
    metadata, common = read_metadata(folder), _read_common(folder)
    _refuse_other(folder, common, optimizer_name(optimizer))
    net = _unwrap(model).sharded_state_dict()
    _check(folder, metadata, _leaves(net).values())
    optimized = optimizer.sharded_state_dict(net, is_loading=True, metadata=_SHARDING)
    _rename_master_weights(metadata, _leaves(optimized).values())
    wanted: dict[str, Any] = _leaves(net, optimized)
    if moments == "known":
        wanted = {
            key: leaf
            for key, leaf in wanted.items()
            if key in metadata.state_dict_metadata or not key.startswith(_NOT_THE_NET)
        }
    _check(folder, metadata, wanted.values())
    same_layout = {
        "context": 1,
        **common["layout"],
    } == _layout()  # checkpoints from before context parallelism do not name it
    if same_layout:
        wanted[_rng_key()] = ShardedTensor.from_rank_offsets(_rng_key(), _room_for_rng(folder, metadata))
    loaded = load_tensors(wanted, folder, metadata)
    _unwrap(model).load_state_dict(_fill(net, loaded), strict=False)
    load_moments(optimizer, _fill(optimized, loaded), common["updates"])
    if same_layout:
        unpack_rng(loaded[_rng_key()])
    return json.loads(common["state"])


def load_model_only(folder: str | Path, model: torch.nn.Module) -> dict[str, Any]:
    """Set the parameters of `model`, wrapped or not, in any precision, to those of `folder`; returns the `state` saved
    with them.

    With an optimizer already built in bf16, call its `reload_model_params` next. Raises UserError as `load` does.
    """
    metadata, common = read_metadata(folder), _read_common(folder)
    net = _unwrap(model).sharded_state_dict()
    wanted = _leaves(net)
    _check(folder, metadata, wanted.values())
    _unwrap(model).load_state_dict(_fill(net, load_tensors(wanted, folder, metadata)), strict=False)
    return json.loads(common["state"])


def read_state(folder: str | Path) -> dict[str, Any]:
    """The `state` of a checkpoint alone; needs no started process."""
    return json.loads(_read_common(folder)["state"])


def check_optimizer(folder: str | Path, name: str, moments: str) -> None:
    """Raise UserError where `load` with these ``moments`` would refuse an optimizer called ``name`` (`optim.name`)."""
    if moments != "none":
        _refuse_other(folder, _read_common(folder), name)


def _refuse_other(folder: str | Path, common: dict[str, Any], name: str) -> None:
    if common["optimizer"] != name:
        raise UserError(
            f"{folder} was trained with optim.name={common['optimizer']}, not {name}; set that or start a new run"
        )


def _unwrap(model: torch.nn.Module) -> torch.nn.Module:
    return getattr(model, "module", model)


def _layout() -> dict[str, Any]:
    """What the random generators' states depend on."""
    return {
        "tensor": parallel_state.get_tensor_model_parallel_world_size(),
        "pipeline": parallel_state.get_pipeline_model_parallel_world_size(),
        "context": parallel_state.get_context_parallel_world_size(),
        "ranks": torch.distributed.get_world_size(),
        "cuda": torch.cuda.is_available(),
    }


def _rng_key() -> str:
    return f"rng.rank_{torch.distributed.get_rank():05d}"


def _room_for_rng(folder: str | Path, metadata: Metadata) -> torch.Tensor:
    """Where the states of this rank's generators are read to."""
    found = metadata.state_dict_metadata.get(_rng_key())
    if found is None or len(found.size) != 1 or found.size[0] > _RNG_BYTES or found.properties.dtype != torch.uint8:
        raise UserError(
            f"{folder} has no states of the random generators that could be read; choose another checkpoint"
        )
    return torch.empty(found.size, dtype=torch.uint8)


def _read_common(folder: str | Path) -> dict[str, Any]:
    """Plain values of a checkpoint."""
    path = Path(folder) / "common.pt"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        kinds = {name: type(found[name]) for name in _COMMON}
        if kinds != _COMMON:
            raise ValueError("it holds other values than a checkpoint")
        return found
    except Exception as error:  # a damaged file raises whatever its bytes happen to say
        why = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"{path} is missing, damaged or not ours ({why[0]}); choose another checkpoint") from error


def _leaves(*structures: Any) -> dict[str, Leaf]:
    """Tensors of nested state dicts by their name in the checkpoint. Nothing else is stored: objects would be
    pickles."""
    return {leaf.key: leaf for structure in structures for leaf in nested_values(structure) if isinstance(leaf, Leaf)}


def _fill(structure: Any, loaded: dict[str, torch.Tensor]) -> Any:
    """`structure` with its tensors replaced by those loaded; its plain values stay."""

    def fill(value: Any) -> Any:
        if isinstance(value, Leaf):
            return loaded.get(value.key, value.data)
        return value.unwrap() if isinstance(value, LocalNonpersistentObject) else value

    tensors_only = {key: value for key, value in structure.items() if not key.endswith("_extra_state")}
    return dict_list_map_outplace(fill, tensors_only)


def _rename_master_weights(metadata: Metadata, leaves: Iterable[Leaf]) -> None:
    """Ask for fp32 master weights by the name they have in the checkpoint: it depends on precision and sharding of who
    saved them."""
    known = metadata.state_dict_metadata
    for leaf in leaves:
        for name in ("optimizer.state.param.", "optimizer.state.fp32_param."):
            if leaf.key.startswith(name) and leaf.key not in known:
                net_key = leaf.key.removeprefix(name)
                leaf.key = next(
                    (
                        key
                        for key in (f"optimizer.state.param.{net_key}", f"optimizer.state.fp32_param.{net_key}")
                        if key in known
                    ),
                    net_key,
                )


def _check(folder: str | Path, metadata: Metadata, leaves: Iterable[Leaf]) -> None:
    """Raise the same UserError on every rank where the checkpoint does not hold exactly the tensors asked for."""
    saved = {key: tuple(entry.size) for key, entry in metadata.state_dict_metadata.items()}
    wanted = {part.key: part.global_shape for leaf in leaves for part in nested_values([_build(leaf)])}
    ranks: list[dict[str, tuple[int, ...]]] = [{}] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(ranks, wanted)
    wanted = {key: shape for rank in ranks for key, shape in rank.items()}
    hint = "set model.* as in the config.yaml of its run, or choose another checkpoint"
    for key, shape in sorted(wanted.items()):
        if key not in saved:
            raise UserError(f"{folder} holds another net: it has no tensor {key} {list(shape)}; {hint}")
        if saved[key] != tuple(shape):
            raise UserError(
                f"{folder} holds another net: {key} is {list(saved[key])} there and {list(shape)} here; {hint}"
            )
    for key, shape in sorted(saved.items()):
        if key not in wanted and not key.startswith(_NOT_THE_NET):
            raise UserError(f"{folder} holds another net: its tensor {key} {list(shape)} does not exist here; {hint}")


def _build(leaf: Leaf) -> Any:
    return leaf.build() if isinstance(leaf, ShardedTensorFactory) else leaf
