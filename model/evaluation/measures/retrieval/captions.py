"""What stands under pictures: how to read them, and what they show of these checkpoints. Said is only what was
measured."""

from collections.abc import Sequence
from pathlib import Path

from common import manifest as manifests
from common.errors import UserError
from model.evaluation.measures.retrieval.result import NDCG, Findings, Shown

QUICKSTART = (
    "This picture shows that the pipeline measures differences between checkpoints, not that the model is good."
)
"""Of the net that the docstrings of the installed packages were enough for."""
SCATTER = "Loss against retrieval, a point a checkpoint after step 0, joined in the order of training."
BUDGETS = """Kendall's tau with the full probe's ranking of the checkpoints, and regret: how far below the best the
checkpoint lies that would be chosen, both by the metric that chooses."""


def of_run(found: Findings) -> str:
    """Under loss and retrieval of one run."""
    own = [QUICKSTART] if is_quickstart(found.sweep.run) else []
    return " ".join([*own, *_best(found), *_against_words(found), *_band(found), *_below(found)])


def of_runs(groups: Sequence[Shown]) -> str:
    """Under loss and retrieval of several runs."""
    own = [QUICKSTART] if all(is_quickstart(one.sweep.run) for group in groups for one in group.runs) else []
    if all(len(group.runs) == 1 for group in groups):
        return " ".join([*own, "Every run has a colour."])
    return " ".join([*own, (
        "Mean over the runs of a configuration; the band reaches from the lowest to the highest of them. Runs that are"
        " seeds of one configuration have one colour. Stretches that only some of them cover are left out."
    )])  # fmt: skip


def is_quickstart(run: Path) -> bool:
    """Whether ``run`` was trained on what `jobs.quickstart` gathers by itself, by the manifests along the way."""
    try:
        tokens = manifests.read(run)["inputs"]["tokens"]["path"]
        made = [manifests.read(folder) for folder in {Path(file).parent for file in manifests.read(tokens)["inputs"]}]
    except (
        UserError,
        KeyError,
        TypeError,
    ):  # a manifest that is gone, or of another form: it cannot be known, so it is not said
        return False
    return bool(made) and all(one.get("kind") == "quickstart" and "environment" in one for one in made)


def _best(found: Findings) -> list[str]:
    """The best checkpoint against the net of step 0."""
    step, difference = found.best.step, found.differences.get(found.best.step)
    where = f"The star is the best checkpoint by {found.metric}, step {step}"
    if difference is None or not found.untrained or step == 0:
        return [f"{where}."]
    line = f"the dashed line, which is step 0 with its best readout ({found.untrained[1]})"
    if difference.low > 0:
        return [f"{where}; its nDCG@10 lies above {line}."]
    if difference.high < 0:
        return [f"{where}; its nDCG@10 lies below {line}."]
    return [f"{where}; on these queries its nDCG@10 cannot be told from {line}."]


def _against_words(found: Findings) -> list[str]:
    if not found.bm25:
        return []
    own, scores = found.best.mean("test", NDCG), {name: metrics[NDCG] for name, metrics in found.bm25.items()}
    sides = {name: "above" if own > score else "below" for name, score in scores.items()}
    told = " and ".join(f"{sides[name]} BM25 on {name} ({score:.3f})" for name, score in scores.items())
    return [f"At {own:.3f} it lies {told}; BM25 matches words and needs no training."]


def _band(found: Findings) -> list[str]:
    return (
        ["Band: 95% interval of the difference to the dashed line over queries, drawn from that line."]
        if found.differences
        else []
    )


def _below(found: Findings) -> list[str]:
    """How many checkpoints do worse than step 0."""
    if not found.untrained:
        return []
    base, later = (
        found.untrained[0].mean("test", NDCG, found.untrained[1]),
        [result for result in found.results if result.step],
    )
    worse = sum(result.mean("test", NDCG) < base for result in later)
    return (
        [f"{worse} of the {len(later)} checkpoints after step 0 {'does' if worse == 1 else 'do'} worse than it."]
        if worse
        else []
    )
