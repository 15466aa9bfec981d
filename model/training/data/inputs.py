"""What a run reads: the planned order of each phase, and what its loss is validated on."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import digest, digest_of
from common.tokenizer import FILE
from conf.schema import Config
from model.megatron import ranks
from model.training.data.source import DataOrder, DataSource
from model.training.timeline.phase import MAIN, Phase

Inputs = dict[str, dict[str, Any]]
"""{what: {"path": ..., "digests": {file: sha256}}}, for the manifest of the run."""


@dataclass(frozen=True)
class Data:
    """Planned and checked, before anything is built."""

    orders: dict[str, DataOrder]
    """Phase -> its planned order."""
    validation: dict[str, DataOrder]
    """Name -> order whose validation items the loss is measured on; the first is what `validation_loss` tells."""
    inputs: Inputs

    def digest(self, phases: list[str]) -> str:
        """Digest of everything that decides what the samples of ``phases`` are."""
        if phases == [MAIN]:
            return self.orders[MAIN].digest
        return digest_of([[name, self.orders[name].digest] for name in phases])

    def digests(self) -> str | dict[str, str]:
        """What checkpoints tell: of a run of one phase its digest, else phase -> digest of all phases to this one."""
        names = list(self.orders)
        if names == [MAIN]:
            return self.digest(names)
        return {name: self.digest(names[: number + 1]) for number, name in enumerate(names)}


def open_data(
    source: type[DataSource],
    config: Config,
    phases: list[Phase],
    folder: Path,
    check: Callable[[Inputs], None],
    drafts: ExitStack | None = None,
) -> Data:
    """The planned data order of every one of ``phases``: the run's own where it has one in ``folder``, else made now.

    Rank 0 opens, has its ``check`` say whether the run was started with these bytes, plans and, where ``drafts`` are
    given, writes a new index aside, for all ranks to read; closing them puts it in place. Raises UserError where data,
    tokenizer, net and run do not fit together."""
    indices = {phase.name: folder if phase.name == MAIN else folder / phase.name for phase in phases}
    first: list[Data] = []

    def open_first() -> dict[str, Path]:
        first.append(_open(source, config, phases, indices, check, drafts))
        return {name: order.index or indices[name] for name, order in first[0].orders.items()}

    indices = ranks.on_first(open_first)
    return first[0] if first else _open(source, config, phases, indices, check)


def _open(
    source: type[DataSource],
    config: Config,
    phases: list[Phase],
    indices: dict[str, Path],
    check: Callable[[Inputs], None],
    drafts: ExitStack | None = None,
) -> Data:
    opened = {phase.name: _of_phase(source, config, phase, indices[phase.name]) for phase in phases}
    inputs = _inputs(config, opened)
    check(inputs)
    orders = {phase.name: opened[phase.name].plan(config, phase, indices[phase.name], drafts) for phase in phases}
    return Data(orders, source.validation(config) or {name: orders[name] for name in orders if name == MAIN}, inputs)


def _of_phase(source: type[DataSource], config: Config, phase: Phase, index: Path) -> DataSource:
    try:
        return source.open(config, phase, index)
    except UserError as error:
        if phase.name == MAIN:
            raise
        raise UserError(f"phases.{phase.name}: {error}") from error


def _inputs(config: Config, opened: dict[str, DataSource]) -> Inputs:
    tokenizer = Path(config.data.tokenizer) / FILE
    return {
        **{
            "tokens" if name == MAIN else f"phases.{name}": {"path": str(data.folder), "digests": data.digests}
            for name, data in opened.items()
        },
        "tokenizer": {"path": config.data.tokenizer, "digests": {FILE: digest(tokenizer)}},
    }
