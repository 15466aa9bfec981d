"""jobs.sweep: measures of every checkpoint of a run, and the choice of the best."""

from pathlib import Path

from common.layout import BEST, CHECKPOINTS, RESULTS, checkpoint_name
from conf.schema import Config
from jobs.records.following import Ended, Next
from jobs.records.inputs import array_tasks, measured
from jobs.records.job import Coming, Job, WorkStage


def _home(config: Config) -> str:
    """The run; for the probe of one checkpoint that checkpoint, so that what other array tasks get done is not taken
    for its own progress."""
    run, step = config.sweep.run, config.sweep.step
    return run if step is None else str(Path(run) / CHECKPOINTS / checkpoint_name(step))


def _needs(config: Config) -> dict[str, str]:
    return ({} if config.sweep.runs else {"sweep.run": config.sweep.run}) | measured(config)


def _is_done(config: Config) -> bool:
    """Whether every probe checkpoint has a result and the best is chosen."""
    from model.training.checkpoints.checkpoints import PROBE, linked, list_checkpoints

    run = Path(config.sweep.run)
    checkpoints = [checkpoint for checkpoint in list_checkpoints(run) if checkpoint.kind == PROBE]
    return (
        bool(checkpoints)
        and all((run / RESULTS / f"{checkpoint.folder.name}.json").is_file() for checkpoint in checkpoints)
        and linked(run, BEST) is not None
    )


def _stages(config: Config) -> list[WorkStage]:
    whole = config.sweep.array_size < 2 or config.sweep.step is not None
    return [] if whole else [WorkStage("", array_tasks(config, "sweep"))]


def _check(config: Config) -> None:
    from model.evaluation.registry import asked, check_metric

    check_metric(config)
    for measure in asked(config):
        measure.check(config)


def _check_files(config: Config, coming: Coming) -> None:
    from model.evaluation.registry import asked

    for measure in asked(config):
        measure.check_files(config, coming)


def _check_net(config: Config) -> None:
    """Raise UserError where a measure reads longer texts than the net of the same configuration can."""
    from model.evaluation.registry import MEASURES
    from model.training.run.open_model import close_model

    net = close_model(config, ahead=True).model
    for measure in MEASURES.values():
        measure.check_net(config, net)


def _following(ended: Ended) -> Next:
    if not ended.config.sweep.runs:
        return Next("export")
    from model.evaluation.sweep import find_runs

    return Next("export", {"sweep.run": str(find_runs(ended.config.sweep)[0])}, ("sweep.runs",))


JOB = Job(
    "sweep",
    "probe retrieval at every checkpoint",
    ("sweep", "probe", "evaluation", "data", "cluster"),
    home=_home,
    needs=_needs,
    is_done=_is_done,
    text_key="sweep.run",
    check=_check,
    check_files=_check_files,
    check_after_training=_check_net,
    stages=_stages,
    last_stage="select",
    part_keys=("sweep.array_task", "sweep.step"),
    lenient=True,
    gpu=True,
    following=_following,
    takes_over=("sweep", "probe", "evaluation", "data", "parallel", "cluster"),
    once=("sweep.force",),
)
