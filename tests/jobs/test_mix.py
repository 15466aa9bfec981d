"""`python -m jobs.mix`: exact shares, every document once before any twice, the same bytes, one sentence for what
cannot be met."""

import copy
import html
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from common import manifest as manifests
from common.errors import UserError
from common.files import digest
from conf.schema import Config
from conf.schema.data import TokenizerConfig
from conf.schema.phase import PhaseConfig
from data_prep.mixture import draw, sources, write
from data_prep.tokenizer.train import save, train
from data_prep.tokens.indexed import read_index
from jobs import mix, prepare
from tests.jobs.test_report_in_browser import CHROMIUM, WIDTHS, Browser
from tests.jobs.validate.refusals import checked

HERE = Path(__file__).parent
SOURCES = {"web": 400, "law": 150, "tiny": 12}
TOPICS = ("tax", "family", "trade")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Config:
    """Three prepared sources; every document names itself, so that it is known again in the stream."""
    folder, rng = tmp_path_factory.mktemp("mix"), np.random.default_rng(0)
    words = ["court", "tenant", "owner", "lease", "judge", "house", "debt", "heir", "<b>", "&"]
    config = Config()
    config.name, config.data.tokenizer = "test", str(folder / "tokenizer")
    texts = {}
    for name, count in SOURCES.items():
        lengths = rng.integers(3, 90, count)
        texts[name] = [
            f"{name} {number} {' '.join(rng.choice(words, length))}" for number, length in enumerate(lengths)
        ]
        with (folder / f"{name}.jsonl").open("w") as file:
            for number, text in enumerate(texts[name]):
                topic = {"topic": TOPICS[number % 7 % 3]} if number % 7 < 5 else {}
                file.write(json.dumps({"text": text, "id": f"{name}-{number}", **topic}) + "\n")
    (folder / "tokenizer").mkdir()
    learnt = TokenizerConfig(vocab_size=320)
    save(train([text for own in texts.values() for text in own], learnt), learnt, folder / "tokenizer")
    for name in SOURCES:
        one = copy.deepcopy(config)
        one.data.inputs, one.data.tokens = [str(folder / f"{name}.jsonl")], str(folder / name)
        one.prepare.shard_bytes = 9000
        prepare.run(one)
        config.mixture.sources[name] = one.data.tokens
    return config


@pytest.fixture
def config(made, tmp_path, monkeypatch) -> Config:
    """A mixture of two phases; slices and blocks so small that there are many."""
    monkeypatch.setattr(draw, "SLICE", 1000)
    monkeypatch.setattr(sources, "BLOCK", 64)
    monkeypatch.setattr(write, "BLOCK", 100)
    config = copy.deepcopy(made)
    config.mixture.output = str(tmp_path / "mixture")
    config.phases = {
        "main": PhaseConfig(tokens=9000, weights={"web": 6, "law": 3, "tiny": 1}),
        "anneal": PhaseConfig(tokens=6000, weights={"law": 0.5, "web": 0.5}),
    }
    return config


def stream(config: Config, phase: str) -> list[tuple[str, int, int]]:
    """Source, document and repeat at every place, told from the text itself where it can be."""
    folder = Path(config.mixture.output, phase)
    known, index, rows = manifests.read(folder), read_index(folder / "tokens.idx"), np.load(folder / "documents.npy")
    ids = np.fromfile(folder / "tokens.bin", index.dtype)
    reader = Tokenizer.from_file(f"{config.data.tokenizer}/tokenizer.json")
    found = []
    for (number, document, repeat), offset, length in zip(rows.tolist(), index.offsets, index.lengths, strict=True):
        name = known["mixture"]["sources"][number]["name"]
        first = int(offset) // index.dtype.itemsize
        assert reader.decode(ids[first : first + length].tolist()).startswith(f"{name} {document} ")
        found.append((name, document, repeat))
    assert len(ids) == known["tokens"] == index.tokens and len(rows) == known["documents"]
    return found


def sizes(config: Config) -> dict[str, np.ndarray]:
    return {
        name: np.array(read_index(Path(folder) / "tokens.idx").lengths)
        for name, folder in config.mixture.sources.items()
    }


