"""The end of a corpus: every count checked, the funnel written, files of former inputs removed, the manifest."""

from typing import Any

from common import manifest
from common.errors import UserError
from common.files import read_json
from data_prep.corpus.funnel import build
from data_prep.corpus.stages.curate import COUNTS, Curate
from data_prep.corpus.stages.stage import Stage
from data_prep.corpus.stages.write import Write


def publish(line: list[Stage]) -> dict[str, Any]:
    """Write funnel.json, funnel.html and manifest.json of a corpus whose stages are all done; returns the counts.

    Raises UserError for a corpus without a document, AssertionError where documents are not accounted for."""
    curate, write = line[0], line[-1]
    assert isinstance(curate, Curate) and isinstance(write, Write)
    curated, written = [[read_json(path) for path in stage.files(COUNTS)] for stage in (curate, write)]
    balance(curated, written)
    counts = {
        "read": sum(counts_of_unit["read"] for counts_of_unit in curated),
        "kept": sum(counts_of_unit["kept"] for counts_of_unit in written),
    }
    write.drop_former()
    build(line, curated, written)
    if not counts["kept"]:
        raise UserError(
            f"no document is left in {write.work.output}; look at funnel.html there for the rule that took them"
        )
    sources = {
        name: {
            "licence": source.licence, "language": source.language,
            "read": sum(counts_of_unit["read"] for counts_of_unit in curated if counts_of_unit["source"] == name),
            "kept": sum(counts_of_unit["kept"] for counts_of_unit in written if counts_of_unit["source"] == name),
        }
        for name, source in write.work.plan.sources.items()
    }  # fmt: skip
    files = {
        str(write.target(task).relative_to(write.work.output)): counts_of_unit["documents_sha256"]
        for task, counts_of_unit in _pairs(write)
    }
    manifest.write(
        write.work.output, manifest.describe("corpus", **counts, sources=sources, files=files, identity=write.identity)
    )
    return {**counts, "sources": sources}


def balance(curated: list[dict[str, Any]], written: list[dict[str, Any]]) -> None:
    """Assert that at every step of every unit what came in either went out or was dropped for a reason that is counted,
    and that what one step let out is what the next took in."""
    for before, after in zip(curated, written, strict=True):
        steps = [*before["steps"], *after["steps"]]
        flow = before["read"]
        for step in steps:
            place = f"{before['unit']}, step {step['step']}"
            assert step["documents_in"] == flow, (
                f"{place} took in {step['documents_in']} documents, and {flow} came to it"
            )
            flow -= sum(step["dropped"].values())
            assert step["documents_out"] == flow, (
                f"{place} let out {step['documents_out']} documents and kept count of {flow}"
            )
        assert flow == after["kept"], f"{before['unit']} wrote {after['kept']} documents of {flow}"


def _pairs(write: Write) -> list[tuple[Any, dict[str, Any]]]:
    return list(zip(write.tasks(), write.manifests, strict=True))
