"""The whole chain in one command: corpus, tokenizer, tokens, training with checkpoints, retrieval at every checkpoint,
export.

Each stage is the job of the same name with the same configuration, and does nothing where its result is already there,
so the same command continues a chain that was cut off.

  python -m jobs.pipeline experiment=quickstart                 the docstrings of the installed packages
  python -m jobs.pipeline experiment=quickstart dry_run=true    only show the chain
  python -m jobs.pipeline experiment=mecellem/demo              Turkish law; TERZI_DATA names the folder with the text
  python -m jobs.pipeline experiment=mecellem/demo cluster=slurm prepare.array_size=8 sweep.array_size=4   as SLURM jobs
  python -m jobs.pipeline experiment=decoder/cpt_demo           any other chain: section pipeline of it lists its steps
  python -m jobs.pipeline -m experiment=mecellem/demo cluster=slurm seed=1,2,3         three chains, each stage an array
"""

import time
from importlib import import_module
from pathlib import Path

from common.environment import read_ranks, refuse_several_ranks
from common.layout import REPORT
from common.progress import say
from conf.schema import Config
from jobs.cli import main, run_here
from jobs.launch import graph
from jobs.launch.steps import Step, steps
from jobs.registry import JOBS
from jobs.validate.order import Planned, validate_chain


def run(config: Config) -> None:
    """Run the chain in this process, one stage after another; with cluster=slurm queue it as a graph of jobs."""
    if config.cluster.kind == "slurm":
        graph.launch_graph([config])
        return
    refuse_several_ranks("jobs.pipeline")
    stages = steps(config)
    validate_chain(_planned(stages), read_ranks().size)
    if config.dry_run:
        for job, own in stages:
            say(f"{job:10} {JOBS[job].title:36} -> {JOBS[job].home(own)}")
        return
    begun = time.monotonic()
    for number, (job, own) in enumerate(stages, 1):
        say(f"\n{number}/{len(stages)} {job}: {JOBS[job].title} -> {JOBS[job].home(own)}", "bold")
        started = time.monotonic()
        run_here(job, import_module(f"jobs.{job}").run, own)  # imported at its turn: each job's imports take seconds
        say(f"{job} took {time.monotonic() - started:.0f} s")
    say(f"\nDone in {(time.monotonic() - begun) / 60:.1f} minutes.")
    if not config.pipeline.steps:
        print(_next_steps(config))


def _planned(stages: list[Step]) -> list[Planned]:
    """The steps that have something to do. A result counts as done where everything before it is done too."""
    planned, behind = [], False
    for job, config in stages:
        record = JOBS[job]
        behind = behind or not record.done(config)
        planned.append(Planned(record, [config], record.makes(config)) if behind else Planned(record, []))
    return planned


def _next_steps(config: Config) -> str:
    return f"""Open next:
  {Path(config.sweep.run) / REPORT}    loss and retrieval on one axis
  tensorboard --logdir {config.runs_dir}    the curves as they grow
  {config.export.output}    the best checkpoint; load it with
      from sentence_transformers import SentenceTransformer
      SentenceTransformer("{config.export.output}").encode(["your text"])"""


if __name__ == "__main__":
    main("pipeline", run)