def test_shares_are_as_asked_to_a_document(config):
    found = mix.run(config)
    lengths = sizes(config)
    for phase, weights in (("main", {"web": 5400, "law": 2700, "tiny": 900}), ("anneal", {"web": 3000, "law": 3000})):
        got: Counter[str] = Counter()
        for name, document, _ in stream(config, phase):
            got[name] += int(lengths[name][document])
        for name, asked in weights.items():
            row = found["phases"][phase]["sources"][name]
            assert abs(got[name] - asked) <= lengths[name].max()
            assert (row["asked"], row["tokens"], row["deviation"]) == (asked, got[name], got[name] - asked)
            assert sum(row["lengths"]) == sum(row["readings"]) == row["documents"]
        assert set(got) == set(weights) == set(found["phases"][phase]["sources"])


def test_over_all_phases_no_source_is_off_by_more_than_half_a_document(config):
    config.phases = {f"p{number}": PhaseConfig(tokens=777, weights={"web": 1, "law": 1}) for number in range(8)}
    found = mix.run(config)
    lengths = sizes(config)
    for name in ("web", "law"):
        off = found["sources"][name]["tokens_taken"] - 8 * 777 / 2
        assert abs(off) <= lengths[name].max() / 2 + 4  # of each phase, half a token is rounded away


def test_no_document_comes_twice_before_all_were_read(config):
    mix.run(config)
    seen: Counter[tuple[str, int]] = Counter()
    counts: dict[str, Counter[int]] = {name: Counter() for name in SOURCES}
    for phase in config.phases:
        # Within a pass the stream is the source's own order; passes follow each other.
        for name, document, repeat in stream(config, phase):
            assert seen[name, document] == repeat
            seen[name, document] += 1
            counts[name][repeat] += 1
    for name, count in SOURCES.items():
        full = [counts[name][repeat] for repeat in sorted(counts[name])]
        assert all(one == count for one in full[:-1]) and 0 < full[-1] <= count
    assert len(counts["tiny"]) > 1 and len(counts["web"]) == 1


def test_every_part_of_the_stream_has_the_weights(config):
    mix.run(config)
    lengths = sizes(config)
    rows = stream(config, "main")
    tokens = np.array([lengths[name][document] for name, document, _ in rows])
    for name, weight in (("web", 0.6), ("law", 0.3), ("tiny", 0.1)):
        own = np.cumsum(np.where([row[0] == name for row in rows], tokens, 0))
        assert np.abs(own - weight * np.cumsum(tokens)).max() <= 2 * max(one.max() for one in lengths.values())


def test_everything_once_and_in_proportion(config):
    config.phases = {"all": PhaseConfig(), "more": PhaseConfig(tokens=3000)}
    found = mix.run(config)
    everything = sorted((name, document, 0) for name, count in SOURCES.items() for document in range(count))
    assert sorted(stream(config, "all")) == everything
    whole = sum(int(one.sum()) for one in sizes(config).values())
    for name, one in sizes(config).items():
        assert found["phases"]["more"]["sources"][name]["asked"] == round(3000 * one.sum() / whole)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(config, tmp_path):
    def fingerprint():
        return {
            str(path.relative_to(config.mixture.output)): digest(path)
            for path in Path(config.mixture.output).rglob("tokens.*")
        } | {path.parent.name: digest(path) for path in Path(config.mixture.output).rglob("documents.npy")}

    mix.run(config)
    first = fingerprint()
    before = {path: path.stat().st_mtime_ns for path in Path(config.mixture.output).rglob("tokens.bin")}
    mix.run(config)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    config.mixture.output = str(tmp_path / "again")
    mix.run(config)
    assert fingerprint() == first
    config.mixture.output, config.seed = str(tmp_path / "other"), 1
    mix.run(config)
    assert not set(fingerprint().values()) & set(first.values())


def test_slices_change_no_byte(config, tmp_path, monkeypatch):
    mix.run(config)
    monkeypatch.setattr(draw, "SLICE", 1 << 22)
    monkeypatch.setattr(sources, "BLOCK", 1 << 17)
    whole = copy.deepcopy(config)
    whole.mixture.output = str(tmp_path / "whole")
    mix.run(whole)
    for phase in config.phases:
        for name in ("tokens.bin", "tokens.idx", "documents.npy"):
            assert (
                Path(config.mixture.output, phase, name).read_bytes()
                == Path(whole.mixture.output, phase, name).read_bytes()
            )


def test_training_takes_a_phase_for_its_tokens(config):
    from model.training.data.tokens import open_tokens

    mix.run(config)
    opened = open_tokens(Path(config.mixture.output) / "main", config.data.tokenizer, 320)
    assert len(opened.starts) == len(stream(config, "main")) and opened.manifest["tokens"] == len(opened.ids)


