"""Packed tokens: the documents of a tokens folder, packed into samples of `train.seq_length` tokens."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from common import manifest as manifests
from common.errors import UserError
from conf.schema import Config
from model.training.data.index import checked_stamp, draft_plan, load_plan
from model.training.data.order import PackedOrder, make_plan, make_validation
from model.training.data.source import DataOrder, DataSource
from model.training.data.tokens import Tokens, open_tokens
from model.training.timeline.phase import MAIN, Phase


@dataclass(frozen=True)
class PackedTokens(DataSource):
    """The tokens folder of a phase (`jobs.prepare`, `jobs.mix`)."""

    tokens: Tokens

    @property
    def folder(self) -> Path:
        """Of the tokens."""
        return self.tokens.folder

    @property
    def digests(self) -> dict[str, str]:
        """Of tokens.bin and tokens.idx."""
        return self.tokens.digests

    @classmethod
    def open(cls, config: Config, phase: Phase, index: Path) -> "PackedTokens":
        """See `DataSource.open`."""
        if phase.name != MAIN and not (Path(phase.data) / manifests.NAME).is_file():
            own = f"name prepared tokens in phases.{phase.name}.data"
            known = config.mixture.sources
            mixed = "run jobs.mix first" if known else f"run jobs.mix first, with mixture.sources, or {own}"
            mend = own if phase.config.data else mixed
            raise UserError(f"{phase.data} holds no prepared tokens (no {manifests.NAME}); {mend}")
        return cls(open_tokens(phase.data, config.data.tokenizer, config.model.vocab_size, checked_stamp(index)))

    def plan(self, config: Config, phase: Phase, index: Path, drafts: ExitStack | None) -> PackedOrder:
        """See `DataSource.plan`."""
        held_out = config.train.held_out(bool(config.phases))
        arguments = (self.tokens, phase.train.seq_length, held_out, config.seed + phase.number)
        order = load_plan(index, *arguments)
        if order is None:
            order = make_plan(*arguments)
            order.index = drafts.enter_context(draft_plan(order, index)) if drafts else None
        return order

    @classmethod
    def validation(cls, config: Config) -> dict[str, DataOrder]:
        """The tokens folders of `data.validation`."""
        return {
            name: make_validation(
                open_tokens(folder, config.data.tokenizer, config.model.vocab_size), config.train.seq_length
            )
            for name, folder in config.data.validation.items()
        }
