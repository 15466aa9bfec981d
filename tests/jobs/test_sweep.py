"""jobs.sweep: what a person sees at the end, and report.html."""

import json
import math
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from common.errors import UserError
from conf.schema import Config
from jobs.sweep import run
from model.evaluation.interface.defaults import count
from model.training.checkpoints.checkpoints import linked
from tests.model.evaluation import decoder_runs as runs

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """Tags and links of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href", "data")]


def test_table_verdict_and_report(sweep_config, run_folder, capsys):
    run(sweep_config)
    printed = capsys.readouterr()
    rows = {line.split()[0]: line.split() for line in printed.out.splitlines() if re.match(r"\d+ ", line)}
    assert (
        list(rows) == ["0", "10", "20", "30"] and rows["20"][1:3] == ["20.0k", "5.000"] and float(rows["20"][3]) > 0.9
    )
    assert all(len(row) == 9 for row in rows.values())
    assert re.search(r"untrained, \w+ +\d\.\d{3}", printed.out) and re.search(r"BM25, full text +0\.\d{3}", printed.out)
    assert re.search(
        r"Best checkpoint: step 20, test nDCG@10 \d\.\d{3}, \+\d\.\d{3} \[\+\d\.\d{3}, \+\d\.\d{3}\] against the best"
        r" untrained",
        printed.out,
    )
    assert str(run_folder / "report.html") in printed.err.replace("\n", "")

    text = (run_folder / "report.html").read_text()
    page = Page(text)
    assert 'name="viewport"' in text and page.tags.count("svg") == 2 and "script" not in page.tags
    assert "not that the model is good" not in text  # which is known of the quickstart alone
    assert (
        "The star is the best checkpoint by dev/ndcg@10, step 20; its nDCG@10 lies above the dashed line, which is"
        " step 0" in text
    )
    assert re.search(r"At [01]\.\d{3} it lies above BM25 on full text \(0\.00\d\) and above BM25 on 96 tokens", text)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org)", text)
    local = [link for link in page.links if not link.startswith("#")]
    assert {"eval", "checkpoints/best", "metrics.jsonl", "tb"} <= set(local) and all(
        (run_folder / link).exists() for link in local
    )
    svg = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    assert "viewBox" in svg.attrib and not {"width", "height"} & set(svg.attrib)
    words = {"".join(array_task.itertext()).strip() for array_task in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {
        "MLM loss",
        "nDCG@10, test queries",
        "optimizer step",
        "train",
        "held-out, at checkpoints",
        "last: last layer alone",
    } <= words
    assert {"BM25, full text", "best by dev/ndcg@10"} <= words and any(
        word.startswith("untrained, best readout") for word in words
    )


def test_report_does_not_change_where_nothing_did(sweep_config, run_folder):
    run(sweep_config)
    first = (run_folder / "report.html").read_bytes()
    run(sweep_config)
    assert (run_folder / "report.html").read_bytes() == first


def test_several_runs_get_a_report_in_common(sweep_config, run_folder, tmp_path, capsys):
    shutil.copytree(run_folder, run_folder.with_name("seed_1"), symlinks=True)
    sweep_config.sweep.runs, sweep_config.sweep.report = [str(run_folder.parent / "*")], str(tmp_path / "reports")
    sweep_config.sweep.bootstrap = 50
    run(sweep_config)
    printed = capsys.readouterr()
    assert (
        "Best checkpoint against untrained, test nDCG@10: +0." in printed.out
        and "above 0 in 2 of 2 runs." in printed.out
    )
    page = Page((tmp_path / "reports" / "report.html").read_text())
    assert page.tags.count("svg") == 2 and (tmp_path / "reports" / "statistics.json").is_file()
    linked_pages = [tmp_path / "reports" / link for link in page.links if not link.startswith("#")]
    assert [link.resolve() for link in linked_pages] == [
        run_folder.with_name(f"seed_{seed}") / "report.html" for seed in (0, 1)
    ]
    assert all(link.exists() for link in linked_pages)


def test_dry_run_writes_nothing(sweep_config, run_folder, tmp_path, capsys):
    sweep_config.dry_run = True
    run(sweep_config)
    assert "would probe 4 checkpoints" in capsys.readouterr().err
    whole, sweep_config.data.retrieval = sweep_config.data.retrieval, str(tmp_path / "broken")
    shutil.copytree(whole, tmp_path / "broken")
    with (tmp_path / "broken/test/qrels.tsv").open("a") as file:
        file.write("q-0\td-1\tyes\n")
    with pytest.raises(UserError, match=r"broken/test/qrels.tsv line 152 needs three columns"):
        run(sweep_config)
    sweep_config.data.retrieval = whole
    sweep_config.sweep.budgets, sweep_config.sweep.runs = [5, 10, 20], [str(run_folder.parent / "seed_*")]
    run(sweep_config)
    assert "each with 2 other numbers of steps: heads alone, from the same encoding" in capsys.readouterr().err
    sweep_config.probe.depth = "full"
    run(sweep_config)
    assert "each fine-tunes the encoder anew" in capsys.readouterr().err
    sweep_config.sweep.budgets = [5, -1]
    with pytest.raises(UserError, match="sweep.budgets=-1 is negative"):
        run(sweep_config)
    sweep_config.sweep.budgets = []
    assert not (run_folder / "eval").exists() and linked(run_folder, "best") is None
    sweep_config.sweep.metric = "dev/mrr"
    with pytest.raises(UserError, match="did you mean 'dev/mrr@10'"):
        run(sweep_config)


def test_from_the_command_line(run_folder, retrieval_folder, tmp_path):
    """In a process of its own, as a person starts it; then the mistake that is most likely."""
    command = [
        sys.executable,
        "-m",
        "jobs.sweep",
        f"sweep.run={run_folder}",
        f"data.retrieval={retrieval_folder}",
        "parallel.threads=1",
    ]
    settings = ["probe.steps=5", "probe.pairs=100", "probe.batch=32", "sweep.bootstrap=50"]
    done = subprocess.run([*command, *settings], cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert "Best checkpoint: step 20" in done.stdout and (run_folder / "report.html").is_file()
    assert "probe: 4/4 checkpoints" in done.stderr and "DEBUG" not in done.stderr
    wrong = subprocess.run([*command, "sweep.run=nowhere"], cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert wrong.returncode == 2 and wrong.stderr.strip().startswith(
        "error: the run folder nowhere does not exist; train it"
    )
    assert "Traceback" not in wrong.stderr


@pytest.fixture
def decoders(tmp_path) -> Config:
    """Two runs of decoders, with text to measure perplexity on and no retrieval set."""
    tokenizer = runs.write_tokenizer(tmp_path / "tokenizer")
    for seed in (0, 1):
        steps = {step: 10 * seed + step for step in (0, 10, 20)}
        runs.make_run(tmp_path / "cpt" / f"seed_{seed}", tokenizer, steps, phases={10: ["main"], 20: ["main", "law"]})
    config = Config(name="cpt")
    config.sweep.run, config.sweep.bootstrap, config.parallel.threads = str(tmp_path / "cpt" / "seed_0"), 40, 1
    config.data.retrieval = str(tmp_path / "no_retrieval")
    for seed, (role, name) in enumerate((("domain", "law"), ("general", "prose"))):
        runs.write_texts(tmp_path / name / "held.jsonl", seed)
        getattr(config.evaluation, role)[name] = str(tmp_path / name)
    return config


def test_decoders_get_tables_of_perplexity_and_a_picture_of_forgetting(decoders, tmp_path, capsys):
    decoders.dry_run = True
    run(decoders)
    assert "would probe 3 checkpoints" in (said := capsys.readouterr().err) and "on the texts law, prose" in " ".join(
        said.split()
    )
    decoders.dry_run, decoders.sweep.runs = False, [str(tmp_path / "cpt" / "seed_*")]
    run(decoders)
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if re.match(r"(0|10|20) ", line)]
    assert [row[0] for row in rows] == ["0", "10", "20"] * 4
    best = linked(tmp_path / "cpt" / "seed_0", "best")
    assert (
        f"Best checkpoint by perplexity/law: step {best}" in printed
        and "Change of domain perplexity per character at the best checkpoint" in printed
    )
    for file, pictures in (
        (tmp_path / "cpt" / "seed_0" / "report.html", 2),
        (tmp_path / "cpt" / "comparison" / "report.html", 1),
    ):
        text = file.read_text()
        assert (
            Page(text).tags.count("svg") == pictures
            and "<title>Perplexity over the checkpoints of" in text
            and "nDCG" not in text
        )
        assert {"phase law", "Forgetting against gain, a point a checkpoint"} <= {
            "".join(array_task.itertext()).strip() for array_task in ElementTree.fromstring(first_svg(text)).iter()
        } | set(re.findall(r'aria-label="([^"]*)"', text))
    document = json.loads((tmp_path / "cpt" / "seed_1" / "eval" / "statistics.json").read_text())["runs"][0][
        "perplexity"
    ]
    assert [change["step"] for change in document["forgetting"]] == [0, 10, 20]
    assert [(one["text"], one["step"]) for one in document["perplexity"]] == [
        (n, s) for n in ("law", "prose") for s in (0, 10, 20)
    ]


def test_each_table_of_perplexity_shows_the_loss_on_its_own_text(decoders, tmp_path, capsys):
    run(decoders)
    printed = capsys.readouterr().out
    page = (tmp_path / "cpt" / "seed_0" / "report.html").read_text()
    tables = {name: rows_of(page[page.index(f"<h3>{name} (") :]) for name in ("law", "prose")}
    for step in ("0", "10", "20"):
        texts = json.loads(
            (tmp_path / "cpt" / "seed_0" / "eval" / "perplexity" / f"step_{int(step):07d}.json").read_text()
        )["texts"]
        losses = {name: f"{one['nll'] / one['token']:.3f}" for name, one in texts.items()}
        assert losses["law"] != losses["prose"]
        for name, rows in tables.items():
            row = dict(zip(rows[0], next(row for row in rows[1:] if row[0] == step), strict=True))
            assert row["loss"] == losses[name] and losses[name] in printed
            perplexity = float(row["perplexity per token"].partition(" ")[0])
            assert perplexity == pytest.approx(math.exp(float(losses[name])), rel=1e-3)
            assert float(row["per character"].partition(" ")[0]) != perplexity
    assert "Brackets: 95% intervals" in page and "Crosses: 95%" in page and "of several" not in page
    decoders.sweep.bootstrap, decoders.sweep.runs = 0, [str(tmp_path / "cpt" / "seed_*")]
    run(decoders)
    pages = [(tmp_path / "cpt" / name / "report.html").read_text() for name in ("seed_0", "comparison")]
    assert not any(word in page for page in pages for word in ("95%", "Brackets", "Crosses", "Bands"))


def rows_of(text: str) -> list[list[str]]:
    """The cells of the first table in ``text``."""
    table = text[text.index("<table") : text.index("</table>")]
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in table.split("</tr>")[:-1]
    ]


def first_svg(text: str) -> str:
    return text[text.index("<svg") : text.index("</svg>") + 6]


@pytest.mark.parametrize(
    ("tokens", "text"), [(0, "0"), (999, "999"), (120_000, "120k"), (2_000_000, "2.00M"), (1.719e12, "1.72T")]
)
def test_counts_are_short(tokens, text):
    assert count(tokens) == text