def test_a_broken_phase_is_made_again_and_another_mixture_refused(config):
    mix.run(config)
    path = Path(config.mixture.output, "main", "tokens.bin")
    right = path.read_bytes()
    path.write_bytes(right[:-2])
    mix.run(config)
    assert path.read_bytes() == right
    config.phases["main"].tokens += 100
    with pytest.raises(
        UserError, match=r"mixture/main holds another mixture \(other shares\); choose another mixture.output or remove"
    ):
        mix.run(config)
    (Path(config.mixture.output) / "anneal" / "manifest.json").unlink()
    config.phases["main"].tokens -= 100
    with pytest.raises(UserError, match="anneal holds files that jobs.mix did not write"):
        mix.run(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.mixture.sources.clear(), "mixture.sources is empty; name tokens folders"),
        (lambda c: c.phases.clear(), "phases is empty; give a phase"),
        (
            lambda c: c.mixture.sources.update(web="nowhere"),
            "mixture.sources.web: nowhere holds no prepared tokens .*run jobs.prepare",
        ),
        (
            lambda c: c.phases["main"].weights.update(lawn=1),
            "names the source 'lawn', which mixture.sources has not; did you mean 'law'",
        ),
        (lambda c: c.phases["main"].weights.update(law=-1), "weights.law=-1 is negative"),
        (lambda c: c.phases["main"].weights.update(web=0, law=0, tiny=0), "main.weights are all 0"),
        (lambda c: setattr(c.phases["main"], "tokens", 0), "has weights and no budget"),
        (lambda c: setattr(c.phases["main"], "tokens", -5), "main.tokens=-5 is negative"),
        (lambda c: setattr(c.mixture, "max_repeats", 0), "max_repeats=0 is too small"),
        (lambda c: c.phases.update({"../x": PhaseConfig()}), "the name becomes a folder"),
        (lambda c: c.mixture.topic_caps.update(sports=0.5), "names 'sports', and no document has that topic"),
        (lambda c: c.mixture.topic_caps.update(tax=1.5), "topic_caps.tax=1.5 is a share"),
        (
            lambda c: c.mixture.topic_caps.update(dict.fromkeys([*TOPICS, "Other"], 0.2)),
            "cannot be met: in the phase .* the topic has",
        ),
        (lambda c: setattr(c.mixture, "preview", -1), "mixture.preview=-1 is negative"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(config, change, message):
    change(config)
    with pytest.raises(UserError, match=message):
        checked("mix", mix.run, config)
    assert not Path(config.mixture.output).exists()


def test_too_little_text_says_what_is_there_what_is_asked_and_what_fits(config):
    size = int(sizes(config)["tiny"].sum())
    config.phases["main"].tokens = 100 * size
    with pytest.raises(UserError) as caught:
        mix.run(config)
    limit = 4 * size
    told = str(caught.value)
    assert (
        f"mixture.sources.tiny holds {size:,} tokens, {limit:,} with mixture.max_repeats=4, and the phases ask for"
        f" {10 * size:,}" in told
    )
    assert f"main {limit:,} of {10 * size:,}" in told and "or set mixture.max_repeats=10" in told
    config.phases = {"main": PhaseConfig(tokens=limit, weights={"tiny": 1})}
    mix.run(config)  # what would fit fits
    assert Counter(stream(config, "main")) == Counter(
        ("tiny", document, repeat) for document in range(12) for repeat in range(4)
    )


def test_sources_of_another_tokenizer_and_empty_ones_are_refused(config, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "tokenizer.json").write_text(Path(config.data.tokenizer, "tokenizer.json").read_text() + " ")
    wrong = copy.deepcopy(config)
    wrong.data.tokenizer = str(other)
    with pytest.raises(
        UserError, match="mixture.sources.web: .* was tokenised with another tokenizer than data.tokenizer"
    ):
        mix.run(wrong)
    mix.run(config)
    wrong = copy.deepcopy(config)
    wrong.mixture.sources["web"] = f"{config.mixture.output}/main"
    with pytest.raises(UserError, match="is not what jobs.prepare made"):
        mix.run(wrong)
    wrong.data.tokenizer = str(tmp_path / "none")
    with pytest.raises(UserError, match="there is no .*none/tokenizer.json"):
        mix.run(wrong)


def test_a_capped_topic_has_no_more_than_its_share(config, made):
    config.mixture.topic_caps = {"tax": 0.2, "trade": 0.1}
    config.phases = {"a": PhaseConfig(tokens=9000, weights={"web": 3, "law": 1}), "b": PhaseConfig(tokens=4000)}
    found = mix.run(config)
    topics = {
        name: [TOPICS[n % 7 % 3] if n % 7 < 5 else "Other" for n in range(count)] for name, count in SOURCES.items()
    }
    for phase in config.phases:
        rows = stream(config, phase)
        counted = Counter(topics[name][document] for name, document, _ in rows)
        assert {name: row["documents"] for name, row in found["phases"][phase]["topics"].items()} == counted
        slack = 2 * len(SOURCES) / len(rows)  # each stratum is cut at a whole document
        assert 0.12 < counted["tax"] / len(rows) <= 0.2 + slack and 0.05 < counted["trade"] / len(rows) <= 0.1 + slack
    left = found["sources"]["web"]
    assert left["documents_left_by_caps"] < left["documents"] == 400
    assert "cap" in Path(config.mixture.output, "mixture.html").read_text()


def test_a_dry_run_shows_the_table_and_writes_nothing(config, capsys):
    config.dry_run = True
    assert mix.run(config) is None
    assert not Path(config.mixture.output).exists()
    shown = capsys.readouterr().out
    assert "anneal" in shown and "3,000" in shown and "off by" in shown


def test_the_preview_is_what_lies_there(config):
    config.mixture.preview, config.mixture.preview_tokens = 7, 40
    found = mix.run(config)
    reader = Tokenizer.from_file(f"{config.data.tokenizer}/tokenizer.json")
    assert len(found["preview"]) == 7
    page = Path(config.mixture.output, "mixture.html").read_text()
    for window in found["preview"]:
        ids = np.fromfile(Path(config.mixture.output, window["phase"], "tokens.bin"), np.uint16)[window["token"] :][:40]
        assert "".join(one["text"] for one in window["documents"]) == reader.decode(
            ids.tolist(), skip_special_tokens=False
        )
        for one in window["documents"]:
            line = json.loads(Path(one["origin"].partition(" line ")[0]).read_text().splitlines()[one["document"]])
            assert line["text"].startswith(f"{one['source']} {one['document']} ") and one["origin"].endswith(
                f" line {one['document'] + 1}"
            )
            assert (
                html.escape(one["text"]) in page
                and "<b>" not in one["text"].replace("<b>", "")
                and html.escape(one["origin"]) in page
            )
    assert "http" not in page.partition("</style>")[2] and "<script" not in page
    assert json.loads(Path(config.mixture.output, "mixture.json").read_text()) == found


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_the_page_is_drawn_whole_without_error_or_request(config, tmp_path):
    config.mixture.topic_caps = {"tax": 0.3}
    found = mix.run(config)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile))
        for width in WIDTHS:
            seen = browser.open(Path(config.mixture.output, "mixture.html"), width)
            assert (
                not seen["errors"]
                and not seen["asked"]
                and seen["overflow"] <= 0
                and not seen["uncovered"]
                and seen["width"] == width
            )
            assert [
                (plot["label"], plot["cut"])
                for plot in seen["plots"]
                if plot["cut"] or plot["hidden"] or plot["width"] < 250
            ] == []
            assert len(seen["plots"]) == sum(len(phase["sources"]) for phase in found["phases"].values())
        browser.close()


