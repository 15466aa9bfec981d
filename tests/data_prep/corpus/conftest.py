"""A small corpus of real English text with planted faults whose number is known."""

import json
import sysconfig
from pathlib import Path

import pytest

from conf.schema import Config
from conf.schema.corpus import SourceConfig
from data_prep.quickstart.docstrings import list_sources, read_source
from jobs import embedder as jobs_embedder
from jobs import tokenizer

PACKAGES = ("asyncio", "email", "logging", "unittest", "concurrent", "http", "importlib", "multiprocessing")
LEAK = "Which of the seven courts may hear an appeal against the decision of a notary about the inheritance of a ship?"
MAIL = "Write to jan.kowalski@example.org about it."
FILES = 8


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Documentation strings of the standard library, of at least 60 words, no two alike."""
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    docstrings = [
        doc.text for package in PACKAGES for source in list_sources([stdlib / package]) for doc in _read(source)
    ]
    return list(dict.fromkeys(text for text in docstrings if len(text.split()) >= 60))[:160]


def _read(source):
    docstrings = read_source(source)
    return [] if isinstance(docstrings, str) else docstrings


@pytest.fixture(scope="session")
def planted(texts) -> list[dict]:
    """Records in their order: texts, with an exact copy of one in ten, a near copy of one in ten, junk, personal data,
    leaked text."""
    records = []
    for number, text in enumerate(texts):
        text = f"{text}\n\n{MAIL}" if number % 10 == 1 else f"{text}\n\n{LEAK}" if number % 10 == 2 else text
        records.append({"id": f"doc{number}", "text": text, "url": f"https://docs.example.org/{number}"})
        if number % 10 == 3:
            records.append({"id": f"copy{number}", "text": text.upper().replace(" ", "  ")})
        if number % 10 == 4 and len(text.split()) > 120:
            records.append({"id": f"near{number}", "text": f"{text} And so on."})
        if number % 10 == 5:
            records.append({"id": f"junk{number}", "text": "# ".join(["menu", "login", "cart"] * 30)})
    return [record | {"number": number, "other": None} for number, record in enumerate(records)]


@pytest.fixture
def folder(tmp_path, planted) -> Path:
    """The records in eight files, and evaluation text beside them; one line in the third file is no JSON."""
    inputs = tmp_path / "texts"
    inputs.mkdir()
    for number in range(FILES):
        lines = [json.dumps(record) for record in planted[number::FILES]]
        (inputs / f"part_{number}.jsonl").write_text(
            "\n".join([*lines[:3], *(['{"id": "broken", '] if number == 2 else []), *lines[3:]]) + "\n"
        )
    (tmp_path / "evaluation.jsonl").write_text(json.dumps({"question": LEAK}) + "\n")
    return tmp_path


@pytest.fixture(scope="session")
def embedder(texts, tmp_path_factory) -> Path:
    """A static embedding learnt from the texts, with a small tokenizer of its own."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    config = Config()
    config.data.inputs, config.data.tokenizer = [str(folder / "texts.jsonl")], str(folder / "tokenizer")
    config.tokenizer.vocab_size, config.corpus.semantic.dimensions = 1000, 32
    config.corpus.semantic.model = str(folder / "embedder")
    tokenizer.run(config)
    jobs_embedder.run(config)
    return folder / "embedder"


@pytest.fixture
def config(folder) -> Config:
    """One source, the rules that need no model, everything that compares documents."""
    made = Config()
    made.corpus.sources = {
        "docs": SourceConfig(inputs=[str(folder / "texts")], language="en", licence="PSF", keep_fields=["number"])
    }
    made.corpus.output = str(folder / "corpus")
    made.corpus.rules = ["gopher_quality"]
    made.corpus.pii = True
    made.corpus.contamination.inputs = [str(folder / "evaluation.jsonl")]
    made.corpus.paragraphs.enabled = True
    made.corpus.shard_bytes = 30_000
    made.cluster.workers = 1
    return made
