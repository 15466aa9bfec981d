"""From the line of a source to the stream that a model reads, and back: every document of a small corpus, both ways."""

import copy
import dataclasses
import json
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from common.errors import UserError
from conf.schema import Config
from conf.schema.corpus import SourceConfig
from conf.schema.data import TokenizerConfig
from conf.schema.phase import PhaseConfig
from data_prep.quickstart.docstrings import list_sources, read_source
from data_prep.records.record import from_line
from data_prep.records.zst import read
from data_prep.tokenizer.train import save, train
from data_prep.tokens.indexed import read_index
from jobs import corpus, mix, prepare
from jobs.views.trace import trace


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Config:
    """Texts -> corpus of two sources (copies and junk among them) -> tokens of each -> a mixture that reads one of them
    twice."""
    folder = tmp_path_factory.mktemp("trace")
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    docs = [doc.text for source in list_sources([stdlib / "asyncio", stdlib / "email"]) for doc in _read(source)]
    texts = [text for text in dict.fromkeys(docs) if len(text.split()) >= 60][:50]
    assert len(texts) == 50
    lines = {"a": texts[:30] + [texts[2], "# " * 80], "b": texts[30:] + [texts[31].upper(), texts[0]]}
    config = Config()
    config.name, config.cluster.workers = "traced", 1
    config.corpus.output, config.corpus.shard_bytes = str(folder / "corpus"), 9000
    config.corpus.rules = ["gopher_quality"]
    for name, own in lines.items():
        path = folder / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps({"id": f"{name}-{number}", "text": text}) + "\n" for number, text in enumerate(own))
        )
        config.corpus.sources[name] = SourceConfig(inputs=[str(path)], language="en")
    corpus.run(config)
    learnt = TokenizerConfig(vocab_size=320)
    (folder / "tokenizer").mkdir()
    save(train(texts, learnt), learnt, folder / "tokenizer")
    config.data.tokenizer = str(folder / "tokenizer")
    for name in lines:
        one = copy.deepcopy(config)
        one.data.inputs, one.data.tokens = [str(folder / "corpus" / "documents" / name)], str(folder / f"tokens_{name}")
        prepare.run(one)
        config.mixture.sources[name] = one.data.tokens
    config.mixture.output = str(folder / "mixture")
    size = read_index(folder / "tokens_b" / "tokens.idx").tokens
    config.phases = {"one": PhaseConfig(), "two": PhaseConfig(tokens=size, weights={"b": 1})}
    mix.run(config)
    return config


def _read(source):
    found = read_source(source)
    return [] if isinstance(found, str) else found


def traced(config: Config, document: str, tokens: str) -> dict[str, str]:
    """The trace by name; of names that come several times the values in lines."""
    config = dataclasses.replace(config, status=dataclasses.replace(config.status, document=document))
    config.data = dataclasses.replace(config.data, tokens=tokens)
    found: dict[str, str] = {}
    for name, value in trace(config, config.data):
        found[name] = f"{found[name]}\n{value}" if name in found else value
    return found


def test_from_every_place_of_the_stream_to_the_line_of_the_source(made):
    for phase in ("one", "two"):
        folder = Path(made.mixture.output, phase)
        index, reader = read_index(folder / "tokens.idx"), Tokenizer.from_file(f"{made.data.tokenizer}/tokenizer.json")
        ids = np.fromfile(folder / "tokens.bin", index.dtype)
        for position in range(0, len(index.lengths), 3):
            found = traced(made, str(position), str(folder))
            file, _, line = found["from"].rpartition(" line ")
            text = json.loads(Path(file).read_text().splitlines()[int(line.replace(",", "")) - 1])
            first = int(index.offsets[position]) // index.dtype.itemsize
            own = reader.encode(corpus_text(made, text["id"])).ids
            assert own == ids[first : first + index.lengths[position]].tolist() and found["id"] == text["id"]
            assert found["check"] == "the text gives just these tokens"
            assert f"tokens {first:,} to {first + len(own):,} of " in found["in stream"]
    with pytest.raises(UserError, match=f"has documents 0 to {len(index.lengths) - 1}"):
        traced(made, "999", str(folder))


