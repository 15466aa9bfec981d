"""Labels and sources of a pack; loss, its parts and its gradients against transformers' Qwen3, also over two ranks."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import UserError
from conf.schema import CausalConfig, ParallelConfig
from model.hf.decoder.folder import export_decoder
from model.megatron.metrics import COUNT, Report
from model.megatron.step import distribute, eval_step
from model.nets.decoder import Decoder, build_decoder
from model.nets.decoder_layer import transformer_config
from model.objectives.causal import Causal
from model.objectives.linear_cross_entropy import IGNORED
from model.training.data.sample import Sample
from tests.model.nets.decoder_peers import SMALL, randomise, theirs, translate
from tests.processes import run_ranks

NET = SMALL["qwen3"]
NAMES = ("law", "news", "wiki")
LENGTHS, SOURCES = [[40, 3, 1], [60], [2, 31]], [[1, 0, 1], [0], [0, 1]]  # nothing of the third
SCRIPT = Path(__file__).with_name("two_ranks.py")


@pytest.fixture
def samples():
    draw = np.random.default_rng(0)
    documents = [[draw.integers(0, NET.vocab_size, length) for length in lengths] for lengths in LENGTHS]
    return [Sample(index, *parts) for index, parts in enumerate(zip(documents, SOURCES, strict=True))]


@pytest.fixture
def net():
    return randomise(build_decoder(NET), NET)


def causal(**values):
    return Causal(CausalConfig(**{"chunk_tokens": 48} | values), NET.vocab_size, NAMES)


def parameters_of(net):
    return {name: parameter.detach() for name, parameter in net.named_parameters()}


def documents_of(samples):
    return [torch.from_numpy(document) for sample in samples for document in sample.documents]


def peer_losses(peer, samples):
    """Sum of transformers' own loss of each document; 0 for one of a single token, of which it makes no number."""
    found = []
    for document in documents_of(samples):
        loss = peer(input_ids=document[None], labels=document[None]).loss if len(document) > 1 else torch.zeros(())
        found.append(loss * (len(document) - 1))
    return torch.stack(found)


def test_labels_are_the_next_tokens_of_the_same_document(samples):
    batch = causal().batch(samples, train=True)
    expected = [label for document in documents_of(samples) for label in [*document[1:].tolist(), IGNORED]]
    assert batch.labels.tolist() == expected and batch.pack.tokens.tolist() == torch.cat(documents_of(samples)).tolist()
    assert batch.sources.tolist() == [1] * 40 + [0] * 3 + [1] + [0] * 60 + [0] * 2 + [1] * 31
    assert batch.to("meta").labels.device.type == batch.to("meta").sources.device.type == "meta"
    without = [dataclasses.replace(sample, sources=[]) for sample in samples]
    assert not causal().batch(without, train=True).sources.any()


def test_a_token_beyond_the_vocabulary_is_refused(samples):
    samples[1].documents[0][5] = NET.vocab_size
    with pytest.raises(UserError, match=r"token 200, beyond model.vocab_size=200; .*tokenizer"):
        causal().batch(samples, train=True)
    with pytest.raises(UserError, match=r"objective.chunk_tokens=0"):
        causal(chunk_tokens=0)


def test_loss_by_source_and_gradients_are_those_of_transformers(samples, net):
    """The table is tied: its gradient is the sum of what embedding and head give it, here as Megatron-Core's data
    parallelism keeps it."""
    peer, objective = theirs(NET, parameters_of(net)), causal()
    model = distribute(net, ParallelConfig(threads=1))
    model.zero_grad_buffer()
    report = Report()
    total, number = objective.loss(model, objective.batch(samples, train=True), report)
    losses = peer_losses(peer, samples)
    assert total.item() == pytest.approx(losses.sum().item(), rel=1e-5)
    assert (
        number.item() == sum(length - 1 for lengths in LENGTHS for length in lengths) and not number.is_floating_point()
    )
    for source, name in enumerate(NAMES):
        chosen = torch.tensor([number == source for numbers in SOURCES for number in numbers])
        tokens = sum(len(d) - 1 for d, taken in zip(documents_of(samples), chosen, strict=True) if taken)
        entry = f"loss_by_source/{name}"
        assert report.sums[entry].item() == pytest.approx(losses[chosen].sum().item(), rel=1e-5)
        assert report.sums[report.divisors[entry]].item() == tokens
    assert set(report.divisors) == {"accuracy", *(f"loss_by_source/{name}" for name in NAMES)}

    total.backward()
    losses.sum().backward()
    found = translate(NET, {name: parameter.main_grad for name, parameter in net.named_parameters()})
    for name, parameter in peer.named_parameters():
        assert (found[name] - parameter.grad).norm() <= 1e-4 * parameter.grad.norm(), name
    assert not net.embedding.word_embeddings.weight.main_grad[NET.vocab_size :].any()


