"""Full recomputation beside a frozen embedding."""

import torch


def keep_gradients(net: torch.nn.Module) -> None:
    """Have the layers of `net` learn although its embedding does not; call for a net whose embedding is frozen.

    Megatron-Core's full recomputation gives a layer no gradient where its input needs none, and says nothing. So what
    the embedding gives is made to need one; without recomputation that changes no gradient."""
    if net.pre_process:
        net.embedding.register_forward_hook(_need_gradient)


def _need_gradient(module: torch.nn.Module, args: tuple, embedded: torch.Tensor) -> torch.Tensor:
    return embedded.requires_grad_() if torch.is_grad_enabled() and not embedded.requires_grad else embedded
