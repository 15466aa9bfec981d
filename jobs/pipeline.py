"""The whole chain in one command: corpus, tokenizer, tokens, training with saves, retrieval at every save, export.

Each stage is the job of the same name with the same configuration, and does nothing where its result is already there, so
the same command continues a chain that was cut off.

  python -m jobs.pipeline experiment=quickstart                 the docstrings of the installed packages
  python -m jobs.pipeline experiment=quickstart dry_run=true    only show the chain
  python -m jobs.pipeline experiment=mecellem/demo              Turkish law; TERZI_DATA names the folder with the text
"""

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from common.progress import say
from conf.schema import Config
from jobs.cli import main


class Stage(NamedTuple):
    """One job of the chain and where its result will be."""

    name: str
    title: str
    result: str


def stages(config: Config) -> list[Stage]:
    """The chain for ``config``, in order."""
    corpus = [Stage("corpus", "gather text and a retrieval set", config.quickstart.output)] if config.quickstart.enabled else []
    return [
        *corpus,
        Stage("tokenizer", "learn a tokenizer", config.data.tokenizer),
        Stage("prepare", "tokenise into shards", config.data.tokens),
        Stage("train", "train, with saves", config.run_dir),
        Stage("sweep", "probe retrieval at every save", config.sweep.run),
        Stage("export", "export the best save", config.export.output),
    ]


def runner(stage: str) -> Callable[[Config], object]:
    """The function behind a stage, imported when its turn comes (each job's imports take seconds)."""
    if stage == "corpus":
        return import_module("data_prep.quickstart").build_quickstart
    return import_module(f"jobs.{stage}").run


def run(config: Config) -> None:
    """Run the chain in this process, one stage after another."""
    chain = stages(config)
    if config.dry_run:
        for stage in chain:
            say(f"{stage.name:10} {stage.title:32} -> {stage.result}")
        return
    import_module("model.megatron.ranks").alone("jobs.pipeline")
    begun = time.monotonic()
    for number, stage in enumerate(chain, 1):
        say(f"\n[bold]{number}/{len(chain)} {stage.name}[/bold]: {stage.title} -> {stage.result}")
        started = time.monotonic()
        runner(stage.name)(config)
        say(f"{stage.name} took {time.monotonic() - started:.0f} s")
    print(_next_steps(config, time.monotonic() - begun))


def _next_steps(config: Config, seconds: float) -> str:
    return f"""
Done in {seconds / 60:.1f} minutes. Open next:
  {Path(config.sweep.run) / "report.html"}    loss and retrieval on one axis
  tensorboard --logdir {config.runs_dir}    the curves as they grow
  {config.export.output}    the best save; load it with
      from sentence_transformers import SentenceTransformer
      SentenceTransformer("{config.export.output}").encode(["your text"])"""


if __name__ == "__main__":
    main(
        "pipeline", run, ("quickstart", "data", "tokenizer", "prepare", "model", "objective", "optim", "train", "probe", "sweep", "export")
    )
