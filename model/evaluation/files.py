"""Results beside those of the probe: eval/<measure>/step_0001000.json, and beside it .npz with the values of every
document."""

from pathlib import Path
from typing import Any

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from common.files import atomic_file, digest, read_json, write_json
from common.layout import RESULT_FILES, checkpoint_name
from model.evaluation.results import known, results_folder
from model.training.checkpoints.checkpoints import Checkpoint

NOUNS = {"settings": "other settings", "inputs": "other texts, tasks or tokenizer", "weights": "other weights"}
"""Part of the digests of a result -> what it means when it differs."""


def measure_folder(run: str | Path, kind: str) -> Path:
    """Where results of ``kind`` (perplexity, tasks) are written."""
    return results_folder(run) / kind


def measure_file(run: str | Path, kind: str, step: int) -> Path:
    """Where that of the checkpoint of ``step`` is written."""
    return measure_folder(run, kind) / f"{checkpoint_name(step)}.json"


def write_measured(
    file: Path, kind: str, checkpoint: Checkpoint, arrays: dict[str, np.ndarray], digests: dict[str, str], **fields: Any
) -> None:
    """Write a result, whole or not at all: the JSON, with ``fields``, comes last and names the bytes of the .npz."""
    beside = file.with_suffix(".npz")
    with atomic_file(beside) as opened:
        np.savez_compressed(opened, allow_pickle=False, **arrays)
    each = {"file": beside.name, "sha256": digest(beside)}
    write_json(file, manifests.describe(kind, **known(checkpoint), **fields, digests=digests, per_document=each))


def why_again(file: Path, digests: dict[str, str]) -> str | None:
    """Why a checkpoint must be measured (again), None when its result in ``file`` stands."""
    if not file.exists():
        return "it has no result"
    try:
        document = read_json(file)
        found, beside, bytes_of = document["digests"], file.with_suffix(".npz"), document["per_document"]["sha256"]
    except (UserError, KeyError, TypeError):
        return "its result is broken"
    for name, noun in NOUNS.items():
        if found.get(name) != digests[name]:
            return f"its result was made with {noun}"
    return None if beside.is_file() and digest(beside) == bytes_of else "its result is broken"


def standing(run: str | Path, kind: str, digests: dict[str, str]) -> list[tuple[Path, dict[str, Any]]]:
    """File and content of the results of ``kind`` that were made with ``digests`` (of settings and inputs), by step,
    those of checkpoints that retention has removed among them."""
    files = sorted(measure_folder(run, kind).glob(RESULT_FILES))
    found = [(file, read_json(file)) for file in files]
    return [
        (file, read)
        for file, read in found
        if all(read.get("digests", {}).get(name) == value for name, value in digests.items())
    ]
