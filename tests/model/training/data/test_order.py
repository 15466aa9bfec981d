"""The plan: every token of every document once an epoch, the same order in every process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import UserError
from model.training.data.index import checked_stamp, draft_plan, load_plan
from model.training.data.order import is_validation, make_plan
from model.training.data.tokens import Tokens, open_tokens, stamp

ROOT = Path(__file__).resolve().parents[4]
DIGESTS = {"tokens.bin": "aa", "tokens.idx": "bb"}


def tokens_of(lengths: list[int], ids: np.ndarray | None = None) -> Tokens:
    """Documents of ``lengths`` whose tokens are all different: 0, 1, 2, ..."""
    lengths = np.array(lengths, dtype=np.int64)
    ids = np.arange(lengths.sum(), dtype=np.int32) if ids is None else ids
    return Tokens(Path("tokens"), {"files": DIGESTS}, ids, np.cumsum(lengths) - lengths, lengths)


@pytest.fixture(scope="module")
def tokens(corpus) -> Tokens:
    return open_tokens(corpus / "tokens", corpus / "tokenizer", 320)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, 50), min_size=2, max_size=50).filter(lambda found: sum(found) > 0),
    capacity=st.integers(1, 24),
    fraction=st.sampled_from([0.0, 0.1, 0.5]), seed=st.integers(0, 5), epoch=st.integers(0, 3),
)  # fmt: skip
def test_every_token_of_every_document_once_an_epoch(lengths, capacity, fraction, seed, epoch):
    tokens = tokens_of(lengths)
    held = is_validation(len(lengths), fraction)
    held_tokens = {t for s, n in zip(tokens.starts[held], tokens.lengths[held], strict=True) for t in range(s, s + n)}
    if len(held_tokens) == sum(lengths):
        with pytest.raises(UserError, match="no document to train on"):
            make_plan(tokens, capacity, fraction, seed)
        return
    plan = make_plan(tokens, capacity, fraction, seed)
    samples = plan.samples(epoch * len(plan.train), len(plan.train))
    assert all(0 < sum(map(len, sample.documents)) <= capacity for sample in samples)
    seen = np.concatenate([document for sample in samples for document in sample.documents])
    assert sorted(seen) == sorted(set(range(sum(lengths))) - held_tokens)
    validation = [document for i in range(len(plan.validation)) for document in plan.validation_sample(i).documents]
    assert sorted(np.concatenate(validation)) == sorted(held_tokens) if validation else not held_tokens
    assert [sample.index for sample in samples] == list(range(epoch * len(plan.train), (epoch + 1) * len(plan.train)))
    assert plan.count_tokens(epoch * len(plan.train), len(plan.train)) == len(seen)


def test_documents_hold_the_text(tokens):
    plan = make_plan(tokens, 64, 0.1, seed=1)
    original = {
        bytes(np.asarray(tokens.ids[s : s + n], dtype=np.int64))
        for s, n in zip(tokens.starts, tokens.lengths, strict=True)
    }
    whole = [bytes(document) for sample in plan.samples(0, len(plan.train)) for document in sample.documents]
    assert sum(document in original for document in whole) > 60  # those of at most 64 tokens; the rest are cut
    assert plan.samples(0, 1)[0].documents[0].dtype == np.int64


def test_epochs_differ_and_samples_are_a_look_up(tokens):
    plan = make_plan(tokens, 64, 0.1, seed=1)
    n = len(plan.train)
    first, second = plan.items(0, n), plan.items(n, n)
    assert sorted(first) == sorted(second) == list(range(n))
    assert (first != second).any()
    assert plan.items(n - 3, 6).tolist() == [*first[-3:], *second[:3]]
    assert plan.items(5 * n + 2, 1)[0] == make_plan(tokens, 64, 0.1, seed=1).items(5 * n, n)[2]
    assert plan.lengths(n - 3, 6).tolist() == [len(d) for s in plan.samples(n - 3, 6) for d in s.documents]
    assert plan.count_tokens(n - 3, 6) == sum(len(d) for s in plan.samples(n - 3, 6) for d in s.documents)


def test_seed_length_and_text_decide_the_digest(tokens):
    plan = make_plan(tokens, 64, 0.1, seed=1)
    assert plan.digest == make_plan(tokens, 64, 0.1, seed=1).digest
    others = [make_plan(tokens, 64, 0.1, 2), make_plan(tokens, 32, 0.1, 1), make_plan(tokens, 64, 0.2, 1)]
    changed = Tokens(
        tokens.folder, {"files": {**tokens.digests, "tokens.bin": "cc"}}, tokens.ids, tokens.starts, tokens.lengths
    )
    others.append(make_plan(changed, 64, 0.1, 1))
    assert len({plan.digest, *(other.digest for other in others)}) == 5


def test_held_out_documents_are_a_fair_share_and_do_not_depend_on_the_seed():
    held = is_validation(100_000, 0.01)
    assert 900 < held.sum() < 1100
    assert is_validation(50_000, 0.01).tolist() == held[:50_000].tolist()  # more text holds no other documents out
    assert not is_validation(1000, 0.0).any()
    assert is_validation(5, 1e-9).sum() == 1
    assert not is_validation(1, 0.01).any()


def test_index_on_disk_is_the_plan(tokens, tmp_path):
    plan = make_plan(tokens, 64, 0.1, seed=1)
    with draft_plan(plan, tmp_path / "plan"):
        assert not (tmp_path / "plan").exists()
    found = load_plan(tmp_path / "plan", tokens, 64, 0.1, 1)
    assert isinstance(found.train.starts, np.memmap)
    assert found.digest == plan.digest
    for ours, theirs in zip(plan.samples(70, 40), found.samples(70, 40), strict=True):
        assert [d.tolist() for d in ours.documents] == [d.tolist() for d in theirs.documents]
    assert checked_stamp(tmp_path / "plan") == stamp(tokens.folder)
    assert load_plan(tmp_path / "plan", tokens, 64, 0.1, 2) is None
    assert load_plan(tmp_path / "nothing", tokens, 64, 0.1, 1) is None


@pytest.mark.parametrize("keep", [0, 40, -1])
def test_a_broken_index_is_not_used(tokens, tmp_path, keep):
    with draft_plan(make_plan(tokens, 64, 0.1, seed=1), tmp_path / "plan"):
        pass
    file = tmp_path / "plan" / "train_starts.npy"
    data = file.read_bytes()
    file.write_bytes(data[:keep] if keep >= 0 else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert load_plan(tmp_path / "plan", tokens, 64, 0.1, 1) is None


def test_same_order_in_another_process():
    program = (
        "import numpy as np\nfrom pathlib import Path\nfrom model.training.data.order import make_plan\nfrom"
        " model.training.data.tokens import Tokens\nlengths = np.arange(200) * 37 % 101\ntokens = Tokens(Path('t'),"
        " {'files': {'tokens.bin': 'aa', 'tokens.idx': 'bb'}}, None, np.cumsum(lengths) - lengths, lengths)\nplan ="
        " make_plan(tokens, 64, 0.1, 1)\nprint(plan.digest, plan.items(0, 400).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    plan = make_plan(tokens_of([i * 37 % 101 for i in range(200)]), 64, 0.1, 1)
    assert done.stdout.strip() == f"{plan.digest} {plan.items(0, 400).tolist()}"


def test_order_is_pinned():
    """A change of hash or packing would silently change what a resumed run reads: it must raise FORMAT, and these
    numbers with it."""
    plan = make_plan(tokens_of([5, 9, 3, 3, 8, 1, 7, 20, 4, 2]), 10, 0.2, seed=3)
    assert [[(int(d[0]), len(d)) for d in s.documents] for s in plan.samples(0, 2 * len(plan.train))] == PINNED


PINNED = [
    [(56, 4), (0, 5)], [(46, 10)], [(36, 10)], [(17, 3)], [(20, 8)], [(5, 9)],
    [(56, 4), (0, 5)], [(20, 8)], [(5, 9)], [(36, 10)], [(17, 3)], [(46, 10)],
]  # fmt: skip
