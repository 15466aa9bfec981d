"""Learn a static embedding from text, offline, for semantic duplicates.

  python -m jobs.embedder name=mine 'data.inputs=[my/folder]' data.tokenizer=my/tokenizer   to data/mine/embedder

The folder is one of model2vec's: `StaticModel.from_pretrained` and SemHash load it. It is a weak model, made from
counts of tokens alone; where a better one is mirrored, name that in corpus.semantic.model. Given again with the same
settings and text, the command does nothing."""

from pathlib import Path
from typing import Any

from common import manifest
from common.files import atomic_folder, digest
from common.layout import TOKENIZER
from common.progress import Bar, say
from common.reading.bad import BadDocuments
from common.remove import sweep_asides
from conf.schema import Config
from data_prep.reuse import digests_of, find_reusable
from data_prep.sources.inputs import stamp, told_inputs
from data_prep.sources.version import VERSION
from jobs.cli import main

KIND = "embedder"


def run(config: Config) -> dict[str, Any] | None:
    """Fill `corpus.semantic.model`; returns its manifest (None for a dry run)."""
    from data_prep.dedup import static_model
    from data_prep.tokenizer.backends import load_reference

    folder, semantic = Path(config.corpus.semantic.model), config.corpus.semantic
    paths = told_inputs(config.data.inputs)
    load_reference(config.data.tokenizer)
    settings = {
        "dimensions": semantic.dimensions,
        "learn_bytes": semantic.learn_bytes,
        "text_field": config.data.text_field,
    }
    settings["tokenizer"] = digest(Path(config.data.tokenizer) / TOKENIZER)
    made_by = {"static model": static_model.VERSION, "reader": VERSION}
    made_from = {"settings": settings, manifest.MADE_BY: made_by, "inputs": digests_of(config.data.inputs)}
    known = find_reusable(folder, KIND, made_from, "corpus.semantic.model")
    if known:
        say(f"{folder} is there: {known['dimensions']} dimensions")
        return known
    if config.dry_run:
        print(f"learn {semantic.dimensions} dimensions from {len(paths)} files into {folder}")
        return None
    if folder.parent.is_dir():
        sweep_asides(folder.parent, folder.name)
    ids, counts = _read(config, paths)
    model = static_model.learn(ids, config.data.tokenizer, semantic.dimensions)
    with atomic_folder(folder, KIND) as aside:
        model.save_pretrained(aside)
        made = manifest.describe(
            KIND, dimensions=semantic.dimensions, **made_from, **counts, files=manifest.digests(aside)
        )
        manifest.write(aside, made)
    say(f"{folder}: {semantic.dimensions} dimensions from {counts['sampled']:,} documents")
    return made


def _read(config: Config, paths: list[Path]) -> tuple[list[Any], dict[str, Any]]:
    """Token ids of a sample of the documents, and counts."""
    from data_prep.sources.readers import read_documents
    from data_prep.tokenizer.encoder import Encoder
    from data_prep.tokenizer.sample import Sample

    bad = BadDocuments(config.prepare.on_bad_document, config.prepare.max_bad_documents)
    sample = Sample(config.corpus.semantic.learn_bytes)
    with Bar("read", sum(stamp(path)[0] for path in paths) / 1e6, "MB") as bar:
        for path in paths:
            for document in read_documents(
                path, config.data, bad, fields=(), seen=lambda size: bar.advance(size / 1e6)
            ):
                sample.add(document.text)
    texts = sample.texts()
    counts = {
        "documents": sample.seen,
        "sampled": len(texts),
        "sampled_bytes": sample.size,
        "bad_documents": dict(bad.counts),
    }
    return Encoder(config.data.tokenizer, say).encode(texts), counts


if __name__ == "__main__":
    main("embedder", run)
