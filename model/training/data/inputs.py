"""What a run reads: the planned order of each phase, and held-out text."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import digest, digest_of
from conf.schema import Config
from model.megatron import ranks
from model.training.data.order import Plan, checked_stamp, draft_plan, load_plan, make_plan, make_validation
from model.training.data.tokens import Tokens, open_tokens
from model.training.run.folder import Run
from model.training.timeline.phase import MAIN, Phase
from model.training.timeline.timeline import Course


@dataclass(frozen=True)
class Data:
    """Planned and checked, before anything is built."""

    plans: dict[str, Plan]
    """Phase -> its planned order."""
    validation: dict[str, Plan]
    """Name -> plan whose held-out packs the loss is measured on; the first is what `validation_loss` tells."""

    def digest(self, phases: list[str]) -> str:
        """Digest of everything that decides what the samples of ``phases`` are."""
        if phases == [MAIN]:
            return self.plans[MAIN].digest
        return digest_of([[name, self.plans[name].digest] for name in phases])

    def digests(self) -> str | dict[str, str]:
        """What checkpoints tell: of a run of one phase its digest, else phase -> digest of all phases to this one."""
        names = list(self.plans)
        return (
            self.digest(names)
            if names == [MAIN]
            else {name: self.digest(names[: number + 1]) for number, name in enumerate(names)}
        )


def open_data(config: Config, run: Run, course: Course, drafts: ExitStack | None = None) -> Data:
    """The planned data order of every phase: the run's own where it has one, else made now. Rank 0 checks, plans and,
    where ``drafts`` are given, writes a new plan aside, for all ranks to read; closing them puts it in place. Raises
    UserError where tokens, tokenizer, net and run do not fit together."""
    folders = {phase.name: run.plan if phase.name == MAIN else run.plan / phase.name for phase in course.phases}
    first: list[Data] = []

    def open_first() -> dict[str, Path]:
        first.append(_open(config, run, course, folders, drafts))
        return folders

    folders = ranks.on_first(open_first)
    return first[0] if first else _open(config, run, course, folders)


def _open(config: Config, run: Run, course: Course, folders: dict[str, Path], drafts: ExitStack | None = None) -> Data:
    """``folders``: that of the plan of each phase; changed to where a new one is."""
    tokens = {phase.name: _tokens(config, phase, folders[phase.name]) for phase in course.phases}
    run.check_inputs(inputs(config, tokens))
    plans = {phase.name: _plan(config, phase, tokens[phase.name], folders, drafts) for phase in course.phases}
    return Data(plans, _validation(config, plans))


def _tokens(config: Config, phase: Phase, folder: Path) -> Tokens:
    checked = checked_stamp(folder)
    if phase.name != MAIN and not (Path(phase.data) / manifests.NAME).is_file():
        own = f"name prepared tokens in phases.{phase.name}.data"
        mixed = (
            "run jobs.mix first" if config.mixture.sources else f"run jobs.mix first, with mixture.sources, or {own}"
        )
        mend = own if phase.config.data else mixed
        raise UserError(f"phases.{phase.name}: {phase.data} holds no prepared tokens (no {manifests.NAME}); {mend}")
    try:
        return open_tokens(phase.data, config.data.tokenizer, config.model.vocab_size, checked)
    except UserError as error:
        if phase.name == MAIN:
            raise
        raise UserError(f"phases.{phase.name}: {error}") from error


def _plan(config: Config, phase: Phase, tokens: Tokens, folders: dict[str, Path], drafts: ExitStack | None) -> Plan:
    folder = folders[phase.name]
    arguments = (tokens, phase.train.seq_length, config.train.held_out(bool(config.phases)), config.seed + phase.number)
    plan = load_plan(folder, *arguments)
    if plan is None:
        plan = make_plan(*arguments)
        if drafts:
            folders[phase.name] = drafts.enter_context(draft_plan(plan, folder))
    return plan


def _validation(config: Config, plans: dict[str, Plan]) -> dict[str, Plan]:
    if config.data.validation:
        length = config.train.seq_length
        return {
            name: make_validation(open_tokens(folder, config.data.tokenizer, config.model.vocab_size), length)
            for name, folder in config.data.validation.items()
        }
    return {MAIN: plans[MAIN]} if MAIN in plans else {}


def inputs(config: Config, tokens: dict[str, Tokens]) -> dict[str, Any]:
    """What the run reads, with digests, for its manifest."""
    tokenizer = {"tokenizer.json": digest(Path(config.data.tokenizer) / "tokenizer.json")}
    return {
        **{
            "tokens" if name == MAIN else f"phases.{name}": {"path": str(one.folder), "digests": one.digests}
            for name, one in tokens.items()
        },
        "tokenizer": {"path": config.data.tokenizer, "digests": tokenizer},
    }
