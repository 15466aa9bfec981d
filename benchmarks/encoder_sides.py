"""One training step without the update, forward and backward, by this project and by transformers: same weights,
documents and masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.documents import documents
from conf.schema import EncoderConfig, ParallelConfig
from model.hf.modernbert import weights
from model.hf.modernbert.config import to_theirs
from model.megatron import startup
from model.nets.encoder import ModernBert, build_encoder
from model.nets.pack import Pack
from model.objectives.mlm import Mlm, MlmBatch

MASK_TOKEN, IGNORED = 4, -100
MASK_RATE = 0.3


@dataclass
class Work:
    """What one step reads."""

    shown: list[np.ndarray]
    """Token ids of each document, some hidden."""
    labels: list[np.ndarray]
    """What to predict there, IGNORED elsewhere."""

    @classmethod
    def draw(cls, lengths: Sequence[int], vocab_size: int, seed: int = 0) -> "Work":
        """Documents of `lengths`, with MASK_RATE of their tokens to be predicted behind the mask token."""
        draw = np.random.default_rng(seed)
        tokens = documents(lengths, vocab_size, seed)
        chosen = [draw.random(len(document)) < MASK_RATE for document in tokens]
        shown = [np.where(hidden, MASK_TOKEN, document) for hidden, document in zip(chosen, tokens, strict=True)]
        return cls(
            shown, [np.where(hidden, document, IGNORED) for hidden, document in zip(chosen, tokens, strict=True)]
        )

    @property
    def lengths(self) -> list[int]:
        """Tokens of each document."""
        return [len(document) for document in self.shown]

    @property
    def predicted(self) -> int:
        """Tokens to be predicted."""
        return sum(int((labels != IGNORED).sum()) for labels in self.labels)

    def part(self, places: Sequence[int]) -> "Work":
        """The documents at `places`."""
        return Work([self.shown[place] for place in places], [self.labels[place] for place in places])

    def batches(self, size: int) -> list["Work"]:
        """The documents in batches of `size`, in their order."""
        places = range(len(self.shown))
        return [self.part(places[start : start + size]) for start in range(0, len(places), size)]

    def packs(self, tokens: int) -> list["Work"]:
        """The documents in their order, in groups of at most so many tokens (one document at least)."""
        groups, room = [], 0
        for place, length in enumerate(self.lengths):
            if length > room:
                groups.append([])
                room = tokens
            groups[-1].append(place)
            room -= length
        return [self.part(group) for group in groups]


def fill(batches: Sequence[Work]) -> float:
    """Share of padded batches that are tokens of documents."""
    return round(sum(sum(b.lengths) for b in batches) / sum(len(b.lengths) * max(b.lengths) for b in batches), 3)


class Ours:
    """The net of this project over packs."""

    def __init__(self, config: EncoderConfig, parallel: ParallelConfig):
        """Draws the weights."""
        self.world = startup.start(parallel, seed=0)
        self.net: ModernBert = build_encoder(config)
        self.deterministic = torch.are_deterministic_algorithms_enabled()

    def batch(self, work: Work) -> MlmBatch:
        """One pack, on the device."""
        pack, labels = Pack.from_documents(work.shown), torch.from_numpy(np.concatenate(work.labels))
        selected = (labels != IGNORED).nonzero().squeeze(1)
        return MlmBatch(pack, selected, labels[selected]).to(self.world.device)

    def step(self, packs: Sequence[MlmBatch], predicted: int) -> torch.Tensor:
        """Gradient of the mean loss over `packs`; returns the loss. As in training, algorithms are deterministic on the
        CPU."""
        torch.use_deterministic_algorithms(self.deterministic)
        self.net.zero_grad(set_to_none=True)
        total = 0.0
        for pack in packs:
            loss = Mlm.loss(self.net, pack)[0] / predicted
            loss.backward()
            total = total + loss.detach()
        return total


@dataclass
class Padded:
    """A batch as transformers reads it."""

    input_ids: torch.Tensor
    """`[b, n]`."""
    labels: torch.Tensor
    """`[b, n]`."""
    attention_mask: torch.Tensor | None
    """`[b, n]`; None where nothing is padded, which spares them a mask."""


class Theirs:
    """transformers' `ModernBertForMaskedLM` over padded batches, its head at masked positions only
    (`sparse_prediction`)."""

    def __init__(
        self,
        config: EncoderConfig,
        attention: str,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        """`attention`: their `attn_implementation`."""
        from transformers import AutoModelForMaskedLM

        theirs = to_theirs(config, {}, str(dtype).removeprefix("torch."))
        theirs.sparse_prediction = True
        self.device = torch.device(device)
        with self.device:
            net = AutoModelForMaskedLM.from_config(theirs, dtype=dtype, attn_implementation=attention)
        self.net = net.train()

    def load(self, ours: ModernBert, config: EncoderConfig) -> None:
        """Take over the weights of `ours`."""
        parameters = dict(ours.named_parameters())
        names = weights.names(config)
        tensors = {
            theirs: weights.to_theirs(theirs, parameters[name].detach(), config) for theirs, name in names.items()
        }
        missing, foreign = self.net.load_state_dict(tensors, strict=False)
        if foreign or set(missing) - {weights.DECODER}:
            raise RuntimeError(f"weights do not fit: {missing} {foreign}")

    def batch(self, work: Work) -> Padded:
        """Padded to the longest document, on the device."""
        width, places = max(work.lengths), np.arange(max(work.lengths))
        present = places < np.array(work.lengths)[:, None]
        input_ids, labels = np.zeros(present.shape, np.int64), np.full(present.shape, IGNORED)
        input_ids[present], labels[present] = np.concatenate(work.shown), np.concatenate(work.labels)
        mask = None if min(work.lengths) == width else torch.from_numpy(present.astype(np.int64)).to(self.device)
        return Padded(torch.from_numpy(input_ids).to(self.device), torch.from_numpy(labels).to(self.device), mask)

    def step(self, batches: Sequence[Padded], predicted: int) -> torch.Tensor:
        """Gradient of the mean loss over `batches`; returns the loss. Algorithms may be any."""
        torch.use_deterministic_algorithms(False)
        self.net.zero_grad(set_to_none=True)
        total = 0.0
        for batch in batches:
            loss = self.net(**vars(batch), num_items_in_batch=predicted).loss
            loss.backward()
            total = total + loss.detach()
        return total


def differences(
    ours: Ours, theirs: Theirs, config: EncoderConfig, work: Work, pack_tokens: int, batch_size: int
) -> dict[str, float]:
    """Relative difference of the loss, and the largest of a gradient (norm of the difference over the norm), over
    `work`."""
    loss = ours.step([ours.batch(pack) for pack in work.packs(pack_tokens)], work.predicted)
    their_loss = theirs.step([theirs.batch(batch) for batch in work.batches(batch_size)], work.predicted)
    gradients, their_gradients = ({name: p.grad for name, p in side.net.named_parameters()} for side in (ours, theirs))
    worst, at = 0.0, ""
    for name, our_name in weights.names(config).items():
        gradient, reference = (
            weights.to_theirs(name, gradients[our_name], config).float(),
            their_gradients[name].float(),
        )
        difference = float((gradient - reference).norm() / reference.norm())
        worst, at = max((worst, at), (difference, name))
    return {
        "loss": float(loss),
        "loss_difference": float((loss - their_loss).abs() / their_loss),
        "gradient_difference": worst,
        "at": at,
    }
