"""report.html: one file without network, to be read on a phone as well."""

import html
import json
from collections.abc import Iterable
from pathlib import Path

from common.files import atomic_file, read_json
from model.evaluation.figure import draw
from model.evaluation.sweep import SweepResult
from model.evaluation.table import READS, columns, lines, verdict

CAPTION = "shows that the pipeline measures differences between saves, not that the model is good"
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 46rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; margin: .2rem 0; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
figure { margin: 1rem 0; } figure svg { width: 100%; max-width: 28rem; height: auto; display: block; margin: 0 auto; }
figcaption, .small { font-size: .85rem; color: #444; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; }
th, td { text-align: right; padding: .25rem .5rem; vertical-align: bottom; } th { border-bottom: 1px solid #888; max-width: 4.5rem; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; max-width: 5.5rem; }
tr.best td, tr.best td:first-child { font-weight: 700; background: #e6f2e6; } tr.baseline td { color: #555; }
tr.first td { border-top: 1px solid #888; }
code { font-size: .85em; overflow-wrap: anywhere; } pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; }
"""
FILES = {
    "eval": "results of every save, JSON and nDCG@10 per query",
    "metrics.jsonl": "losses of every step",
    "config.yaml": "the frozen configuration",
    "manifest.json": "inputs, versions, attempts",
    "checkpoints/best": "the best save",
    "checkpoints": "all saves",
    "tb": "the same curves for TensorBoard",
}


def write_report(found: SweepResult) -> Path:
    """Write ``report.html`` into the run folder and return its path."""
    path = found.run / "report.html"
    with atomic_file(path, "w", encoding="utf-8") as file:
        file.write(page(found))
    return path


def page(found: SweepResult) -> str:
    """The whole page."""
    title = f"Retrieval over the saves of {_run_name(found.run)}"
    best = read_json(found.best.file)
    counts = f"{best['queries']['test']} test queries over {best['documents']['test']} documents; {best['pairs']} training pairs"
    reads = f"metrics of the readout {found.best.readout}, {READS[found.best.readout]}"
    made_with = ", ".join(f"{name} {number}" for name, number in best["versions"].items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title><style>{STYLE}</style></head><body>
<h1>{_text(title)}</h1>
<p>{_text(verdict(found))}</p>
<figure>{draw(found)}
<figcaption>This picture {_text(CAPTION)}. {_text(_reading(found))}</figcaption></figure>
<h2>Numbers</h2>
<div class="wide">{_table(found)}</div>
<p class="small">{_text(counts)}; {_text(reads)}. The best save is chosen by {_text(found.metric)}.</p>
<h2>How it was measured</h2>
<p class="small">Every save gets the same probe: its texts are encoded, the vectors centred and whitened with statistics of training texts
(if <code>whiten</code>), a map is trained on the same pairs in the same order, then every query meets every document. The untrained
encoder went through it too and stands here with its best readout.</p>
<pre>{_text(json.dumps(best["settings"]))}</pre>
<h2>Files</h2>
<ul class="small">{_links(found.run)}</ul>
<p class="small">Written {_text(best["created"])} with {_text(made_with)}.</p>
</body></html>
"""


def _reading(found: SweepResult) -> str:
    band = "Band: 95% interval of the difference to the untrained line over queries, drawn from that line. " if found.differences else ""
    words = "BM25 matches words and needs no training. " if found.bm25 else ""
    return band + words + "Saves that do worse than the untrained encoder stay in the picture."


def _table(found: SweepResult) -> str:
    rows, before = [_row("th", columns(found))], False
    for line in lines(found):
        names = ["best"] if line.best else ["baseline"] * line.baseline + ["first"] * (line.baseline and not before)
        rows.append(_row("td", line.cells, " ".join(names)))
        before = line.baseline
    return f"<table>{''.join(rows)}</table>"


def _row(tag: str, cells: Iterable[str], names: str = "") -> str:
    return f'<tr class="{names}">' + "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def _links(run: Path) -> str:
    present = {name: note for name, note in FILES.items() if (run / name).exists()}
    return "".join(f'<li><a href="{name}">{name}</a>: {_text(note)}</li>' for name, note in present.items())


def _run_name(run: Path) -> str:
    return "/".join(run.resolve().parts[-2:])


def _text(value: str) -> str:
    return html.escape(value)
