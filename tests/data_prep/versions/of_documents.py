"""Reading, cleaning, decontamination and personal data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from conf.schema.data import DataConfig
from conf.schema.duplicates import ContaminationConfig
from data_prep.cleaning.steps import STEPS
from data_prep.decontamination import index, passages
from data_prep.pii import anonymise
from data_prep.sources import readers, version
from data_prep.text.language import load_language
from tests.data_prep.versions.sample import LANGUAGES, batch, digest_values, rows, texts
from tests.data_prep.versions.table import Entry

PAGE = """<html><head><title>{title}</title><script>var x = 1;</script></head><body><nav><a href="/">Home</a></nav>
<h1>{title}</h1>{paragraphs}<ul><li>one</li><li>two</li></ul><footer>2024 &copy; example.org</footer></body></html>"""


def entries(folder: Path) -> dict[str, Entry]:
    """An entry a cleaning step, and one each for the others."""
    steps = {
        f"cleaning step {name}": _entry(step.version, digest_values(_cleaned(name)), "data_prep/cleaning/steps.py")
        for name, step in STEPS.items()
    }
    return steps | {
        "reader": _entry(version.VERSION, digest_values(_read(folder)), "data_prep/sources/version.py"),
        "decontamination": _entry(index.VERSION, digest_values(_leaks(folder)), "data_prep/decontamination/index.py"),
        "personal data": _entry(anonymise.VERSION, digest_values(_anonymised()), "data_prep/pii/anonymise.py"),
    }


def _entry(version: int, digest: str, file: str) -> Entry:
    return {"version": version, "digest": digest, "file": file, "rests_on": []}


def _cleaned(name: str) -> Iterator[list[str]]:
    for language in LANGUAGES:
        step = STEPS[name].make(load_language(language))
        yield [step(text) for text in texts(language)]


def _read(folder: Path) -> Iterator[Any]:
    """The documents of a file of each plain form."""
    sample = rows("tr")[:12]
    (folder / "a.txt").write_text(sample[0]["text"], encoding="utf-8")
    (folder / "b.md").write_text(f"# Title\n\n{sample[1]['text']}", encoding="utf-8")
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sample), encoding="utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(sample)), folder / "d.parquet")
    paragraphs = "".join(f"<p>{part}</p>" for part in sample[1]["text"].split("\n\n"))
    (folder / "e.html").write_text(PAGE.format(title="İnsan hakları", paragraphs=paragraphs), encoding="utf-8")
    for path in sorted(folder.glob("*.*")):
        for document in readers.read_documents(path, DataConfig(), fields=("url",)):
            yield [path.name, document.id.replace(str(folder), ""), document.line, document.text, dict(document.fields)]


def _leaks(folder: Path) -> Iterator[Any]:
    """Runs of evaluation text in the sample, and the texts without them."""
    for language in LANGUAGES:
        file, profile = folder / f"{language}_questions.jsonl", load_language(language)
        parts = [part for row in rows(language)[:3] for part in row["text"].split("\n\n")]
        file.write_text("".join(json.dumps({"question": part}) + "\n" for part in parts), encoding="utf-8")
        for words in (6, 13):
            config = ContaminationConfig(inputs=[str(file)], words=words, min_words=4)
            made, documents = index.Index.build(config, [profile.casing]), batch(language)
            hits = made.find(documents)
            yield [made.short, hits.owners, hits.starts, hits.ends, hits.pairs]
            for owner in np.unique(hits.owners).tolist():
                own = hits.owners == owner
                spans = zip(
                    hits.starts[own] - documents.starts[owner], hits.ends[own] - documents.starts[owner], strict=True
                )
                yield passages.cut(documents.texts[owner], spans, profile)


def _anonymised() -> Iterator[Any]:
    for language in LANGUAGES:
        anonymiser = anonymise.Anonymiser(load_language(language))
        for text in texts(language):
            replaced, kinds = anonymiser.replace(text)
            yield [replaced, dict(sorted(kinds.items()))]
