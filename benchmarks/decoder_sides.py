"""A training step of a decoder without the update, by this project and by transformers: same weights, same
documents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.documents import documents
from benchmarks.encoder_sides import IGNORED, Work
from conf.schema import CausalConfig, DecoderConfig, ParallelConfig
from model.hf.decoder import weights as decoder_weights
from model.hf.decoder.config import to_theirs
from model.megatron import startup
from model.nets.decoder import Decoder, build_decoder
from model.objectives.causal import Causal, CausalBatch
from model.training.data.sample import Sample

LAYOUTS = ("packed", "padded")
"""How transformers may be given documents: end to end in rows of one length, or a row each."""


def filled(lengths: Sequence[int], row: int, rows: int) -> list[int]:
    """Documents that fill `rows` rows of `row` tokens: those of `lengths` in their order, each cut at the end of its
    row."""
    found, room = [], row * rows
    for length in lengths:
        found.append(min(length, (room - 1) % row + 1))
        room -= found[-1]
        if not room:
            return found
    raise ValueError(f"{sum(lengths)} tokens do not fill {rows} rows of {row}")


def draw(lengths: Sequence[int], vocab_size: int, seed: int = 0) -> Work:
    """Documents of `lengths`, each token of which is to predict the next."""
    tokens = documents(lengths, vocab_size, seed)
    return Work(tokens, [np.append(document[1:], IGNORED) for document in tokens])


class Ours:
    """The net of this project over packs."""

    def __init__(self, config: DecoderConfig, parallel: ParallelConfig, objective: CausalConfig | None = None):
        """Draws the weights."""
        self.world = startup.start(parallel, seed=0)
        self.net: Decoder = build_decoder(config)
        self.objective = Causal(objective or CausalConfig(by_source=False), config.vocab_size)
        self.deterministic = torch.are_deterministic_algorithms_enabled()

    def batch(self, work: Work) -> CausalBatch:
        """One pack, on the device."""
        return self.objective.batch([Sample(0, work.shown)], train=True).to(self.world.device)

    def step(self, packs: Sequence[CausalBatch], predicted: int) -> torch.Tensor:
        """Gradient of the mean loss over `packs`; returns the loss. As in training, algorithms are deterministic on the
        CPU."""
        torch.use_deterministic_algorithms(self.deterministic)
        self.net.zero_grad(set_to_none=True)
        total = 0.0
        for pack in packs:
            loss = self.objective.loss(self.net, pack)[0] / predicted
            loss.backward()
            total = total + loss.detach()
        return total

    @torch.no_grad()
    def logits(self, work: Work) -> torch.Tensor:
        """Of every token, `[T, V]`."""
        return self.net(self.batch(work).pack)[:, : self.net.decoder_config.vocab_size]


@dataclass
class Rows:
    """A batch as transformers reads it; each `[b, n]`."""

    input_ids: torch.Tensor
    shift_labels: torch.Tensor
    """The next token, IGNORED where there is none."""
    position_ids: torch.Tensor | None = None
    """Places that begin anew with every document, by which transformers tells documents of one row apart; None for rows
    of one document."""
    attention_mask: torch.Tensor | None = None
    """None where nothing is padded, which spares them a mask."""

    def arguments(self) -> dict[str, torch.Tensor | None]:
        """Of the net's call. `labels` is what asks for a loss; `shift_labels` is what it is taken over."""
        return vars(self) | {"labels": self.shift_labels}


