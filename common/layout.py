"""Names of files and folders on disk: the one place that spells them.

<run>/config.yaml  manifest.json  metrics.jsonl  report.html  owner.json  plan/  tb/  logs/  code -> snapshot
      checkpoints/step_0001000/{manifest.json, megatron/, hf/, adapter/}   checkpoints/{best,last} -> step_...
      eval/step_0001000.json  eval/claims/
<tokens>/manifest.json  tokens.bin  tokens.idx  documents.npy (of a mixture)
<tokenizer>/tokenizer.json
"""

import re
from pathlib import Path

MANIFEST = "manifest.json"
"""Beside every artefact: kind, inputs with digests, versions, counts."""

CONFIG = "config.yaml"
"""Of a run: its frozen configuration."""
METRICS = "metrics.jsonl"
"""Of a run: a line a logged step."""
CURVES = "tb"
"""Of a run: folder of TensorBoard's event files."""
RESULTS = "eval"
"""Of a run: folder of what was measured of its checkpoints."""
REPORT = "report.html"
OWNER = "owner.json"
"""Of a run: the process that may write to it."""

CHECKPOINTS = "checkpoints"
"""Of a run: folder of its checkpoints."""
BEST, LAST = "best", "last"
"""Links to checkpoints, beside them."""
STEP = "step_"
"""Begins the name of a checkpoint, and of what was measured of it."""
STEPS, RESULT_FILES = f"{STEP}*", f"{STEP}*[0-9].json"
"""Patterns: all checkpoints in their folder; all results in theirs."""
MEGATRON, HF, ADAPTER = "megatron", "hf", "adapter"
"""Halves of a checkpoint: what a training resumes from, what Hugging Face's tools open; and a low-rank adapter by
itself."""

TOKENS, TOKENS_INDEX = "tokens.bin", "tokens.idx"
"""Of a folder of prepared tokens: Megatron-Core's IndexedDataset."""
DOCUMENTS = "documents.npy"
"""Of a mixture: the source and place of each of its documents."""
TOKENIZER = "tokenizer.json"
"""Of a tokenizer, and of a model with one."""

_STEP_NAME = re.compile(rf"{STEP}(\d{{7,}})")


def checkpoints_folder(run: str | Path) -> Path:
    """Folder of the checkpoints of a run."""
    return Path(run) / CHECKPOINTS


def checkpoint_name(step: int) -> str:
    """Name of the folder of a checkpoint, and of what was measured of it: step_0001000."""
    return f"{STEP}{step:07d}"


def step_of(name: str) -> int | None:
    """The step that `checkpoint_name` made ``name`` of; None where it is another name."""
    match = _STEP_NAME.fullmatch(name)
    return int(match[1]) if match else None


def run_of(checkpoint: Path) -> Path:
    """Run folder of the checkpoint in ``checkpoint``."""
    return checkpoint.parents[1]


def best_checkpoint(run: str) -> str:
    """The link to the best checkpoint of ``run``, which may be an interpolation (`${sweep.run}`)."""
    return f"{run}/{CHECKPOINTS}/{BEST}"
