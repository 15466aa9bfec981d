"""The morphology filter: its rate on Turkish legal text, what it rejects, and its agreement with gold lemmas and
features.

Rate: `Morphology.judge` on batches of 250,000 characters whose words and hashes are computed already, as in the chain
of rules: cold (an empty table of words; the dictionary is loaded) and warm; one thread; bar 15 MB of UTF-8 a second
when warm. Rejected: shares of whole sets of real text. Gold: UD_Turkish-BOUN (dev), for both analysers.

  TERZI_DATA=... python -m benchmarks.morphology         about 2 minutes on one core, most of it zeyrek
"""

import time
from typing import Any

import numpy as np

from benchmarks.gold import agreement, read_gold
from benchmarks.pii import texts
from benchmarks.record import keep
from benchmarks.text import data
from conf.schema.root import Config
from data_prep.filters.morphology import Morphology
from data_prep.morphology.analysers import make_analyser
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

BAR = 15.0
CHARACTERS = 250_000


def batches(documents: list[str], casing: dict[str, str]) -> list[Batch]:
    """The documents in batches, with what other rules have computed before."""
    cut = np.cumsum([len(text) for text in documents]) // CHARACTERS
    parts = [Batch([documents[place] for place in np.flatnonzero(cut == number)], casing) for number in np.unique(cut)]
    for part in parts:
        _ = part.words, part.word_hashes, part.word_has_letter
    return parts


def judge(rule: Morphology, parts: list[Batch]) -> tuple[float, dict[str, float]]:
    """Seconds, and the share that each test rejects."""
    start, rejected = time.perf_counter(), {}
    for part in parts:
        for test in rule.judge(part, np.ones(len(part), bool), []):
            rejected.setdefault(test.name, []).append(test.rejected)
    seconds = time.perf_counter() - start
    return seconds, {name: round(float(np.concatenate(masks).mean()), 4) for name, masks in rejected.items()}


def main() -> None:
    """Measure, print and keep."""
    profile = load_language("tr")
    rule = Morphology(profile, Config())
    rule.table.analyser.word("kanunun")
    legal = texts("tr_legal")
    size, parts = sum(len(text.encode()) for text in legal) / 1e6, batches(legal, profile.casing)
    rates = {
        name: round(size / min(judge(rule, parts)[0] for _ in range(rounds)), 1)
        for name, rounds in (("cold", 1), ("warm", 3))
    }
    figures: dict[str, Any] = {"megabytes_per_second": rates, "rejected": {"tr_legal": judge(rule, parts)[1]}}
    for name in ("tr_general", "en_legal", "en_general", "pl_general"):
        figures["rejected"][name] = judge(rule, batches(texts(name), profile.casing))[1]
    gold = read_gold(data() / "ud" / "tr_boun-ud-dev.conllu")
    figures["gold"] = {
        analyser: agreement(gold, make_analyser(load_language("tr", {"morphology": {"analyser": analyser}})))
        for analyser in ("simplemma", "zeyrek")
    }
    for name, entry in figures.items():
        print(name, entry)
    print(
        f"bar: {BAR} MB/s, measured {rates['warm']}: {'met' if rates['warm'] >= BAR else 'MISSED'}; kept in"
        f" {keep('morphology', figures)}"
    )


if __name__ == "__main__":
    main()
