"""Section `corpus.duplicates`, and what else compares documents with each other."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import Count, Positive, Range, Seed, Share


@dataclass
class DuplicatesConfig:
    """Duplicates over all sources; the first in the order of the sources stays."""

    exact: bool = True
    """Drop texts that are equal but for white space and case."""
    near: bool = True
    """Drop near-duplicates: MinHash with locality-sensitive hashing over runs of letters, whose length is the
    language's (`shingle` in its profile), so that lost or added blanks and signs change nothing."""
    fold_numbers: bool = False
    """Take all numbers for the same one, so that texts which differ in dates and amounts alone are near-duplicates (as
    datatrove does)."""
    bands: Annotated[int, Range(1, 10_000)] = 14
    """Bands of the signature: two texts are compared equal if one band is."""
    rows: Annotated[int, Range(1, 10_000)] = 8
    """Hashes a band; a text of Jaccard similarity s is found with probability 1 - (1 - s**rows)**bands."""
    seed: Seed = 1
    """Seed of the hash functions."""
    parts: Annotated[int, Range(1, 10_000)] = 1
    """Ranges of keys that a band is cut into: array tasks can share a band, each with a part of the memory."""


@dataclass
class SemanticConfig:
    """Semantic duplicates (SemHash): neighbours in the space of a static embedding; the first stays."""

    enabled: bool = False
    """Look for them."""
    model: str = "data/${name}/embedder"
    """Folder of a model2vec StaticModel; `jobs.embedder` makes one offline. Or one that is mirrored: hf://org/name."""
    threshold: Share = 0.9
    """Cosine from which a text is dropped. The paper's sources name 0.75 and 0.95; the library's default is 0.9. Tune
    it per model."""
    cells: Count = 0
    """Cells of vectors that are compared among themselves (0: one for about 20,000 documents). Pairs across cells are
    not seen."""
    sample: Positive = 20_000
    """Documents that the cells are learnt from."""
    dimensions: Annotated[int, Range(1, 100_000)] = 256
    """`jobs.embedder`: dimensions of the vectors."""
    learn_bytes: Positive = 50_000_000
    """`jobs.embedder`: learn from about so many bytes of data.inputs, an even sample of their documents."""


@dataclass
class ParagraphsConfig:
    """Paragraphs that other documents have too."""

    enabled: bool = False
    """Remove them; the first occurrence stays."""
    min_characters: Count = 200
    """Shorter paragraphs are left alone."""
    min_words_left: Count = 20
    """A document with fewer words left is dropped."""


@dataclass
class ContaminationConfig:
    """Evaluation text in training data (decontamination)."""

    inputs: list[str] = field(default_factory=list)
    """Files with evaluation text (.jsonl; or whatever data.inputs takes)."""
    fields: list[str] = field(default_factory=lambda: ["text", "question", "answer", "choices"])
    """Keys of their records that are looked for; lists are taken apart."""
    words: Positive = 13
    """A run of so many words in common is a leak (GPT-3, arXiv 2005.14165, appendix C); shorter evaluation texts must
    occur whole."""
    min_words: Count = 8
    """Evaluation texts of fewer words are not looked for: they occur by chance. They are counted."""
    action: str = choice("passage", "document")
    """passage: remove the sentences that hold it, document: drop the document."""