KILLED = """
import os, sys, signal
sys.path.insert(0, sys.argv[3])
from dying import die_before_step_on_disk, in_fork
from omegaconf import OmegaConf
from conf.schema import Config
from jobs import mix
config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.load(sys.argv[1])))
def job(number):
    die_before_step_on_disk(number, sys.argv[2])
    mix.run(config)
number = 1
while in_fork(lambda: job(number)) == signal.SIGKILL:
    print("killed", flush=True)
    number += 6
"""


def test_killed_at_any_step_on_disk_the_next_run_goes_on(config, tmp_path):
    """Killed before the 1st, 7th, 13th ... step on disk, each run upon what the one before left; then all bytes are
    right."""
    from omegaconf import OmegaConf

    mix.run(config)
    right = {path: path.read_bytes() for path in Path(config.mixture.output).rglob("tokens.*")}
    other = str(tmp_path / "killed")
    config.mixture.output = other
    OmegaConf.save(OmegaConf.structured(config), tmp_path / "config.yaml")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "config.yaml"), other, str(HERE)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(HERE.parents[1])}, capture_output=True, text=True, timeout=200
    )
    assert done.stdout.count("killed") >= 3, done.stderr
    for path, value in right.items():
        assert Path(other, path.parent.name, path.name).read_bytes() == value
    assert not list(Path(other).glob(".aside*"))
