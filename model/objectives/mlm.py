"""Masked language modelling (BERT, arXiv 1810.04805) with masks drawn anew for every sample."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from megatron.core.tensor_parallel import vocab_parallel_cross_entropy
from megatron.core.utils import get_attr_wrapped_model

from conf.schema import Config, MlmConfig
from model.megatron.metrics import Record, Reduce, unrecorded
from model.nets.pack import Pack
from model.objectives.objective import Objective
from model.objectives.vocabulary import Vocabulary
from model.training.data.packed_tokens import PackedTokens
from model.training.data.sample import Sample
from model.training.data.source import DataOrder


@dataclass
class MlmBatch:
    """Samples with some tokens hidden."""

    pack: Pack
    """What the net is shown."""
    selected: torch.Tensor
    """Flat positions of the tokens to predict, `[M]` int64, ascending."""
    labels: torch.Tensor
    """What stood there, `[M]` int64."""

    def to(self, device: torch.device | str) -> "MlmBatch":
        """The same batch on `device`."""
        return MlmBatch(
            self.pack.to(device), self.selected.to(device, non_blocking=True), self.labels.to(device, non_blocking=True)
        )


class Mlm(Objective):
    """Predict tokens that are hidden, mostly behind the mask token.

    Each maskable token (or word) is chosen with the probability of the configuration, independently, but at least one
    in every sample that has any. The choice for a sample depends on (seed, phase, its index, training or evaluation)
    alone."""

    source, unit = PackedTokens, "tokens"

    def __init__(self, config: MlmConfig, tokenizer_folder: str | Path, seed: int):
        """Raises UserError for a tokenizer without a mask token, or with `whole_word` for one whose words cannot be
        told apart."""
        self.config, self.seed, self.vocabulary = config, seed, Vocabulary(tokenizer_folder)
        if config.whole_word:
            _ = self.vocabulary.kinds  # now rather than in the first batch

    @classmethod
    def build(cls, config: Config, order: DataOrder) -> "Mlm":
        """See `Objective.build`."""
        return cls(config.objective, config.data.tokenizer, config.seed)

    def batch(self, samples: list[Sample], train: bool, phase: int = 0) -> MlmBatch:
        """One micro-batch of `samples` of `phase`, masked at the rate of training or of evaluation."""
        pack = Pack.from_documents([document for sample in samples for document in sample.documents])
        parts = [self._hide(sample.documents, (self.seed, phase, sample.index, int(train))) for sample in samples]
        shown, chosen = (torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True))
        selected = chosen.nonzero().squeeze(1)
        return MlmBatch(replace(pack, tokens=shown), selected, pack.tokens[selected])

    def _hide(self, documents: list[np.ndarray], key: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """What is shown of the tokens of one sample `[T]`, and which of them are to be predicted `[T]`; `key` seeds the
        draw."""
        config, vocabulary, train = self.config, self.vocabulary, key[-1]
        tokens = np.concatenate(documents)
        draw = np.random.default_rng(key)
        lots = draw.random(len(tokens))
        if config.whole_word:
            starts = np.concatenate([vocabulary.word_starts(document) for document in documents])
            lots = lots[np.cumsum(starts) - 1]  # one lot a word
        lots[vocabulary.special[tokens]] = np.inf
        chosen = (lots < (config.mask_rate if train else config.eval_mask_rate)) | (lots == lots.min())
        chosen &= np.isfinite(lots)
        fate = draw.random(len(tokens))
        hidden = chosen & (fate < config.mask_token_share)
        swapped = chosen & ~hidden & (fate < config.mask_token_share + config.random_token_share)
        shown = np.where(hidden, vocabulary.mask, tokens)
        shown[swapped] = draw.choice(vocabulary.ordinary, swapped.sum())
        return shown, chosen

    @staticmethod
    def loss(
        model: torch.nn.Module, batch: MlmBatch, record: Record = unrecorded
    ) -> tuple[torch.Tensor, torch.Tensor] | torch.Tensor:
        """Cross-entropy summed over the predicted tokens, and their number; see `Objective.loss`. Records `accuracy`
        and `mlm_loss_sum`, the loss before it is divided."""
        output = model(batch.pack, batch.selected)
        if not get_attr_wrapped_model(model, "post_process"):
            return output
        loss = vocab_parallel_cross_entropy(output, batch.labels).sum()
        record("accuracy", _hits(output.detach(), batch.labels, get_attr_wrapped_model(model, "tp_group")))
        record("mlm_loss_sum", loss, Reduce.SUM)
        return loss, torch.tensor(len(batch.labels), device=loss.device)


def _hits(logits: torch.Tensor, labels: torch.Tensor, group: torch.distributed.ProcessGroup) -> torch.Tensor:
    """Number of rows of `logits` `[M, V]`, cut by columns over `group`, that have their greatest value at the label
    `[M]`."""
    width = logits.shape[-1]
    place = labels - group.rank() * width
    value = logits.gather(1, place.clamp(0, width - 1).unsqueeze(1)).squeeze(1)
    value = value.masked_fill((place < 0) | (place >= width), -torch.inf)
    best = logits.amax(dim=-1)
    if group.size() > 1:
        for part in (value, best):
            torch.distributed.all_reduce(part, torch.distributed.ReduceOp.MAX, group)
    return (value == best).sum()
