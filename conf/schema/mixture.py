"""Section `mixture`: the sources that a model reads, and how often. What each phase takes of them is in section
`phases`."""

from dataclasses import dataclass, field

from conf.schema.ranges import Count, Positive, Ratio, SomeShare


@dataclass
class MixtureConfig:
    """What `jobs.mix` draws from prepared sources."""

    sources: dict[str, str] = field(default_factory=dict)
    """Source -> its tokens folder (`jobs.prepare`)."""
    output: str = "data/${name}/mixture"
    """Folder; each phase becomes a tokens folder below it, which `jobs.train` reads."""
    max_repeats: Ratio = 4.0
    """A source is read at most so many times over all phases (Muennighoff et al. 2023, arXiv 2305.16264: up to 4 times
    is nearly as good as new text)."""
    topic_caps: dict[str, SomeShare] = field(default_factory=dict)
    """Topic -> largest share of a phase's documents it may have; what is above it is left out."""
    topic_field: str = "topic"
    """Key of the prepared documents that names their topic; where it is missing the topic is `Other`."""
    preview: Count = 20
    """Places of the stream whose text is shown in the report."""
    preview_tokens: Positive = 256
    """Tokens shown of each."""
