"""Personal data: rate on real text, finds on natural text, precision and recall on planted values.

Rate: `Anonymiser.replace` of every document of Turkish legal text, one thread; bar 40 MB of UTF-8 a second. Natural:
finds of each kind in all sets of real text, and how many finds 1,000 documents have; which of them are right only
people can say. Planted: values in up to 1,000 documents of each language (`benchmarks.planted`), half of them beside
decoys and values with a wrong checksum.

  TERZI_DATA=... python -m benchmarks.pii         about 20 seconds on one core
"""

import io
from collections import Counter
from typing import Any

import orjson
import zstandard

from benchmarks.measure import alternate
from benchmarks.planted import plant, score
from benchmarks.record import keep
from benchmarks.text import data
from data_prep.pii.anonymise import Anonymiser
from data_prep.text.language import load_language

BAR = 40.0
SETS = {"tr_legal": "tr", "tr_general": "tr", "pl_general": "pl", "en_legal": "en", "en_general": "en"}
PLANTED = {"tr": "tr_legal", "pl": "pl_general", "en": "en_legal"}


def texts(name: str) -> list[str]:
    """All texts of a set."""
    with (data() / name / "train.jsonl.zst").open("rb") as file:
        lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
        return [orjson.loads(line)["text"] for line in lines]


def main() -> None:
    """Measure, print and keep."""
    figures: dict[str, Any] = {"megabytes_per_second": {}, "natural": {}, "planted": {}}
    anonymisers = {code: Anonymiser(load_language(code)) for code in set(SETS.values())}
    for name, language in SETS.items():
        documents, anonymiser = texts(name), anonymisers[language]
        counts: Counter[str] = sum((anonymiser.replace(text)[1] for text in documents), Counter())
        times = alternate(
            {name: lambda d=documents, a=anonymiser: [a.replace(text) for text in d]}, rounds=3, warm_up=0
        )
        rate = sum(len(text.encode()) for text in documents) / 1e6 / min(times[name]["wall"])
        figures["megabytes_per_second"][name] = round(rate, 1)
        figures["natural"][name] = {**counts, "per_1000_documents": round(1000 * counts.total() / len(documents), 2)}
        print(f"{name}: {rate:.0f} MB/s, {figures['natural'][name]}")
    for language, name in PLANTED.items():
        chosen = [text for text in texts(name) if 500 < len(text) < 8000][:1000]
        planted = plant(chosen, language, anonymisers[language].kinds, seed=0)
        scores = score(planted, [anonymisers[language].find(document.text) for document in planted])
        figures["planted"][language] = {
            kind: {"planted": entry.planted, "recall": round(entry.recall, 3), "precision": round(entry.precision, 3)}
            for kind, entry in scores.items()
        }
        print(language, figures["planted"][language])
    rate = figures["megabytes_per_second"]["tr_legal"]
    print(
        f"bar on tr_legal: {BAR} MB/s, measured {rate}: {'met' if rate >= BAR else 'MISSED'}; kept in"
        f" {keep('pii', figures)}"
    )


if __name__ == "__main__":
    main()
