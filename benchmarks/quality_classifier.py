"""The quality classifier on Turkish text: how good on what it never saw, and how fast on one thread.

Learnt from degraded statutes and decisions (one source of each). Held out: other documents; two other sources,
decisions and an encyclopaedia; seven kinds of degradation; and 115 pieces of natural text, labelled by reading them
(quality_natural.jsonl: where they are, and labels; HIGH running text, MEDIUM running text with much else or broken off,
LOW tables, lists of amendments, what was repealed).

  TERZI_DATA=... python -m benchmarks.quality_classifier         about four minutes on one core
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries start their threads

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import zstandard

from benchmarks.record import keep
from benchmarks.text import data
from conf.schema.data import DataConfig
from conf.schema.quality import QualityConfig
from data_prep.quality import report
from data_prep.quality.build import build
from data_prep.quality.classifier import Classifier, load
from data_prep.quality.examples import LABELS
from data_prep.quality.features.stylometric import features
from data_prep.quality.learn import batches
from data_prep.text.language import load_language

SETS = ("tr_legal", "tr_general")
HELD_OUT = ("TQuad/turkish-nlp-qa-dataset", "iremturanli/NLP_Final_IctihatSistemi")
CUT = (1850, 2050)
"""Decisions of one source end with the full stop nearest to 2,000 characters, whatever came after."""


def texts() -> dict[str, dict[str, Any]]:
    """All records by id."""
    found = {}
    for name in SETS:
        packed = (data() / name / "train.jsonl.zst").read_bytes()
        for line in zstandard.ZstdDecompressor().decompressobj().decompress(packed).splitlines():
            record = orjson.loads(line)
            found[record["id"]] = record
    return found


def natural(records: dict[str, dict[str, Any]], file: Path) -> Path:
    """Write the pieces labelled by hand to ``file``."""
    with file.open("wb") as out:
        for line in Path(__file__).with_name("quality_natural.jsonl").open("rb"):
            place = orjson.loads(line)
            text = records[place["id"]]["text"][place["start"] : place["end"]]
            out.write(
                orjson.dumps(
                    {"id": place["id"], "text": text, "label": place["label"]}, option=orjson.OPT_APPEND_NEWLINE
                )
            )
    return file


def cut_decisions(classifier: Classifier, records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What is said of decisions that were cut at about 2,000 characters at the source."""
    cut = [
        one["text"] for one in records.values() if one["source"] == HELD_OUT[1] and CUT[0] <= len(one["text"]) <= CUT[1]
    ]
    shares = np.bincount(classifier.probabilities(cut).argmax(1), minlength=len(LABELS)) / max(len(cut), 1)
    return {"count": len(cut)} | {label: round(float(share), 4) for label, share in zip(LABELS, shares, strict=True)}


def speed(classifier: Classifier, some: list[str]) -> dict[str, float]:
    """MB of UTF-8 per CPU second of features and of trees; what the batch computes for every rule is counted apart."""
    size, spent = sum(len(text.encode()) for text in some) / 1e6, {"batch": 0.0, "features": 0.0, "trees": 0.0}
    for batch in batches(some, classifier.profile):
        marks = [time.process_time()]
        batch.flags, batch.words, batch.word_hashes, batch.stripped_lines, batch.prefix  # noqa: B018  # other rules need them anyway
        marks.append(time.process_time())
        values = features(batch, classifier.profile, classifier.vocabulary)
        marks.append(time.process_time())
        classifier.predict(values)
        marks.append(time.process_time())
        for name, first, last in zip(spent, marks, marks[1:], strict=False):
            spent[name] += last - first
    return {"megabytes": round(size, 1)} | {name: round(size / seconds, 1) for name, seconds in spent.items()}


def main() -> None:
    """Learn, measure, print and keep."""
    records, profile = texts(), load_language("tr")
    with tempfile.TemporaryDirectory() as place:
        config = QualityConfig(
            model=str(Path(place) / "quality"),
            good=[str(data() / name / "train.jsonl.zst") for name in SETS],
            measured=[str(natural(records, Path(place) / "natural.jsonl"))],
            held_out_sources=list(HELD_OUT),
        )
        started = time.process_time()
        found = build(config, DataConfig(), profile, 0, {})
        learning = time.process_time() - started
        classifier = load(config.model)
    found["sets"] = {Path(name).stem if name.endswith(".jsonl") else name: rows for name, rows in found["sets"].items()}
    found["kinds"] = {
        Path(name).stem if name.endswith(".jsonl") else name: rows for name, rows in found["kinds"].items()
    }
    rates = speed(classifier, [one["text"] for one in records.values() if "TQuad" not in one["source"]])
    print(*report.lines(found), sep="\n")
    cut = cut_decisions(classifier, records)
    print(
        f"decisions cut at about 2,000 characters: {cut}\nMB per CPU second: {rates}; learnt in {learning:.0f} CPU"
        " seconds"
    )
    keep(
        "quality_classifier",
        {"mb_per_cpu_second": rates, "learning_cpu_seconds": round(learning), "cut_decisions": cut} | found,
    )


if __name__ == "__main__":
    main()
