"""Held-out loss, against the peer that reads the checkpoint."""

import math
from types import SimpleNamespace

import pytest
import torch
from transformers import ModernBertForMaskedLM

from conf.schema.replace import with_value
from jobs import train
from model.objectives.mlm import Mlm
from model.training.callbacks.step_record import StepRecord
from model.training.callbacks.validation import Validation
from model.training.checkpoints.state import TrainState
from model.training.data.order import make_plan
from model.training.data.tokens import open_tokens
from model.training.timeline.phase import MAIN


def test_loss_is_that_of_transformers_on_the_same_masks(config):
    config = with_value(config, "train.eval_packs", 7)  # four micro-batches of two packs, the last of one
    summary = train.run(config)
    tokens = open_tokens(config.data.tokens, config.data.tokenizer, config.model.vocab_size)
    plan = make_plan(tokens, config.train.seq_length, config.train.validation_fraction, config.seed)
    objective = Mlm(config.objective, config.data.tokenizer, config.seed)
    batch = objective.batch([plan.validation_sample(i) for i in range(7)], train=False)
    net = ModernBertForMaskedLM.from_pretrained(f"{config.run_dir}/checkpoints/last/hf").eval()
    with torch.inference_mode():
        logits = torch.cat(
            [net(input_ids=document[None]).logits[0] for document in batch.pack.tokens.split(batch.pack.lengths)]
        )
        loss = torch.nn.functional.cross_entropy(logits[batch.selected], batch.labels)
    assert summary["validation_loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert 0.1 < len(batch.labels) / len(batch.pack.tokens) < 0.2  # the rate of evaluation, not that of training


def test_a_loss_that_is_not_finite_is_none(config, monkeypatch):
    result = SimpleNamespace(loss=math.inf, metrics={"accuracy": 0.2})
    monkeypatch.setattr("model.training.callbacks.validation.eval_step", lambda *_: result)
    loop = SimpleNamespace(
        state=TrainState(),
        data=SimpleNamespace(validation={MAIN: SimpleNamespace(validation_items=1)}),
        model=None,
        objective=SimpleNamespace(loss=None),
    )
    callback = Validation(1, every_steps=2)
    monkeypatch.setattr(callback, "_batches", lambda *_: [])
    loop.checkpoint_steps = SimpleNamespace(probe_due=lambda step: False)
    callback.step(loop, record := StepRecord(2))
    assert record.metrics == {"validation/loss": None, "validation/accuracy": 0.2}
    assert loop.state.validation_loss is None
    callback.step(loop, record := StepRecord(3))
    assert record == StepRecord(3)
