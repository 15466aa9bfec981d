"""Head and cross-entropy in one, a chunk of tokens at a time, so that the logits of all tokens are never held."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.autograd.function import FunctionCtx, once_differentiable

IGNORED = -100
"""Label of a token that predicts nothing; any negative one is taken as such."""


class Losses(NamedTuple):
    """What the head makes of the hidden states."""

    total: torch.Tensor
    """Cross-entropy and z-loss summed over the tokens, fp32 scalar; the only one that can be differentiated."""
    by_token: torch.Tensor
    """Cross-entropy of each token, `[M]` fp32; 0 where the label is ignored."""
    correct: torch.Tensor
    """Number of tokens whose label has the greatest logit, int64 scalar."""


def linear_cross_entropy(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    labels: torch.Tensor,
    vocab_size: int,
    z_loss: float = 0.0,
    chunk_tokens: int = 1024,
    tp_group: torch.distributed.ProcessGroup | None = None,
) -> Losses:
    """Cross-entropy of `labels` `[M]` under the logits `hidden` `[M, H]` x `weight` `[V, H]` + `bias` `[V]`.

    Over a tensor-parallel group `weight` and `bias` are this rank's rows of a table that may be longer than
    `vocab_size`; rows beyond it take no part. `z_loss` weighs the square of the log of the softmax's denominator (PaLM,
    arXiv 2204.02311, section 5). The gradient of `hidden` covers this rank's rows alone and is to be summed over the
    group.

    The gradients are computed together with the loss, while the logits of a chunk of `chunk_tokens` are there, and
    scaled in backward (the loss is a scalar): what stays is of the size of `hidden` and `weight`, never `[M, V]`.
    Backward may therefore run once. Without gradient (evaluation) none is computed."""
    head = _Head(weight, bias, vocab_size, z_loss, tp_group)
    return Losses(*_Chunked.apply(hidden, weight, bias, labels, head, chunk_tokens, torch.is_grad_enabled()))


class _Head:
    """This rank's columns of the head."""

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        vocab_size: int,
        z_loss: float,
        group: torch.distributed.ProcessGroup | None,
    ):
        self.group = group if group is not None and group.size() > 1 else None
        self.first = group.rank() * len(weight) if self.group else 0
        present = min(len(weight), vocab_size - self.first)
        self.empty = present <= 0
        self.columns = max(1, present)  # a rank that has padding alone keeps one column, without weight in any sum
        self.weight = weight.detach()[: self.columns]
        self.bias = None if bias is None else bias.detach()[: self.columns]
        self.z_loss = z_loss

    def logits(self, hidden: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """`[m, H]` -> `[m, columns]`, in `out`."""
        logits = torch.mm(hidden, self.weight.T, out=out[: len(hidden)])
        if self.bias is not None:
            logits += self.bias
        return logits.fill_(torch.finfo(logits.dtype).min / 2) if self.empty else logits

    def chunk(self, logits: torch.Tensor, labels: torch.Tensor) -> "_Chunk":
        """Losses of the tokens of `logits`, which are overwritten where they are fp32 already."""
        here = labels - self.first
        elsewhere = (here < 0) | (here >= self.columns)
        here = here.masked_fill(elsewhere, 0).unsqueeze(1)
        picked = logits.gather(1, here).squeeze(1).float().masked_fill_(elsewhere, 0.0)
        best = logits.amax(dim=1).float()
        shares = (
            torch.softmax(logits, 1, out=logits)
            if logits.dtype == torch.float32
            else torch.softmax(logits, 1, torch.float32)
        )
        log_sum = local = (
            best - shares.amax(dim=1).log_()
        )  # the share of the best column is at least 1 / V, so its log is exact enough
        if self.group:
            best, log_sum, picked = self._over_ranks(best, local, picked)
        return _Chunk(shares, here, ~elsewhere, local, log_sum, picked, best)

    def _over_ranks(
        self, best: torch.Tensor, local: torch.Tensor, picked: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Greatest logit, log of the sum of exponentials, and the label's logit over all columns, `[m]` each."""
        greatest = torch.stack((best, local))
        torch.distributed.all_reduce(greatest, torch.distributed.ReduceOp.MAX, self.group)
        sums = torch.stack((torch.exp(local - greatest[1]), picked))
        torch.distributed.all_reduce(sums, group=self.group)
        return greatest[0], greatest[1] + sums[0].log(), sums[1]

    def slope(self, chunk: "_Chunk") -> torch.Tensor:
        """Gradient of the losses in the logits, `[m, columns]`; takes the place of the shares."""
        slope = chunk.shares
        if self.group:
            slope *= torch.exp(chunk.local - chunk.log_sum).unsqueeze(1)
        if self.z_loss:
            slope *= (1 + 2 * self.z_loss * chunk.log_sum).unsqueeze(1)
        return slope.scatter_add_(1, chunk.here, -chunk.is_here.unsqueeze(1).to(slope.dtype)).to(self.weight.dtype)


@dataclass
class _Chunk:
    """Some tokens' losses and what their gradient needs."""

    shares: torch.Tensor
    """Softmax over this rank's columns, `[m, columns]` fp32."""
    here: torch.Tensor
    """Column of the label, `[m, 1]`; 0 where another rank has it."""
    is_here: torch.Tensor
    """Whether this rank has it, `[m]`."""
    local: torch.Tensor
    """Log of the sum of exponentials of this rank's columns, `[m]` fp32."""
    log_sum: torch.Tensor
    """Likewise of all columns."""
    picked: torch.Tensor
    """The label's logit, `[m]` fp32."""
    best: torch.Tensor
    """Greatest logit, `[m]` fp32."""


class _Gradients:
    """Gradients of hidden states, weight and bias, each None where it is not wanted."""

    def __init__(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, wanted: tuple[bool, bool, bool]
    ):
        # Sums over chunks are taken in fp32: in bf16 the many small contributions to a row of the table would be
        # rounded away.
        self.hidden = torch.empty_like(hidden) if wanted[0] else None
        self.weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        self.bias = torch.zeros_like(bias, dtype=torch.float32) if wanted[2] else None

    def add(self, head: _Head, tokens: slice, slope: torch.Tensor, hidden: torch.Tensor, kept: torch.Tensor) -> None:
        """Add the tokens `tokens` with hidden states `hidden` `[m, H]`, of which `kept` `[m, 1]` (1 or 0) have a
        label."""
        if self.hidden is not None:
            torch.mm(slope, head.weight, out=self.hidden[tokens]).mul_(kept)
        if self.weight is not None:
            rows = self.weight[: head.columns]
            if slope.dtype == torch.float32:
                rows.addmm_(slope.T, hidden * kept)
            else:
                rows += slope.T @ (hidden * kept)
        if self.bias is not None:
            self.bias[: head.columns] += (kept.T @ slope).squeeze(0)

    def like(self, *parameters: torch.Tensor | None) -> list[torch.Tensor | None]:
        """The gradients in the types of what they belong to."""
        gradients = (self.hidden, self.weight, self.bias)
        return [None if g is None else g.to(p.dtype) for g, p in zip(gradients, parameters, strict=True)]


class _Chunked(torch.autograd.Function):
    """See `linear_cross_entropy`."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        head: _Head,
        chunk_tokens: int,
        train: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Losses; with `train` the gradients too."""
        train = train and any(ctx.needs_input_grad[:3])
        gradients = _Gradients(hidden, weight, bias, ctx.needs_input_grad[:3]) if train else None
        tokens, kept = len(hidden), labels >= 0
        by_token, log_sums = torch.empty(2, tokens, dtype=torch.float32, device=hidden.device)
        correct = torch.zeros((), dtype=torch.int64, device=hidden.device)
        room = hidden.new_empty(min(chunk_tokens, tokens), head.columns)
        for start in range(0, tokens, chunk_tokens):
            part = slice(start, start + chunk_tokens)
            chunk = head.chunk(head.logits(hidden[part], room), labels[part])
            by_token[part], log_sums[part] = chunk.log_sum - chunk.picked, chunk.log_sum
            correct += ((chunk.picked == chunk.best) & kept[part]).sum()
            if gradients:
                gradients.add(head, part, head.slope(chunk), hidden[part], kept[part].unsqueeze(1).to(hidden.dtype))
        by_token.masked_fill_(~kept, 0.0)
        total = by_token.sum()
        if head.z_loss:
            total += head.z_loss * log_sums.masked_fill_(~kept, 0.0).square().sum()
        ctx.gradients = gradients.like(hidden, weight, bias) if gradients else None
        ctx.mark_non_differentiable(by_token, correct)
        return total, by_token, correct

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradients, scaled in place by that of the total. Raises RuntimeError the second time."""
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError(
                "the gradients of a chunked loss were handed on by the first backward; compute the loss again"
            )
        return *(None if gradient is None else gradient.mul_(grad) for gradient in gradients), None, None, None, None
