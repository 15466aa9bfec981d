"""Train one run: continue it where it has checkpoints, start it where it has none.

The run folder holds everything: the frozen configuration, metrics.jsonl, TensorBoard curves, checkpoints. The same command
given again continues; a command with another configuration is refused with the difference. Stopped by SIGTERM, SIGUSR1
or Ctrl-C it makes a checkpoint at the next step and ends with exit status 75 (after Ctrl-C 130): start it again. A second
Ctrl-C ends it at once.

  python -m jobs.train experiment=quickstart
  python -m jobs.train name=mine model=encoder/modernbert_base train.steps=20000 optim.lr=8e-4 dry_run=true
  python -m jobs.train name=mine run=longer train.steps=40000      a longer run of its own; before its decay begins, a run
                                                                   is extended by the same command with more train.steps
  python -m jobs.train name=cpt train.init_from=models/base objective=causal train.tokens=1_000_000_000     the shape is read there
  python -m jobs.train experiment=quickstart cluster=slurm sweep.trigger=on_save       every fresh probe checkpoint is probed at once
  python -m jobs.train experiment=mecellem/qwen3_1_7b_cpt budget=0.001 dry_run=true       phases, with exact counts of each source
  python -m jobs.train experiment=mecellem/qwen3_1_7b_cpt plan=true hardware.gpus=64      memory, time, and a layout for 64 GPUs
  python -m jobs.train name=mine run=decay train.branch_from=runs/mine/seed_0/checkpoints/step_0010000 train.decay_only=true
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from common import interrupt
from common.progress import say
from conf.schema import Config
from jobs.cli import main
from model.training.state import TrainState


def run(config: Config, probe: Callable | None = None) -> dict[str, Any]:
    """Train, and return what came of it: run_dir, status, step, tokens, loss, validation_loss. ``probe(checkpoint)`` is called
    for each probe checkpoint.

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
    from model.open_model import close_model
    from model.training.assemble import Start, rehearse
    from model.training.attempt import train
    from model.training.data import inputs, open_data
    from model.training.describe import describe
    from model.training.outset import outset, take_over
    from model.training.remarks import remarks

    if not config.dry_run:
        start(config.parallel, config.seed)
    config = ranks.on_first(lambda: close_model(config))
    run, settled, branch, course, latest = ranks.on_first(lambda: outset(config, validate_training))
    probes = probing(config, sweep.run) if ranks.is_first() and not config.dry_run else Probing(config)
    config = settled
    if latest and latest.step >= course.total:
        say(
            f"{run.folder} is finished: {latest.step} steps; more train.steps extend it, train.branch_from starts from"
            " one of its checkpoints"
        )
        probes.end(finished=True)
        return _summary(config, "finished", latest.manifest)
    status = "failed"
    try:
        with run.refusable() as drafts:
            data = open_data(config, run, course, None if config.dry_run else drafts)
            if latest is None:
                ranks.on_first(lambda: refuse_occupied(config, run))  # once more: to plan the data takes a while
            if config.dry_run:
                rehearse(config, data, course, Start.of(latest, branch))
                print(describe(config, data, course))
                return _summary(config, "planned", {"step": latest.step if latest else course.start})
            world = start(config.parallel, config.seed)
            run, latest = ranks.on_first(lambda: take_over(run, latest))

            def begin(state: TrainState) -> None:
                """Net and optimizer are ready: from here on the attempt counts."""
                if ranks.is_first():
                    fields: dict[str, Any] = {"point": config.point} if config.point else {}
                    if branch:
                        fields["branch"] = dataclasses.asdict(branch)
                    if course.warmup is not None:
                        fields["warmup"] = run.manifest.get("warmup", course.warmup)
                    read = inputs(config, {name: plan.tokens for name, plan in data.plans.items()})
                    run.begin(state.step, world.size, drafts, inputs=read, plan=data.digests(), **fields)
                    where = f"{world.size} x {world.device.type}, {config.parallel.precision}"
                    say(f"{run.folder}: attempt {run.attempt}, step {state.step} to {course.total}, {where}")
                    for remark in remarks(config, data, course):
                        say(remark)
                    probes.start()
                ranks.barrier()

            status, state = train(config, run, world, data, course, latest, branch, begin, probe or probes.saved)
    finally:
        if ranks.is_first():
            probes.end(status == "finished" and not interrupt.asked())
    if status == "interrupted":
        say(f"stopped after step {state.step} of {course.total}, saved; the same command continues")
        sys.exit(EXIT_CONTINUE)
    interrupt.heed()  # Ctrl-C in the last step: what follows a training in a chain does not begin
    return _summary(config, status, state.to_dict())


def _plan(config: Config) -> dict[str, Any]:
    """Needs neither data nor torch, as on a login node."""
    from jobs.validate.training import validate_estimate
    from model.open_model import close_model
    from model.training.estimate import plan_layout

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
