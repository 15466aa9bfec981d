"""Losses, exported tensors, bytes and reports of small fixed runs are those that are on record.

``python -m tests.golden.test_golden`` records them anew: only where a change is meant, and says so.
"""

import json
import tempfile
from pathlib import Path

import pytest

from tests.golden import small_runs

RUNS = {"encoder": small_runs.encoder, "decoder": small_runs.decoder}
RELATIVE, ABSOLUTE = 2e-5, 1e-6
"""What another model of CPU may change in float32; a sample more or less changes 1e-3 and more."""
ROUNDED = 2e-3
"""Figures of a report and scores: their last printed digit."""


def on_record(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.json")


def differences(found, expected, rel: float, abs_: float, where: str = "") -> list[str]:
    """Places where two trees of plain values differ by more than rounding."""
    if isinstance(expected, dict):
        missing = [f"{where}.{key} is in one only" for key in found.keys() ^ expected.keys()]
        both = [key for key in expected if key in found]
        return missing + [
            line for key in both for line in differences(found[key], expected[key], rel, abs_, f"{where}.{key}")
        ]
    if isinstance(expected, list) and len(expected) == len(found):
        return [
            line
            for at, pair in enumerate(zip(found, expected, strict=True))
            for line in differences(*pair, rel, abs_, f"{where}[{at}]")
        ]
    same = found == pytest.approx(expected, rel=rel, abs=abs_) if isinstance(expected, float) else found == expected
    return [] if same else [f"{where}: {found}, on record {expected}"]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RUNS)
def test_results_are_those_on_record(name, tmp_path):
    found, expected = json.loads(json.dumps(RUNS[name](tmp_path / name))), json.loads(on_record(name).read_text())
    rounded = {key: expected.pop(key) for key in ("scores", "report") if key in expected}
    wrong = differences({key: found[key] for key in rounded}, rounded, 0, ROUNDED)
    wrong += differences(
        {key: value for key, value in found.items() if key not in rounded}, expected, RELATIVE, ABSOLUTE
    )
    assert not wrong, "\n".join(wrong[:40])


if __name__ == "__main__":
    for name, make in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            on_record(name).write_text(json.dumps(make(Path(folder) / name), indent=1) + "\n")
