"""Every YAML under conf/ composes, and every key of the schema is documented."""

import dataclasses
import re
from pathlib import Path

import pytest

from common.errors import UserError
from conf.schema import Config
from conf.schema.documentation import documented, field_docstrings
from data_prep.text.language import TEMPLATE, load_language
from jobs.arguments.groups import CONF
from jobs.launch.compose import compose, to_config

LANGUAGES = CONF / "data" / "language"
YAMLS = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml") if path.parent != LANGUAGES)
PROFILES = sorted(path for path in LANGUAGES.glob("*.yaml") if path.stem != TEMPLATE)
JOBS = [str(path.with_suffix("")) for path in YAMLS if len(path.parts) == 1 and path.name != "base.yaml"]


def sections(schema: type):
    yield schema
    for field in dataclasses.fields(schema):
        if dataclasses.is_dataclass(field.type):
            yield from sections(field.type)


@pytest.mark.parametrize("path", YAMLS, ids=str)
def test_every_yaml_composes(path):
    if len(path.parts) == 1:
        config = to_config(compose(str(path.with_suffix("")), []))
    else:
        choice = str(Path(*path.parts[1:]).with_suffix(""))
        config = to_config(compose("train", [f"{path.parts[0]}={choice}"]))
    assert isinstance(config, Config)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_language_is_a_profile(path):
    profile = load_language(path.stem)
    assert profile.code == path.stem
    assert profile.name


def test_every_job_has_a_primary_yaml_and_every_primary_yaml_a_job():
    root = CONF.parent
    jobs = {path.stem for path in (root / "jobs").glob("*.py")} - {"__init__", "cli", "help", "registry"}
    assert set(JOBS) == jobs


@pytest.mark.parametrize("schema", list(sections(Config)), ids=lambda s: s.__name__)
def test_every_key_says_what_it_means(schema):
    assert set(field_docstrings(schema)) == {field.name for field in dataclasses.fields(schema)}


def test_help_shows_the_defaults():
    keys = {key.name: key for key in documented(Config)}
    assert keys["optim.schedule.kind"].default == "wsd"
    assert "Peak learning rate" in keys["optim.lr"].meaning


def test_no_real_machine_outside_the_cluster_profiles():
    for path in CONF.rglob("*.yaml"):
        if path.relative_to(CONF).parts[0] != "cluster":
            assert not re.search(
                r"(^|[\s\"'])/(home|gpfs|scratch|work|mnt|leonardo|lustre)\b|partition|account", path.read_text()
            ), path


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=1", "did you mean 'optim.lr'"),
        ("lr=1", "did you mean 'optim.lr'"),
        ("train.checkpoint.probe_every_step=1", "did you mean 'train.checkpoint.probe_every_steps'"),
        ("optim=adam", "did you mean 'adamw'"),
        ("experiment=mecellem/mursit_bas", "did you mean 'mecellem/mursit_base'"),
        ("optim.schedule.kind=wds", "it takes wsd, cosine, constant; did you mean 'wsd'"),
        ("train.steps=many", "train.steps"),
        ("objective.mask_rate=1.5", "objective.mask_rate=1.5 is a share"),
        ("optim.lr=-1", "optim.lr=-1.0 is negative"),
        ("+new.key=1", "unknown key 'new.key'"),
        ("optim.lr==3", "cannot read the argument"),
        ("name=${nme}", "nme"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_key(override, message):
    with pytest.raises(UserError) as error:
        to_config(compose("train", [override]))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
