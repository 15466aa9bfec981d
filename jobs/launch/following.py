"""The command that comes after a job, printed when it has ended: with the names and paths of the user, quoted for the
shell.

It repeats the arguments that were given, as far as the next job reads them, so that it composes the same configuration.
"""

import dataclasses
import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from common import manifest as manifests
from common.environment import read_ranks
from common.errors import UserError
from common.files import read_json
from common.progress import say
from conf.schema import Config
from conf.schema.model import AUTO, AutoConfig
from model.shapes import ROW_MULTIPLE

READS = {
    "corpus": ("corpus", "quality", "topics", "data", "cluster"),
    "tokenizer": ("data", "tokenizer", "prepare", "cluster"),
    "prepare": ("data", "prepare", "cluster"),
    "train": (
        "data",
        "model",
        "objective",
        "optim",
        "parallel",
        "train",
        "phases",
        "budget",
        "mixture",
        "hardware",
        "cluster",
    ),
    "sweep": ("sweep", "probe", "evaluation", "data", "parallel", "cluster"),
    "export": ("export", "sweep", "parallel", "cluster"),
    "status": ("status",),
}
"""Sections of the arguments that a job takes over; one that is not here takes all."""
ALWAYS = ("experiment", "name", "seed", "runs_dir", "run", "run_dir")
PART = ("prepare.array_task", "corpus.array_task", "corpus.stage", "sweep.array_task", "sweep.step")
"""Keys that ask for a part of the work."""
ONCE = ("dry_run", "plan", "sweep.force", *PART)
"""Keys that are meant for one start alone."""
FEW_STEPS = 100
ENCODER, ENCODER_ROWS = "encoder/modernbert_base", 50_368
"""The net to train where the default one, which is tiny, is too short, and the rows of its vocabulary."""


class Next(NamedTuple):
    """A job and what is to be set for it beside the arguments that were given."""

    job: str
    settings: dict[str, Any] = {}
    unset: tuple[str, ...] = ()
    """Beginnings of keys that are not taken over."""


WATCH = Next("status", {"status.watch": 5})


def tell_following(job: str, given: Sequence[str], configs: Sequence[Config]) -> None:
    """Say the command after ``python -m jobs.<job> <given>``, which has done its work for ``configs`` (several: a
    multirun)."""
    if job == "status" and any(config.status.watch for config in configs):
        return  # whoever ends a view that goes on wants its last state on the screen
    with suppress(UserError, OSError, KeyError):  # something is gone already: the work is done all the same
        if configs and not read_ranks().rank:
            say(f"next: {following(job, given, configs)}")


def following(job: str, given: Sequence[str], configs: Sequence[Config]) -> str:
    """The command, as a line for a shell."""
    config = configs[0]
    if job == "export" and not (config.dry_run or _queued(job, config)):
        return _try(config)
    if job == "pipeline" and not (config.dry_run or _queued(job, config)):
        return shlex.join([_python(), "-m", "tensorboard.main", "--logdir", config.runs_dir])
    found = _next(job, given, configs)
    multirun = any(argument in ("-m", "--multirun") for argument in given) and found.job != "status"
    arguments = [one for one in given if multirun or not one.startswith("-")]
    dropped = {*ONCE, *found.settings}
    arguments = [
        one for one in arguments if _key(one) not in dropped and not (found.unset and _key(one).startswith(found.unset))
    ]
    added = [f"{key}={_value(value)}" for key, value in found.settings.items()]
    if not multirun:
        arguments = _needed(found.job, arguments, added)
    return shlex.join([_python(), "-m", f"jobs.{found.job}", *arguments, *added])


def _next(job: str, given: Sequence[str], configs: Sequence[Config]) -> Next:
    config = configs[0]
    if config.plan and job == "train":
        return Next("doctor")
    if config.dry_run and job != "status":
        return Next(job)
    if any(_key(one) in PART for one in given):
        return Next(job)
    if _queued(job, config):
        return WATCH
    if job == "mix" and any(_key(one) == "experiment" for one in given):  # which has the phases
        return Next("train")
    return _train(configs) if job == "train" else AFTER[job](config)


def _queued(job: str, config: Config) -> bool:
    from jobs.registry import JOBS
    from slurm import allocation

    return (
        config.cluster.kind == "slurm"
        and not config.cluster.wait
        and (job in JOBS or job == "pipeline")
        and not allocation.inside()
    )


def _tokens(config: Config, *inputs: str | Path) -> Next:
    """What makes tokens of text: the tokenizer first, where there is none yet. ``inputs``: the text, where a job has
    written it."""
    job = "prepare" if (Path(config.data.tokenizer) / "tokenizer.json").is_file() else "tokenizer"
    known = [str(place) for place in inputs]
    there = not known or all(any(one.startswith(place) for place in known) for one in config.data.inputs or [""])
    return Next(job, {} if there else {"data.inputs": known})


def _corpus(config: Config, settings: dict[str, Any], inputs: Sequence[str], language: str | None = None) -> Next:
    """The corpus with ``settings``; of ``inputs`` where it has no sources."""
    if not (config.corpus.sources or config.corpus.inputs):
        settings |= {"corpus.inputs": list(inputs)} | ({"corpus.language": language} if language else {})
    return Next("corpus", settings)


def _rule(config: Config, rule: str, inputs: Sequence[str]) -> Next:
    rules = [*config.corpus.rules, *([rule] if rule not in config.corpus.rules else [])]
    return _corpus(config, {"corpus.rules": rules}, inputs, getattr(config, rule).language)


