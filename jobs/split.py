"""Hold documents out of a text: train.jsonl.zst to train on, validation.jsonl.zst to measure with.

  python -m jobs.split name=law 'data.inputs=[law/]' split.validation_share=0.02
  python -m jobs.prepare name=law 'data.inputs=[data/law/split/train.jsonl.zst]' data.tokenizer=...
  python -m jobs.sweep ... evaluation.domain.law=data/law/split/validation.jsonl.zst

Which side a document falls on depends on its text and split.seed alone: copies stay together, and text that is added
later moves nothing. Near-duplicates may fall on both sides; remove them first (jobs.corpus)."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import manifest
from common.errors import UserError
from common.files import atomic_folder
from common.progress import Bar, say
from common.reading.bad import BadDocuments
from common.remove import sweep_asides
from conf.schema import Config
from data_prep.reuse import digests_of, find_reusable
from data_prep.sources.inputs import stamp, told_inputs
from data_prep.sources.version import VERSION
from jobs.cli import main


def run(config: Config) -> dict[str, Any] | None:
    """Fill `split.output`; returns its manifest (None for a dry run)."""
    from data_prep.split import TRAIN, VALIDATION, split

    if not 0 < config.split.validation_share < 1:
        raise UserError(
            f"split.validation_share={config.split.validation_share:g} leaves one side empty; give a number between 0"
            " and 1"
        )
    folder, paths = Path(config.split.output), told_inputs(config.data.inputs)
    if config.dry_run:
        say(f"would split {len(paths)} files into {folder}")
        return None
    settings = {key: value for key, value in asdict(config.split).items() if key != "output"} | {
        "text_field": config.data.text_field
    }
    known = {"settings": settings, manifest.MADE_BY: {"reader": VERSION}, "inputs": digests_of(config.data.inputs)}
    if made := find_reusable(folder, "split", known, "split.output"):
        say(f"{folder} is there: {made['counts']}")
        return made
    if folder.parent.is_dir():
        sweep_asides(folder.parent, folder.name)
    bad = BadDocuments(config.prepare.on_bad_document, config.prepare.max_bad_documents)
    with (
        atomic_folder(folder, "split") as aside,
        Bar("split", sum(stamp(path)[0] for path in paths) / 1e6, "MB") as bar,
    ):
        counts = split(paths, config.data, config.split, bad, aside, lambda size: bar.advance(size / 1e6))
        for side in (TRAIN, VALIDATION):
            if not counts[side]:
                share = f"split.validation_share={config.split.validation_share:g}"
                raise UserError(f"no document falls on the side of {side}; change {share} or split.seed")
        made = manifest.describe(
            "split", **known, counts=counts, bad_documents=dict(bad.counts), files=manifest.digests(aside)
        )
        manifest.write(aside, made)
    for side, count in counts.items():
        say(f"{folder / side}: {count['documents']:,} documents, {count['characters']:,} characters")
    return made


if __name__ == "__main__":
    main("split", run)
