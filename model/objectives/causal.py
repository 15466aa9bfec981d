"""Causal language modelling: predict the next token of the same document."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from megatron.core.utils import get_attr_wrapped_model

from common.errors import UserError
from conf.schema import CausalConfig, Config
from model.megatron.metrics import Record, unrecorded
from model.nets.pack import Pack
from model.objectives.linear_cross_entropy import IGNORED, linear_cross_entropy
from model.objectives.objective import Objective
from model.training.data.packed_tokens import PackedTokens
from model.training.data.sample import Sample
from model.training.data.source import DataOrder


@dataclass
class CausalBatch:
    """Samples end to end, and what each token is to predict."""

    pack: Pack
    """What the net is shown."""
    labels: torch.Tensor
    """The next token of the same document, `[T]` int64; `IGNORED` at a document's last."""
    sources: torch.Tensor
    """Number of the source that each token comes from, `[T]` int64."""

    def to(self, device: torch.device | str) -> "CausalBatch":
        """The same batch on `device`."""
        parts = {name: getattr(self, name).to(device, non_blocking=True) for name in ("labels", "sources")}
        return replace(self, pack=self.pack.to(device), **parts)


class Causal(Objective):
    """Predict the next token, within documents; the last token of each predicts nothing."""

    source, unit = PackedTokens, "tokens"

    def __init__(self, config: CausalConfig, vocab_size: int, sources: Sequence[str] = ()):
        """`vocab_size`: tokens that can be predicted. `sources`: names of the numbers in `Sample.sources`."""
        if config.chunk_tokens < 1:
            raise UserError(f"objective.chunk_tokens={config.chunk_tokens} must be at least 1; raise it")
        self.config, self.vocab_size, self.sources = config, vocab_size, tuple(sources)

    @classmethod
    def build(cls, config: Config, order: DataOrder) -> "Causal":
        """See `Objective.build`."""
        return cls(config.objective, config.model.vocab_size, order.sources)

    def batch(self, samples: list[Sample], train: bool, phase: int = 0) -> CausalBatch:
        """One micro-batch of `samples`; nothing is drawn at random, so `train` and `phase` change nothing.

        Raises UserError for a token beyond the vocabulary: on a GPU it would be read as another one.
        """
        pack = Pack.from_documents([document for sample in samples for document in sample.documents])
        if (highest := int(pack.tokens.max())) >= self.vocab_size:
            size = self.vocab_size
            raise UserError(
                f"the data hold token {highest}, beyond model.vocab_size={size}; tokenise them with the net's own"
                " tokenizer"
            )
        labels = pack.tokens.roll(-1)
        labels[pack.cu_seqlens[1:].long() - 1] = IGNORED
        of_document = [source for sample in samples for source in sample.sources or [0] * len(sample.documents)]
        return CausalBatch(
            pack, labels, torch.from_numpy(np.repeat(np.array(of_document, dtype=np.int64), pack.lengths))
        )

    def loss(
        self, model: torch.nn.Module, batch: CausalBatch, record: Record = unrecorded
    ) -> tuple[torch.Tensor, torch.Tensor] | torch.Tensor:
        """Cross-entropy summed over the predicted tokens, and their number; see `Objective.loss`.

        Records `accuracy`; in training, that is with gradients, `z_loss` and, with `objective.by_source`,
        `loss_by_source/<name>`. In training the loss has the z-loss on top; in validation it has not, so that its mean
        is the log of the perplexity. Under context parallelism all are of this rank's tokens."""
        own = get_attr_wrapped_model(model, "own")
        labels, train = own(batch.labels), torch.is_grad_enabled()
        head = partial(
            linear_cross_entropy,
            labels=labels,
            vocab_size=self.vocab_size,
            z_loss=self.config.z_loss if train else 0.0,
            chunk_tokens=self.config.chunk_tokens,
            tp_group=get_attr_wrapped_model(model, "tp_group"),
        )
        output = model(batch.pack, head=head)
        if not get_attr_wrapped_model(model, "post_process"):
            return output
        predicted = labels >= 0
        record("accuracy", output.correct)
        if train and self.config.z_loss:
            record("z_loss", output.total.detach() - output.by_token.sum())
        if train and self.config.by_source:
            self._record_by_source(output.by_token, predicted, own(batch.sources), record)
        return output.total, predicted.sum()

    def _record_by_source(
        self, losses: torch.Tensor, predicted: torch.Tensor, sources: torch.Tensor, record: Record
    ) -> None:
        """Mean of `losses` over the `predicted` tokens of each source, from `[T]` each."""
        for number, name in enumerate(self.sources):
            members = sources == number
            record(f"loss_by_source/{name}", (losses * members).sum(), over=(predicted & members).sum())
