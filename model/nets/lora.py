"""Low-rank adaptation (LoRA, arXiv 2106.09685): a decoder stays as it is, and small matrices beside its projections are
learnt.

A projection with weight W `[out, in]` gives W x + (alpha / rank) B A dropout(x), where A `[rank, in]` and B `[out,
rank]` are learnt; B starts at zero. Megatron-Core does several projections in one linear layer, so such a layer has a
pair for each of them, and their products are put where the layer has its outputs. What a layer is called, and its
weight, stays the same.

Over tensor-parallel ranks the large side of a pair is cut as W is, and the small product A x is what travels.
"""

import math
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from megatron.core.tensor_parallel import (
    copy_tensor_model_parallel_attributes,
    copy_to_tensor_model_parallel_region,
    gather_from_sequence_parallel_region,
    get_cuda_rng_tracker,
    reduce_from_tensor_model_parallel_region,
    reduce_scatter_to_sequence_parallel_region,
    set_tensor_model_parallel_attributes,
)
from megatron.core.tensor_parallel.layers import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.utils import make_sharded_tensors_for_checkpoint

from conf.schema import DecoderConfig, LoraConfig
from model.nets.recompute import keep_gradients
from model.projections import adapted, projections


def linears(config: DecoderConfig) -> dict[str, type | ModuleSpec]:
    """Class of each linear layer of a transformer layer: Megatron-Core's own, or one with pairs. Raises UserError as
    `adapted` does."""
    wanted, head = adapted(config), config.head_width
    outputs = {
        "q_proj": config.num_heads * head,
        "k_proj": config.num_kv_heads * head,
        "v_proj": config.num_kv_heads * head,
    }
    found: dict[str, type | ModuleSpec] = {}
    for layer, names in projections(config).items():
        by_columns = layer in ("linear_qkv", "linear_fc1")
        found[layer] = ColumnParallelLinear if by_columns else RowParallelLinear
        if any(name in wanted for name in names):
            params: dict[str, Any] = {"lora": config.lora, "targets": tuple(name for name in names if name in wanted)}
            if by_columns:
                params["outputs"] = {name: outputs.get(name, config.ffn_size) for name in names}
                params["groups"] = config.num_kv_heads if layer == "linear_qkv" else None
            found[layer] = ModuleSpec(LoraColumnLinear if by_columns else LoraRowLinear, params=params)
    return found


def freeze(net: torch.nn.Module) -> None:
    """Leave nothing of `net` to be learnt but its pairs; call before it is wrapped for data parallelism."""
    for name, parameter in net.named_parameters():
        parameter.requires_grad = ".lora_a." in name or ".lora_b." in name
    keep_gradients(net)


def merged(net: torch.nn.Module, name: str) -> torch.Tensor:
    """This rank's part of the parameter `name` of `net`, with the pairs beside it added in; the parameter itself where
    there are none."""
    path, _, leaf = name.rpartition(".")
    module = net.get_submodule(path)
    if leaf == "weight" and isinstance(module, LoraLinear):
        return module.merged_weight()
    return getattr(module, leaf)


class LoraLinear(torch.nn.Module):
    """What linear layers with pairs have in common. `lora_a` and `lora_b` hold the pairs by the names of their
    projections."""

    cuts: dict[str, int]
    """`lora_a` or `lora_b` -> the dimension along which tensor-parallel ranks cut it; the other is whole on each."""

    def add_pairs(self, lora: LoraConfig, outputs: dict[str, int]) -> None:
        """Give the layer a pair for each of `outputs`: projection -> this rank's outputs of it."""
        self.rank, self.scale, self.dropout = lora.rank, lora.alpha / lora.rank, lora.dropout
        inputs, dtype = self.weight.shape[1], self.weight.dtype
        self.lora_a = torch.nn.ParameterDict({name: torch.empty(lora.rank, inputs, dtype=dtype) for name in outputs})
        self.lora_b = torch.nn.ParameterDict(
            {name: torch.zeros(size, lora.rank, dtype=dtype) for name, size in outputs.items()}
        )
        for key in ("lora_a", "lora_b"):
            cut = key in self.cuts
            for parameter in getattr(self, key).values():
                set_tensor_model_parallel_attributes(parameter, cut, self.cuts.get(key, -1), 1)
                # Whole matrices see this rank's part of the sequence alone: the mark has their gradients summed.
                parameter.sequence_parallel = self.sequence_parallel and not cut
        if not self.weight.is_meta:
            self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        """Start every A as a linear layer of PyTorch starts, drawn whole and then cut: the same for every
        tensor-parallel size."""
        for matrix in self.lora_a.values():
            whole = torch.empty(self.rank, self.input_size)
            torch.nn.init.kaiming_uniform_(whole, a=math.sqrt(5))
            matrix.copy_(
                whole.chunk(self.tp_group.size(), dim=1)[self.tp_group.rank()] if "lora_a" in self.cuts else whole
            )

    def dropped(self, inputs: torch.Tensor, cut: bool) -> torch.Tensor:
        """`inputs` after dropout; where ranks have parts of them (`cut`), each drops in its own."""
        if not (self.dropout and self.training):
            return inputs
        with get_cuda_rng_tracker().fork() if cut else nullcontext():
            return F.dropout(inputs, self.dropout)

    def place(self, products: dict[str, torch.Tensor]) -> torch.Tensor:
        """`[..., outputs of this rank]` of what the pairs give, each `[..., outputs of its projection]`."""
        raise NotImplementedError

    @torch.no_grad()
    def merged_weight(self) -> torch.Tensor:
        """This rank's part of W + (alpha / rank) B A, in the type and with the marks of W; summed in fp32."""
        products = {name: self.lora_a[name].float().t() @ self.lora_b[name].float().t() for name in self.lora_a}
        found = torch.add(self.weight.float(), self.place(products).t(), alpha=self.scale).to(self.weight.dtype)
        copy_tensor_model_parallel_attributes(found, self.weight)
        return found

    def sharded_state_dict(
        self, prefix: str = "", sharded_offsets: tuple = (), metadata: dict | None = None
    ) -> dict[str, Any]:
        """What a checkpoint stores: the layer as Megatron-Core stores it, and the pairs, whole or by their cut."""
        found = super().sharded_state_dict(prefix, sharded_offsets, metadata)
        for key in ("lora_a", "lora_b"):
            pairs = {f"{key}.{name}": parameter for name, parameter in getattr(self, key).items()}
            axes = dict.fromkeys(pairs, self.cuts[key]) if key in self.cuts else {}
            found |= make_sharded_tensors_for_checkpoint(
                pairs, prefix, axes, sharded_offsets, tp_group=self.tp_group, dp_cp_group=metadata["dp_cp_group"]
            )
        return found