def corpus_text(config: Config, wanted: str) -> str:
    """Text of a kept document."""
    lines = (line for path in Path(config.corpus.output).glob("documents/*/*") for line in read(path))
    return next(record.text for record in map(from_line, lines) if record.id == wanted)


def test_from_every_line_of_the_source_to_the_stream_or_to_why_it_was_dropped(made):
    dropped = {}
    for name in ("a", "b"):
        path = Path(made.corpus.sources[name].inputs[0])
        for number, line in enumerate(path.read_text().splitlines(), 1):
            by_line = traced(made, f"{path}:{number}", f"{made.mixture.output}/one")
            assert by_line == traced(made, json.loads(line)["id"], f"{made.mixture.output}/one")
            assert by_line["from"] == f"{path} line {number:,}"
            if "dropped" in by_line:
                dropped[json.loads(line)["id"]] = by_line
            else:
                position = int(by_line["stream"].partition(" of ")[0].replace(",", ""))
                assert traced(made, str(position), f"{made.mixture.output}/one") == by_line
    kept = read_index(Path(made.mixture.output, "one", "tokens.idx"))
    assert len(kept.lengths) + len(dropped) == 54 and {"a-30", "a-31", "b-21"} <= set(dropped)
    assert "gopher_quality/" in dropped["a-31"]["dropped"] and "value" in dropped["a-31"]["dropped"]
    for copied, first in (("a-30", "a-2"), ("b-21", "a-0")):
        assert "by duplicates/exact" in dropped[copied]["dropped"] and dropped[copied]["repeats"].endswith(
            f"id {first}"
        )
    for wanted in ("c-1", f"{path}:99"):
        with pytest.raises(UserError, match="no source of .* has a document of that id"):
            traced(made, wanted, f"{made.mixture.output}/one")


def test_a_prepared_document_says_where_the_mixture_reads_it(made):
    found = traced(made, "0", made.mixture.sources["b"])
    places = [line.rpartition(": ")[2] for line in found["in stream"].splitlines()]
    for phase, place in zip(("one", "two"), places, strict=True):
        for position in place.removeprefix("positions ").split(", "):
            assert traced(made, position.replace(",", ""), f"{made.mixture.output}/{phase}")["id"] == found["id"]
    assert "mixture/two: not read" in traced(made, "0", made.mixture.sources["a"])["in stream"]


def test_before_anything_is_prepared_the_corpus_answers(made, tmp_path):
    found = traced(made, "a-3", str(tmp_path / "nothing"))
    assert found["kept"].startswith(f"{made.corpus.output}/documents/a/00000.jsonl.zst line ") and found["id"] == "a-3"
    other = dataclasses.replace(made, corpus=dataclasses.replace(made.corpus, output=str(tmp_path)))
    with pytest.raises(UserError, match="holds no prepared tokens"):
        traced(other, "a-3", str(tmp_path / "nothing"))


def test_a_run_on_a_mixture_says_when_it_reads_a_document(trainable, tmp_path):
    from jobs import train as training
    from jobs.launch.compose import compose, spelled_out, to_config

    tokens = next(one.partition("=")[2] for one in trainable if one.startswith("data.tokens="))
    mixed = [f"mixture.sources.text={tokens}", f"mixture.output={tmp_path}/mix", "phases.main.tokens=4000"]
    course = [
        "train.validation_fraction=0",
        "train.seq_length=64",
        "train.global_batch=4",
        "train.micro_batch=2",
        "parallel.threads=1",
    ]
    arguments = [
        *trainable,
        f"runs_dir={tmp_path}/runs",
        "name=mixed",
        *mixed,
        *course,
        f"data.tokens={tmp_path}/mix/main",
    ]
    last = {one.partition("=")[0]: one for one in arguments}.values()
    config = to_config(compose("train", [spelled_out(one) for one in last]))
    mix.run(config)
    training.run(config)
    config.status.run, config.status.document = config.run_dir, "3"
    found = dict(trace(config, config.data))
    assert found["stream"].startswith("3 of ") and "trained on" in found
