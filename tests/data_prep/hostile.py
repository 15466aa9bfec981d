"""Text that is made to be slow, in any size, and everything that runs over a document."""

import importlib
import json
import pkgutil
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Regex, pre_tokenizers

import common
import data_prep
import slurm
from common.reading.formats import FORMATS
from conf.schema import Config
from conf.schema.duplicates import DuplicatesConfig
from data_prep.cleaning.steps import STEPS
from data_prep.decontamination.index import Index
from data_prep.decontamination.passages import cut
from data_prep.dedup import paragraphs
from data_prep.dedup.signature import Signer
from data_prep.endpoint.client import Answer
from data_prep.filters.registry import RULES, rule_class
from data_prep.ocr.answers import page_of
from data_prep.pii.anonymise import KINDS, Anonymiser
from data_prep.quality.degrade.degrade import KINDS as DEGRADATIONS
from data_prep.quality.degrade.degrade import LOW, degrade
from data_prep.quality.features.stylometric import features
from data_prep.quality.features.vocabulary import Vocabulary
from data_prep.quickstart.collect import cut as parts_of
from data_prep.quickstart.pairs import text_pairs, without_names
from data_prep.records.record import Record
from data_prep.sources.readers import READERS, BadDocuments, Form, read_documents
from data_prep.text.batch import Batch
from data_prep.text.language import FOLDER, TEMPLATE, load_language
from data_prep.tokenizer.backends import Gigatoken, Reference, Tiktoken, load_reference
from data_prep.tokenizer.patterns import PATTERNS
from data_prep.topics.words import counts
from slurm.causes import cause

Subject = Callable[[str], object]

UNITS = (
    "7", "12 ", "1.", "4-", "1:", "1,", "1/", ".", ". ", ". . ", "...", "…", "… ", "-", "- ", "–", " ", "\n", " \n",
    "\n\n", "\t", "\r\n", "\f", "\u00a0", "\u2028", "\x85", "\x00", "\x1c", "a", "A", "aB", "ab ", "a-", "a'", "a\n",
    "A ", "1\n", "1 A ", "i ", "ivx. ", "İ", "ß", "界", "\u0301", "e\u0301", "\u200b", "\u200d", "\u00ad", "Ã", "Ã¢€",
    "�", "http://)", "http://(", "http://a", "https://]", "www.a.b)", "a.com/,", "a.com/", "a.com/a:", "a.", "a.com",
    "a@", "a@a@a.", "a@a.", "a.a@", "a+", "(at)", "a [at] ", "a(dot)", "git@a:", "<a", "<a<a", "<a>", "<a href=#>",
    "<div>", "</div>", "<p>", "<b>", "<article>", "<nav>", "<header>", "<table><tr><td>", "<svg>", "<svg><input>",
    "<ul><li>", "<!--", "<![CDATA[", "<script>", "<title>", "<select>", "<object></div><div>", "<meta charset=", "&#",
    "&amp", "&lt;", "[", "[1", "[]", "(", "( ", "()", ")", ")]", "{", "{}", "```\n", "``` ", "`", "*", "_", "_a", "#",
    "# ", "# \n", "# a #", "|", "\"", "'", "' ", "\"'", "”", "=", "=\n", "~", ":a:`", ":a", "e.g. ", "•\n", "@", "%",
    "+1", "+48 ", "+1 (1)", "0(", "(0", "0 5", "00 48", "No ", "No. 1 ", "1 A Street ", "1 A A A ", "ul. A", "ul. A-",
    "św. ", "Mah. A ", "A Mah. ", "Cad. ", "tel ", "tel:", "NIP ", "VKN", "PL12 3456 ",
    "TR33 0006 1005 1978 6457 8413 26", "4111 1111 1111 1111 ", "4111111111111111", "378282246310005", "+14155552671",
    "192.168.1.1 ", "1.1.", "IP ", "2001:db8::", ":", "f:", "::", "a:b:", '{"text": "',
    '[{"category": "Table", "text": "<', "Traceback", "error: ", "NCCL error", "gloo", "[rank0]: ",
)  # fmt: skip


