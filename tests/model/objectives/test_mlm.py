"""Masks: their shares, what they depend on, words; and the loss against PyTorch's."""

import dataclasses

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from common.errors import UserError
from conf.schema import EncoderConfig, MlmConfig
from model.megatron.metrics import Report
from model.nets.encoder import build_encoder
from model.objectives.mlm import Mlm
from model.training.data.sample import Sample

CLS, SEP, MASK = 2, 3, 4


def make_samples(count, length=200, first=0):
    """Samples of two documents each, wrapped in [CLS] and [SEP]."""
    samples = []
    for index in range(first, first + count):
        draw = np.random.default_rng(index)
        samples.append(
            Sample(
                index, [np.array([CLS, *draw.integers(5, 300, n), SEP]) for n in (length // 4, length - length // 4)]
            )
        )
    return samples


def tokens_of(samples):
    return np.concatenate([document for sample in samples for document in sample.documents])


@pytest.fixture
def mlm(tokenizer_folder):
    return Mlm(MlmConfig(), tokenizer_folder, seed=7)


@pytest.mark.parametrize("train, rate", [(True, 0.3), (False, 0.15)])
def test_shares(mlm, train, rate):
    samples = make_samples(200)
    batch, tokens = mlm.batch(samples, train=train), tokens_of(samples)
    ordinary = (tokens >= 5).sum()
    number = len(batch.selected)
    assert abs(number - rate * ordinary) < 5 * (ordinary * rate * (1 - rate)) ** 0.5
    shown, labels = batch.pack.tokens[batch.selected], batch.labels
    masked, kept = (shown == MASK).sum().item(), (shown == labels).sum().item()
    swapped = number - masked - kept
    for found, share in ((masked, 0.8), (swapped, 0.1), (kept, 0.1)):
        assert abs(found - share * number) < 5 * (number * share * (1 - share)) ** 0.5
    random_tokens = shown[(shown != MASK) & (shown != labels)]
    assert random_tokens.min() >= 5 and len(random_tokens.unique()) > 100
    per_sample = torch.bincount(batch.selected // 204, minlength=200)
    assert per_sample.float().std() > 2  # independent draws, not a fixed number


def test_what_is_not_predicted_is_shown_as_it_is(mlm):
    samples = make_samples(20)
    batch, tokens = mlm.batch(samples, train=True), torch.from_numpy(tokens_of(samples))
    assert batch.pack.lengths == [len(document) for sample in samples for document in sample.documents]
    assert torch.equal(batch.labels, tokens[batch.selected])
    assert torch.equal(batch.selected, batch.selected.unique())
    rest = torch.ones(len(tokens), dtype=torch.bool).index_fill(0, batch.selected, False)
    assert torch.equal(batch.pack.tokens[rest], tokens[rest])


def test_special_tokens_are_never_predicted(mlm):
    batch = mlm.batch(make_samples(100, length=8), train=True)
    assert batch.labels.min() >= 5


def test_the_mask_depends_on_seed_phase_sample_and_purpose_alone(mlm, tokenizer_folder):
    samples = make_samples(6)
    together = mlm.batch(samples, train=True)
    again = Mlm(MlmConfig(), tokenizer_folder, seed=7).batch(
        samples[3:], train=True
    )  # another object, batch, order of calls
    assert torch.equal(again.pack.tokens, together.pack.tokens[3 * 204 :])
    assert torch.equal(again.selected, together.selected[together.selected >= 3 * 204] - 3 * 204)
    np.random.seed(0)
    assert torch.equal(mlm.batch(samples, train=True).selected, together.selected)
    same_text = [dataclasses.replace(sample, index=sample.index + 1000) for sample in samples]
    for other in (
        mlm.batch(samples, train=True, phase=1),
        mlm.batch(same_text, train=True),
        Mlm(MlmConfig(), tokenizer_folder, seed=8).batch(samples, train=True),
        Mlm(MlmConfig(eval_mask_rate=0.3), tokenizer_folder, seed=7).batch(samples, train=False),
    ):
        common = np.intersect1d(other.selected, together.selected)
        assert len(common) < 0.5 * len(together.selected)  # 0.3 by chance


def test_every_sample_has_a_prediction_if_it_can(mlm):
    short = [Sample(index, [np.array([CLS, 50, SEP])]) for index in range(50)]
    assert mlm.batch(short, train=True).selected.tolist() == [3 * index + 1 for index in range(50)]
    nothing = mlm.batch([Sample(0, [np.array([CLS, SEP])])], train=True)
    assert len(nothing.selected) == len(nothing.labels) == 0
    assert nothing.pack.tokens.tolist() == [CLS, SEP]


def test_whole_words(tokenizer_folder, sample_text):
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    encodings = [tokenizer.encode(sample_text(seed, 60)) for seed in range(80)]
    samples = [Sample(seed, [np.array([CLS, *encoding.ids, SEP])]) for seed, encoding in enumerate(encodings)]
    offsets = np.cumsum([0, *(len(sample.documents[0]) for sample in samples)])
    partial = {}
    for whole_word in (True, False):
        batch = Mlm(MlmConfig(whole_word=whole_word), tokenizer_folder, seed=0).batch(samples, train=True)
        chosen = np.isin(np.arange(offsets[-1]), batch.selected)
        by_word = [
            np.bincount(encoding.word_ids, chosen[start + 1 : start + 1 + len(encoding.ids)])
            / np.bincount(encoding.word_ids)
            for start, encoding in zip(offsets, encodings, strict=False)
        ]
        shares = np.concatenate(by_word)
        partial[whole_word] = ((shares > 0) & (shares < 1)).mean()
        assert abs((shares.mean() if whole_word else chosen.mean()) - 0.3) < 0.03
    assert partial[True] == 0.0 and partial[False] > 0.3


def test_words_end_with_their_document(tokenizer_folder):
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    letter = tokenizer.token_to_id("k")
    samples = [Sample(index, [np.array([letter])] * 40) for index in range(20)]
    assert len(Mlm(MlmConfig(whole_word=True), tokenizer_folder, seed=0).batch(samples, train=True).selected) < 400
    joined = [Sample(index, [np.array([letter] * 40)]) for index in range(20)]
    assert len(Mlm(MlmConfig(whole_word=True), tokenizer_folder, seed=0).batch(joined, train=True).selected) == 800


def test_whole_words_are_refused_at_once_where_they_cannot_be_told(tokenizer_folder, tmp_path):
    text = (tokenizer_folder / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text.replace("ByteLevel", "Fuse"))
    Mlm(MlmConfig(), tmp_path, seed=0)
    with pytest.raises(UserError, match=r"set objective.whole_word=false"):
        Mlm(MlmConfig(whole_word=True), tmp_path, seed=0)


@pytest.fixture
def model():
    config = EncoderConfig(
        vocab_size=300, num_layers=2, hidden_size=32, num_heads=2, ffn_size=48, max_positions=512, init_std=0.3
    )
    return build_encoder(config).eval()


def test_loss_is_cross_entropy(mlm, model):
    batch = mlm.batch(make_samples(8), train=True)
    report = Report()
    loss, number = mlm.loss(model, batch, report)
    logits = model(batch.pack, batch.selected)
    expected = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum")
    assert loss.dtype == torch.float32 and loss.shape == ()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert number.item() == len(batch.labels) and not number.is_floating_point()
    told = report.close(loss, number).sums["mlm_loss_sum"]
    assert told.item() == loss.item() and told.data_ptr() != loss.data_ptr()
    assert report.sums["accuracy"].item() == (logits.argmax(-1) == batch.labels).sum().item()
    found, true = torch.autograd.grad(loss, model.parameters()), torch.autograd.grad(expected, model.parameters())
    for a, b in zip(found, true, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_correct_counts_hits(mlm, model):
    batch = mlm.batch(make_samples(8), train=True)
    best = model(batch.pack, batch.selected).argmax(-1)
    half = torch.where(torch.arange(len(best)) % 2 == 0, best, (best + 1) % 300)
    for labels, hits in ((best, len(best)), (half, (len(best) + 1) // 2)):
        report = Report()
        mlm.loss(model, dataclasses.replace(batch, labels=labels), report)
        assert report.sums["accuracy"].item() == hits


def test_a_batch_with_nothing_to_predict(mlm, model):
    report = Report()
    loss, number = mlm.loss(model, mlm.batch([Sample(0, [np.array([CLS, SEP])])], train=True), report)
    assert loss.item() == number.item() == report.sums["accuracy"].item() == 0
    loss.backward()
    assert all(parameter.grad is None or parameter.grad.abs().sum() == 0 for parameter in model.parameters())


def test_training_lowers_the_loss(mlm, model):
    """The untrained loss is near log V; a few steps on one batch must cut it."""
    batch = mlm.batch(make_samples(4, length=60), train=True)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss, number = mlm.loss(model, batch)
        optimizer.zero_grad()
        (loss / number).backward()
        optimizer.step()
        losses.append((loss / number).item())
    assert losses[-1] < 0.5 * losses[0]