def _start(config: Config) -> Next:
    """The training on what `jobs.prepare` has written, of one reading, or some steps where one would be few."""
    settings, known = {}, manifests.read(config.data.tokens)
    length, batch, net = config.train.seq_length, config.train.global_batch, config.model
    if not isinstance(net, AutoConfig):
        rows = net.vocab_size
        if net.max_positions < length:
            settings["model"], rows = ENCODER, ENCODER_ROWS
        if rows != AUTO and rows < known["vocab_size"]:
            settings["model.vocab_size"] = -(-known["vocab_size"] // ROW_MULTIPLE) * ROW_MULTIPLE
    if not (config.train.steps or config.train.tokens or config.phases):
        if known["tokens"] < FEW_STEPS * length * batch:
            settings["train.global_batch"] = batch = config.train.micro_batch
        settings["train.steps"] = max(FEW_STEPS, known["tokens"] // (length * batch))
    return Next("train", settings)


def _mixed(config: Config) -> Next:
    """The training on one phase, or on all of them."""
    if len(config.phases) > 1 or config.data.validation:
        return Next("train")
    output = Path(config.mixture.output) / next(iter(config.phases))
    alone = dataclasses.replace(config, phases={}, data=dataclasses.replace(config.data, tokens=str(output)))
    found = _start(alone)
    return Next("train", {"data.tokens": str(output), **found.settings}, ("phases", "mixture", "budget"))


def _train(configs: Sequence[Config]) -> Next:
    """What is measured of the checkpoints, where there is something to measure on; else the export of the last one."""
    config = configs[0]
    measured = (
        Path(config.data.retrieval).exists()
        or config.evaluation.domain
        or config.evaluation.general
        or config.evaluation.tasks
    )
    if not measured:
        return Next("export", {"export.checkpoint": f"{config.run_dir}/checkpoints/last"})
    return Next("sweep", {"sweep.runs": [one.run_dir for one in configs]} if len(configs) > 1 else {})


def _export(config: Config) -> Next:
    if not config.sweep.runs:
        return Next("export")
    from model.evaluation.sweep import find_runs

    return Next("export", {"sweep.run": str(find_runs(config.sweep)[0])}, ("sweep.runs",))


def _doctor(config: Config) -> Next:
    named = config.name != Config().name
    return Next("pipeline", {"dry_run": True} | ({} if named else {"experiment": "quickstart"}))


def _status(config: Config) -> Next:
    once = ("status.artefact", "status.document", "status.goodput", "status.cancel", "status.retry", "status.run")
    shown = any(getattr(config.status, key.partition(".")[2]) for key in once)
    return Next("status", {}, once) if shown else WATCH


AFTER: dict[str, Callable[[Config], Next]] = {
    "quickstart": lambda c: _tokens(c, Path(c.quickstart.output) / "train.jsonl"),
    "corpus": lambda c: _tokens(c, Path(c.corpus.output) / "documents"),
    "quality": lambda c: _rule(c, "quality", c.quality.good or c.quality.labelled),
    "topics": lambda c: _rule(c, "topics", c.topics.labelled),
    "embedder": lambda c: _corpus(c, {"corpus.semantic.enabled": True}, c.data.inputs),
    "ocr": lambda c: _corpus(c, {}, [c.ocr.output]),
    "recycle": lambda c: _tokens(c, Path(c.recycle.output) / "documents"),
    "split": lambda c: _tokens(c, Path(c.split.output) / "train.jsonl.zst"),
    "tokenizer": _tokens,
    "prepare": _start,
    "mix": _mixed,
    "sweep": _export,
    "merge": lambda c: Next("status", {"status.artefact": c.merge.output}),
    "fetch": lambda c: Next("doctor"),
    "doctor": _doctor,
    "status": _status,
}


def _try(config: Config) -> str:
    """A line that loads the exported model and uses it."""
    kind = str(read_json(Path(config.export.output) / "config.json").get("architectures"))
    task, text = ("fill-mask", "net.tokenizer.mask_token") if "MaskedLM" in kind else ("text-generation", '"The"')
    code = (
        f'from transformers import pipeline; net = pipeline("{task}", {json.dumps(config.export.output)});'
        f" print(net({text}))"
    )
    return shlex.join([_python(), "-c", code])


def _needed(job: str, arguments: list[str], added: list[str]) -> list[str]:
    """Those of ``arguments`` that ``job`` reads. The values of an experiment may be made of others: then if it reads
    the same without."""
    from jobs.launch.compose import compose, spelled_out

    if job not in READS:
        return arguments
    fewer = [one for one in arguments if _key(one).split(".")[0] in (*ALWAYS, *READS[job])]
    if len(fewer) == len(arguments) or not any(_key(one) == "experiment" for one in arguments):
        return fewer

    def read(some: list[str]) -> Any:
        found = compose(job, [spelled_out(one) for one in [*some, *added]])
        return [_plain(found, key) for key in (*READS[job], *ALWAYS[1:])]

    try:
        return fewer if read(fewer) == read(arguments) else arguments
    except UserError:
        return arguments


def _plain(composed: Any, key: str) -> Any:
    from omegaconf import OmegaConf

    value = composed[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _key(argument: str) -> str:
    return argument.lstrip("+~").partition("=")[0]


def _value(value: Any) -> str:
    """``value`` as Hydra reads it."""
    if isinstance(value, list):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return (
        text
        if re.fullmatch(r"[\w./+-]+", text, re.ASCII)
        else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    )


def _python() -> str:
    """The interpreter, by the name that finds it."""
    found = shutil.which("python")
    return "python" if found and Path(found).parent == Path(sys.executable).parent else sys.executable
