"""Text that lost spaces, as PDF and OCR give it: the rule glued_words, and near-duplicate keys of letters beside keys
of words.

On real text of three languages, cut at 6,000 characters, documents of at least 50 words:
- rule: what it rejects of the text as it is, and with 1 to 16% of its white space lost;
- pairs: of a document and a damaged or edited copy, the share that meets in a band, by runs of letters (the default)
  and by runs of 5 words
  (the default before), with the same hash functions, bands and rows;
- natural: pairs of different documents that meet, means over seeds, and of them the share with fewer than half and with
  fewer than 30% of
  their shingles of 5 words in common; the time of both kinds of keys; the memory of the keys is the same.

  TERZI_DATA=... python -m benchmarks.lost_spaces         about 4 minutes on one core
"""

import os

os.environ |= {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson
import zstandard

from benchmarks.record import keep
from benchmarks.text import data
from conf.schema.duplicates import DuplicatesConfig
from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.dedup.signature import Signer, digests, shingles, token_prefix
from data_prep.filters.glued_words import GluedWords
from data_prep.quality.degrade.characters import ocr, punctuation, split
from data_prep.text.batch import Batch
from data_prep.text.hashing import runs
from data_prep.text.language import load_language

SETS = {
    "tr_legal": ("tr", 8),
    "tr_general": ("tr", 1),
    "pl_general": ("pl", 4),
    "en_general": ("en", 2),
    "en_legal": ("en", 4),
}
"""Language of each set, and which of its documents are taken: every so many."""
LOST = (0.01, 0.02, 0.04, 0.08, 0.16)
PAIRS, MOST, SEEDS, WORDS = 200, 6000, 3, 5
Shingles = tuple[np.ndarray, np.ndarray]


def documents(name: str, every: int) -> list[str]:
    """Texts of at least 50 words."""
    with (
        (data() / name / "train.jsonl.zst").open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as text,
    ):
        texts = [orjson.loads(line)["text"][:MOST] for line in text.read().splitlines()[::every]]
    return [text for text in texts if len(text.split()) >= 50]


def lost(text: str, draw: random.Random, share: float) -> str:
    """``text`` without a share of its runs of white space."""
    return re.sub(r"\s+", lambda found: "" if draw.random() < share else found[0], text)


def copies(texts: list[str], profile: LanguageConfig) -> Iterator[tuple[str, list[str]]]:
    """Kinds of damage and edits with a copy of each text."""
    draw, words = random.Random(1), " ".join(texts[:50]).split()
    upper = {small: capital for capital, small in profile.casing.items()}
    kinds: dict[str, Callable[[str], str]] = {
        f"{share:.0%} of spaces lost": lambda text, s=share: lost(text, draw, s) for share in LOST
    }
    kinds |= {f"{share:.0%} of words misread": lambda text, s=share: ocr(text, draw, s) for share in (0.01, 0.02, 0.05)}
    kinds["4% of spaces lost, 2% of words misread"] = lambda text: lost(ocr(text, draw, 0.02), draw, 0.04)
    kinds["4% of words split"] = lambda text: split(text, draw, 0.04)
    kinds["half of the signs lost"] = lambda text: punctuation(text, draw, 0.5)
    kinds["capitals"] = lambda text: "".join(upper.get(letter, letter) for letter in text).upper()
    kinds |= {
        f"{share:.0%} of words replaced": lambda text, s=share: " ".join(
            draw.choice(words) if draw.random() < s else word for word in text.split()
        )
        for share in (0.01, 0.02, 0.03, 0.05, 0.07)
    }
    for kind, change in kinds.items():
        yield kind, [change(text) for text in texts]


def of_words(batch: Batch, profile: LanguageConfig) -> Shingles:
    """Runs of WORDS words, as they were before; a shorter text has its digest."""
    words, digest = batch.words, digests(batch, token_prefix(batch))
    counts = np.maximum(words.counts - WORDS + 1, 1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    flat, short = np.empty(offsets[-1], np.uint64), words.counts < WORDS
    long = np.ones(len(flat), bool)
    long[offsets[:-1][short]] = False
    flat[~long] = digest[short]
    inside = words.owners[: max(len(words) - WORDS + 1, 0)] == words.owners[WORDS - 1 :]
    flat[long] = runs(batch.word_hashes, WORDS)[inside]
    return flat, offsets.astype(np.uint64)


def of_letters(batch: Batch, profile: LanguageConfig) -> Shingles:
    """Runs of letters, as the factory takes them."""
    return shingles(batch, profile.shingle)


KINDS: dict[str, Callable[[Batch, LanguageConfig], Shingles]] = {"letters": of_letters, "words": of_words}


def bands(texts: list[str], profile: LanguageConfig, kind: str, seed: int = 1) -> tuple[np.ndarray, float]:
    """[n, bands] keys, and the CPU seconds they took beside what all rules share."""
    signer, found, took = Signer(DuplicatesConfig(seed=seed), profile), [], 0.0
    for start in range(0, len(texts), 50):
        batch = Batch(texts[start : start + 50], profile.casing)
        _ = batch.word_hashes, batch.tokens, batch.flags
        started = time.process_time()
        found.append(signer._bands(*KINDS[kind](batch, profile)))
        took += time.process_time() - started
    return np.concatenate(found), took


def rule(texts: list[str], judge: GluedWords) -> dict[str, float]:
    """Shares that are rejected, by the share of spaces lost, and MB of text a CPU second beside what all rules
    share."""
    draw, found, took, size = random.Random(1), {}, 0.0, 0
    for share in (0.0, *LOST):
        rejected = []
        for start in range(0, len(texts), 50):
            batch = Batch(
                [lost(text, draw, share) if share else text for text in texts[start : start + 50]], judge.profile.casing
            )
            _ = batch.word_hashes, batch.lower_prefix
            size += sum(map(len, batch.texts))
            started = time.process_time()
            (test,) = judge.judge(batch, np.ones(len(batch), bool), [])
            took += time.process_time() - started
            rejected.append(test.rejected)
        found[f"{share:.0%}"] = round(float(np.concatenate(rejected).mean()), 4)
    return found | {"megacharacters_a_second": round(size / took / 1e6, 1)}


def natural(texts: list[str], profile: LanguageConfig) -> dict[str, Any]:
    """Different documents that meet, by each kind of keys."""
    flat, offsets = of_words(Batch(texts, profile.casing), profile)
    sets = [set(flat[int(start) : int(end)].tolist()) for start, end in zip(offsets, offsets[1:], strict=False)]
    size, found = sum(map(len, texts)), {}
    for kind in KINDS:
        values, dropped, took = [], [], 0.0
        for seed in range(1, SEEDS + 1):
            keys, seconds = bands(texts, profile, kind, seed)
            took += seconds
            pairs = _pairs(keys)
            dropped.append(len({second for _, second in pairs}))
            values += [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs]
        found[kind] = {
            "documents_with_an_earlier_one": float(np.mean(dropped)), "pairs": len(values) / SEEDS,
            "below_0.5": round(sum(value < 0.5 for value in values) / max(len(values), 1), 3),
            "below_0.3": round(sum(value < 0.3 for value in values) / max(len(values), 1), 4),
            "seconds_a_megacharacter": round(took / SEEDS / size * 1e6, 4),
        }  # fmt: skip
    return found


def _pairs(keys: np.ndarray) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for column in keys.T:
        order = np.argsort(column, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(column[order])) + 1):
            if len(group) > 1:
                first, second = np.triu_indices(len(group), 1)
                found.update(zip(group[first].tolist(), group[second].tolist(), strict=True))
    return found


def main() -> None:
    """Measure, print and keep."""
    figures: dict[str, Any] = {}
    rules: dict[str, GluedWords] = {}
    for name, (code, every) in SETS.items():
        profile, texts = load_language(code), documents(name, every)
        judge = rules.setdefault(code, GluedWords(profile, Config()))
        started = time.process_time()
        _ = judge.known, judge.halves, judge.short  # once a language
        figures[name] = {
            "documents": len(texts),
            "dictionary_seconds": round(time.process_time() - started, 1),
            "rule": rule(texts, judge),
        }
        print(name, figures[name], flush=True)
        some = texts[:PAIRS]
        own = {kind: bands(some, profile, kind)[0] for kind in KINDS}
        figures[name]["pairs"] = {
            what: {
                kind: round(float((own[kind] == bands(copied, profile, kind)[0]).any(axis=1).mean()), 3)
                for kind in KINDS
            }
            for what, copied in copies(some, profile)
        }
        figures[name]["natural"] = natural(texts, profile)
        for part in ("pairs", "natural"):
            for what, row in figures[name][part].items():
                print(f"  {what:40} {row}", flush=True)
    print(f"written: {keep('lost_spaces', {'sets': figures})}")


if __name__ == "__main__":
    main()
