"""Section `quickstart`: a corpus and a retrieval set from text that is at hand."""

from dataclasses import dataclass

from conf.schema.ranges import Positive, Share


@dataclass
class QuickstartConfig:
    """The text that `jobs.pipeline experiment=quickstart` builds its corpus and retrieval set from."""

    enabled: bool = False
    """Build corpus and retrieval set first; off, `data.inputs` and `data.retrieval` must exist."""
    folder: str | None = None
    """Folder of your own .txt, .md, .jsonl, .parquet; null takes the docstrings of the installed Python packages."""
    output: str = "data/${name}/corpus"
    """Folder for train.jsonl and the report of what was kept and dropped."""
    max_train_bytes: Positive = 14_000_000
    """Keep about this much text for training."""
    max_queries: Positive = 2000
    """Test queries kept (as many dev queries at most)."""
    dev_share: Share = 0.08
    """Share of the groups (packages, files) whose pairs are dev queries."""
    test_share: Share = 0.22
    """Share of the groups whose pairs are test queries."""
