"""Jobs that find too little room, again and again with a little more, end with the files of undisturbed ones, each try
with one sentence; and whatever they write has the rights that the umask leaves."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from common.files import digest
from tests.jobs.small_chain import jobs_in, write_texts
from tests.model.evaluation.conftest import write_split

pytestmark = pytest.mark.long
BYTES, FREE = (1_000, 25_000), (0, 400_000)
"""Sizes that files may have, and what is left of a disk, one attempt after another, until one succeeds."""
FIRST = slice(0, 7)
"""The jobs up to the average of the encoder's checkpoints."""
SAME = (
    "tokenizer/tokenizer.json", "tokens/tokens.*", "corpus/documents/*/*", "split/*.zst", "export/*.safetensors",
    "embedder/*.safetensors",
    "merged/*.safetensors", "runs/*/*/checkpoints/*/hf/*.safetensors", "runs/*/*/checkpoints/*/adapter/*.safetensors",
)  # fmt: skip
SPEED = ("seconds", "tokens_per_second", "mfu")


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_texts(folder)
    for seed, (split, pairs) in enumerate({"train": 80, "dev": 20, "test": 30}.items()):
        write_split(folder / "retrieval" / split, pairs, seed)
    return folder


@pytest.fixture(scope="module")
def attempts(sources, tmp_path_factory, python_script):
    """``attempts(folder, umask, ...)`` runs the jobs with all that they write in ``folder``; how each attempt ended."""

    def run(folder: Path, umask: int, jobs: slice = slice(None), **room: object) -> list[dict]:
        plan = tmp_path_factory.mktemp("plan") / "plan.json"
        plan.write_text(
            json.dumps({"umask": umask, "jobs": jobs_in(folder, sources, sources / "retrieval")[jobs], **room})
        )
        return [json.loads(line) for line in python_script("little_room.py", str(plan))]

    return run


@pytest.fixture(scope="module")
def quiet(attempts, tmp_path_factory) -> Path:
    """Folder of the jobs undisturbed, under a umask of 002."""
    folder = tmp_path_factory.mktemp("quiet")
    ended = attempts(folder, 0o002)
    assert all(one["status"] == 0 for one in ended), ended
    return folder


@pytest.fixture(scope="module")
def squeezed(attempts, tmp_path_factory) -> tuple[Path, list[dict]]:
    """The same with files that may not grow, under a umask of 027; how each attempt ended."""
    folder = tmp_path_factory.mktemp("squeezed")
    return folder, attempts(folder, 0o027, FIRST, room=BYTES)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): digest(path) for pattern in SAME for path in sorted(folder.glob(pattern))}


def series(folder: Path) -> dict[str, list[dict]]:
    found = {}
    for file in sorted(folder.glob("runs/*/*/metrics.jsonl")):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        found[file.parent.name] = [{key: value for key, value in row.items() if key not in SPEED} for row in rows]
    return found


def told_well(one: dict, folder: Path) -> bool:
    """One sentence with a path of the job's, and no traceback of anybody."""
    errors = [line for line in one["said"].splitlines() if line.startswith("error: ")]
    return one["status"] == 2 and len(errors) == 1 and str(folder) in errors[0] and "Traceback" not in one["said"]


def test_jobs_that_find_too_little_room_say_so_and_go_on(quiet, squeezed):
    folder, ended = squeezed
    for one in ended:
        assert one["status"] == 0 or (one["room"] is not None and told_well(one, folder)), one
    jobs = list(dict.fromkeys(one["job"] for one in ended))
    assert [job for job in jobs if not any(one["status"] for one in ended if one["job"] == job)] == []
    made = contents(folder)
    assert len(made) > 10 and made == {name: value for name, value in contents(quiet).items() if name in made}
    assert series(folder)["one"] == series(quiet)["one"]
    assert not list(folder.rglob(".aside-*"))


def test_a_disk_that_is_full(quiet, attempts, tmp_path_factory):
    """The same on a real one (No space left on device); of each job that writes in a way of its own."""
    disk = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        ended = attempts(disk, 0o022, slice(0, 4), disk=str(disk), room=FREE)
        for one in ended:
            assert one["status"] == 0 or (told_well(one, disk) and "the disk is full" in one["said"]), one
        assert sum(one["status"] == 2 for one in ended) >= 5
        made = contents(disk)
        assert len(made) > 5 and made == {name: value for name, value in contents(quiet).items() if name in made}
        assert series(disk)["one"] == series(quiet)["one"]
    finally:
        subprocess.run(["umount", disk], check=True)


def wrong_rights(folder: Path, umask: int) -> list[str]:
    """Files and folders with other rights than the umask leaves."""
    found = []
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if not path.is_symlink() and mode != (0o777 if path.is_dir() else 0o666) & ~umask:
            found.append(f"{path.relative_to(folder)} {mode:o}")
    return found


def test_whatever_jobs_write_has_the_rights_that_the_umask_leaves(quiet, squeezed):
    """No exceptions among the artefacts. What is not for others (orders of the outbox, SLURM keys) has tests of its
    own."""
    names = {path.name for path in quiet.rglob("*")}
    assert {
        "adapter_model.safetensors",
        "model.safetensors",
        "tokens.bin",
        "metrics.jsonl",
        "report.html",
        "tokenizer.json",
    } <= names
    assert wrong_rights(quiet, 0o002) == [] and wrong_rights(squeezed[0], 0o027) == []
