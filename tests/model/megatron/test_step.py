"""Accumulation, precision, recomputation, and steps that must not be made."""

import math
from dataclasses import replace

import pytest
import torch

from model.megatron.step import eval_step, train_step


def test_micro_batches_add_up_to_the_batch(tiny):
    still = {"attention_out_dropout": 0.0}
    runs = [tiny.Run(sizes=still) for _ in range(2)]
    eight = tiny.micro_batches(0, 8)
    parts = train_step(runs[0].model, runs[0].optimizer, tiny.forward_step, eight)
    pairs = [tiny.joined(eight[i : i + 4]) for i in (0, 4)]
    whole = train_step(runs[1].model, runs[1].optimizer, tiny.forward_step, pairs)
    assert parts.count == whole.count == sum(len(pack.tokens) for pack in eight)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    for name in ("squares", "square", "greatest"):
        assert parts.metrics[name] == pytest.approx(whole.metrics[name], rel=1e-6)
    assert parts.metrics["square"] == pytest.approx(parts.metrics["squares"] / parts.count)
    assert parts.metrics["greatest"] > parts.loss and "nothing" not in parts.metrics
    assert parts.grad_norm == pytest.approx(whole.grad_norm, rel=1e-5)
    for name, param in runs[0].parameters().items():
        torch.testing.assert_close(param, runs[1].parameters()[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_loss_is_that_of_plain_pytorch(tiny):
    run = tiny.Run(sizes={"attention_out_dropout": 0.0})
    packs = tiny.micro_batches(0, 3)
    module = run.model.module
    losses = [torch.nn.functional.cross_entropy(module(pack), pack.tokens * 7 % 64, reduction="sum") for pack in packs]
    mean = sum(losses) / sum(len(pack.tokens) for pack in packs)
    grads = torch.autograd.grad(mean, list(module.parameters()))
    result = train_step(run.model, run.optimizer, tiny.forward_step, packs)
    assert result.loss == pytest.approx(mean.item(), rel=1e-6)
    assert result.grad_norm == pytest.approx(torch.stack([grad.norm() for grad in grads]).norm().item(), rel=1e-5)


@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputation_changes_no_gradient(tiny, recompute):
    grads = []
    for how in ("none", recompute):
        run = tiny.Run(recompute=how)
        train_step(run.model, run.optimizer, tiny.forward_step, tiny.micro_batches(0, 2))
        grads.append([param.main_grad.clone() for param in run.model.module.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*grads, strict=True))


def test_recomputation_recomputes(tiny, monkeypatch):
    """Full recomputation runs each layer twice, selective its attention core."""
    from megatron.core.transformer.transformer_layer import TransformerLayer

    from model.nets.attention import PackedAttention

    counts = {}
    for kind in (TransformerLayer, PackedAttention):
        plain = kind.forward

        def counted(self, *args, plain=plain, kind=kind, **keys):
            counts[kind] = counts.get(kind, 0) + 1
            return plain(self, *args, **keys)

        monkeypatch.setattr(kind, "forward", counted)
    for how, expected in {"none": (3, 3), "selective": (3, 6), "full": (6, 6)}.items():
        counts.clear()
        run = tiny.Run(recompute=how)
        train_step(run.model, run.optimizer, tiny.forward_step, tiny.micro_batches(0, 1))
        assert (counts[TransformerLayer], counts[PackedAttention]) == expected, how


@pytest.mark.parametrize("name", ["adamw", "stable_adamw"])
def test_bf16_trains_close_to_fp32(tiny, name):
    curves = []
    for precision in ("fp32", "bf16"):
        run = tiny.Run(name, precision)
        curves.append([float.fromhex(line.split()[0]) for line in run.steps(0, 6)])
        kinds = {param.dtype for param in run.model.module.parameters()}
        assert kinds == {torch.float32 if precision == "fp32" else torch.bfloat16}
        assert {param.dtype for param in run.optimizer.get_parameters()} == {torch.float32}
    fp32, bf16 = curves
    assert fp32[-1] < fp32[0] - 0.3
    assert bf16 != fp32
    assert bf16 == pytest.approx(fp32, rel=0.01)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_skipped(tiny, precision, poison):
    run = tiny.Run(precision=precision)
    run.steps(0, 2)
    before, moments = run.parameters(), [state["exp_avg"].clone() for state in run.optimizer.state.values()]

    def poisoned(model, pack, record):
        loss, count = tiny.forward_step(model, pack, record)
        if poison == "loss":
            return loss * math.nan, count
        return loss + (model.module.embedding.word_embeddings.weight.flatten()[0] * 0.0).sqrt(), count

    result = train_step(run.model, run.optimizer, poisoned, tiny.micro_batches(2, 2))
    assert result.skipped
    assert math.isfinite(result.loss) == (poison == "gradient")
    assert not math.isfinite(result.grad_norm)
    assert all(torch.equal(param, before[name]) for name, param in run.parameters().items())
    assert all(torch.equal(a, b["exp_avg"]) for a, b in zip(moments, run.optimizer.state.values(), strict=True))
    assert not train_step(run.model, run.optimizer, tiny.forward_step, tiny.micro_batches(3)).skipped
    assert all(torch.isfinite(param).all() for param in run.parameters().values())


def test_gradients_are_clipped_and_the_norm_told_is_the_one_before(tiny):
    norms = {}
    for clip in (0.0, 0.01):
        run = tiny.Run("adamw", clip_grad=clip)
        result = train_step(run.model, run.optimizer, tiny.forward_step, tiny.micro_batches(0))
        grads = torch.cat([param.grad.flatten() for param in run.optimizer.get_parameters()])
        norms[clip] = (result.grad_norm, grads.norm().item())
    assert norms[0.0][0] == norms[0.01][0] == pytest.approx(norms[0.0][1], rel=1e-5)
    assert norms[0.01][1] == pytest.approx(0.01, rel=1e-3)


def test_seeds_fix_dropout(tiny):
    losses = []
    for seeds in ([1, 2], [1, 2], [1, 3], None):
        run = tiny.Run(sizes={"attention_out_dropout": 0.5})
        torch.manual_seed(len(losses))  # what happened before must not matter
        losses.append(run.steps(0, 1, lambda index: tiny.micro_batches(index, 2), seeds=seeds)[0])
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def test_evaluation_is_without_dropout_and_leaves_all_as_it_was(tiny):
    run = tiny.Run(sizes={"attention_out_dropout": 0.5})
    run.steps(0, 1)
    before, rng = run.parameters(), torch.get_rng_state()
    results = [eval_step(run.model, tiny.forward_step, tiny.micro_batches(5)) for _ in range(2)]
    assert results[0] == results[1]
    assert results[0] == replace(results[0], grad_norm=0.0, skipped=False)
    assert run.model.training
    assert torch.equal(rng, torch.get_rng_state())
    assert all(torch.equal(param, before[name]) for name, param in run.parameters().items())
