"""The steps of a pipeline: which job, with which configuration."""

from typing import NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from common.errors import UserError, suggestion
from conf.schema import Config
from conf.schema.check import check, keys
from conf.schema.pipeline import StepConfig
from conf.schema.ranges import no_number
from jobs.arguments.values import settle
from jobs.registry import JOBS, STEPS
from model.training.run.open_model import close_default


class Step(NamedTuple):
    """One job of a pipeline."""

    job: str
    config: Config


def steps(config: Config) -> list[Step]:
    """The steps of ``config``, in order. Raises UserError naming the step where one is no job or sets what there is
    not."""
    if not config.pipeline.steps:
        return [Step(job, config) for job in _chain(config)]
    return [_step(config, number, step) for number, step in enumerate(config.pipeline.steps, 1)]


def parts(job: str, config: Config) -> list[Step]:
    """The jobs that ``job`` runs: its steps, or itself."""
    return steps(config) if JOBS[job].is_chain else [Step(job, config)]


def _chain(config: Config) -> list[str]:
    """From text to the export of one model."""
    made = [*(["quickstart"] if config.quickstart.enabled else []), *(["corpus"] if config.corpus.sources else [])]
    return [*made, "tokenizer", "prepare", "train", "sweep", "export"]


def _step(config: Config, number: int, step: StepConfig) -> Step:
    where = f"step {number} of pipeline.steps"
    if step.job not in STEPS:
        raise UserError(
            f"{where}: there is no jobs.{step.job} to queue{suggestion(step.job, list(STEPS))}; there are"
            f" {', '.join(STEPS)}"
        )
    changed = OmegaConf.structured(config)
    for key, value in step.set.items():
        try:
            if isinstance(value, dict) and OmegaConf.get_type(OmegaConf.select(changed, key)) is dict:
                OmegaConf.update(
                    changed, key, {}, merge=False
                )  # named entries: those of the step instead of the others, not beside them
            OmegaConf.update(changed, key, value, merge=isinstance(value, dict))
        except (OmegaConfBaseException, ValueError) as error:
            if mistaken := no_number(Config, error):
                raise UserError(f"{where} ({step.job}): cannot set {mistaken}") from error
            hint = suggestion(key, list(keys(Config)))
            raise UserError(f"{where} ({step.job}): cannot set {key} ({str(error).splitlines()[0]}){hint}") from error
    found = OmegaConf.to_object(changed)
    try:
        settle(found)
        check(found)
    except UserError as error:
        raise UserError(f"{where} ({step.job}): {error}") from error
    return Step(step.job, close_default(found))
