"""Section `fetch`: what `jobs.fetch` brings to a machine whose compute nodes see no internet."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.ranges import Range

INCLUDE = (
    "*.safetensors", "*.json", "*.jsonl", "*.parquet", "*.csv", "*.tsv", "*.txt", "*.md", "*.jsonl.gz", "*.jsonl.zst",
    "*.json.gz",
    "*.csv.gz", "*.model", "*.tiktoken", "*.jinja", "LICENSE*",
)  # fmt: skip
EXCLUDE = ("*.py", "*.pkl", "*.pickle", "*.joblib", "*.pt", "*.pth", "*.ckpt", "*.bin", "*.h5", "*.so")


@dataclass
class FetchConfig:
    """What is mirrored beside the references of other keys (`data.inputs`, `data.tokenizer`, ...), and where to."""

    models: list[str] = field(default_factory=list)
    """Further models and tokenizers: org/name, org/name@revision, or hf://org/name[@revision][/path]."""
    datasets: list[str] = field(default_factory=list)
    """Further data sets, those of benchmark tasks among them: org/name, org/name@revision, or
    hf://datasets/org/name[@revision][/path]."""
    cache: str | None = None
    """Folder of the mirror, on a disk that compute nodes see; null takes the cache of the Hugging Face libraries
    (HF_HUB_CACHE, else HF_HOME/hub), so that they find it too. Other jobs look there as well: give them the same
    value."""
    include: list[str] = field(default_factory=lambda: list(INCLUDE))
    """Which files of `models` and `datasets`, as globs over the whole path."""
    exclude: list[str] = field(default_factory=lambda: list(EXCLUDE))
    """Never mirrored, whatever includes it: pickles and code, which would run when they are loaded."""
    update: bool = False
    """Ask the hub whether a branch or tag has moved; otherwise what is mirrored stays at its commit."""
    workers: Annotated[int, Range(1, 1_000)] = 8
    """Files fetched at the same time."""
    wheelhouse: str | None = None
    """Folder to fill with the wheels of `requirements`, for nodes that cannot install from an index; null for none."""
    requirements: str = "requirements.lock"
    """The pinned packages that go into the wheelhouse."""
    platform: str | None = None
    """Wheels for another machine than this one, such as manylinux_2_28_aarch64; null for this one."""
    python: str | None = None
    """Wheels for another Python than this one, such as 3.12; null for this one."""
