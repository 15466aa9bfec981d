"""StableAdamW: AdamW with the update clipping of Adafactor (arXiv 2304.13013, algorithm 2)."""

from collections.abc import Callable

import torch


class StableAdamW(torch.optim.AdamW):
    """AdamW whose learning rate shrinks, tensor by tensor, when a gradient is far from what the second moment expects.

    At step t, for each tensor p with gradient g:

        b1 = beta1 (1 - beta1^(t-1)) / (1 - beta1^t),  b2 alike        so that the moments need no bias correction
        m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2
        r = mean(g^2 / max(v, eps^2))
        lr_t = lr / max(1, sqrt(r))
        p = (1 - weight_decay lr_t / max_lr) p - lr_t m / (sqrt(v) + eps)

    The decay is relative to `max_lr`, the learning rate given at construction, so it does not depend on the size of
    that rate. A subclass of torch's AdamW because Megatron-Core's sharded optimizer takes no other; only the
    constructor and `step` differ."""

    def __init__(self, params, lr: float, betas: tuple[float, float], eps: float, weight_decay: float):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=False)
        self.max_lr = lr
        self.sum_over_ranks: Callable[[torch.Tensor], torch.Tensor] | None = None
        """Where ranks hold pieces of tensors: turns `[tensors, 2]` sums over pieces into sums over whole tensors."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter that has a gradient."""
        pairs = [(group, param) for group in self.param_groups for param in group["params"]]
        if not pairs:
            return
        sums = torch.stack([self._move_moments(group, param) for group, param in pairs])
        if self.sum_over_ranks is not None:
            sums = self.sum_over_ranks(sums)
        shrink = (sums[:, 0] / sums[:, 1].clamp(min=1)).sqrt_().clamp_(min=1).to(pairs[0][1].dtype)
        for (group, param), divisor in zip(pairs, shrink, strict=True):
            if param.grad is not None:
                self._update(group, param, group["lr"] / divisor)

    def _move_moments(self, group: dict, param: torch.Tensor) -> torch.Tensor:
        """Update m and v; return [sum of g^2 / max(v, eps^2), number of elements]."""
        grad = param.grad
        if grad is None:
            return torch.zeros(2, dtype=torch.float64, device=param.device)
        state = self.state[param]
        if not state:
            state.update(step=torch.tensor(0.0), exp_avg=torch.zeros_like(param), exp_avg_sq=torch.zeros_like(param))
        state["step"] += 1
        step = state["step"].item()
        beta1, beta2 = (beta * (1 - beta ** (step - 1)) / (1 - beta**step) for beta in group["betas"])
        state["exp_avg"].lerp_(grad, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        ratio = grad.square().div_(state["exp_avg_sq"].clamp(min=group["eps"] ** 2)).sum()
        return torch.stack([ratio, torch.full_like(ratio, param.numel())]).double()

    def _update(self, group: dict, param: torch.Tensor, lr: torch.Tensor) -> None:
        state = self.state[param]
        if group["weight_decay"]:
            param.mul_(1 - lr / self.max_lr * group["weight_decay"])
        param.sub_(state["exp_avg"].div(state["exp_avg_sq"].sqrt().add_(group["eps"])).mul_(lr))
