"""What is measured of every checkpoint: retrieval, perplexity, tasks; and what each of these measures is to a sweep."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.errors import UserError
from common.files import read_json
from common.layout import HF
from conf.families import DecoderFamily, family_in
from conf.schema import Config, EncoderConfig
from conf.schema.evaluation import EvaluationConfig
from model.evaluation.results import known, result_file, why_record, write_record
from model.training.checkpoints.checkpoints import Checkpoint

Held = Callable[[], bool]
"""Whether the claim of the checkpoint in work is this process's (still)."""


class Measure(Protocol):
    """One thing that is measured of every checkpoint of a run."""

    def left(self, checkpoint: Checkpoint) -> str | None:
        """Why ``checkpoint`` has to be measured (again); None where its result stands."""

    def make(self, checkpoint: Checkpoint, held: Held) -> str | None:
        """Measure ``checkpoint`` and write the result; what came of it in words. None, and nothing written, where ``held``
        says no by then."""


@dataclass(frozen=True)
class Wanted:
    """What a sweep measures of the checkpoints of a run."""

    retrieval: bool
    perplexity: bool
    tasks: bool
    decoder: bool
    """Whether the net is one."""


def sets(evaluation: EvaluationConfig) -> dict[str, tuple[str, str]]:
    """Name -> ("domain" or "general", file or folder) of the texts that perplexity is measured on. Raises UserError for
    a name of both."""
    if both := evaluation.domain.keys() & evaluation.general.keys():
        raise UserError(f"evaluation.domain and evaluation.general both have {min(both)}; name one of them otherwise")
    return {name: (role, path) for role in ("domain", "general") for name, path in getattr(evaluation, role).items()}


def wanted_of(config: Config, decoder: bool) -> Wanted:
    """What ``config`` asks to be measured: retrieval of every encoder, and of a decoder where `data.retrieval` exists.

    Raises UserError where that is nothing, and for what only a decoder has.
    """
    perplexity, tasks = bool(sets(config.evaluation)), bool(config.evaluation.tasks)
    if not decoder and (perplexity or tasks):
        key = next(key for key in ("domain", "general", "tasks") if getattr(config.evaluation, key))
        raise UserError(f"evaluation.{key} is measured of decoders, and this net is an encoder; leave it empty")
    found = Wanted(not decoder or Path(config.data.retrieval).exists(), perplexity, tasks, decoder)
    if not (found.retrieval or perplexity or tasks):
        raise UserError(
            f"there is nothing to measure: data.retrieval={config.data.retrieval} does not exist, and"
            " evaluation.domain, evaluation.general and evaluation.tasks are empty; set one of them"
        )
    return found


def wanted(config: Config, checkpoint: Checkpoint) -> Wanted:
    """`wanted_of` the net in the hf/ half of ``checkpoint``."""
    written = read_json(checkpoint.folder / HF / "config.json")
    return wanted_of(config, isinstance(family_in(written), DecoderFamily))


def wanted_ahead(config: Config) -> Wanted:
    """`wanted_of` the net that ``config`` trains, before there is a checkpoint."""
    return wanted_of(config, not isinstance(config.model, EncoderConfig))


class Record:
    """Where retrieval is not measured: the note that all else is, made last."""

    def __init__(self, run: Path):
        self.run = run

    def left(self, checkpoint: Checkpoint) -> str | None:
        """See `Measure`."""
        return why_record(result_file(self.run, checkpoint.step), checkpoint)

    def make(self, checkpoint: Checkpoint, held: Held) -> str | None:
        """See `Measure`."""
        if not held():
            return None
        write_record(result_file(self.run, checkpoint.step), checkpoint)
        loss = known(checkpoint)["loss"]
        return "" if loss is None else f"training loss {loss:.3f}"
