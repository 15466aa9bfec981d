"""The batch as a function of tokens, and the number of steps that follows from it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from conf.schema import ScheduleConfig, TrainConfig
from model.training.timeline.batch_ramp import BatchRamp, total_steps
from model.training.timeline.schedule import warmup_steps


def walk(ramp: BatchRamp, steps: int) -> list[int]:
    """Packs seen after each of ``steps`` steps, one step at a time."""
    seen, ends = 0, []
    for _ in range(steps):
        seen += ramp.batch(seen)
        ends.append(seen)
    return ends


@settings(max_examples=60, deadline=None)
@given(
    micro=st.integers(1, 4), ranks=st.integers(1, 3), start=st.integers(1, 4), extra=st.integers(0, 12),
    tokens=st.integers(1, 40_000),
    length=st.sampled_from([8, 128]),
)  # fmt: skip
def test_ramp_is_linear_in_tokens_whole_and_counted_exactly(micro, ranks, start, extra, tokens, length):
    unit = micro * ranks
    train = TrainConfig(
        seq_length=length,
        micro_batch=micro,
        global_batch=unit * (start + extra),
        batch_ramp_start=unit * start,
        batch_ramp_tokens=tokens,
    )
    ramp = BatchRamp(train, ranks)
    ends = walk(ramp, 80)
    previous = 0
    for step, end in enumerate(ends, 1):
        batch, seen = end - previous, previous * length
        ideal = train.batch_ramp_start + (train.global_batch - train.batch_ramp_start) * min(1, seen / tokens)
        assert batch % unit == 0
        assert ideal - unit < batch <= ideal + 1e-9
        assert ramp.samples(step) == end
        assert ramp.steps(end * length) == step
        assert ramp.steps(end * length + 1) == step + 1
        previous = end
    assert ramp.samples(0) == ramp.steps(0) == 0


def test_no_ramp():
    ramp = BatchRamp(TrainConfig(seq_length=10, micro_batch=2, global_batch=6, batch_ramp_tokens=10**9))
    assert walk(ramp, 3) == [6, 12, 18]
    assert ramp.sizes() == [(1, 6)]
    assert ramp.tokens(5) == 300
    assert ramp.steps(301) == 6


def test_modernbert_ramp():
    """The recipe of ModernBERT-base: 768 to 4608 over 50B tokens at length 1024."""
    train = TrainConfig(
        seq_length=1024, micro_batch=96, global_batch=4608, batch_ramp_start=768, batch_ramp_tokens=50_000_000_000
    )
    ramp = BatchRamp(train, 8)
    sizes = ramp.sizes()
    assert [size for _, size in sizes] == [768, 1536, 2304, 3072, 3840, 4608]
    assert ramp.tokens(sizes[-1][0] - 1) == pytest.approx(50e9, rel=1e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"global_batch": 10, "micro_batch": 4}, "train.global_batch=10 is not a multiple .* make it 8"),
        (
            {"global_batch": 8, "micro_batch": 4, "batch_ramp_start": 3, "batch_ramp_tokens": 100},
            "train.batch_ramp_start=3 is not a mult",
        ),
        ({"global_batch": 8, "micro_batch": 4, "batch_ramp_start": 4}, "do not make a ramp"),
        ({"global_batch": 8, "micro_batch": 4, "batch_ramp_start": 16, "batch_ramp_tokens": 100}, "do not make a ramp"),
    ],
)
def test_what_makes_no_whole_passes_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        BatchRamp(TrainConfig(**fields))


def test_length_of_run_and_warmup_are_given_once():
    train = TrainConfig(seq_length=10, micro_batch=1, global_batch=2, tokens=101)
    ramp = BatchRamp(train)
    assert total_steps(train, ramp) == 6
    assert (
        warmup_steps(ScheduleConfig(warmup_tokens=100), 6, ramp) == 4
    )  # the fifth update reaches 100 tokens, and so has the full rate
    assert warmup_steps(ScheduleConfig(warmup_steps=3), 6, ramp) == 3
    assert warmup_steps(ScheduleConfig(warmup_share=0.5), 6, ramp) == 3
    with pytest.raises(UserError, match="set one"):
        warmup_steps(ScheduleConfig(warmup_steps=3, warmup_tokens=100), 6, ramp)
    for fields in ({"steps": 3, "tokens": 5}, {"steps": 0, "tokens": 0}):
        with pytest.raises(UserError, match="set one of them"):
            total_steps(TrainConfig(**fields), ramp)
