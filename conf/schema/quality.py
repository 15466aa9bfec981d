"""Sections `quality` and `topics`: what is learnt about documents (Bielik v3, arXiv 2505.02550)."""

from dataclasses import dataclass, field

from conf.schema.choice import choice
from conf.schema.ranges import Positive, Share, Size


@dataclass
class QualityConfig:
    """What `jobs.quality` learns, and what the rule `quality` of `jobs.corpus` reads."""

    model: str = "data/${name}/quality"
    """Folder of the classifier and its report; `jobs.quality` writes it."""
    labelled: list[str] = field(default_factory=list)
    """Files with labelled documents (the text in data.text_field, the label in `label_field`); empty: degrade the text
    of `good`."""
    label_field: str = "label"
    """Key with LOW, MEDIUM or HIGH."""
    good: list[str] = field(default_factory=list)
    """Files with good text, to be degraded."""
    measured: list[str] = field(default_factory=list)
    """Files with labelled documents that are never learnt from, such as natural text labelled by hand; each is measured
    by itself."""
    source_field: str = "source"
    """Key that names a document's source; where it is missing the file is the source."""
    held_out_sources: list[str] = field(default_factory=list)
    """Sources that are never learnt from, to measure on."""
    held_out_kinds: list[str] = field(
        default_factory=lambda: [
            "mojibake",
            "split_words",
            "keyword_spam",
            "markup",
            "hyphenated",
            "lists",
            "shuffled_sentences",
        ]
    )
    """Kinds of degradation that are never learnt from, to measure on."""
    held_out_share: Share = 0.2
    """Share of the other documents that are never learnt from, to measure on."""
    language: str = "tr"
    """Profile of the language."""
    documents: Positive = 6000
    """Take at most about so many documents; of each good one there are three, itself and two degraded, so a third as
    many are read."""
    min_label: str = choice("MEDIUM", "LOW", "HIGH")
    """The rule `quality` rejects documents whose most probable label is below this one."""
    min_probability: Share = 0.0
    """The rule also rejects documents with a smaller probability of that label or better."""


@dataclass
class TopicsConfig:
    """What `jobs.topics` learns, and what the annotator `topics` of `jobs.corpus` reads."""

    model: str = "data/${name}/topics"
    """Folder of the classifier and its report; `jobs.topics` writes it."""
    labelled: list[str] = field(default_factory=list)
    """Files with labelled documents (the text in data.text_field, the topic in `label_field`)."""
    label_field: str = "topic"
    """Key with the topic."""
    language: str = "tr"
    """Profile of the language."""
    documents: Positive = 20_000
    """Take at most about so many documents."""
    vocabulary: Size = 15_000
    """Words of the TF-IDF (Bielik v3)."""
    min_documents: Positive = 10
    """Topics with fewer documents are left out."""
    min_probability: Share = 0.2
    """Below it the topic is "Other" (Bielik v3)."""
    held_out_share: Share = 0.2
    """Share of the labelled documents to measure on."""
