"""Learn a byte-level BPE from text and report how well it fits each language.

  python -m jobs.tokenizer name=mine 'data.inputs=[my/folder]'                        a tokenizer in data/mine/tokenizer
  python -m jobs.tokenizer name=mine 'data.inputs=[my/folder]' tokenizer.compare=other   with those of another beside

The folder loads with `AutoTokenizer.from_pretrained`. Given again with the same settings and text, the command does
nothing; a tokenizer that is there is never replaced, since tokens and models depend on it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import manifest
from common.errors import UserError
from common.files import atomic_folder, read_json, write_json
from common.progress import Bar, say
from common.reading.bad import BadDocuments
from common.remove import refuse_strange, sweep_asides
from conf.schema import Config
from data_prep.sources.inputs import span_digest, stamp, told_inputs
from data_prep.sources.version import VERSION
from jobs.cli import main

REPORT_ONLY = ("report_bytes", "language_field", "morphemes", "compare")
LANGUAGES = 100  # more than this, and the field names something else


def run(config: Config) -> dict[str, Any] | None:
    """Fill `data.tokenizer`; returns its manifest (None for a dry run)."""
    from data_prep.tokenizer import patterns, report, train

    folder = Path(config.data.tokenizer)
    paths = told_inputs(config.data.inputs)
    settings = {key: value for key, value in asdict(config.tokenizer).items() if key not in REPORT_ONLY}
    settings["text_field"] = config.data.text_field
    made_by = {"tokenizer": patterns.VERSION, "reader": VERSION}
    known = _already(folder, settings, made_by, paths)
    if known:
        say(f"{folder} is there: {known['vocab_size']:,} tokens")
        report.print_report(read_json(folder / "report.json"))
        return known
    others = _others(config)
    if config.dry_run:
        print(f"learn {config.tokenizer.vocab_size:,} tokens from {len(paths)} files into {folder}")
        return None
    if folder.parent.is_dir():
        sweep_asides(folder.parent, folder.name)
    inputs = {str(path): {"stamp": stamp(path), "sha256": span_digest(path)} for path in paths}
    sample, by_language, counts = _read(config, paths)
    tokenizer = train.train(sample, config.tokenizer)
    figures = report.build({"this": tokenizer, **others}, by_language, config.tokenizer.morphemes)
    with atomic_folder(folder, "tokenizer") as aside:
        train.save(tokenizer, config.tokenizer, aside)
        write_json(aside / "report.json", figures)
        made = manifest.describe(
            "tokenizer",
            settings=settings,
            made_by=made_by,
            vocab_size=config.tokenizer.vocab_size,
            **counts,
            inputs=inputs,
            files=manifest.digests(aside),
        )
        manifest.write(aside, made)
    report.print_report(figures)
    return made


def _already(
    folder: Path, settings: dict[str, Any], made_by: dict[str, int], paths: list[Path]
) -> dict[str, Any] | None:
    """The manifest when the folder holds just this tokenizer, None when it is free. Raises UserError naming what
    differs."""
    if not folder.is_dir() or not any(folder.iterdir()):
        refuse_strange(folder, "tokenizer")
        return None
    mend = f"choose another data.tokenizer or remove {folder}"
    if not (folder / manifest.NAME).exists():
        raise UserError(f"{folder} holds files that jobs.tokenizer did not write; {mend}")
    known = manifest.read(folder)
    if change := manifest.version_change(known.get(manifest.MADE_BY), made_by):
        raise UserError(f"{folder} was made by {change}; {mend}")
    for key in dict.fromkeys([*settings, *known["settings"]]):
        before, now = known["settings"].get(key), settings.get(key)
        if before != now:
            raise UserError(f"{folder} was learnt with {key}={before}, now {key}={now}; {mend}")
    names = {str(path) for path in paths}
    if names != set(known["inputs"]):
        other = min(names ^ set(known["inputs"]))
        raise UserError(f"{folder} was learnt {'without' if other in names else 'with'} {other}; {mend}")
    for path, seen in known["inputs"].items():
        if stamp(path) != seen["stamp"] and span_digest(path) != seen["sha256"]:
            raise UserError(f"{folder} was learnt from other text in {path}; {mend}")
    there = manifest.digests(folder)
    broken = [name for name, right in known["files"].items() if there.get(name) != right]
    if broken:
        raise UserError(f"{folder / broken[0]} is not as jobs.tokenizer wrote it; {mend}")
    return known


def _others(config: Config) -> dict[str, Any]:
    """The tokenizer to compare with, by the name of its folder."""
    from data_prep.tokenizer.backends import load_reference

    other = config.tokenizer.compare
    return {Path(other).name: load_reference(other)} if other else {}


def _read(config: Config, paths: list[Path]) -> tuple[list[str], dict[str, list[str]], dict[str, Any]]:
    """The sample to learn from, the samples to report on by language, and counts, in one pass over the text."""
    from data_prep.sources.readers import read_documents
    from data_prep.tokenizer.sample import Sample

    bad = BadDocuments(config.prepare.on_bad_document, config.prepare.max_bad_documents)
    sample, languages, wanted = Sample(config.tokenizer.sample_bytes), {}, (config.tokenizer.language_field,)
    with Bar("read", sum(stamp(path)[0] for path in paths) / 1e6, "MB") as bar:
        for path in paths:
            for document in read_documents(path, config.data, bad, wanted, lambda size: bar.advance(size / 1e6)):
                language = str(document.fields.get(config.tokenizer.language_field) or "all")
                if language not in languages and len(languages) >= LANGUAGES:
                    language = "others"
                languages.setdefault(language, Sample(config.tokenizer.report_bytes)).add(document.text)
                sample.add(document.text)
    counts = {
        "documents": sample.seen,
        "sampled": len(sample.heap),
        "sampled_bytes": sample.size,
        "bad_documents": dict(bad.counts),
    }
    return sample.texts(), {language: one.texts() for language, one in languages.items()}, counts


if __name__ == "__main__":
    main("tokenizer", run)
