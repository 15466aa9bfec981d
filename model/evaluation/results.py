"""Results of probes on disk: eval/step_0001000.json with the means, and beside it .npz with nDCG@10 of every query.

It is written last, when everything else that is measured of the checkpoint has its result (`measures`), so that whoever waits
for a checkpoint waits for this file; where retrieval is not measured, it holds what is known of the checkpoint and no metrics."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from common.files import atomic_file, digest, digest_of, read_json, write_json
from common.layout import HF, RESULTS, STEPS, checkpoint_name
from conf.schema import ProbeConfig
from model.evaluation.prepared import Prepared
from model.evaluation.probe import ProbeResult
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.timeline.phase import MAIN

KIND, RECORD = "probe", "measured checkpoint"
KNOWN = ("step", "tokens", "samples", "loss", "validation_loss")
"""What results repeat of the manifest of a checkpoint."""
Means = dict[str, dict[str, dict[str, float]]]
"""Readout -> split -> metric -> mean over queries."""


@dataclass(frozen=True)
class Result:
    """What is known of one checkpoint after its probe."""

    step: int
    tokens: int
    train_loss: float | None
    """Loss of the last step before the checkpoint."""
    validation_loss: float | None
    """Loss on held-out documents, where it was evaluated."""
    readout: str
    """The main readout."""
    metrics: Means
    seconds: dict[str, float]
    """Wall time of the probe by part."""
    digests: dict[str, str]
    """Of the settings, the retrieval set and the weights."""
    file: Path
    phase: str | None = None
    """The phase in which the checkpoint was made, where the training had several."""

    def mean(self, split: str, metric: str, readout: str | None = None) -> float:
        """One number; of the main readout where none is named."""
        return self.metrics[readout or self.readout][split][metric]

    def per_query(self, split: str, readout: str | None = None) -> np.ndarray:
        """nDCG@10 of every query [Q]."""
        with np.load(self.file.with_suffix(".npz"), allow_pickle=False) as arrays:
            return arrays[f"{readout or self.readout}/{split}"]


def results_folder(run: str | Path, budget: int | None = None) -> Path:
    """Where results are written; those of a probe with another number of contrastive steps (``budget``) lie in a folder
    of their own."""
    return Path(run) / RESULTS if budget is None else Path(run) / RESULTS / f"probe_steps_{budget}"


def result_file(run: str | Path, step: int, budget: int | None = None) -> Path:
    """Where the result of the checkpoint of ``step`` is written, in its `results_folder`."""
    return results_folder(run, budget) / f"{checkpoint_name(step)}.json"


def claim_file(run: str | Path, step: int) -> Path:
    """Which process probes the checkpoint of ``step``; retention leaves such a checkpoint alone."""
    return results_folder(run) / "claims" / f"{checkpoint_name(step)}.json"


def failure_file(run: str | Path, step: int) -> Path:
    """Why the probe of the checkpoint of ``step`` was given up; a result removes it."""
    return results_folder(run) / f"{checkpoint_name(step)}.failed.json"


def read_failures(run: str | Path) -> dict[int, str]:
    """Step -> why its probe was given up."""
    found = (read_json(file) for file in sorted(results_folder(run).glob(f"{STEPS}.failed.json")))
    return {failure["step"]: failure["cause"] for failure in found}


def write_result(
    file: Path,
    checkpoint: Checkpoint,
    found: ProbeResult,
    prepared: Prepared,
    config: ProbeConfig,
    digests: dict[str, str],
) -> None:
    """Write the result of one checkpoint, whole or not at all: the JSON comes last and names the bytes of the .npz."""
    from model.megatron.startup import parallel

    arrays = {
        f"{name}/{split}": metrics["ndcg@10"]
        for name, splits in found.scores.items()
        for split, metrics in splits.items()
    }
    with atomic_file(file.with_suffix(".npz")) as opened:
        np.savez_compressed(opened, allow_pickle=False, **arrays)
    document = manifests.describe(
        KIND,
        **known(checkpoint),
        readout=config.readout,
        metrics=found.metrics(),
        queries={name: len(split.query_ids) for name, split in prepared.splits.items()},
        documents={name: len(prepared.corpora[split.corpus].tokens) for name, split in prepared.splits.items()},
        pairs=len(prepared.queries),
        seconds={part: round(value, 3) for part, value in found.seconds.items()},
        settings=asdict(config),
        precision=parallel().precision,
        digests=digests,
        per_query={
            "file": file.with_suffix(".npz").name,
            "metric": "ndcg@10",
            "sha256": digest(file.with_suffix(".npz")),
        },
    )
    write_json(file, document)


def write_record(file: Path, checkpoint: Checkpoint) -> None:
    """Write, where retrieval is not measured, that everything else is."""
    digests = {"settings": "", "retrieval": "", "weights": weights_digest(checkpoint)}
    write_json(
        file, manifests.describe(RECORD, **known(checkpoint), readout="", metrics={}, seconds={}, digests=digests)
    )


def known(checkpoint: Checkpoint) -> dict[str, Any]:
    """What results repeat of the manifest of ``checkpoint``; of a training in phases also the one in which it was made."""
    found = {key: checkpoint.manifest.get(key) for key in KNOWN}
    phases = [name for name in checkpoint.manifest.get("phases", {}) if name != MAIN]
    return found | ({"phase": phases[-1]} if phases else {})


def read_result(file: Path) -> Result:
    """Read one result. Raises UserError where it is broken or no result."""
    document = read_json(file)
    try:
        return Result(
            document["step"], document["tokens"], document["loss"], document["validation_loss"], document["readout"], document["metrics"],
            document["seconds"], document["digests"], file, document.get("phase"),
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise UserError(f"{file} is not the result of a probe; remove it and run jobs.sweep again") from error


def why_redo(file: Path, digests: dict[str, str]) -> str | None:
    """Why a checkpoint must be probed (again), None when its result in ``file`` stands."""
    if not file.exists():
        return "it has no result"
    try:
        result = read_result(file)
        if not result.metrics:
            return "it has no result"
        found, broken = result.digests, _broken(file)
    except UserError:
        return "its result is broken"
    for name, noun in (
        ("settings", "other probe settings"),
        ("retrieval", "another retrieval set"),
        ("weights", "other weights"),
    ):
        if found.get(name) != digests[name]:
            return f"its result was made with {noun}"
    return broken


def _broken(file: Path) -> str | None:
    """Whether the arrays beside the JSON are the ones that it was written with."""
    arrays, document = file.with_suffix(".npz"), read_json(file)
    if not arrays.is_file() or digest(arrays) != document["per_query"]["sha256"]:
        return "its result is broken"
    return None


def why_record(file: Path, checkpoint: Checkpoint) -> str | None:
    """Why `write_record` has something to do for ``checkpoint``, None where its record, or its result of a probe, stands."""
    try:
        same = file.exists() and read_result(file).digests["weights"] == weights_digest(checkpoint)
    except UserError:
        same = False
    return None if same else "it has no record"


def digests_of(checkpoint: Checkpoint, settings: str, retrieval: str) -> dict[str, str]:
    """What the result of ``checkpoint`` depends on: digests of the probe's settings, the retrieval set, and the encoder's
    weights and shape."""
    return {"settings": settings, "retrieval": retrieval, "weights": weights_digest(checkpoint)}


def weights_digest(checkpoint: Checkpoint) -> str:
    """Digest of weights and shape of the net in ``checkpoint``. Raises UserError where it has no hf/ half."""
    files = checkpoint.manifest["files"]
    weights = {
        name: value
        for name, value in files.items()
        if name.startswith(f"{HF}/") and name.endswith((".safetensors", "config.json"))
    }
    if f"{HF}/config.json" not in weights:
        raise UserError(
            f"the probe checkpoint {checkpoint.folder} has no hf/ half; remove it and continue the training to write it again"
        )
    return digest_of(weights)
