"""The funnel of a corpus: what every step took in, let out and dropped, by rule and source, with what it looked
like."""

from collections.abc import Sequence
from typing import Any

from common.files import atomic_file, write_json
from data_prep.corpus.stages.stage import Stage
from data_prep.decontamination.index import Index

JSON, HTML = "funnel.json", "funnel.html"
TIMING, SPEED = "timing.json", "throughput.html"


def build(line: Sequence[Stage], curated: list[dict[str, Any]], written: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the funnel of the stages ``line`` with the counts of their units; returns what funnel.json holds.

    funnel.json and funnel.html depend on the documents alone; timing.json and throughput.html are about the machine."""
    from data_prep.corpus.funnel.compared import compared
    from data_prep.corpus.funnel.page import render
    from data_prep.corpus.funnel.sums import sums
    from data_prep.corpus.funnel.throughput import render_timing, timing

    work = line[0].work
    funnel = {
        "name": work.root.name,
        **sums(curated, written, work.config.samples),
        "duplicates": compared(line, work.config.samples),
    }
    funnel["unread"] = {key: unread.describe() for key, unread in work.plan.unread.items()}
    contamination = work.config.contamination
    if contamination.inputs:
        met = {number for unit in curated for number in unit["leaked"]}
        casings = [profile.casing for profile in work.plan.languages.values()]
        index = Index.build(contamination, casings, work.config.max_document_bytes or None)
        funnel["evaluation_texts"] = index.summary(met, work.config.samples)
    write_json(work.output / JSON, funnel)
    took = timing(line)
    write_json(work.output / TIMING, took)
    size = funnel["total"]["steps"][0]["bytes_in"]
    for name, page in ((HTML, render(funnel)), (SPEED, render_timing(work.root.name, took, size))):
        with atomic_file(work.output / name, "w", encoding="utf-8") as file:
            file.write(page)
    return funnel
