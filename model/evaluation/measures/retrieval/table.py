"""The result of a sweep as a table on the terminal."""

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from model.evaluation.interface.defaults import count
from model.evaluation.interface.loss import loss_kind, loss_name, loss_of
from model.evaluation.measures.retrieval.metrics import METRICS
from model.evaluation.measures.retrieval.result import NDCG, Findings

SHORT = {"ndcg@10": "nDCG@10", "mrr@10": "MRR@10", "map@100": "MAP@100", "recall@10": "recall@10"}
READS = {
    "cat": "[embedding layer ; last layer]",
    "emb": "embedding layer alone",
    "last": "last layer alone",
    "cls": "first position of the last layer",
}
"""What each readout reads."""


@dataclass
class Line:
    """One line of the table, as text."""

    cells: list[str]
    best: bool = False
    baseline: bool = False


def columns(found: Findings) -> list[str]:
    """Headings: what was trained, the metrics of the main readout on the test queries, nDCG@10 of the readouts beside
    it."""
    others = [f"{SHORT[NDCG]} {name}" for name in beside(found)]
    return [
        "step",
        "tokens",
        f"{loss_name(found.sweep)} ({loss_kind(found.results)})",
        *(SHORT[name] for name in METRICS),
        *others,
    ]


def beside(found: Findings) -> list[str]:
    """Readouts shown beside the main one."""
    return [name for name in found.best.metrics if name != found.best.readout]


def lines(found: Findings) -> list[Line]:
    """A line per checkpoint, then the baselines."""
    kind, checkpoints = loss_kind(found.results), []
    for result in found.results:
        loss = loss_of(result, kind)
        numbers = [result.mean("test", name) for name in METRICS] + [
            result.mean("test", NDCG, name) for name in beside(found)
        ]
        cells = [
            str(result.step),
            count(result.tokens),
            "" if loss is None else f"{loss:.3f}",
            *(f"{value:.3f}" for value in numbers),
        ]
        checkpoints.append(Line(cells, best=result is found.best))
    blank = ["-"] * (len(METRICS) + len(beside(found)))
    checkpoints += [Line([str(step), "", "failed", *blank]) for step in found.failed]
    return sorted(checkpoints, key=lambda line: int(line.cells[0])) + _baselines(found)


def _baselines(found: Findings) -> list[Line]:
    blank = [""] * len(beside(found))
    systems = {f"BM25, {variant}": metrics for variant, metrics in found.bm25.items()}
    if found.untrained:
        result, readout = found.untrained
        systems = {f"{found.start}, {readout}": result.metrics[readout]["test"]} | systems
    return [
        Line([name, "", "", *(f"{metrics[metric]:.3f}" for metric in METRICS), *blank], baseline=True)
        for name, metrics in systems.items()
    ]


def render(found: Findings) -> Table:
    """The table for a terminal of 80 columns or more."""
    main = found.best.readout
    title = f"Retrieval on test queries, readout {main}: {READS[main]}; best checkpoint by {found.metric}"
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns(found):
        head = name.replace("@10 ", "\n").replace(" (", "\n(") if " " in name else name.replace("@", "\n@")
        table.add_column(Text(head), justify="left" if name == "step" else "right", no_wrap=True)
    found_lines = lines(found)
    for line, following in zip(found_lines, [*found_lines[1:], None], strict=True):
        style = "bold green" if line.best else "dim" if line.baseline else ""
        table.add_row(
            *map(Text, line.cells),
            style=style,
            end_section=bool(following and following.baseline and not line.baseline),
        )
    return table


def verdict(found: Findings) -> str:
    """One sentence: the best checkpoint against the best untrained readout, with its interval. And one for each probe
    that failed."""
    return " ".join(
        [_comparison(found), *(f"The probe of step {step} failed: {cause}." for step, cause in found.failed.items())]
    )


def _comparison(found: Findings) -> str:
    if not found.untrained:
        return "No probe of step 0 to compare with; set train.checkpoint.probe_at_start=true."
    readout = found.untrained[1]
    text = f"Best checkpoint: step {found.best.step}, test nDCG@10 {found.best.mean('test', NDCG):.3f}"
    if found.best.step not in found.differences:
        return f"{text}; {found.start} ({readout}) {found.untrained[0].mean('test', NDCG, readout):.3f}."
    difference = found.differences[found.best.step]
    return (
        f"{text}, {difference:+.3f} against the best {found.start} readout ({readout}); 95% interval of a paired"
        " bootstrap over queries."
    )