@torch.no_grad()
def test_correct_counts_hits(samples, net):
    batch = causal().batch(samples, train=False)
    best = net.eval()(batch.pack).argmax(-1)
    third = torch.arange(len(best)) % 3 == 0
    labels = torch.where(third & (batch.labels >= 0), best, batch.labels)
    expected = (labels == best).sum().item()
    report = Report()
    causal().loss(net, dataclasses.replace(batch, labels=labels), report)
    assert report.sums["accuracy"].item() == expected > 40


def test_z_loss_is_trained_with_and_told_apart(samples, net):
    plain, weighed = causal(), causal(z_loss=0.01)
    batch = plain.batch(samples, train=True)
    kept = batch.labels >= 0
    logits = net(batch.pack)[kept, : NET.vocab_size]
    penalty = 0.01 * (logits.logsumexp(1) ** 2).sum()
    cross_entropy = torch.nn.functional.cross_entropy(logits, batch.labels[kept], reduction="sum")
    report = Report()
    total, _ = weighed.loss(net, batch, report)
    assert report.sums["z_loss"].item() == pytest.approx(penalty.item(), rel=1e-4)
    assert total.item() == pytest.approx((cross_entropy + penalty).item(), rel=1e-5)
    parameters = list(net.parameters())
    expected = torch.autograd.grad(cross_entropy + penalty, parameters)
    for found, true in zip(torch.autograd.grad(total, parameters), expected, strict=True):
        assert (found - true).norm() <= 1e-4 * true.norm()
    with torch.no_grad():  # evaluation: the plain loss
        told = Report()
        evaluated, _ = weighed.loss(net, batch, told)
    assert evaluated.item() == pytest.approx(cross_entropy.item(), rel=1e-5)
    assert set(told.sums) == {"accuracy"}


def test_by_source_can_be_left_out(samples, net):
    objective = causal(by_source=False)
    report = Report()
    objective.loss(net, objective.batch(samples, train=True), report)
    assert set(report.sums) == {"accuracy"}


def test_evaluation_by_micro_batches_sums_up(samples, net):
    """The same names in every batch, whatever sources it holds."""
    objective, model = causal(), distribute(net, ParallelConfig(threads=1))
    together = eval_step(model, objective.loss, [objective.batch(samples, train=False)])
    apart = eval_step(model, objective.loss, [objective.batch([sample], train=False) for sample in samples])
    assert apart.count == together.count and apart.loss == pytest.approx(together.loss, rel=1e-5)
    assert apart.metrics == pytest.approx(together.metrics, rel=1e-5)


def test_a_stage_without_the_head_hands_on_its_states(samples):
    parallel = ParallelConfig(threads=1)
    first = Decoder(NET, transformer_config(NET, parallel), pre_process=True, post_process=False)
    batch = causal().batch(samples, train=True)
    assert causal().loss(first, batch).shape == (len(batch.pack.tokens), 1, NET.hidden_size)


def test_over_two_ranks(samples, net, tmp_path):
    """The head against Megatron-Core's loss (in the script); the net, with it or the pack cut in two, against
    transformers."""
    export_decoder(net, NET, tmp_path / "given")
    np.savez(tmp_path / "documents.npz", *documents_of(samples))
    done = run_ranks([SCRIPT, tmp_path])
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("agrees") == 2 * 6
    peer = theirs(NET, parameters_of(net))
    losses = peer_losses(peer, samples)
    losses.sum().backward()
    gradient = peer.model.embed_tokens.weight.grad.norm().item()
    sources = [number for numbers in SOURCES for number in numbers]
    for how in ("whole", "sequence", "context"):
        with np.load(tmp_path / f"{how}.npz") as found:
            assert found["loss"] == pytest.approx(losses.sum().item(), rel=1e-5)
            assert found["table"] == pytest.approx(gradient, rel=1e-4)
            norm = peer.model.layers[0].input_layernorm.weight.grad.numpy()
            assert np.linalg.norm(found["norm"] - norm) <= 1e-4 * np.linalg.norm(norm)
            predicted = sum(found[f"{COUNT}:loss_by_source/{name}"] for name in ("law", "news"))
            assert predicted == sum(length - 1 for lengths in LENGTHS for length in lengths)
            for number, name in enumerate(NAMES):
                expected = sum(loss.item() for loss, source in zip(losses, sources, strict=True) if source == number)
                assert found[f"loss_by_source/{name}"] == pytest.approx(expected, rel=1e-5)
