"""The funnel: sums equal to a recount from the documents themselves, whatever the units; pages that are drawn whole."""

import copy
import html
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conf.schema import Config
from conf.schema.corpus import SourceConfig
from data_prep.corpus.funnel.page import render
from data_prep.corpus.funnel.sums import sums, total
from data_prep.records.record import from_line
from data_prep.records.zst import read
from jobs import corpus
from tests.jobs.test_report_in_browser import CHROMIUM, WIDTHS, Browser

LEAK = "Which of the seven courts may hear an appeal against the decision of a notary about the inheritance of a ship?"
EVIL = '<script>alert("x")</script> & <img src=https://terzi.invalid/x.png> \x1b[31m'


@pytest.fixture(scope="module")
def two(planted, tmp_path_factory):
    """A finished corpus of two sources with different rules; the second has a document that would do harm if it were
    not escaped."""
    folder = tmp_path_factory.mktemp("funnel")
    for number in range(3):
        (folder / f"part_{number}.jsonl").write_text(
            "".join(json.dumps(record) + "\n" for record in planted[number::6]) + "{broken\n" * number
        )
    others = [
        {"id": f"o{number}", "text": record["text"] + " It is another one."}
        for number, record in enumerate(planted[1::6])
    ]
    (folder / "other.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in [*others, {"id": "<b>evil", "text": EVIL}])
    )
    (folder / "evaluation.jsonl").write_text(json.dumps({"question": LEAK}) + "\n")
    made = Config()
    made.corpus.sources = {
        "docs": SourceConfig(inputs=[str(folder / "part_*.jsonl")], language="en", rules=["gopher_quality"]),
        "other": SourceConfig(inputs=[str(folder / "other.jsonl")], language="en", rules=["fineweb", "gopher_quality"]),
    }
    made.corpus.output, made.corpus.shard_bytes, made.cluster.workers = str(folder / "corpus"), 20_000, 1
    made.corpus.pii = made.corpus.paragraphs.enabled = True
    made.corpus.contamination.inputs = [str(folder / "evaluation.jsonl")]
    corpus.run(made)
    return made


def output(config) -> Path:
    return Path(config.corpus.output)


def counts(config, stage: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(output(config).glob(f"stages/{stage}/*/counts.json"))]


def test_the_sums_are_those_of_a_recount(two):
    funnel = json.loads((output(two) / "funnel.json").read_text())
    notes = [
        (path.parent.name.partition("-")[0], json.loads(line))
        for path in output(two).glob("stages/*/*/dropped.jsonl.zst")
        for line in read(path)
    ]
    kept = {
        name: [from_line(line) for path in output(two).glob(f"documents/{name}/*") for line in read(path)]
        for name in ("docs", "other")
    }
    for name, source in funnel["sources"].items():
        reasons = Counter(note["reason"] for owner, note in notes if owner == name)
        stated = {
            reason: own[name]
            for reason, own in funnel["reasons"].items()
            if own.get(name) and not reason.startswith("read/")
        }
        assert stated == dict(reasons)
        last = source["steps"][-1]
        assert source["kept"] == len(kept[name]) == last["documents_out"]
        assert last["characters_out"] == sum(len(record.text) for record in kept[name])
        assert last["bytes_out"] == sum(len(record.text.encode()) for record in kept[name])
        assert source["read"] == source["kept"] + sum(own.get(name, 0) for own in funnel["reasons"].values())
        for before, after in zip(source["steps"], source["steps"][1:], strict=False):
            assert (
                before["documents_out"] == after["documents_in"] and before["characters_out"] == after["characters_in"]
            )
            assert before["bytes_out"] == after["bytes_in"]
    assert funnel["units"] == {unit["unit"]: unit["kept"] for unit in counts(two, "curate")}
    assert funnel["duplicates"]["exact"]["repeats"] == sum(funnel["reasons"]["duplicates/exact"].values())
    assert funnel["sources"]["docs"]["pii"]["email"] > 0 and funnel["evaluation_texts"]["found"] == 1


def test_a_step_that_a_source_has_not_lets_all_its_documents_pass(two):
    funnel = json.loads((output(two) / "funnel.json").read_text())
    steps = {step["step"]: step for step in funnel["total"]["steps"]}
    assert list(steps)[:5] == ["read", "cleaning", "fineweb", "gopher_quality", "contamination"]
    docs = {step["step"]: step for step in funnel["sources"]["docs"]["steps"]}
    assert "fineweb" not in docs and steps["fineweb"]["documents_in"] == steps["cleaning"]["documents_out"]
    flow = funnel["total"]["read"]
    for step in funnel["total"]["steps"]:
        assert step["documents_in"] == flow
        flow -= sum(step["dropped"].values())
        assert step["documents_out"] == flow
    assert flow == funnel["total"]["kept"] == sum(source["kept"] for source in funnel["sources"].values())
    assert total({"docs": funnel["sources"]["docs"]})["steps"] == funnel["sources"]["docs"]["steps"]


def test_units_in_another_cut_give_the_same_figures(two, tmp_path):
    """Samples and histograms too."""
    other = copy.deepcopy(two)
    other.corpus.output, other.corpus.shard_bytes = str(tmp_path / "one"), 10**9
    corpus.run(other)
    first, second = [json.loads((output(one) / "funnel.json").read_text()) for one in (two, other)]
    assert len(first.pop("units")) > len(second.pop("units")) == 2
    assert first == second
    assert first["samples"]["docs"][
        "gopher_quality/hashes" if "gopher_quality/hashes" in first["samples"]["docs"] else "duplicates/exact"
    ]
    for samples in first["samples"].values():
        assert all(0 < len(own) <= two.corpus.samples for own in samples.values())
    histogram = next(one for one in first["histograms"] if one["test"] == "gopher_quality/too_few_words")
    assert (
        sum(histogram["counts"])
        == next(step for step in first["total"]["steps"] if step["step"] == "gopher_quality")["documents_in"]
    )


