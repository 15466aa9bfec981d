"""The filter chain: C4's lines and documents, FineWeb's, Gopher's quality and repetition rules, against datatrove's own
executor.

Three sides, one process and one thread each, read the same plain .jsonl of Turkish legal text and write the documents
that stay to another:
- ours: the cleaning step c4_lines, then the rules c4, fineweb, gopher_quality, gopher_repetition;
- default: datatrove's four filters in its LocalPipelineExecutor with the word tokenizer that it has for Turkish
  (spaCy's blank model);
- regex: the same with a word tokenizer of one regular expression, which cuts words as ours does. All have the constants
  of our Turkish profile, under which nearly all documents stay: what is dropped early costs nothing later. How many
  verdicts are equal is printed. Bars: ours at least 5 times as fast as the default and 1.2 times as fast as the regex
  form.

  TERZI_DATA=... python -m benchmarks.filter_chain         about 4 minutes on one core; needs datatrove and spacy
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries start their threads

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.text import PUNCTUATION_SET
from datatrove.utils.typeshelper import Languages
from datatrove.utils.word_tokenizers import WordTokenizer
from loguru import logger

from benchmarks.measure import alternate, in_child, peak_memory, ratio, summary
from benchmarks.record import keep
from benchmarks.text import turkish_legal
from conf.schema.corpus import SourceConfig
from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.cleaning.steps import build_cleaner
from data_prep.filters.registry import build_rules, rule_class
from data_prep.sources.readers import read_documents
from data_prep.text.batch import Batch
from data_prep.text.language import load_language

RULES = ("c4", "fineweb", "gopher_quality", "gopher_repetition")
BATCH_CHARACTERS = 250_000
PART = 16
ROUNDS = 3
BARS = {"default": 5.0, "regex": 1.2}


def profile() -> LanguageConfig:
    """The constants of all sides. Lines need not end a sentence, as in FineWeb; the peer compares ends of lines with
    single signs."""
    found = load_language("tr", {"closing": "", "lines": {"terminal_only": False, "boilerplate": ["javascript"]}})
    found.rules["gopher_quality"]["signs"] = "".join(sorted(PUNCTUATION_SET))
    return found


class RegexTokenizer(WordTokenizer):
    """Words and signs by one regular expression, sentences by another."""

    words, sentences = re.compile(r"\w+|[^\w\s]"), re.compile(r"[.!?…]+(?=\s|$)")

    def word_tokenize(self, text: str) -> list[str]:
        """Words and signs."""
        return self.words.findall(text)

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Ends of sentences."""
        return [found.span() for found in self.sentences.finditer(text)]

    def sent_tokenize(self, text: str) -> list[str]:
        """Not asked by these filters."""
        raise NotImplementedError


TOKENIZER = RegexTokenizer()


def batches(jsonl: Path, language: LanguageConfig) -> Iterator[list[tuple[str, str]]]:
    """Ids and cleaned texts."""
    cleaner, found, size = build_cleaner(["c4_lines"], language), [], 0
    for document in read_documents(jsonl, SourceConfig(), fields=()):
        text, _ = cleaner.clean(document.text)
        found.append((document.id, text))
        size += len(text)
        if size >= BATCH_CHARACTERS:
            yield found
            found, size = [], 0
    yield found


def ours(jsonl: Path, folder: Path) -> Path:
    """Write what stays of ``jsonl`` into ``folder``."""
    language = profile()
    rules = build_rules(RULES, language, Config())
    folder.mkdir(exist_ok=True)
    with (folder / "kept.jsonl").open("wb") as file:
        for documents in batches(jsonl, language):
            batch = Batch([text for _, text in documents], language.casing)
            alive = np.ones(len(batch), bool)
            for rule in rules:
                for test in rule.judge(batch, alive, []):
                    alive &= ~test.rejected
            for index in np.flatnonzero(alive):
                file.write(
                    orjson.dumps(
                        {"text": documents[index][1], "id": documents[index][0]}, option=orjson.OPT_APPEND_NEWLINE
                    )
                )
    return folder


