"""Causal language modelling: predict the next token of the same document."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from megatron.core.utils import get_attr_wrapped_model

from common.errors import UserError
from conf.schema import CausalConfig
from model.nets.pack import Pack
from model.objectives.linear_cross_entropy import IGNORED, linear_cross_entropy
from model.objectives.sample import Sample


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


class Causal:
    """Predict the next token, within documents; the last token of each predicts nothing."""

    def __init__(self, config: CausalConfig, vocab_size: int, sources: Sequence[str] = ()):
        """`vocab_size`: tokens that can be predicted. `sources`: names of the numbers in `Sample.sources`."""
        if config.chunk_tokens < 1:
            raise UserError(f"objective.chunk_tokens={config.chunk_tokens} must be at least 1; raise it")
        self.config, self.vocab_size, self.sources = config, vocab_size, tuple(sources)

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
        self, model: torch.nn.Module, batch: CausalBatch
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]] | torch.Tensor:
        """Cross-entropy summed over the predicted tokens (fp32 scalar), their number (int scalar), and sums to report.

        Sums: `correct`; for each source `loss:<name>` and `tokens:<name>`, with `objective.by_source`. In training the
        first has the z-loss on top, which `z_loss` tells; in evaluation, that is without gradients, it has not, so that
        its mean is the log of the perplexity. Under context parallelism all are of this rank's tokens. On a pipeline
        stage without the head: what the stage hands on."""
        own = get_attr_wrapped_model(model, "own")
        labels, sources = own(batch.labels), own(batch.sources)
        z_loss = self.config.z_loss if torch.is_grad_enabled() else 0.0
        head = partial(
            linear_cross_entropy,
            labels=labels,
            vocab_size=self.vocab_size,
            z_loss=z_loss,
            chunk_tokens=self.config.chunk_tokens,
            tp_group=get_attr_wrapped_model(model, "tp_group"),
        )
        output = model(batch.pack, head=head)
        if not get_attr_wrapped_model(model, "post_process"):
            return output
        predicted = labels >= 0
        sums = {"correct": output.correct}
        if self.config.z_loss:
            sums["z_loss"] = output.total.detach() - output.by_token.sum()
        if self.config.by_source:
            sums |= self._by_source(output.by_token, predicted, sources)
        return output.total, predicted.sum(), sums

    def _by_source(
        self, losses: torch.Tensor, predicted: torch.Tensor, sources: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Sum of `losses` and number of `predicted` tokens of each source, from `[T]` each."""
        found = {}
        for number, name in enumerate(self.sources):
            members = sources == number
            found[f"loss:{name}"] = (losses * members).sum()
            found[f"tokens:{name}"] = (predicted & members).sum()
        return found
