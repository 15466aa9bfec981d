"""Every number of the configuration has a range, and what is not in it is one sentence, before anything heavy is
loaded."""

import dataclasses
import importlib
import math
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

import conf.schema
from common.errors import UserError
from conf.schema import Config, PhaseConfig
from conf.schema.check import check
from conf.schema.language import LanguageConfig
from conf.schema.model import AutoConfig
from conf.schema.ranges import Limits, limits, limits_at, numbers
from data_prep.filters.registry import RULES, complete_settings, rule_class
from data_prep.text.language import load_language
from jobs.arguments.groups import CONF
from jobs.launch.compose import compose, spelled_out, to_config

ROOT = CONF.parent
JOBS = sorted(path.stem for path in CONF.glob("*.yaml") if path.stem != "base")
SCHEMAS = {
    kind
    for module in pkgutil.iter_modules(conf.schema.__path__)
    for kind in vars(importlib.import_module(f"conf.schema.{module.name}")).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__.startswith("conf.schema")
} | {rule_class(name).Settings for name in RULES}
"""Those of the configuration, and the settings that rules bring along."""


def has_number(kind: Any) -> bool:
    return kind in (int, float) or any(
        has_number(part) for part in get_args(kind) if isinstance(part, type) or get_origin(part)
    )


def ranged(schema: type) -> Iterator[tuple[dataclasses.Field, Limits]]:
    yield from ((field, known) for field in dataclasses.fields(schema) if (known := limits(field.type)))