class LoraColumnLinear(LoraLinear, ColumnParallelLinear):
    """Outputs cut over ranks: every rank has all of A and its rows of B."""

    cuts = {"lora_b": 0}

    def __init__(
        self,
        *args: Any,
        lora: LoraConfig,
        targets: tuple[str, ...],
        outputs: dict[str, int],
        groups: int | None,
        **keys: Any,
    ):
        """`outputs`: of each projection of the layer, over all ranks. They lie in `groups`, one after another (a head
        of keys: the queries that it serves, itself, its values); None: one group a rank."""
        super().__init__(*args, **keys)
        ranks = self.tp_group.size()
        self.groups = (groups or ranks) // ranks
        self.outputs = {name: size // ranks for name, size in outputs.items()}
        self.add_pairs(lora, {name: self.outputs[name] for name in targets})

    def forward(self, input_: torch.Tensor, *args: Any, **keys: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As Megatron-Core's: `[T, 1, in]` -> `[T, 1, out of this rank]`, and the bias where the caller adds it."""
        output, bias = super().forward(input_, *args, **keys)
        low = (
            F.linear(self.dropped(input_, cut=self.sequence_parallel), torch.cat(list(self.lora_a.values())))
            * self.scale
        )
        if self.sequence_parallel:
            low = gather_from_sequence_parallel_region(low, tensor_parallel_output_grad=True, group=self.tp_group)
        else:
            low = copy_to_tensor_model_parallel_region(low, group=self.tp_group)
        parts = zip(self.lora_b.items(), low.split(self.rank, dim=-1), strict=True)
        return output + self.place({name: F.linear(part, matrix) for (name, matrix), part in parts}), bias

    def place(self, products: dict[str, torch.Tensor]) -> torch.Tensor:
        """Group by group; zeros for projections without a pair."""
        if len(self.outputs) == 1:
            return next(iter(products.values()))
        some = next(iter(products.values()))
        found = []
        for name, size in self.outputs.items():
            product = products[name] if name in products else some.new_zeros(*some.shape[:-1], size)
            found.append(product.unflatten(-1, (self.groups, -1)))
        return torch.cat(found, dim=-1).flatten(-2)


class LoraRowLinear(LoraLinear, RowParallelLinear):
    """Inputs cut over ranks: every rank has its columns of A and all of B; A x is summed over ranks."""

    cuts = {"lora_a": 1}

    def __init__(self, *args: Any, lora: LoraConfig, targets: tuple[str, ...], **keys: Any):
        super().__init__(*args, **keys)
        self.add_pairs(lora, dict.fromkeys(targets, self.output_size))

    def forward(self, input_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As Megatron-Core's: `[T, 1, in of this rank]` -> `[T, 1, out]`, and the bias where the caller adds it."""
        output, bias = super().forward(input_)
        ((name, matrix),) = self.lora_a.items()
        low = F.linear(self.dropped(input_, cut=self.tp_group.size() > 1), matrix) * self.scale
        reduce = (
            reduce_scatter_to_sequence_parallel_region
            if self.sequence_parallel
            else reduce_from_tensor_model_parallel_region
        )
        return output + F.linear(reduce(low, group=self.tp_group), self.lora_b[name]), bias

    def place(self, products: dict[str, torch.Tensor]) -> torch.Tensor:
        """The one product."""
        return next(iter(products.values()))