def test_other_limits_have_histograms_of_their_own():
    unit = {
        "unit": "u",
        "language": "en",
        "read": 0,
        "kept": 0,
        "bad_examples": [],
        "leaked": [],
        "samples": {},
        "removed_by": {},
    }
    unit["steps"] = [{"step": "read", **dict.fromkeys(FLOWS, 0), "dropped": {}, "changed": 0, "changed_by": {}}]
    drawn = {"low": 0, "high": 9, "limit": "words < 5", "counts": [1, 2]}
    units = [
        unit | {"source": name, "histograms": {"rule/words": drawn | {"limit": limit}}}
        for name, limit in (("a", "words < 5"), ("b", "words < 5"), ("c", "words < 7"))
    ]
    after = [entry | {"found": {"pii": {}}, "histograms": {}} for entry in units]
    histograms = sums(units, after, 5)["histograms"]
    assert [(entry["sources"], entry["counts"], entry["limit"]) for entry in histograms] == [
        (["a", "b"], [2, 4], "words < 5"),
        (["c"], [1, 2], "words < 7"),
    ]


FLOWS = [
    f"{measure}_{side}" for measure in ("documents", "characters", "bytes", "words", "tokens") for side in ("in", "out")
]


def test_files_of_kinds_that_are_not_read_are_counted_in_the_page_and_before_it(tmp_path, capsys):
    texts = [f"This is the text of document {number}, and it is like no other one." for number in range(5)]
    for name in ("in/a.jsonl", "evaluation/e.jsonl"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(
            "".join(json.dumps({"text": text}) + "\n" for text in texts[: 5 if name[0] == "i" else 1])
        )
    for name in ("in/b.docx", "in/sub/c.docx", "in/d.<b>png", "evaluation/f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    made = Config()
    made.corpus.inputs, made.corpus.language, made.corpus.rules = [str(tmp_path / "in")], "en", []
    made.corpus.contamination.inputs, made.corpus.contamination.action = [str(tmp_path / "evaluation")], "document"
    made.corpus.output, made.cluster.workers, made.dry_run = str(tmp_path / "out"), 1, True
    corpus.run(made)
    said = " ".join(capsys.readouterr().err.split())
    assert "corpus.inputs: files of kinds that are not read: 2 .docx, 1 .<b>png; such as" in said
    assert "corpus.contamination.inputs: files of kinds that are not read: 1 .csv; such as" in said
    made.dry_run = False
    corpus.run(made)
    unread = json.loads((output(made) / "funnel.json").read_text())["unread"]
    assert unread["corpus.inputs"] == {
        "files": 3,
        "suffixes": {".docx": 2, ".<b>png": 1},
        "example": f"{tmp_path}/in/b.docx",
    }
    page = (output(made) / "funnel.html").read_text()
    assert (
        "Files of kinds that are not read" in page
        and ".docx 2, .&lt;b&gt;png 1" in page
        and "corpus.contamination.inputs" in page
    )


def test_pages_do_not_depend_on_array_tasks_and_let_no_text_out(two, tmp_path):
    other = copy.deepcopy(two)
    other.corpus.output, other.corpus.array_size = str(tmp_path / "array_tasks"), 3
    corpus.run(other)
    for name in ("funnel.html", "funnel.json"):
        assert (output(two) / name).read_bytes() == (output(other) / name).read_bytes()
    page = (output(two) / "funnel.html").read_text()
    assert html.escape("<script>alert(") in page and "<script" not in page and "<img" not in page and "\x1b" not in page
    assert html.escape("<b>evil") in page and "<b>evil" not in page
    speed = (output(two) / "throughput.html").read_text()
    assert "slowest is the stage <b>" in speed and "MB/s a core" in speed


def times(tree, factor: int):
    """``tree`` with every count ``factor`` times as large."""
    if isinstance(tree, dict):
        return {key: times(value, factor) for key, value in tree.items()}
    if isinstance(tree, list):
        return [times(value, factor) for value in tree]
    return tree * factor if isinstance(tree, int) else tree


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        opened = Browser(Path(profile))
        yield opened
        opened.close()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_the_page_is_drawn_whole_without_error_or_request(browser, two, tmp_path):
    funnel = json.loads((output(two) / "funnel.json").read_text())
    opened = render(funnel).replace("<details>", "<details open>")
    (tmp_path / "open.html").write_text(opened)
    large = {
        name: times(part, 12_345_678) if name in ("total", "sources", "reasons") else part
        for name, part in funnel.items()
    }
    (tmp_path / "large.html").write_text(render(large).replace("<details>", "<details open>"))
    shutil.copy(output(two) / "throughput.html", tmp_path)
    for name in ("throughput.html", "large.html", "open.html"):
        for width in WIDTHS:
            seen = browser.open(tmp_path / name, width)
            assert not seen["errors"] and not seen["asked"] and seen["overflow"] <= 0 and seen["width"] == width, (
                name,
                width,
            )
            assert not seen["uncovered"], (name, width, seen["uncovered"])
            assert [
                plot
                for plot in seen["plots"]
                if plot["cut"] or plot["hidden"] or plot["covered"] or plot["width"] < 250
            ] == []
        plots = [plot["label"] for plot in seen["plots"]]
        assert name != "open.html" or len(plots) == 1 + len(funnel["sources"]) + len(funnel["histograms"])