@pytest.mark.parametrize("schema", sorted(SCHEMAS, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_number_has_a_range_that_holds_its_default(schema):
    without = [field.name for field in dataclasses.fields(schema) if has_number(field.type) and not limits(field.type)]
    assert not without, f"give {schema.__name__} a range for {without} (conf/schema/ranges.py)"
    for field, known in ranged(schema):
        assert known.range.low < known.range.high and math.isfinite(known.range.high)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        assert all(known.range.holds(number) for _, number in numbers(field.name, default)), field.name


def test_the_walk_finds_what_it_is_to_find():
    @dataclasses.dataclass
    class Bare:
        rate: float = 0.0
        sizes: list[int] = dataclasses.field(default_factory=list)
        caps: dict[str, float] = dataclasses.field(default_factory=dict)
        rows: int | str = 0
        share: float | None = None
        name: str | None = None
        yes: bool = False

    found = [field.name for field in dataclasses.fields(Bare) if has_number(field.type) and not limits(field.type)]
    assert found == ["rate", "sizes", "caps", "rows", "share"]
    assert len(SCHEMAS) > 40 and {Config, PhaseConfig, LanguageConfig, AutoConfig} <= SCHEMAS


def outside(known: Limits) -> list[float]:
    """nan, both infinities, and the numbers next to the range on either side."""
    low, high = known.range.low, known.range.high
    if known.kind is int:
        return [math.nan, math.inf, -math.inf, low - 1, high + 1]
    return [
        math.nan, math.inf, -math.inf, low if known.range.above else math.nextafter(low, -math.inf),
        high if known.range.below else math.nextafter(high, math.inf),
    ]  # fmt: skip


def tried(section: Any, prefix: str = "") -> Iterator[tuple[str, Limits, str]]:
    """(key, limits, what is said) of every number in a configuration, given each value outside its range in turn."""
    for field in dataclasses.fields(section):
        key, own = prefix + field.name, getattr(section, field.name)
        if dataclasses.is_dataclass(own):
            yield from tried(own, f"{key}.")
        elif isinstance(own, dict) and own and dataclasses.is_dataclass(next(iter(own.values()))):
            for name, one in own.items():
                yield from tried(one, f"{key}.{name}.")
        elif known := limits(field.type):
            for value in outside(known):
                inside = {"list": [value], "dict": {"x": value}}.get(
                    getattr(get_origin(field.type), "__name__", ""), value
                )
                setattr(section, field.name, inside)
                with pytest.raises(UserError) as error:
                    check(section, prefix)
                yield f"{key}.x" if isinstance(inside, dict) else key, known, str(error.value)
            setattr(section, field.name, own)


@pytest.mark.parametrize("job", JOBS)
def test_a_number_out_of_its_range_is_one_sentence_with_the_range(job):
    config = to_config(compose(job, []))
    config.phases = {"main": PhaseConfig()}
    sections = [(config, "")]
    if job == "train":
        open_, decoder = ([], ["train.init_from=x"]), (["model=decoder/tiny", "objective=causal"], [])
        sections += [(to_config(compose(job, given)), "") for pair in (open_, decoder) for given in pair if given]
        turkish, prefix = load_language("tr"), "corpus.languages.tr."
        rules = [(rule_class(name).settings_in(turkish), f"{prefix}rules.{name}.") for name in RULES]
        assert sum(len(list(tried(*section))) for section in rules) > 100
        sections += [(turkish, prefix), *rules]
    for section, prefix in sections:
        said = list(tried(section, prefix))
        assert len(said) > 100 or prefix
        for key, known, sentence in said:
            assert sentence.startswith(f"{key}=") and sentence.endswith(f"; give {known}") and "\n" not in sentence, (
                sentence
            )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("train.micro_batch=0", "train.micro_batch=0 is too small; give a whole number from 1 to 10^15"),
        ("train.seq_length=0", "train.seq_length=0 is too small; give a whole number from 2 to 10^15"),
        ("optim.lr=nan", "optim.lr=nan is not finite; give a number above 0 and at most 100"),
        ("optim.lr=1e999", "optim.lr=inf is not finite; give a number above 0 and at most 100"),
        ("optim.lr=-inf", "optim.lr=-inf is not finite; give a number above 0 and at most 100"),
        (
            f"optim.lr={'9' * 400}",
            "optim.lr has more digits than a number may have; give a number above 0 and at most 100",
        ),
        (
            f"train.steps={'9' * 400}",
            f"train.steps={'9' * 40}... (400 characters) is too large; give a whole number from 0 to 10^15",
        ),
        (f"train.steps={'9' * 5000}", "(5012 characters)': it takes a whole number"),
        (
            "model.embedding_dropout=1",
            "model.embedding_dropout=1.0 is too large; give a number of at least 0 and below 1",
        ),
        ("train.steps=nan", "train.steps takes a whole number from 0 to 10^15, and not nan; write train.steps=0"),
        ("train.steps=5k", "train.steps takes a whole number from 0 to 10^15, and not '5k'; write train.steps=5000"),
        ("train.steps='1,5'", "train.steps takes a whole number from 0 to 10^15, and not '1,5'; write train.steps=2"),
        ("train.steps=1.5", "train.steps takes a whole number from 0 to 10^15, and not 1.5; write train.steps=2"),
        (
            "train.tokens=1e9",
            "train.tokens takes a whole number from 0 to 10^15, and not 1000000000.0; write train.tokens=1000000000",
        ),
        ("train.steps=null", "train.steps takes a whole number from 0 to 10^15, and not nothing; write train.steps=0"),
        ("train.steps=true", "train.steps takes a whole number from 0 to 10^15, and not true; write train.steps=0"),
        (
            "optim.schedule.warmup_share=x",
            "optim.schedule.warmup_share takes a number from 0 to 1, and not 'x'; write ",
        ),
        (
            "model.vocab_size=nan",
            "model.vocab_size takes a whole number from 1 to 10,000,000, or auto, and not nan; write ",
        ),
        (
            "model.vocab_size=many",
            "model.vocab_size=many is no whole number; give a whole number from 1 to 10,000,000, or auto",
        ),
        (
            "train.checkpoint.probe_at_tokens=[5,-1]",
            "train.checkpoint.probe_at_tokens=-1 is negative; give a whole number from 0 to 10^15",
        ),
        (
            "train.checkpoint.probe_at_tokens=[5,5k]",
            (
                "train.checkpoint.probe_at_tokens takes a list, each a whole number from 0 to 10^15, and not [5,'5k'];"
                " write "
            ),
        ),
        (
            "phases.main.tokens=5k",
            "phases.main.tokens takes a whole number from 0 to 10^15, and not '5k'; write phases.main.tokens=5000",
        ),
        ("phases.main.lr=inf", "phases.main.lr=inf is not finite; give a number from 0 to 100"),
        ("phases.main.weights={a: nan}", "phases.main.weights.a=nan is not finite; give a number from 0 to 1,000,000"),
        ("mixture.topic_caps.tax=0", "mixture.topic_caps.tax=0.0 is too small; give a number above 0 and at most 1"),
        (
            "mixture.topic_caps.tax=x",
            "mixture.topic_caps.tax takes a number above 0 and at most 1, and not 'x'; write ",
        ),
        ("cluster.nodes=0", "cluster.nodes=0 is too small; give a whole number from 1 to 1,000,000"),
        (
            "sweep.array_task=1e3",
            "sweep.array_task takes a whole number from 0 to 999,999, and not 1000.0; write sweep.array_task=1000",
        ),
        ("budget=0", "budget=0.0 is too small; give a number above 0 and at most 1,000,000"),
        ("name=${nme}", "name refers to a key nme, and there is none; did you mean 'name'?"),
    ],
)
def test_as_it_is_written_on_a_command_line(given, said):
    with pytest.raises(UserError) as error:
        to_config(compose("train", [spelled_out(given)]))
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("written", ["1_000", "1000", "'1000'", "'1_000'"])
def test_whole_numbers_as_they_may_be_written(written):
    assert to_config(compose("train", [spelled_out(f"train.steps={written}")])).train.steps == 1000