class Theirs:
    """transformers' class of the same family."""

    def __init__(
        self,
        config: DecoderConfig,
        layout: str,
        row: int,
        attention: str = "sdpa",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ):
        """`layout`: one of LAYOUTS; `row`: tokens of a row where packed; `attention`: their `attn_implementation`."""
        from transformers import AutoModelForCausalLM

        self.layout, self.row, self.device = layout, row, torch.device(device)
        theirs = to_theirs(config, str(dtype).removeprefix("torch."))
        theirs.use_cache = False  # of keys and values, which training has no use for
        with self.device:
            self.net = AutoModelForCausalLM.from_config(theirs, dtype=dtype, attn_implementation=attention).train()
        self.forward = self.net

    def compile(self) -> None:
        """Run through `torch.compile`, as the Trainer does with `torch_compile=True`."""
        self.forward = torch.compile(self.net)

    def load(self, ours: Decoder, config: DecoderConfig) -> None:
        """Take over the weights of `ours`."""
        own = self.net.state_dict()
        for name, tensor in translate({name: p.detach() for name, p in ours.named_parameters()}, config).items():
            own[name].copy_(tensor)

    def batch(self, work: Work) -> Rows:
        """The documents of a pack, on the device; where `packed` they must fill rows, as those of `filled` do."""
        return (self._rows if self.layout == "packed" else self._padded)(work)

    def _rows(self, work: Work) -> Rows:
        parts = (work.shown, work.labels, [np.arange(length) for length in work.lengths])
        tokens, labels, places = (
            torch.from_numpy(np.concatenate(part)).view(-1, self.row).to(self.device) for part in parts
        )
        return Rows(tokens, labels, None if set(work.lengths) == {self.row} else places)

    def _padded(self, work: Work) -> Rows:
        present = np.arange(max(work.lengths)) < np.array(work.lengths)[:, None]
        tokens, labels = np.zeros(present.shape, np.int64), np.full(present.shape, IGNORED)
        tokens[present], labels[present] = np.concatenate(work.shown), np.concatenate(work.labels)
        mask = None if present.all() else torch.from_numpy(present.astype(np.int64)).to(self.device)
        return Rows(
            torch.from_numpy(tokens).to(self.device), torch.from_numpy(labels).to(self.device), attention_mask=mask
        )

    def step(self, batches: Sequence[Rows], predicted: int) -> torch.Tensor:
        """Gradient of the mean loss over `batches`; returns the loss. Algorithms may be any."""
        torch.use_deterministic_algorithms(False)
        self.net.zero_grad(set_to_none=True)
        total = 0.0
        for batch in batches:
            loss = self.forward(**batch.arguments(), num_items_in_batch=predicted).loss
            loss.backward()
            total = total + loss.detach()
        return total

    @torch.no_grad()
    def logits(self, work: Work) -> torch.Tensor:
        """Of every token, `[T, V]`."""
        rows = self.batch(work)
        found = self.net(
            input_ids=rows.input_ids, position_ids=rows.position_ids, attention_mask=rows.attention_mask
        ).logits
        return found.flatten(0, 1) if rows.attention_mask is None else found[rows.attention_mask.bool()]


def translate(tensors: dict[str, torch.Tensor], config: DecoderConfig) -> dict[str, torch.Tensor]:
    """Our parameters or their gradients under transformers' names, in its layout."""
    found = {}
    for ours, names in decoder_weights.names(config).items():
        found |= dict(zip(names, decoder_weights.to_theirs(ours, tensors[ours], config), strict=True))
    return found


def differences(
    ours: Ours, theirs: Theirs, config: DecoderConfig, work: Work, pack_tokens: int
) -> dict[str, float | str]:
    """Relative differences over `work`: of the logits and of the loss, and the largest of a gradient (norms of
    difference over norms)."""
    packs = work.packs(pack_tokens)
    reference = theirs.logits(packs[0])
    loss = ours.step([ours.batch(pack) for pack in packs], work.predicted)
    their_loss = theirs.step([theirs.batch(pack) for pack in packs], work.predicted)
    gradients = translate({name: parameter.grad for name, parameter in ours.net.named_parameters()}, config)
    worst, at = 0.0, ""
    for name, parameter in theirs.net.named_parameters():
        difference = float((gradients[name].float() - parameter.grad.float()).norm() / parameter.grad.float().norm())
        worst, at = max((worst, at), (difference, name))
    return {
        "logits_difference": float((ours.logits(packs[0]) - reference).norm() / reference.norm()),
        "loss": float(loss),
        "loss_difference": float((loss - their_loss).abs() / their_loss),
        "gradient_difference": worst,
        "at": at,
    }
