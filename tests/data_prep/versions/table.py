"""The golden table: version and digest of everything whose results are kept on disk, and what is wrong where they do
not fit.

``python -m tests.data_prep.versions.table`` records it anew, and refuses to where a behaviour changed without its
version."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

GOLDEN = Path(__file__).with_name("golden.json")
RECORD = "python -m tests.data_prep.versions.table"


class Entry(TypedDict):
    """What the table holds of one behaviour."""

    version: int
    digest: str
    """Of what it makes of the sample."""
    file: str
    """Where its version is raised."""
    rests_on: list[str]
    """Names of behaviours that its digest contains; where one of them has another version, another digest is no
    surprise."""


def complaints(recorded: Mapping[str, Entry], current: Mapping[str, Entry], recording: bool = False) -> list[str]:
    """Say of each behaviour what is wrong and what to do; ``recording``: only what forbids to record the table anew."""
    wrong = (
        [] if recording else [f"{name} is gone; record the table: {RECORD}" for name in recorded if name not in current]
    )
    for name, entry in current.items():
        former = recorded.get(name)
        if former is None:
            wrong += [] if recording else [f"{name} is not in the table; record it: {RECORD}"]
            continue
        raised = entry["version"] > former["version"]
        rests = any(
            other in recorded and current[other]["version"] > recorded[other]["version"] for other in entry["rests_on"]
        )
        if entry["version"] < former["version"]:
            wrong.append(
                f"{name}: its version went from {former['version']} back to {entry['version']} in "
                f"{entry['file']}; it only rises"
            )
        elif entry["digest"] != former["digest"] and not raised and not rests:
            wrong.append(
                f"{name} makes something else of the sample, and its version is still {entry['version']}: results "
                "that are kept on disk "
                f"would stay as they were; raise its version in {entry['file']}, then record the table: {RECORD}"
            )
        elif not recording and (raised or entry["digest"] != former["digest"]):
            wrong.append(
                f"{name} has version {entry['version']} and another digest than on record; record the table: {RECORD}"
            )
    return wrong


def read_golden() -> dict[str, Entry]:
    """Read the table; empty where there is none yet."""
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}


def main() -> None:
    """Record the table, unless a behaviour changed and its version did not."""
    from tests.data_prep.versions.behaviours import measure_all

    current = measure_all()
    if wrong := complaints(read_golden(), current, recording=True):
        sys.exit("\n".join(wrong))
    GOLDEN.write_text(json.dumps(current, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{GOLDEN}: {len(current)} behaviours")


if __name__ == "__main__":
    main()