def test_numbers_of_a_language_and_of_a_step_have_their_ranges():
    for value, said in (
        ("x", "=x is no whole number; give a whole"),
        (-1, "=-1 is negative; give a whole number from 0 to"),
    ):
        with pytest.raises(UserError, match=f"corpus.languages.tr.rules.fineweb.short_line{said}"):
            complete_settings(load_language("tr", {"rules": {"fineweb": {"short_line": value}}}))
    assert (
        limits_at(Config, "phases.any.weights.web")
        == limits_at(Config, "phases.any.weights")
        != limits_at(Config, "phases.any.lr")
    )
    assert limits_at(Config, "name") is limits_at(Config, "phases.any") is limits_at(Config, "nothing.at.all") is None


TORCH = """
import atexit, runpy, sys
atexit.register(lambda: print(*sys.modules))
sys.argv[0] = "jobs." + sys.argv[1]
runpy.run_module("jobs." + sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("job", "given"),
    [
        ("train", ["train.micro_batch=0"]),
        ("sweep", ["probe.lr=nan"]),
        ("merge", ["merge.decay=inf"]),
        ("prepare", ["prepare.check_every=0"]),
        ("corpus", ["corpus.inputs=[x]", "corpus.languages.tr.rules.fineweb.short_line=-1"]),
        ("pipeline", ["pipeline.steps=[{job: train, set: {optim.lr: nan}}]"]),
        ("train", ["-m", "seed=1,2", "train.steps=3,0.5"]),
        ("train", ["-m", "optim.lr=1e-3,nan"]),
    ],
)
def test_before_torch_is_loaded(job, given, tmp_path):
    command = [sys.executable, "-c", TORCH, job, *given, f"runs_dir={tmp_path}/runs"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert ended.returncode == 2 and ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1, ended.stderr
    assert (
        ended.stderr.partition("=")[0]
        .split()[-1]
        .startswith(given[-1].partition("=")[0].replace("pipeline.steps", "optim.lr"))
    )
    assert not {"torch", "transformers"} & set(ended.stdout.split()[-10_000:]) and "jobs.cli" in ended.stdout
    assert not list(Path(tmp_path).rglob("*.yaml")) or given[0] == "-m"
