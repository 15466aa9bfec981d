"""Rewrite the middle band of a corpus by an LLM, score it again, keep what came out better (Bielik v3).

  python -m jobs.recycle name=mine 'recycle.inputs=[data/mine/corpus/documents]' recycle.endpoint.url=http://node7:8000/v1
  python -m jobs.recycle name=mine 'recycle.inputs=[data/mine/corpus/documents]' dry_run=true  only counts

The inputs are documents that went through `jobs.corpus` with the rule quality; quality.model scores old and new texts
alike. The better ones go to data/mine/recycled/documents, a source like any other, with counts and examples in its
report.json. Every answer is kept on disk, so the same command goes on where it was cut off and asks nothing twice."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import manifest
from common.errors import UserError
from common.files import atomic_folder, make_folder, write_json
from common.progress import Bar, say
from common.remove import refuse_strange, sweep_asides
from conf.schema import Config
from jobs.cli import main

if TYPE_CHECKING:
    from data_prep.recycling.rewrite import Scorer
    from data_prep.sources.readers import Document

KIND, DOCUMENTS, REPORT = "recycled", "recycled.jsonl.zst", "report.json"


def run(config: Config) -> dict[str, Any] | None:
    """Fill `recycle.output`; returns the counts (None for a dry run)."""
    if config.dry_run:
        counts = _count(config)
        say(", ".join(f"{name} {count:,}" for name, count in counts.items()))
        return None
    from data_prep.quality.classifier import load

    return recycle(config, load(Path(config.quality.model)))


def recycle(config: Config, scorer: "Scorer") -> dict[str, Any]:
    """Rewrite, with a scorer that is loaded."""
    from common.reading.exact import dumps_line
    from data_prep.endpoint.client import Endpoint
    from data_prep.records.zst import Writer
    from data_prep.recycling.rewrite import Recycler

    settings, chosen = config.recycle, _count(config)["chosen"]
    folder = make_folder(settings.output)
    sweep_asides(folder)
    refuse_strange(folder / "documents", KIND)
    with Endpoint(settings.endpoint, folder / "answers", "recycle") as endpoint:
        model = endpoint.model()
        with (
            Bar(f"rewritten by {model}", chosen, "documents") as bar,
            atomic_folder(folder / "documents", KIND) as aside,
        ):
            recycler = Recycler(settings, endpoint, model, scorer, bar.advance)
            with Writer(aside / DOCUMENTS) as writer:
                for record in recycler.run(_documents(config)):
                    writer.write(dumps_line(record))
            write_json(aside / REPORT, recycler.report())
            manifest.write(aside, manifest.describe(KIND, files=manifest.digests(aside)))
    counts = recycler.counts
    say(
        f"{folder / 'documents'}: of {counts['read']:,} documents {counts['chosen']:,} were chosen ({endpoint.asked:,}"
        f" asked now): {counts['better']:,} came out better, {counts['not_better']:,} not, {counts['failed']:,} failed"
    )
    return counts


def _documents(config: Config) -> "Iterator[Document]":
    from data_prep.sources.inputs import list_inputs
    from data_prep.sources.readers import Form, read_documents

    form = Form(section="", max_bytes=config.data.max_document_bytes or None)
    for path in list_inputs(config.recycle.inputs, "recycle.inputs"):
        yield from read_documents(path, form)


def _count(config: Config) -> Counter[str]:
    """How many documents are read, and what becomes of them. Raises UserError where none has a score."""
    from data_prep.recycling.band import judge

    counts: Counter[str] = Counter(read=0, chosen=0)
    for document in _documents(config):
        verdict = judge(document.text, document.fields, config.recycle)
        counts.update(["read", verdict.why, *(["chosen"] if verdict.chosen else [])])
    if counts["unscored"] == counts["read"]:
        raise UserError(
            f"none of the {counts['read']} documents of recycle.inputs has a quality; run jobs.corpus with the rule"
            " quality first"
        )
    return counts


if __name__ == "__main__":
    main("recycle", run)
