"""Retrieval in the model card of an exported checkpoint."""

from pathlib import Path
from typing import Any

from model.evaluation.interface.store import weights_digest
from model.evaluation.measures.retrieval.result import ProbeScores
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.run.origins import name_of_start


def card_rows(own: Path, untrained: Path, checkpoint: Checkpoint, run: Path) -> list[dict[str, Any]]:
    """What the probe of a checkpoint (file ``own``) and of the untrained net measured, under equal conditions."""
    if not own.is_file():
        return []
    label = f"this model, step {checkpoint.step}"
    results = {label: ProbeScores.read(own)}
    conditions = results[label].digests
    if conditions["weights"] != weights_digest(checkpoint):
        return []
    if checkpoint.step and untrained.is_file():
        first = ProbeScores.read(untrained)
        if conditions | {"weights": ""} == first.digests | {"weights": ""}:
            results = {name_of_start(run): first} | results
    return [
        {
            "encoder": name,
            "readout, after the probe": readout,
            **{metric: round(value, 4) for metric, value in splits["test"].items()},
        }
        for name, result in results.items()
        for readout, splits in result.metrics.items()
    ]
