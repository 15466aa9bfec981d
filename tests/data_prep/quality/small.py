"""Real text that is always there, and a small classifier learnt from it."""

import json
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from conf.schema.data import DataConfig
from conf.schema.quality import QualityConfig
from data_prep.quality.build import build
from data_prep.text.language import load_language

ROUNDS = 30
made: dict = {}
"""What the fixtures made: one for all files that import them."""


def articles(count: int, least: int = 1500) -> dict[str, str]:
    """Parts of the reference of Python that `help()` prints, a paragraph a line."""
    parts = {}
    for name, topic in sorted(topics.items()):
        part: list[str] = []
        for paragraph in topic.split("\n\n"):
            part.append(" ".join(paragraph.split()))
            if sum(map(len, part)) >= least and len(parts) < count:
                parts[f"{name}/{len(parts)}"] = "\n".join(part)
                part = []
    return parts


def write(file: Path, rows: list[dict]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="session")
def config(tmp_path_factory) -> QualityConfig:
    """160 articles as good text, from two sources; a third source is held out, and so are two texts labelled by
    hand."""
    if "config" not in made:
        folder = tmp_path_factory.mktemp("quality")
        rows = [
            {"id": name, "text": text, "source": f"s{place % 3}"}
            for place, (name, text) in enumerate(articles(160).items())
        ]
        by_hand = [
            {"id": rows[0]["id"], "text": rows[0]["text"], "label": "HIGH"},
            {"id": "x", "text": "qwx 1 | 2 | 3\n" * 30, "label": "LOW"},
        ]
        made["config"] = QualityConfig(
            model=str(folder / "model"),
            good=[write(folder / "good.jsonl", rows)],
            measured=[write(folder / "by_hand.jsonl", by_hand)],
            held_out_sources=["s2"],
            language="en",
            documents=480,
        )
    return made["config"]


@pytest.fixture(scope="session")
def report(config) -> dict:
    """The report of the small classifier, which is then in ``config.model``."""
    if "report" not in made:
        made["report"] = build(config, DataConfig(), load_language("en"), 0, {"settings": {}, "inputs": {}}, ROUNDS)
    return made["report"]
