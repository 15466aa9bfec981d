"""Section `quality`: the quality classifier (Bielik v3, arXiv 2505.02550)."""

from dataclasses import dataclass, field

from conf.schema.choice import choice


@dataclass
class QualityConfig:
    """What `jobs.quality` learns, and what the rule `quality` of `jobs.corpus` reads."""

    model: str = "data/${name}/quality"
    """Folder of the classifier; `jobs.quality` writes it."""
    labelled: list[str] = field(default_factory=list)
    """Files with labelled documents (data.text_field, and the label in `label_field`); empty: degrade good text."""
    label_field: str = "label"
    """Key with LOW, MEDIUM or HIGH."""
    good: list[str] = field(default_factory=list)
    """Files with good text, to be degraded."""
    language: str = "tr"
    """Profile of the language."""
    documents: int = 6000
    """Take at most about so many documents."""
    min_label: str = choice("MEDIUM", "LOW", "HIGH")
    """The rule `quality` rejects documents below this label."""
    min_probability: float = 0.0
    """The rule also rejects documents with a smaller probability of that label or better."""


@dataclass
class TopicsConfig:
    """What `jobs.topics` learns."""

    model: str = "data/${name}/topics"
    """Folder of the classifier."""
    labelled: list[str] = field(default_factory=list)
    """Files with labelled documents."""
    label_field: str = "topic"
    """Key with the topic."""
    language: str = "tr"
    """Profile of the language."""
    vocabulary: int = 15_000
    """Words of the TF-IDF (Bielik v3)."""
    min_probability: float = 0.2
    """Below it the topic is "Other" (Bielik v3)."""
    held_out_share: float = 0.2
    """Share of the labelled documents to measure on."""
