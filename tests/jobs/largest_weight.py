"""A measure of one's own, in one file: how large the weights of a net have become."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from model.evaluation.interface.measure import Measure
from model.evaluation.interface.result import Score
from model.evaluation.interface.store import Result


class LargestWeight(Measure):
    """The largest absolute value of any weight; less is better."""

    name = "largest"

    def measure(self, hf_folder: Path) -> Mapping[str, Any]:
        weights = load_file(hf_folder / "model.safetensors")
        return {"weight": max(float(abs(values).max()) for values in weights.values())}

    def scores(self, result: Result) -> dict[str, Score]:
        return {"largest/weight": Score(result.document["weight"], lower=True)}
