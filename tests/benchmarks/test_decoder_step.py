"""The two sides of the decoder's benchmarks on a tiny net, and the rehearsal of the one for a GPU."""

import dataclasses

import pytest
import torch

from benchmarks.decoder_sides import IGNORED, LAYOUTS, Ours, Theirs, differences, draw, filled
from benchmarks.decoder_step_cpu import CASES, ROW, ratio
from benchmarks.gpu import decoder_step
from common.files import read_json
from conf.schema import CausalConfig, DecoderConfig, ParallelConfig
from model.training.cost.flops import step_flops

NET = DecoderConfig(
    vocab_size=300,
    num_layers=2,
    hidden_size=32,
    num_heads=4,
    num_kv_heads=2,
    head_width=16,
    ffn_size=48,
    max_positions=64,
)
LENGTHS = filled([5, 64, 17, 30, 2, 41, 90], 32, 4)


def test_documents_fill_rows():
    assert LENGTHS == [5, 27, 17, 15, 2, 30, 32]
    assert filled([5, 64, 17, 30, 2, 41], 64, 2) == [5, 59, 17, 30, 2, 15]
    with pytest.raises(ValueError, match="do not fill"):
        filled([5, 64], 32, 4)
    assert [sum(pack.lengths) for pack in draw(CASES[0].lengths, 8192).packs(ROW)] == [ROW] * 4


def test_every_token_but_the_last_of_a_document_is_to_predict_the_next():
    work = draw([3, 1, 4], 300)
    assert work.predicted == 2 + 0 + 3
    assert [labels.tolist() for labels in work.labels] == [[*document[1:].tolist(), IGNORED] for document in work.shown]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_sides_compute_the_same_and_the_check_would_notice(layout):
    ours, work = Ours(NET, ParallelConfig(threads=1), CausalConfig(chunk_tokens=20)), draw(LENGTHS, NET.vocab_size)
    theirs = Theirs(NET, layout, row=32)
    theirs.load(ours.net, NET)
    rows = theirs.batch(work)
    assert rows.input_ids.shape == ((4, 32) if layout == "packed" else (7, 32))
    found = differences(ours, theirs, NET, work, pack_tokens=64)
    assert all(found[f"{name}_difference"] < 1e-5 for name in ("logits", "loss", "gradient"))
    theirs.net.model.layers[1].mlp.up_proj.weight.data.mul_(1.01)
    found = differences(ours, theirs, NET, work, pack_tokens=64)
    assert found["gradient_difference"] > 1e-3 and found["logits_difference"] > 1e-5


def test_rows_of_one_document_spare_the_peer_its_mask():
    theirs = Theirs(NET, "packed", row=32)
    assert theirs.batch(draw([32] * 3, 300)).position_ids is None
    assert theirs.batch(draw(LENGTHS, 300)).position_ids[0].tolist() == [*range(5), *range(27)]
    assert Theirs(NET, "padded", row=32).batch(draw([32] * 3, 300)).attention_mask is None


def test_interval_of_a_ratio():
    theirs, ours = {"cpu": [4.0, 2.0, 9.0, 5.0, 3.0]}, {"cpu": [1.0] * 5}
    found = ratio(theirs, ours, "cpu")
    assert (found["low"], found["median"], found["high"]) == (3.0, 4.0, 5.0)


def test_what_a_token_costs_at_4096():
    """11.73 GFLOP, which the goal of MFU is reckoned by."""
    full = decoder_step.cases(small=False)[0]
    assert step_flops(full.net, full.lengths, sum(full.lengths)) / sum(full.lengths) == pytest.approx(11.73e9, rel=1e-3)


def test_the_fastest_micro_batch_is_found():
    case = dataclasses.replace(decoder_step.cases(small=True)[0], lengths=[64] * 16)
    speeds = {
        16: None,
        8: 100,
        4: 150,
        2: 151,
        1: 400,
    }  # 16 does not fit; 2 is hardly faster than 4, so 1 is never tried

    def make(rows):
        def step():
            if speeds[rows] is None:
                raise torch.OutOfMemoryError

        step.rows = rows
        return step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_step, "figures", lambda case, step: {"tokens_per_second": speeds[step.rows]})
        found = decoder_step.searched(case, make)
    assert found["micro_batch"] == 4 and found["tried"] == {8: 100, 4: 150, 2: 151}


def test_rehearsal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(decoder_step, "cases", lambda small, cases=decoder_step.cases: cases(small)[:1])
    with pytest.raises(SystemExit) as ended:
        decoder_step.main(["--out", str(tmp_path), "--smoke", "--commit", "abc"])
    found = read_json(tmp_path / "decoder_step.json")
    assert ended.value.code == 0, capsys.readouterr()
    assert found["small"] and found["commit"] == "abc" and found["cases"]["full"].keys() >= {"train", "trainer", "sdpa"}
    assert found["cases"]["full"]["sdpa"]["agrees"] and found["verdict"]["times_trainer"] > 0
    assert found["cases"]["full"]["train"]["kernels"]
