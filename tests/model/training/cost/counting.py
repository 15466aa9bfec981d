"""Bytes that real nets keep and allocate on the CPU."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch

from conf.schema import CausalConfig, DecoderConfig, ModelConfig, ParallelConfig
from model.megatron.startup import start
from model.nets.build import build_net
from model.nets.pack import Pack
from model.objectives.causal import Causal
from model.objectives.mlm import Mlm, MlmBatch
from model.training.data.sample import Sample


class OneKernelNorm(torch.autograd.Function):
    """RMSNorm that keeps what PyTorch's kernel for GPUs does: its input, and a number a row. On a CPU PyTorch writes it
    out in plain operators, which keep several states in fp32."""

    @staticmethod
    def forward(ctx, states, width, weight, eps):
        scale = torch.rsqrt(states.float().square().mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(states, scale, weight)
        return (states.float() * scale).to(states.dtype) * weight

    @staticmethod
    def backward(ctx, gradient):
        states, scale, weight = ctx.saved_tensors
        normed = states.float() * scale
        inner = gradient.float() * weight
        found = scale * (inner - normed * (inner * normed).mean(-1, keepdim=True))
        return found.to(states.dtype), None, (gradient * normed).flatten(0, -2).sum(0).to(weight.dtype), None


def loss_of(
    config: ModelConfig, parallel: ParallelConfig, tokens: int
) -> tuple[torch.nn.Module, Callable[[], torch.Tensor]]:
    """The net of ``config``, and its loss on one document of ``tokens``."""
    start(parallel, 0)
    net, ids = build_net(config, parallel), np.random.default_rng(0).integers(0, config.vocab_size, tokens)
    if isinstance(config, DecoderConfig):
        objective = Causal(CausalConfig(chunk_tokens=tokens // 4), config.vocab_size)
        causal = objective.batch([Sample(0, [ids])], train=True)
        return net, lambda: objective.loss(net, causal)[0]
    selected = torch.arange(0, tokens, 4)
    pack = Pack.from_documents([ids])
    return net, lambda: Mlm.loss(net, MlmBatch(pack, selected, pack.tokens[selected]))[0]


def kept(config: ModelConfig, parallel: ParallelConfig, tokens: int) -> int:
    """Bytes that autograd keeps after a forward pass, parameters aside."""
    net, loss = loss_of(config, parallel, tokens)
    own = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}
    storages = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    hooks: AbstractContextManager = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with hooks:
        _ = loss()
    return sum(storage.nbytes() for address, storage in storages.items() if address not in own)


def peak(config: ModelConfig, parallel: ParallelConfig, tokens: int) -> int:
    """Most bytes that a forward and a backward pass hold at once beside the parameters and their summed gradients."""
    net, loss = loss_of(config, parallel, tokens)
    for parameter in net.parameters():
        if parameter.requires_grad:  # as Megatron-Core's: summed elsewhere, and not kept
            parameter.register_post_accumulate_grad_hook(lambda own: setattr(own, "grad", None))
    loss().backward()  # tables of rotations and the like are made once
    with torch.profiler.profile(profile_memory=True) as profiler:
        loss().backward()
    events = sorted(
        (event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"),
        key=lambda e: e.start_ns(),
    )
    return int(np.cumsum([event.nbytes() for event in events]).max())
