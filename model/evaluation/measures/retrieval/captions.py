"""What stands under pictures: how to read them, and what they show of these checkpoints. Said is only what was measured."""

from collections.abc import Sequence
from pathlib import Path

from common import manifest as manifests
from common.errors import UserError
from model.evaluation.measures.perplexity.forgetting import DOMAIN, GENERAL, Change, TextPerplexity
from model.evaluation.statistics.groups import Group
from model.evaluation.sweep import NDCG, SweepResult

QUICKSTART = (
    "This picture shows that the pipeline measures differences between checkpoints, not that the model is good."
)
"""Of the net that the docstrings of the installed packages were enough for."""
SCATTER = "Loss against retrieval, a point a checkpoint after step 0, joined in the order of training."
BUDGETS = """Kendall's tau with the full probe's ranking of the checkpoints, and regret: how far below the best the checkpoint lies that would be
chosen, both by the metric that chooses."""


def of_forgetting(changes: Sequence[Change], roles: Sequence[str]) -> str:
    """Under forgetting against gain; ``roles``: that of each text."""
    several = [role for role in (DOMAIN, GENERAL) if roles.count(role) > 1]
    mean = f", of several {' and '.join(several)} texts the mean in the logarithm" if several else ""
    crosses = " Crosses: 95% intervals of the paired differences over documents."
    return (
        "What was forgotten against what was gained: a point a checkpoint, joined in the order of training from the first"
        f" checkpoint at (0, 0); changes of the perplexity per character in percent{mean}. Down is better on the domain,"
        f" right is worse in general.{crosses if any(one.domain.low < one.domain.high for one in changes) else ''}"
    )


def of_perplexity(found: Sequence[TextPerplexity]) -> str:
    """Under loss and bits per byte by step."""
    bands = (
        " Bands: 95% intervals over documents, which differ among themselves more than checkpoints do; whether two checkpoints"
        " differ is told by the change."
    )
    return f"Bits per byte by step, lower is better.{bands if any(one.intervals['byte'] for one in found) else ''}"


def of_perplexity_tables(found: Sequence[TextPerplexity]) -> str:
    """Under the tables of perplexity."""
    brackets = " Brackets: 95% intervals, documents drawn with replacement."
    return (
        "The loss is the negative log-likelihood of this text per predicted token, in nats, and perplexity is exp of"
        " it; per character of the predicted text it does not depend on the tokenizer; bits per byte is the same sum"
        " in bits. The change is against the first checkpoint, per character, on the same"
        f" documents.{brackets if any(one.intervals['byte'] for one in found) else ''}"
    )


def of_run(found: SweepResult) -> str:
    """Under loss and retrieval of one run."""
    own = [QUICKSTART] if is_quickstart(found.run) else []
    return " ".join([*own, *_best(found), *_against_words(found), *_band(found), *_below(found)])


def of_runs(groups: list[Group]) -> str:
    """Under loss and retrieval of several runs."""
    own = [QUICKSTART] if all(is_quickstart(one.run) for group in groups for one in group.runs) else []
    if all(len(group.runs) == 1 for group in groups):
        return " ".join([*own, "Every run has a colour."])
    return " ".join([*own, (
        "Mean over the runs of a configuration; the band reaches from the lowest to the highest of them. Runs that are seeds of one "
        "configuration have one colour. Stretches that only some of them cover are left out."
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


def _best(found: SweepResult) -> list[str]:
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


def _against_words(found: SweepResult) -> list[str]:
    if not found.bm25:
        return []
    own, scores = found.best.mean("test", NDCG), {name: metrics[NDCG] for name, metrics in found.bm25.items()}
    sides = {name: "above" if own > score else "below" for name, score in scores.items()}
    told = " and ".join(f"{sides[name]} BM25 on {name} ({score:.3f})" for name, score in scores.items())
    return [f"At {own:.3f} it lies {told}; BM25 matches words and needs no training."]


def _band(found: SweepResult) -> list[str]:
    return (
        ["Band: 95% interval of the difference to the dashed line over queries, drawn from that line."]
        if found.differences
        else []
    )


def _below(found: SweepResult) -> list[str]:
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