def generators(mixtures: int = 20, seed: int = 0) -> dict[str, Callable[[int], str]]:
    """By name: what makes a text of about so many characters. Each unit over and over; blocks of a beginning, a run and
    an end, such as a scheme before thousands of brackets, drawn at random; brackets within brackets; what has hurt
    before."""
    draw = random.Random(seed)
    blocks = [("", (unit,), 1, "") for unit in UNITS]
    blocks += [
        ("", tuple(draw.choices(UNITS, k=2)), draw.choice(RUNS), draw.choice(("", *UNITS)))
        for _ in range(mixtures // 2)
    ]
    blocks += [
        (draw.choice(UNITS), (draw.choice(UNITS),), draw.choice(RUNS), draw.choice(("", *UNITS)))
        for _ in range(mixtures // 2)
    ]
    blocks += [(head, (unit,), count, tail) for head, unit, count, tail in KNOWN]
    made = {
        f"{head!a} {''.join(units)!a}*{count} {tail!a}": _blocks(head, "".join(units), count, tail)
        for head, units, count, tail in blocks
    }
    for opening, closing in (
        "()",
        "[]",
        "{}",
        ("<div>", "</div>"),
        ("<b>", "</b>"),
        ("<q>a", "</q>"),
        ("<svg><g>", "</g></svg>"),
    ):
        pair = len(opening + closing)
        made[f"nested {opening}"] = lambda size, pair=pair, a=opening, b=closing: (
            a * (size // pair) + b * (size // pair)
        )
    for text in ("<div><b a={}>x</div>", "<b a={}><p>", "<a{}>", "w{} ", "<table><b a={}><td>"):
        made[f"distinct {text}"] = lambda size, text=text: "".join(
            text.format(n) for n in range(size // (len(text) + 2))
        )
    made["growing"] = lambda size: "\n".join("a" * n for n in range(int((2 * size) ** 0.5)))
    return made


RUNS = (3, 70, 1000, None)
"""How often a unit stands in a block; None: the block is the whole text."""
KNOWN = (
    ("+1", "4", 70, " "), ("+1 ", "415 555 2671 ", None, ""), ("http://", ")", None, ""),
    ("http://a", ".", None, ")"), ("http://", "(", None, "]"), ("", "a.com/,", None, "a:a"), ("a", ".com", None, "/"),
    ("a@", "a.", None, "!"), ("a.", "b.", None, "@"), ("a@", "a(dot)", None, "!"), ("tel ", "(", None, "5"),
    ("IP ", "1.2.3.4 ", None, ""), ("Mah. ", "Aa ", None, "No"), ("1 ", "Aa ", None, "Street"),
    ("ul. ", "św. ", None, ""), ("ul. ", "Aa-", None, ""), ("PL", "1234 ", 60, "!"), ("[", "[", None, "category"),
    ("<!--", "-", None, ""), ("e", ".", 1000, " "),
)  # fmt: skip


def _blocks(head: str, unit: str, count: int | None, tail: str) -> Callable[[int], str]:
    def make(size: int) -> str:
        block = head + unit * (count or size // len(unit)) + tail
        return block * max(size // len(block), 1)

    return make


def subjects(folder: Path, tokenizer: Path) -> dict[str, Subject]:
    """By name: all that runs over a document. ``folder`` takes the files that readers read; ``tokenizer``: folder of
    one."""
    by_name = dict(_expressions())
    for code in sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != TEMPLATE):
        by_name |= {f"{code}: {name}": subject for name, subject in _of_language(code)}
    by_name |= {f"reader {suffix}": _reader(folder / f"text{suffix}") for suffix in FORMATS if suffix not in BINARY}
    by_name |= {
        f"pattern {name}": _split(pattern) for name, pattern in PATTERNS.items() if name != "llama3"
    }  # which is gpt4's
    reference = load_reference(tokenizer)
    by_name |= {f"ids by {backend.name}": _encoder(backend(reference)) for backend in (Reference, Gigatoken, Tiktoken)}
    by_name |= {
        f"degradation {kind}": lambda text, kind=kind: degrade(text, kind, LOW, "seed") for kind in DEGRADATIONS
    }
    by_name |= {
        "signatures": lambda text: Signer(DuplicatesConfig(), load_language("tr")).keys(Batch([text])),
        "signatures without numbers": (
            lambda text: Signer(DuplicatesConfig(fold_numbers=True), load_language("tr")).keys(Batch([text]))
        ),
        "paragraphs": lambda text: paragraphs.remove(text, range(len(paragraphs.split(Batch([text])).starts))),
        "contamination": (
            lambda text: Index(np.array([7], np.uint64), np.array([0]), [13], [""], [""], 0).find(Batch([text]))
        ),
        "answers of OCR": lambda text: (
            page_of(1, Answer(text, True), 1),
            page_of(1, Answer(f"```\n{text}\n```", True), 1),
            _table(text),
        ),
        "pairs": lambda text: [text_pairs(part) for part in parts_of(text)],
        "names out of a summary": lambda text: without_names(text, {"a"}),
        "causes in logs": lambda text: cause(text, 1),
    }
    return by_name


BINARY = (".parquet", ".pdf")
"""Their bytes are a library's; the texts in them are texts like others."""
MODELS = {
    "quality": lambda profile: lambda batch: features(batch, profile, Vocabulary(np.array([7], np.uint64))),
    "topics": lambda profile: lambda batch: counts(batch, np.array([7], np.uint64), np.array([0])),
}
"""Rules that ask a model: what they do with the text before."""
BOUNDED = {
    "data_prep.cleaning.pages._LISTED": 60, "data_prep.cleaning.pages._NUMBERING": 100,
    "data_prep.pii.online._IP_NAMED": 40,
    "data_prep.decontamination.passages._LAST": 40, "data_prep.sources.plain.META": 1024,
}  # fmt: skip
"""Expressions that see only so many characters of a text."""
FROM_THE_START = (
    "data_prep.ocr.answers.FENCE", "data_prep.quickstart.pairs.PARAMETER", "data_prep.quickstart.pairs.UNDERLINE",
    "data_prep.quickstart.pairs.MARKDOWN",
    "data_prep.sources.nesting._TAG",
)  # fmt: skip
"""Expressions that are matched at the beginning of a text and not searched for."""


def _expressions() -> Iterator[tuple[str, Subject]]:
    """Every compiled expression that stands in a module."""
    for package in (data_prep, common, slurm):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                for place, pattern in enumerate(value if isinstance(value, list | tuple) else [value]):
                    if isinstance(
                        pattern := pattern[0] if isinstance(pattern, tuple) and pattern else pattern, re.Pattern
                    ):
                        yield f"{module.name}.{name}[{place}]", _searched(pattern, f"{module.name}.{name}")


def _searched(pattern: re.Pattern, name: str) -> Subject:
    def run(text: str) -> None:
        text = text[: BOUNDED.get(name)]
        subject_text = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
        _ = pattern.match(subject_text) if name in FROM_THE_START else list(pattern.finditer(subject_text))

    return run


def _of_language(code: str) -> Iterator[tuple[str, Subject]]:
    profile = load_language(code)
    every = replace(profile, pii=replace(profile.pii, kinds=list(KINDS)))
    yield "pii", Anonymiser(every).replace
    yield "passages", lambda text: cut(text, [(0, 1), (len(text) // 2, len(text) // 2 + 1)], profile)
    if code == "tr":  # what differs in these are lists of words
        for name, step in STEPS.items():
            yield f"step {name}", step.make(profile)
        for name in RULES:
            yield (
                f"rule {name}",
                _measured(MODELS[name](profile)) if name in MODELS else _judged(rule_class(name)(profile, Config())),
            )


def _measured(measure: Callable[[Batch], object]) -> Subject:
    return lambda text: measure(Batch([text, "a"]))


def _judged(rule) -> Subject:
    def run(text: str) -> None:
        records = [Record("1", text, "s", "", text, "en", "f", 1)]
        for test in rule.judge(Batch([text]), np.ones(1, bool), records):
            assert len(test.values) == 1

    return run


def _reader(path: Path) -> Subject:
    def run(text: str) -> None:
        content = [text] if path.suffix in (".txt", ".md", ".html", ".htm") else [text, _json(path, text)]
        for part in content:
            path.write_bytes(part.encode("utf-8", "replace"))
            for _ in read_documents(path, Form(max_bytes=50_000_000), BadDocuments("skip", limit=1 << 30)):
                pass

    return run


def _json(path: Path, text: str) -> str:
    cell = {"category": "Table", "text": f"<{text}"}
    return json.dumps({"text": text, "pages": [{"cells": [cell, cell | {"category": "Text"}]}]})


def _table(text: str) -> object:
    return page_of(1, Answer(json.dumps([{"category": "Table", "text": f"<td>{text}"}]), True), 1)


def _encoder(backend) -> Subject:
    return lambda text: backend.encode([text])


def _split(pattern: str) -> Subject:
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated").pre_tokenize_str


assert set(FORMATS.values()) <= set(READERS)
