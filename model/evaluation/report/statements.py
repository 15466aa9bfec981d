"""The statistics of a sweep as a person reads them: a name, a value, and one plain sentence."""

from collections.abc import Iterable, Sequence

from model.evaluation.interface.result import Statement, SweepResult

CONDITIONS = (
    ("context", "give all runs one evaluation.context"),
    ("precision", "measure all in one parallel.precision"),
)
"""Fields of results that have to be equal in results that stand side by side, and the mend."""


def statements(runs: Sequence[SweepResult]) -> list[Statement]:
    """Statistics of ``runs``, measure by measure."""
    named = {name: measure for run in runs for name, measure in run.measures.items()}
    return [*_unlike(runs), *(statement for measure in named.values() for statement in measure.statements(runs))]


def _unlike(runs: Iterable[SweepResult]) -> list[Statement]:
    """What results that stand side by side were measured otherwise with: a longer context lowers every perplexity, and
    bf16 moves all."""
    documents = [result.document for run in runs for measure in run.measures.values() for result in measure.results]
    made = []
    for key, mend in CONDITIONS:
        values = sorted({document[key] for document in documents if key in document}, key=str)
        if len(values) > 1:
            sentence = f"Results that were measured with different ones do not compare: {mend}."
            made.append(Statement(f"Different {key}", " and ".join(map(str, values)), sentence))
    return made