def peer(jsonl: Path, folder: Path, language: Any) -> Path:
    """The same by datatrove; ``language`` is a name or a tokenizer."""
    logger.disable("datatrove")
    shutil.rmtree(folder, ignore_errors=True)
    found = profile()
    names = ("gopher_quality", "gopher_repetition", "fineweb", "c4")
    quality, repetition, fineweb, c4 = (rule_class(name).settings_in(found) for name in names)
    pipeline = [
        JsonlReader(str(jsonl.parent), glob_pattern=jsonl.name),
        C4QualityFilter(
            filter_no_terminal_punct=False,
            filter_policy=False,
            min_num_sentences=c4.min_sentences,
            min_words_per_line=found.lines.min_words,
            language=language,
        ),
        FineWebQualityFilter(
            line_punct_thr=fineweb.min_terminal_lines,
            stop_chars=tuple(found.terminal_punctuation),
            short_line_thr=fineweb.max_short_lines,
            char_duplicates_ratio=fineweb.max_duplicate_characters,
            new_line_ratio=fineweb.max_newlines_per_word,
            language=language,
        ),
        GopherQualityFilter(
            min_doc_words=quality.min_words,
            max_doc_words=quality.max_words,
            min_avg_word_length=quality.min_mean_word,
            max_avg_word_length=quality.max_mean_word,
            max_non_alpha_words_ratio=quality.min_alphabetic_words,
            stop_words=found.stop_words,
            language=language,
        ),
        GopherRepetitionFilter(
            dup_n_grams=tuple(zip(range(5, 11), repetition.max_duplicate_ngrams, strict=True)),
            language=language,
        ),
        JsonlWriter(str(folder), output_filename="kept.jsonl", compression=None),
    ]
    LocalPipelineExecutor(pipeline, tasks=1, workers=1, logging_dir=str(folder / "logs"), skip_completed=False).run()
    return folder


def kept(folder: Path) -> dict[str, str]:
    """Texts that stayed, by id."""
    return {record["id"]: record["text"] for record in map(orjson.loads, (folder / "kept.jsonl").open("rb"))}


def peak_of_ours(jsonl: Path, folder: Path) -> dict[str, float]:
    """Peak memory of our side, in a process of its own."""
    return peak_memory(lambda: ours(jsonl, folder))


def main() -> None:
    """Compare, time, print and keep."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "in").mkdir()
        jsonl = turkish_legal(folder / "in" / "part.jsonl", PART)
        sides = {
            "ours": lambda: ours(jsonl, folder / "ours"),
            "regex": lambda: peer(jsonl, folder / "regex", TOKENIZER),
            "default": lambda: peer(jsonl, folder / "default", Languages.turkish),
        }
        stays = {name: kept(side()) for name, side in sides.items()}
        times = alternate(sides, ROUNDS, warm_up=0)
        memory = in_child(peak_of_ours, jsonl, folder / "ours")
        texts = [orjson.loads(line)["text"] for line in jsonl.open("rb")]
    size = sum(len(text.encode()) for text in texts)
    agreement = {name: agree(stays["ours"], stays[name], len(texts)) for name in BARS}
    counts = {name: len(found) for name, found in stays.items()}
    figures = {
        "threads_of_each_side": 1,
        "bytes": size,
        "documents": len(texts),
        "kept": counts,
        "agreement": agreement,
        "rounds": ROUNDS,
    }
    report(times, figures | {"peak_memory": memory})


def agree(ours: dict[str, str], theirs: dict[str, str], documents: int) -> dict[str, float]:
    """Share of the documents with the same verdict, and of those that both keep, of the same text."""
    both = ours.keys() & theirs.keys()
    same = documents - len(ours.keys() ^ theirs.keys())
    return {
        "verdicts": round(same / documents, 4),
        "texts": round(sum(ours[name] == theirs[name] for name in both) / max(len(both), 1), 4),
    }


def report(times: dict[str, dict[str, list[float]]], figures: dict[str, Any]) -> None:
    """Print the ratios and keep everything."""
    ratios = {name: {clock: ratio(times[name], times["ours"], clock) for clock in ("wall", "cpu")} for name in BARS}
    for name, bar in BARS.items():
        wall, cpu = (ratios[name][clock]["median"] for clock in ("wall", "cpu"))
        print(
            f"ours / {name}: {wall:.2f} times as fast by the clock, {cpu:.2f} by CPU time; bar {bar},"
            f" {'met' if cpu >= bar else 'MISSED'}; agreement {figures['agreement'][name]}"
        )
    sides = {name: summary(found) for name, found in times.items()}
    for name, found in sides.items():
        seconds = found["cpu_median"]
        print(
            f"{name:8}: {figures['bytes'] / 1e6 / seconds:6.2f} MB and {figures['documents'] / seconds:6.0f} documents"
            " a CPU second"
        )
    print(f"kept of {figures['documents']}: {figures['kept']}; peak memory of ours, MiB: {figures['peak_memory']}")
    print(f"written: {keep('filter_chain', figures | {'seconds': sides, 'bars': BARS, 'ratios': ratios})}")


if __name__ == "__main__":
    main()
