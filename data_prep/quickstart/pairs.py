"""Pairs of query and document out of plain text, for text that nobody asked questions about.

Docstrings: the summary sentence without the names, and the rest with the signature. Other text: a heading and what
stands below it; where there is none, the first sentence of a passage and the rest of the passage (the inverse cloze
task, Lee et al. 2019, arXiv 1906.00300)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data_prep.quickstart.docstrings import Docstring

MIN_QUERY_WORDS = 4
MAX_QUERY_CHARACTERS = 300
MIN_DOCUMENT_WORDS = 15
PASSAGE_WORDS = 200
MAX_TITLE_CHARACTERS = 80

SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!\bcf)(?<!\bvs)[.!?:]['\")\]]*(?=\s)|\n\s*\n")
ROLE = re.compile(r":[\w:.+-]{1,64}:`~?([^`]*)`")
DOTTED = re.compile(r"(\w+(?:\.\w+)*)(?:\(\)|'s\b)?")
MARKUP = re.compile(r"[`*]+|(['\"])\s*\1|[-=~^_]{3,}")
EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
PARAMETER = re.compile(r"[\w*, /]+ \((?>.*\)).*:$", re.DOTALL)
WORD = re.compile(r"\w+")
MARKDOWN = re.compile(r"(#{1,6})\s+((?:[\s#]*+[^\s#]++)*+)[\s#]*$")
UNDERLINE = re.compile(r"(=+|-+)\s*$")


@dataclass(frozen=True)
class Pair:
    """A query and the one document that answers it."""

    query: str
    document: str


def one_line(text: str) -> str:
    """``text`` with every run of white space as one space."""
    return " ".join(text.split())


def first_sentence(text: str) -> tuple[str, str]:
    """The first sentence of ``text`` (up to . ! ? or : before white space, or a blank line), and the rest."""
    text = text.strip()
    end = SENTENCE_END.search(text)
    return (text[: end.end()].strip(), text[end.end() :].strip()) if end else (text, "")


def without_names(text: str, names: set[str]) -> str:
    """``text`` on one line without the words ``names`` (in lower case), dotted names that hold one of them, and what
    markup they leave."""
    text = DOTTED.sub(
        lambda match: " " if names.intersection(match[1].lower().split(".")) else match[0], ROLE.sub(r"\1", text)
    )
    text = EMPTY_BRACKETS.sub(" ", MARKUP.sub(" ", text))
    return re.sub(r"\s+([.,;:!?)])", r"\1", one_line(text)).strip(" ,;-")


def make_pair(query: str, document: str, said: str = "") -> Pair | str:
    """The pair, or why it is none. ``said`` is the query's original wording, which the document must not repeat
    either."""
    if len(WORD.findall(query)) < MIN_QUERY_WORDS:
        return "query too short"
    if len(query) > MAX_QUERY_CHARACTERS:
        return "query too long"
    if len(WORD.findall(document)) < MIN_DOCUMENT_WORDS:
        return "document too short"
    flat = one_line(document).casefold()
    if query.casefold().rstrip(".!?:") in flat or (said and one_line(said).casefold().rstrip(".!?:") in flat):
        return "document repeats the query"
    return Pair(query, document)


def docstring_pair(docstring: Docstring) -> Pair | str:
    """Query: the summary without the object's own name and those of its parents and modules. Document: signature and
    the rest."""
    summary, rest = first_sentence(docstring.text)
    if PARAMETER.match(summary):
        return "no summary sentence"
    if len(WORD.findall(rest)) < MIN_DOCUMENT_WORDS:
        return "document too short"
    names = {part for name in docstring.name.lower().split(".") for part in (name, name.strip("_")) if part}
    return make_pair(without_names(summary, names), one_line(f"{docstring.signature}\n{rest}"), summary)


def text_pairs(text: str, title: str = "") -> list[Pair | str]:
    """Pairs of a document: of each section its heading and first passage, of each further passage its first sentence
    and the rest."""
    pairs = []
    for trail, body in sections(text, title):
        for number, passage in enumerate(passages(body)):
            query = heading_query(trail) if number == 0 else ""
            pairs.append(make_pair(query, passage) if query else make_pair(*_cloze(passage)))
    return pairs


def _cloze(passage: str) -> tuple[str, str]:
    sentence, rest = first_sentence(passage)
    return one_line(sentence), rest


def heading_query(trail: list[str]) -> str:
    """The last heading, with those above it until it has four words; empty when they have fewer in all."""
    for start in range(len(trail) - 1, -1, -1):
        query = one_line(" ".join(trail[start:]))
        if len(WORD.findall(query)) >= MIN_QUERY_WORDS:
            return query
    return ""


def sections(text: str, title: str = "") -> Iterator[tuple[list[str], str]]:
    """Sections of ``text``: the headings above each, outermost first, and its body.

    A heading is a markdown heading (# or underlined), or a short line between blank lines that ends no sentence.
    """
    trail, levels, body = ([title], [0], []) if title else ([], [], [])
    lines, fenced = text.splitlines(), False
    skip = False
    for number, line in enumerate(lines):
        if skip:
            skip = False
            continue
        before, after = lines[number - 1] if number else "", lines[number + 1] if number + 1 < len(lines) else ""
        fenced ^= line.lstrip().startswith("```")
        level, heading, skip = (0, "", False) if fenced else _heading(line, before, after)
        if not heading:
            body.append(line)
            continue
        if any(map(str.strip, body)):
            yield list(trail), "\n".join(body)
        body = []
        while levels and levels[-1] >= level:
            levels.pop(), trail.pop()
        levels.append(level), trail.append(heading)
    if any(map(str.strip, body)):
        yield list(trail), "\n".join(body)


def _heading(line: str, before: str, after: str) -> tuple[int, str, bool]:
    """Level, text (empty when ``line`` is no heading), and whether the next line is its underline."""
    line = line.strip()
    if match := MARKDOWN.match(line):
        return len(match[1]), match[2], False
    if not line or before.strip() or len(line) > MAX_TITLE_CHARACTERS or not line[0].isalnum():
        return 0, "", False
    if UNDERLINE.match(after) and len(after.strip()) >= 3:
        return (1 if after[0] == "=" else 2), line, True
    is_title = not after.strip() and line[-1] not in ".!?:;," and not line[0].islower()
    return (7, line, False) if is_title else (0, "", False)


def passages(text: str) -> Iterator[str]:
    """``text`` in pieces of at most about 200 words: whole paragraphs, or whole sentences of a longer one."""
    piece: list[str] = []
    size = 0
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        long = len(paragraph.split()) > PASSAGE_WORDS
        for part in re.split(r"(?<=[.!?])\s+", paragraph) if long else [paragraph]:
            words = len(part.split())
            if piece and size + words > PASSAGE_WORDS:
                yield "".join(piece).strip()
                piece, size = [], 0
            piece.append(part + (" " if long else "\n\n"))
            size += words
    if piece:
        yield "".join(piece).strip()
