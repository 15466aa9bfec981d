"""What each job makes, where, and of what: known without running it, so that it can be checked and queued."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import manifest as manifests
from conf.schema import Config


@dataclass(frozen=True)
class Job:
    """One entry point under ``jobs/``."""

    name: str
    title: str
    """What it does, in a few words."""
    home: Callable[[Config], str]
    """Folder of its result."""
    needs: Callable[[Config], dict[str, str]]
    """Key of the configuration -> the file or folder that must be there before it starts."""
    stages: Callable[[Config], list[list[Config]]] | None = None
    """Its work cut into stages, one after the other, each of array tasks that run side by side; the job itself then does
    the rest."""
    lenient: bool = False
    """It comes to its turn even where an array task failed."""
    distributed: bool = False
    """It may have more than one rank."""
    gpu: bool = False
    """It computes on a GPU where there is one."""


def _tokens(config: Config) -> dict[str, str]:
    return {
        "data.tokens": str(Path(config.data.tokens) / manifests.NAME),
        "data.tokenizer": str(Path(config.data.tokenizer) / "tokenizer.json"),
    }


def _phases(config: Config) -> dict[str, str]:
    """Tokens folders of the phases, and the tokenizer."""
    found = {"data.tokenizer": str(Path(config.data.tokenizer) / "tokenizer.json")}
    for name, phase in config.phases.items():
        found[f"phases.{name}.data" if phase.data else f"phases.{name}"] = str(
            Path(phase.data or Path(config.mixture.output) / name) / manifests.NAME
        )
    return found


def _train_needs(config: Config) -> dict[str, str]:
    starts = {f"train.{key}": value for key in ("branch_from", "init_from") if (value := getattr(config.train, key))}
    validation = {
        f"data.validation.{name}": str(Path(folder) / manifests.NAME) for name, folder in config.data.validation.items()
    }
    return (
        (_phases(config) if config.phases else _tokens(config))
        | starts
        | validation
        | (_measured(config) if config.sweep.trigger != "manual" else {})
    )


def _named(key: str, paths: list[str]) -> dict[str, str]:
    """Inputs that are one file or folder each."""
    return {
        f"{key}[{number}]": path
        for number, path in enumerate(paths)
        if not any(sign in path for sign in "*?[") and not path.startswith("hub:")
    }


def _text(config: Config) -> dict[str, str]:
    return _named("data.inputs", config.data.inputs)


def _embedder_needs(config: Config) -> dict[str, str]:
    return _text(config) | {"data.tokenizer": str(Path(config.data.tokenizer) / "tokenizer.json")}


def _prepare_needs(config: Config) -> dict[str, str]:
    inputs = {"prepare.adopt": f"{config.prepare.adopt}.bin"} if config.prepare.adopt else _text(config)
    return inputs | {"data.tokenizer": str(Path(config.data.tokenizer) / "tokenizer.json")}


def _array_tasks(config: Config, section: str, **keys: Any) -> list[Config]:
    """The configuration of each array task; ``keys`` are set in its section too."""
    own = getattr(config, section)
    return [
        dataclasses.replace(config, **{section: dataclasses.replace(own, array_task=number, **keys)})
        for number in range(keys.get("array_size", own.array_size))
    ]


def _prepare_stages(config: Config) -> list[list[Config]]:
    return [] if config.prepare.adopt or config.prepare.array_size < 2 else [_array_tasks(config, "prepare")]


def _mix_needs(config: Config) -> dict[str, str]:
    sources = {
        f"mixture.sources.{name}": str(Path(folder) / manifests.NAME) for name, folder in config.mixture.sources.items()
    }
    return sources | {"data.tokenizer": str(Path(config.data.tokenizer) / "tokenizer.json")}


def _corpus_needs(config: Config) -> dict[str, str]:
    corpus = config.corpus
    found = _named("corpus.inputs", corpus.inputs)
    for name, source in corpus.sources.items():
        found |= _named(f"corpus.sources.{name}.inputs", source.inputs)
    rules = {rule for source in corpus.sources.values() for rule in source.rules or corpus.rules} or set(corpus.rules)
    models = {
        "corpus.semantic.model": corpus.semantic.enabled and corpus.semantic.model, "corpus.tokenizer": corpus.tokenizer,
        "quality.model": "quality" in rules and config.quality.model, "topics.model": "topics" in rules and config.topics.model,
    }  # fmt: skip
    return found | {key: path for key, path in models.items() if path}


def _corpus_stages(config: Config) -> list[list[Config]]:
    from data_prep.corpus.factory import SHARED, stage_names

    if config.corpus.array_task is not None or config.corpus.array_size < 2:
        return []
    wanted = [config.corpus.stage] if config.corpus.stage else stage_names(config)
    return [
        _array_tasks(config, "corpus", stage=name, **({} if name in SHARED else {"array_size": 1})) for name in wanted
    ]


def _sweep_needs(config: Config) -> dict[str, str]:
    runs = {"sweep.run": config.sweep.run} if not config.sweep.runs else {}
    return runs | _measured(config)


def _measured(config: Config) -> dict[str, str]:
    """What checkpoints are measured on. Retrieval is asked of every encoder, and of a decoder, for which something else is
    named, where it is."""
    evaluation, retrieval = config.evaluation, {"data.retrieval": config.data.retrieval}
    texts = {
        f"evaluation.{role}.{name}": path
        for role in ("domain", "general")
        for name, path in getattr(evaluation, role).items()
    }
    return texts if (texts or evaluation.tasks) and not Path(config.data.retrieval).exists() else texts | retrieval


def _sweep_home(config: Config) -> str:
    """The run; for the probe of one checkpoint that checkpoint, so that what other array tasks get done is not taken for its own
    progress."""
    run, step = config.sweep.run, config.sweep.step
    return run if step is None else str(Path(run) / "checkpoints" / f"step_{step:07d}")


def _sweep_stages(config: Config) -> list[list[Config]]:
    return [] if config.sweep.array_size < 2 or config.sweep.step is not None else [_array_tasks(config, "sweep")]


def _merge_needs(config: Config) -> dict[str, str]:
    return _named("merge.checkpoints", config.merge.checkpoints) or {"merge.run": config.merge.run}


JOBS = {
    job.name: job
    for job in (
        Job("quickstart", "gather text and a retrieval set", lambda c: c.quickstart.output, lambda c: {}),
        Job("corpus", "clean, filter, deduplicate text", lambda c: c.corpus.output, _corpus_needs, _corpus_stages),
        Job(
            "quality",
            "learn the quality classifier",
            lambda c: c.quality.model,
            lambda c: _named("quality", c.quality.labelled or c.quality.good),
        ),
        Job(
            "topics",
            "learn the topic classifier",
            lambda c: c.topics.model,
            lambda c: _named("topics.labelled", c.topics.labelled),
        ),
        Job("embedder", "learn a static embedding", lambda c: c.corpus.semantic.model, _embedder_needs),
        Job("ocr", "read scanned pages", lambda c: c.ocr.output, lambda c: _named("ocr.inputs", c.ocr.inputs)),
        Job(
            "recycle",
            "rewrite documents by an LLM",
            lambda c: c.recycle.output,
            lambda c: _named("recycle.inputs", c.recycle.inputs),
        ),
        Job("split", "hold documents out", lambda c: c.split.output, _text),
        Job("tokenizer", "learn a tokenizer", lambda c: c.data.tokenizer, _text),
        Job("prepare", "tokenise into shards", lambda c: c.data.tokens, _prepare_needs, _prepare_stages),
        Job("mix", "mix sources into phases", lambda c: c.mixture.output, _mix_needs),
        Job("train", "train, with checkpoints", lambda c: c.run_dir, _train_needs, distributed=True, gpu=True),
        Job(
            "sweep",
            "probe retrieval at every checkpoint",
            _sweep_home,
            _sweep_needs,
            _sweep_stages,
            lenient=True,
            gpu=True,
        ),
        Job("merge", "average checkpoints", lambda c: c.merge.output, _merge_needs, gpu=True),
        Job(
            "export",
            "export the best checkpoint",
            lambda c: c.export.output,
            lambda c: {"export.checkpoint": c.export.checkpoint},
        ),
    )
}
