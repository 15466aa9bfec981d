"""One process works on a thing; one that died loses its claim, one that lives does not."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from common.claim import Claim, told

ROOT = Path(__file__).resolve().parents[2]
HOLDER = (
    "import sys, time; from common.claim import Claim; claim = Claim(sys.argv[1]); print(claim.take(), flush=True);"
    " time.sleep(600)"
)
RACER = """
import sys
from common.claim import Claim
claim = Claim(sys.argv[1])
sys.stdin.readline()
print("mine" if claim.take() is None and claim.held() else "another's", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "claims" / "step_0000010.json"


def start(source: str, file: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", source, str(file)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_held_while_the_process_lives_and_taken_over_when_it_is_killed(file):
    with start(HOLDER, file) as other:
        assert other.stdout.readline() == "None\n"
        mine = Claim(file)
        holder = mine.take()
        assert holder["pid"] == other.pid and told(holder) == f"process {other.pid} on {socket.gethostname()}"
        assert not mine.held() and not mine.stale()
        mine.release()
        assert file.is_file()  # it was not this one's
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert mine.stale() and mine.take() is None and mine.held()
    mine.release()
    assert list(file.parent.iterdir()) == []


def test_one_of_many_takes_over_a_dead_claim(file):
    for _ in range(3):
        with start(HOLDER, file) as dead:
            dead.stdout.readline()
            dead.kill()
        racers = [start(RACER, file) for _ in range(4)]
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        said = [racer.stdout.readline().strip() for racer in racers]
        for racer in racers:
            racer.communicate("\n")
        assert sorted(said) == ["another's"] * 3 + ["mine"]


def test_who_is_believed_to_live(file, monkeypatch):
    """Of other hosts what is said of their jobs counts; an array task's own attempt before never lives, nor a process
    whose number was used again."""
    seen = []

    def claim(job: str = "7_0", alive: bool = True) -> Claim:
        return Claim(file, job, lambda holder: seen.append(holder["job"]) or alive)

    def hold(**fields) -> None:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({**claim().me, "token": "another", **fields}))

    hold(job="8_1", host="elsewhere")
    assert claim().take()["job"] == "8_1" and seen == ["8_1"]
    assert claim(alive=False).take() is None
    hold(job="7_0", host="elsewhere")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert claim().take() is None and seen == ["8_1", "8_1"]
    hold(job="8_1", pid=os.getpid(), born=1.0)
    assert claim().take() is None


def test_a_claim_that_was_taken_over_is_noticed(file):
    first, second = Claim(file), Claim(file, alive=lambda holder: False)
    assert first.take() is None
    file.write_text(json.dumps({**first.me, "host": "elsewhere"}))
    assert second.take() is None
    assert second.held() and not first.held()
    first.release()
    assert second.held()
