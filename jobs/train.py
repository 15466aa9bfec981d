"""Train one run: continue it where it has checkpoints, start it where it has none.

The run folder holds everything: the frozen configuration, metrics.jsonl, TensorBoard curves, checkpoints. The same
command given again continues; a command with another configuration is refused with the difference. Stopped by SIGTERM,
SIGUSR1 or Ctrl-C it makes a checkpoint at the next step and ends with exit status 75 (after Ctrl-C 130): start it
again. A second Ctrl-C ends it at once.

  python -m jobs.train experiment=quickstart
  python -m jobs.train name=mine model=encoder/modernbert_base train.steps=20000 optim.lr=8e-4 dry_run=true
  python -m jobs.train name=mine run=longer train.steps=40000    a longer run of its own; before its decay begins, a run
                                                                 is extended by the same command with more train.steps
  python -m jobs.train name=cpt train.init_from=models/base objective=causal train.tokens=1_000_000_000   its shape
  python -m jobs.train experiment=quickstart cluster=slurm sweep.trigger=on_save      fresh checkpoints are probed
  python -m jobs.train experiment=mecellem/qwen3_1_7b_cpt budget=0.001 dry_run=true    phases, exact counts by source
  python -m jobs.train experiment=mecellem/qwen3_1_7b_cpt plan=true hardware.gpus=64   memory, time, and a layout
  python -m jobs.train name=mine run=decay train.branch_from=runs/m/s_0/checkpoints/step_0010000 train.decay_only=true
"""

import sys
from collections.abc import Callable
from typing import Any

from common import interrupt
from common.collection import without_collection
from common.progress import say
from conf.schema import Config
from jobs.cli import main
from model.training.checkpoints.state import TrainState


@without_collection()
def run(config: Config, probe: Callable | None = None) -> dict[str, Any]:
    """Train, and return what came of it: run_dir, status, step, tokens, loss, validation_loss. ``probe(checkpoint)`` is
    called for each probe checkpoint.

    Raises UserError before the first step for whatever does not fit together, SystemExit(75) after a stop that was
    asked for."""
    if config.plan:
        return _plan(config)
    from common.stop import EXIT_CONTINUE
    from jobs import sweep
    from jobs.probes.trigger import Probing, probing
    from jobs.validate.occupied import refuse_occupied
    from jobs.validate.training import validate_training
    from model.megatron import ranks
    from model.megatron.startup import start
    from model.objectives.registry import objective_class
    from model.training.assemble import rehearse
    from model.training.attempt import begin_attempt, train
    from model.training.context import Training
    from model.training.data.inputs import open_data
    from model.training.describe import describe
    from model.training.prepare_run import prepare_run, take_over
    from model.training.run.open_model import close_model

    if not config.dry_run:
        start(config.parallel, config.seed)
    config = ranks.on_first(lambda: close_model(config))
    run, settled, branch, timeline, latest = ranks.on_first(lambda: prepare_run(config, validate_training))
    probes = probing(config, sweep.run) if ranks.is_first() and not config.dry_run else Probing(config)
    config = settled
    if latest and latest.step >= timeline.total:
        say(
            f"{run.folder} is finished: {latest.step} steps; more train.steps extend it, train.branch_from starts from"
            " one of its checkpoints"
        )
        probes.end(finished=True)
        return _summary(config, "finished", latest.manifest)
    status = "failed"
    try:
        with run.refusable() as drafts:
            objective, phases = objective_class(config.objective), timeline.phases
            data = open_data(
                objective.source, config, phases, run.plan, run.check_inputs, None if config.dry_run else drafts
            )
            training = Training(config, run, timeline, objective, data, latest, branch)
            if latest is None:
                ranks.on_first(lambda: refuse_occupied(config, run))  # once more: to plan the data takes a while
            if config.dry_run:
                rehearse(training)
                print(describe(training))
                return _summary(config, "planned", {"step": latest.step if latest else timeline.start})
            start(config.parallel, config.seed)
            training.run, training.latest = ranks.on_first(lambda: take_over(run, latest))

            def begin(state: TrainState) -> None:
                begin_attempt(training, state, drafts)
                if ranks.is_first():
                    probes.start()
                ranks.barrier()

            status, state = train(training, begin, probe or probes.saved)
    finally:
        if ranks.is_first():
            probes.end(status == "finished" and not interrupt.asked())
    if status == "interrupted":
        say(f"stopped after step {state.step} of {timeline.total}, saved; the same command continues")
        sys.exit(EXIT_CONTINUE)
    interrupt.heed()  # Ctrl-C in the last step: what follows a training in a chain does not begin
    return _summary(config, status, state.to_dict())


def _plan(config: Config) -> dict[str, Any]:
    """Needs neither data nor torch, as on a login node."""
    from jobs.validate.training import validate_estimate
    from model.training.cost import plan_layout
    from model.training.run.open_model import close_model

    config = close_model(config, ahead=True)
    validate_estimate(config)
    print(plan_layout(config))
    return {"run_dir": config.run_dir, "status": "planned"}


def _summary(config: Config, status: str, known: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_dir": config.run_dir,
        "status": status,
        **{name: known.get(name) for name in ("step", "tokens", "loss", "validation_loss")},
    }


if __name__ == "__main__":
    main("train", run)
