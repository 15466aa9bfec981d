"""StableAdamW against the paper's algorithm in numpy and against another implementation."""

import numpy as np
import pytest
import torch

from model.megatron.stable_adamw import StableAdamW

SHAPES = [(7, 5), (11,), (3, 4, 2), (1,)]
SETTINGS = {"lr": 3e-2, "betas": (0.9, 0.98), "eps": 1e-6, "weight_decay": 0.1}


def gradients(step: int) -> list[np.ndarray]:
    """Gradients that jump by a factor of 100 at step 6, and are almost nothing for one tensor."""
    rng = np.random.default_rng(step)
    return [rng.normal(size=shape) * (100 if step == 6 else 1) * (1e-9 if len(shape) == 3 else 1) for shape in SHAPES]


def rates(step: int) -> float:
    """Warm-up, then decay."""
    return SETTINGS["lr"] * min(1.0, step / 3) / (1 + step // 8)


def reference(steps: int) -> tuple[list[np.ndarray], float]:
    """Algorithm 2 of arXiv 2304.13013 in float64, with weight decay relative to the peak rate; and the largest RMS
    seen."""
    params = [np.linspace(-1, 1, int(np.prod(shape))).reshape(shape) for shape in SHAPES]
    first, second = ([np.zeros(shape) for shape in SHAPES] for _ in range(2))
    (beta1, beta2), eps, worst = SETTINGS["betas"], SETTINGS["eps"], 0.0
    for t in range(1, steps + 1):
        hat1 = beta1 * (1 - beta1 ** (t - 1)) / (1 - beta1**t)
        hat2 = beta2 * (1 - beta2 ** (t - 1)) / (1 - beta2**t)
        for i, g in enumerate(gradients(t)):
            first[i] = hat1 * first[i] + (1 - hat1) * g
            second[i] = hat2 * second[i] + (1 - hat2) * g**2
            rms = np.sqrt(np.mean(g**2 / np.maximum(second[i], eps**2)))
            worst = max(worst, rms)
            rate = rates(t) / max(1, rms)
            params[i] = params[i] - rate / SETTINGS["lr"] * SETTINGS["weight_decay"] * params[i]
            params[i] = params[i] - rate * first[i] / (np.sqrt(second[i]) + eps)
    return params, worst


def trained(optimizer_class: type[torch.optim.Optimizer], steps: int, dtype: torch.dtype, **keys) -> list[np.ndarray]:
    """The same steps by a torch optimizer."""
    params = [
        torch.linspace(-1, 1, int(np.prod(shape)), dtype=dtype).reshape(shape).requires_grad_() for shape in SHAPES
    ]
    optimizer = optimizer_class(params, **SETTINGS, **keys)
    for t in range(1, steps + 1):
        for param, grad in zip(params, gradients(t), strict=True):
            param.grad = torch.from_numpy(grad).to(dtype)
        for group in optimizer.param_groups:
            group["lr"] = rates(t)
        optimizer.step()
    return [param.detach().double().numpy() for param in params]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_it_is_the_algorithm_of_the_paper(dtype, tolerance):
    expected, worst = reference(12)
    assert worst > 2, "the update clipping must have been at work"
    for ours, theirs in zip(trained(StableAdamW, 12, dtype), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_it_equals_optimi():
    optimi = pytest.importorskip("optimi", reason="the peer torch-optimi is not installed")
    theirs = trained(
        optimi.StableAdamW, 12, torch.float32, decouple_lr=True, max_lr=SETTINGS["lr"], foreach=False, triton=False
    )
    for a, b in zip(trained(StableAdamW, 12, torch.float32), theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7)


def test_pieces_of_a_tensor_are_clipped_as_the_whole():
    whole = torch.linspace(-1, 1, 10).requires_grad_()
    pieces = [whole.detach()[:3].clone().requires_grad_(), whole.detach()[3:].clone().requires_grad_()]
    alone, apart, unaware = (
        StableAdamW([whole], **SETTINGS),
        StableAdamW(pieces, **SETTINGS),
        [piece.detach().clone() for piece in pieces],
    )
    apart.sum_over_ranks = lambda sums: sums.sum(dim=0, keepdim=True).expand_as(sums)
    blind = StableAdamW([piece.requires_grad_() for piece in unaware], **SETTINGS)
    for t in range(1, 5):
        whole.grad = torch.linspace(-1, 3, 10) ** t
        for half, twin, grad in zip(pieces, unaware, whole.grad.split([3, 7]), strict=True):
            half.grad, twin.grad = grad.clone(), grad.clone()
        for optimizer in (alone, apart, blind):
            optimizer.step()
    torch.testing.assert_close(torch.cat([piece.detach() for piece in pieces]), whole.detach(), rtol=1e-6, atol=1e-7)
    assert (torch.cat(unaware) - whole).abs().max() > 1e-3, "without the sums it must differ"
