"""Results on disk: eval/<measure>/step_0001000.json holds what a measure found at a checkpoint, and beside it .npz the
values of every query, document or question. eval/step_0001000.json, the record, says that all of them are there.

The record is written last, so whoever waits for a checkpoint to be measured waits for this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from common.files import atomic_file, digest, digest_of, read_json, write_json
from common.layout import HF, RESULT_FILES, RESULTS, STEPS, checkpoint_name
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.timeline.phase import MAIN

RECORD = "measured checkpoint"
REPEATED = ("step", "tokens", "samples", "loss", "validation_loss")
"""What results repeat of the manifest of a checkpoint."""
NOUNS = {"settings": "other settings", "inputs": "other inputs", "weights": "other weights"}
"""Part of the digests of a result -> what it means when it differs."""


@dataclass(frozen=True)
class Result:
    """One file of results, or a record. Measures add what they read of their own."""

    document: dict[str, Any]
    file: Path

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read ``file``. Raises UserError where it is broken or no result."""
        document = read_json(file)
        if not isinstance(document, dict) or {"step", "tokens", "digests"} - document.keys():
            raise UserError(f"{file} is not a result of jobs.sweep; remove it and run jobs.sweep again")
        return cls(document, file)

    @property
    def step(self) -> int:
        """Optimizer steps before the checkpoint."""
        return self.document["step"]

    @property
    def tokens(self) -> int:
        """Tokens that the net was trained on by then."""
        return self.document["tokens"]

    @property
    def train_loss(self) -> float | None:
        """Loss of the last step before the checkpoint."""
        return self.document["loss"]

    @property
    def validation_loss(self) -> float | None:
        """Loss on held-out documents, where it was evaluated."""
        return self.document["validation_loss"]

    @property
    def phase(self) -> str | None:
        """The phase in which the checkpoint was made, where the training had several."""
        return self.document.get("phase")

    @property
    def digests(self) -> dict[str, str]:
        """Of the settings, the inputs and the weights."""
        return self.document["digests"]

    def arrays(self, *names: str) -> list[np.ndarray]:
        """Values of every query, document or question."""
        with np.load(self.file.with_suffix(".npz"), allow_pickle=False) as arrays:
            return [arrays[name] for name in names]


def eval_folder(run: str | Path) -> Path:
    """Where everything that is measured of a run lies."""
    return Path(run) / RESULTS


def record_file(run: str | Path, step: int) -> Path:
    """The record of the checkpoint of ``step``."""
    return eval_folder(run) / f"{checkpoint_name(step)}.json"


def result_file(run: str | Path, measure: str, step: int) -> Path:
    """Where the result of ``measure`` (which may name a folder in its own) at the checkpoint of ``step`` is written."""
    return eval_folder(run) / measure / f"{checkpoint_name(step)}.json"


def claim_file(run: str | Path, step: int) -> Path:
    """Which process measures the checkpoint of ``step``; retention leaves such a checkpoint alone."""
    return eval_folder(run) / "claims" / f"{checkpoint_name(step)}.json"


def failure_file(run: str | Path, step: int) -> Path:
    """Why the checkpoint of ``step`` was given up; a record removes it."""
    return eval_folder(run) / f"{checkpoint_name(step)}.failed.json"


def read_failures(run: str | Path) -> dict[int, str]:
    """Step -> why its measurement was given up."""
    failures = map(read_json, sorted(eval_folder(run).glob(f"{STEPS}.failed.json")))
    return {failure["step"]: failure["cause"] for failure in failures}


def checkpoint_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """What results repeat of the manifest of a checkpoint; of a training in phases also the one in which it was
    made."""
    facts = {key: checkpoint.manifest.get(key) for key in REPEATED}
    phases = [name for name in checkpoint.manifest.get("phases", {}) if name != MAIN]
    return facts | ({"phase": phases[-1]} if phases else {})


def write_result(
    file: Path, kind: str, checkpoint: Checkpoint, values: Mapping[str, Any], digests: dict[str, str]
) -> None:
    """Write a result, whole or not at all. Of ``values``, arrays go to the .npz, others into the JSON, which comes last
    and names the bytes of the .npz."""
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    fields = {name: value for name, value in values.items() if name not in arrays}
    beside = file.with_suffix(".npz")
    if arrays:
        with atomic_file(beside) as opened:
            np.savez_compressed(opened, allow_pickle=False, **arrays)
        fields["arrays"] = {"file": beside.name, "sha256": digest(beside)}
    write_json(file, manifests.describe(kind, **checkpoint_facts(checkpoint), **fields, digests=digests))


def why_stale(file: Path, digests: dict[str, str], nouns: Mapping[str, str] = NOUNS) -> str | None:
    """Why a checkpoint must be measured (again), None where its result in ``file`` stands."""
    if not file.exists():
        return "it has no result"
    try:
        result = Result.read(file)
    except UserError:
        return "its result is broken"
    for name, noun in nouns.items():
        if result.digests.get(name) != digests[name]:
            return f"its result was made with {noun}"
    listed, beside = result.document.get("arrays"), file.with_suffix(".npz")
    if listed and not (beside.is_file() and digest(beside) == listed["sha256"]):
        return "its result is broken"
    return None


def standing_results(run: str | Path, measure: str, digests: dict[str, str], kind: type[Result] = Result) -> list[Any]:
    """Results of ``measure`` that were made with ``digests`` (of settings and inputs), by step, those of checkpoints
    that retention has removed among them."""
    results = [kind.read(file) for file in sorted((eval_folder(run) / measure).glob(RESULT_FILES))]
    return [result for result in results if digests.items() <= result.digests.items()]


def write_record(run: str | Path, checkpoint: Checkpoint) -> None:
    """Write that everything is measured of a checkpoint."""
    digests = {"weights": weights_digest(checkpoint)}
    document = manifests.describe(RECORD, **checkpoint_facts(checkpoint), digests=digests)
    write_json(record_file(run, checkpoint.step), document)


def recorded(run: str | Path, checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint has its record, and the weights that it has now."""
    file = record_file(run, checkpoint.step)
    try:
        return file.exists() and Result.read(file).digests["weights"] == weights_digest(checkpoint)
    except UserError:
        return False


def weights_digest(checkpoint: Checkpoint) -> str:
    """Digest of weights and shape of the net in a checkpoint. Raises UserError where it has no hf/ half."""
    files = checkpoint.manifest["files"]
    weights = {
        name: value
        for name, value in files.items()
        if name.startswith(f"{HF}/") and name.endswith((".safetensors", "config.json"))
    }
    if f"{HF}/config.json" not in weights:
        raise UserError(
            f"the probe checkpoint {checkpoint.folder} has no hf/ half; remove it and continue the training to write it"
            " again"
        )
    return digest_of(weights)
