"""Which parameters decay, which Adam is taken, and where the learning rate comes from."""

import sys
import types

import pytest
import torch

from conf.schema import OptimConfig
from model.megatron import optimizer as module
from model.megatron.optimizer import get_step, set_lr, set_step


def decaying(run) -> set[str]:
    """Names of the parameters in groups with weight decay."""
    ids = {id(param): name for name, param in run.model.module.named_parameters()}
    return {
        ids[id(param)] for group in run.optimizer.param_groups if group["weight_decay"] for param in group["params"]
    }


def test_norms_and_biases_do_not_decay(tiny):
    run = tiny.Run("adamw")
    named = dict(run.model.module.named_parameters())
    flat = {name for name, param in named.items() if param.ndim == 1}
    assert {"output_layer.bias", "embedding_norm.weight"} <= flat
    assert decaying(run) == set(named) - flat
    assert decaying(tiny.Run("adamw", decay_norms_and_biases=True)) == set(named)
    table = {name for name in named if "word_embeddings" in name}
    assert len(table) == 1
    assert decaying(tiny.Run("adamw", decay_embeddings=False)) == set(named) - flat - table


@pytest.mark.parametrize(
    ("name", "factor"), [("adamw", lambda lr: 1 - lr * 0.01), ("stable_adamw", lambda lr: 1 - lr / 1e-2 * 0.01)]
)
def test_decay_shrinks_by_what_the_schema_says(tiny, name, factor):
    """With gradients of zero the update is the decay alone."""
    run = tiny.Run(name)
    before = run.parameters()
    set_lr(run.optimizer, 4e-3)
    for param in run.model.module.parameters():
        param.main_grad.zero_()
    run.optimizer.prepare_grads()
    run.optimizer.step_with_ready_grads()
    for key, param in run.parameters().items():
        torch.testing.assert_close(
            param, before[key] * (factor(4e-3) if param.ndim > 1 else 1), rtol=1e-6, atol=0, msg=key
        )


def test_adamw_is_that_of_pytorch(tiny):
    """Three steps on gradients computed by hand, by torch.optim.AdamW."""
    run = tiny.Run("adamw", sizes={"attention_out_dropout": 0.0}, clip_grad=0.0)
    twin = tiny.Run("adamw", sizes={"attention_out_dropout": 0.0}).model.module
    groups = [
        {"params": [p for p in twin.parameters() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in twin.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    defaults = OptimConfig()
    peer = torch.optim.AdamW(
        groups, betas=(defaults.beta1, defaults.beta2), eps=defaults.eps, foreach=False, fused=False
    )
    for index in range(3):
        packs = tiny.micro_batches(index)
        losses = sum(
            torch.nn.functional.cross_entropy(twin(pack), pack.tokens * 7 % 64, reduction="sum") for pack in packs
        )
        for group in peer.param_groups:
            group["lr"] = tiny.LR / (1 + index)
        params = list(twin.parameters())
        for param, grad in zip(
            params, torch.autograd.grad(losses / sum(len(p.tokens) for p in packs), params), strict=True
        ):
            param.grad = grad
        peer.step()
    run.steps(0, 3)
    for (name, ours), theirs in zip(run.parameters().items(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-3, atol=2e-5, msg=name)


def test_the_step_is_counted_and_can_be_set(tiny):
    for name in ("adamw", "stable_adamw"):
        run = tiny.Run(name)
        assert get_step(run.optimizer) == 0
        run.steps(0, 2)
        assert get_step(run.optimizer) == 2
        set_step(run.optimizer, 7)
        steps = [state["step"] for state in run.optimizer.state.values()]
        assert {step.item() for step in steps} == {7.0}
        assert len({step.data_ptr() for step in steps}) == len(steps), "each parameter counts for itself"


def test_fused_adam_is_taken_where_it_really_imports(monkeypatch):
    fused = type("FusedAdam", (torch.optim.AdamW,), {})
    monkeypatch.setitem(sys.modules, "transformer_engine", None)
    monkeypatch.setitem(sys.modules, "transformer_engine.pytorch", None)
    monkeypatch.setitem(sys.modules, "transformer_engine.pytorch.optimizers", None)
    toolkit, real = types.ModuleType("apex"), types.ModuleType("apex.optimizers")
    real.FusedAdam = fused
    monkeypatch.setitem(sys.modules, "apex", toolkit)
    assert module.fused_adam() is None, "no GPU, no fused Adam"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert module.fused_adam() is None, "the apex of the package index is a web toolkit"
    monkeypatch.setitem(sys.modules, "apex.optimizers", real)
    assert module.fused_adam() is fused
