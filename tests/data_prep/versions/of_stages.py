"""Stages of the corpus: what each makes of a small corpus."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from conf.schema import Config
from conf.schema.corpus import SourceConfig
from data_prep.corpus.factory import stages
from data_prep.corpus.stages.stage import Stage
from data_prep.records.zst import read
from jobs import corpus
from tests.data_prep.versions.sample import LANGUAGES, digest_values, rows
from tests.data_prep.versions.table import Entry

RULES = ["gopher_quality", "fineweb"]


def entries(folder: Path) -> dict[str, Entry]:
    """An entry a stage; each rests on the rules that it applies and on the stages before."""
    config = _config(folder)
    corpus.run(config)
    made: dict[str, Entry] = {}
    for stage in stages(config):
        file = f"{type(stage).__module__.replace('.', '/')}.py"
        before = {name for entry in made.values() for name in entry["rests_on"]}
        own = {name for task in stage.tasks() for name in stage.versions(task)}
        rests_on = sorted((before | own | made.keys()) - {f"stage {stage.name}"})
        made[f"stage {stage.name}"] = {
            "version": stage.version, "digest": digest_values(_results(stage, folder)), "file": file,
            "rests_on": rests_on,
        }  # fmt: skip
    return made


def _config(folder: Path) -> Config:
    """A source a language, everything compared but the meaning, personal data replaced, some evaluation text."""
    config = Config()
    for language in LANGUAGES:
        (folder / f"{language}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in rows(language)), encoding="utf-8"
        )
        config.corpus.sources[language] = SourceConfig(inputs=[str(folder / f"{language}.jsonl")], language=language)
    questions = [{"question": row["text"].split("\n\n")[-1]} for row in rows("en")[1:3]]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions), encoding="utf-8")
    config.corpus.contamination.inputs = [str(folder / "questions.jsonl")]
    config.corpus.output, config.corpus.rules, config.corpus.pii = str(folder / "corpus"), RULES, True
    config.corpus.paragraphs.enabled, config.corpus.paragraphs.min_characters = True, 60
    config.corpus.duplicates.bands, config.corpus.duplicates.rows = 20, 4
    config.cluster.workers = 1
    return config


def _results(stage: Stage, folder: Path) -> Iterator[Any]:
    """Arrays, lines and counts of the units, without the folder that the text lies in."""
    for task in stage.tasks():
        for path in sorted((stage.folder / task.name).rglob("*")):
            yield path.name
            if path.suffix == ".npy":
                yield np.load(path)
            elif path.suffix == ".zst" or path.name == "documents":
                yield [line.decode().replace(str(folder), "") for line in read(path)]
            elif path.name == "counts.json":
                counts = json.loads(path.read_text(encoding="utf-8").replace(str(folder), ""))
                yield counts | {"unit": None}  # its name depends on the folder
