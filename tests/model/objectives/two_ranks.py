"""``two_ranks.py FOLDER``, on two ranks: the chunked loss over a table cut in two, and the objective over a net cut in
two.

Prints a line for every case of the table that agrees with Megatron-Core's loss over whole logits and with the whole
table, on every rank. Writes loss and gradients of the net FOLDER/given over FOLDER/documents.npz: cut in two without
and with the sequence, and whole on both ranks with the pack cut."""

import sys
from pathlib import Path

import numpy as np
import torch
from megatron.core.distributed import finalize_model_grads
from megatron.core.tensor_parallel import copy_to_tensor_model_parallel_region, vocab_parallel_cross_entropy

from conf.schema import ParallelConfig
from model.hf.decoder.folder import load_weights
from model.megatron import ranks, startup
from model.megatron.metrics import Report
from model.megatron.step import distribute
from model.nets.decoder import build_decoder
from model.objectives.linear_cross_entropy import IGNORED, linear_cross_entropy
from model.training.data.sample import Sample
from tests.model.objectives.test_causal import NET, SOURCES, causal

TOKENS, HIDDEN, ROWS = 50, 16, 128


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Raise where they differ by more than rounding."""
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def check_table(vocab_size: int, z_loss: float) -> None:
    """Losses and gradients over half of the rows each; raises where they are wrong."""
    rank, group = torch.distributed.get_rank(), torch.distributed.group.WORLD
    mine = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    torch.manual_seed(vocab_size)
    hidden = torch.randn(TOKENS, HIDDEN, requires_grad=True)
    table, bias = (3 * torch.randn(ROWS, HIDDEN)).requires_grad_(), torch.randn(ROWS, requires_grad=True)
    labels = torch.randint(vocab_size, (TOKENS,))
    labels[::7] = IGNORED
    part, part_bias = (whole[mine].detach().clone().requires_grad_() for whole in (table, bias))

    cut = linear_cross_entropy(
        copy_to_tensor_model_parallel_region(hidden), part, part_bias, labels, vocab_size, z_loss, 16, group
    )
    found = torch.autograd.grad(cut.total, (hidden, part, part_bias))
    alone = linear_cross_entropy(hidden, table, bias, labels, vocab_size, z_loss, 16)
    expected = torch.autograd.grad(alone.total, (hidden, table, bias))
    close(cut.total, alone.total)
    assert cut.correct == alone.correct
    close(found[0], expected[0])
    for gradient, whole in zip(found[1:], expected[1:], strict=True):
        close(gradient, whole[mine])

    kept = labels >= 0
    logits = torch.nn.functional.linear(hidden, part, part_bias)[kept]
    theirs = vocab_parallel_cross_entropy(
        logits.masked_fill(torch.arange(ROWS)[mine] >= vocab_size, -torch.inf), labels[kept]
    )
    close(cut.by_token[kept], theirs.detach())
    if not z_loss:
        for gradient, peer in zip(found[1:], torch.autograd.grad(theirs.sum(), (part, part_bias)), strict=True):
            close(gradient, peer)
    print(f"{vocab_size} {z_loss} agrees on rank {rank}", flush=True)


def check_net(folder: Path, parallel: ParallelConfig, file: Path) -> None:
    """Write loss, sums, and of the gradient the first norm's and the table's length."""
    net = build_decoder(NET)
    load_weights(net, NET, folder / "given")
    model = distribute(net, parallel)
    model.zero_grad_buffer()
    with np.load(folder / "documents.npz") as found:
        sample = Sample(0, [found[name] for name in found.files], [number for numbers in SOURCES for number in numbers])
    objective = causal()
    report = Report()
    loss, _ = objective.loss(model, objective.batch([sample], train=True), report)
    loss.backward()
    finalize_model_grads([model])
    table = net.embedding.word_embeddings.weight.main_grad.square().sum()
    values = {"loss": loss.detach(), **report.sums}
    for value in [table] if parallel.tensor == 2 else values.values():  # what each rank has a part of
        torch.distributed.all_reduce(value)
    if ranks.is_first():
        norm = net.decoder.layers[0].input_layernorm.weight.main_grad
        np.savez(
            file, norm=norm.numpy(), table=table.sqrt().item(), **{name: value.item() for name, value in values.items()}
        )


def main() -> None:
    """Both."""
    folder = Path(sys.argv[1])
    for how in ("whole", "sequence"):
        parallel = ParallelConfig(tensor=2, sequence=how == "sequence", threads=1)
        startup.start(parallel, seed=3)
        check_net(folder, parallel, folder / f"{how}.npz")
    for vocab_size in (128, 100, 40):  # whole; the second rank has padding; it has nothing else
        for z_loss in (0.0, 0.2):
            check_table(vocab_size, z_loss)
    startup.stop()
    parallel = ParallelConfig(context=2, distributed_optimizer=False, threads=1)  # gradients whole on both ranks
    startup.start(parallel, seed=3)
    check_net(folder, parallel, folder / "context.npz")


if __name__ == "__main__":
    main()
