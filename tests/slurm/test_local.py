import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from common.disk import DiskError
from common.errors import UserError
from slurm.local import ArrayTaskError, cores, run_array_tasks

FUNCTIONS = """
import os, signal, sys, time
from pathlib import Path
from common.disk import naming
from common.errors import UserError

def square(point, report):
    time.sleep(0.3 if point == 0 else 0)
    report.advance(1)
    report.say("the same line [of all]")
    return point * point, os.getpid()

def refuse(point, report):
    if point == "bad":
        raise UserError("a.jsonl line 3 is not valid JSON; mend it")
    time.sleep(600)

def fail(point, report):
    raise ValueError("boom")

def touch(point, report):
    with naming("tokens.bin"):
        Path("/dev/full").write_text("x") if point == "full" else Path("/proc/self/mem").read_bytes()

def die(point, report):
    os.kill(os.getpid(), signal.SIGKILL)

def leave(point, report):
    sys.exit(5)

def wait_marked(point, report):
    Path(point, str(os.getpid())).write_text("")
    time.sleep(600)
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """Functions that a spawned process can import."""
    name = f"elements_{os.getpid()}"
    (tmp_path / f"{name}.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__(name)
    yield module
    del sys.modules[name]


def test_results_come_in_the_order_of_the_points(functions, capsys):
    results = run_array_tasks(functions.square, [0, 1, 2, 3], workers=2)
    assert [value for value, _ in results] == [0, 1, 4, 9]
    assert len({pid for _, pid in results}) == 4 and os.getpid() not in {pid for _, pid in results}
    assert capsys.readouterr().err.count("the same line [of all]") == 1


@pytest.mark.parametrize(("points", "workers"), [([3], 4), ([3, 4], 1)])
def test_one_worker_runs_here(functions, points, workers):
    assert run_array_tasks(functions.square, points, workers) == [(p * p, os.getpid()) for p in points]


def test_a_mistake_of_the_user_arrives_with_its_array_task_and_ends_the_others(functions):
    started = time.monotonic()
    with pytest.raises(UserError, match=r"^array task 2 of 3: a.jsonl line 3 is not valid JSON; mend it$"):
        run_array_tasks(functions.refuse, ["good", "bad", "good"], workers=3)
    assert time.monotonic() - started < 300  # the others would sleep for 600


@pytest.mark.parametrize(("point", "passing"), [("full", False), ("failing", True)])
def test_an_error_of_the_disk_arrives_as_a_sentence_that_says_whether_it_may_pass(functions, point, passing):
    with pytest.raises(DiskError, match=r"^array task [12] of 2: tokens\.bin cannot be ") as found:
        run_array_tasks(functions.touch, [point, point], workers=2)
    assert found.value.passing is passing


def test_in_process_the_message_is_as_it_was(functions):
    with pytest.raises(UserError, match="^a.jsonl line 3"):
        run_array_tasks(functions.refuse, ["bad"])


def test_other_errors_come_with_their_traceback(functions):
    with pytest.raises(ArrayTaskError, match=r"(?s)array task . of 2 failed:\nTraceback.*in fail.*ValueError: boom"):
        run_array_tasks(functions.fail, [1, 2], workers=2)


def test_a_death_is_named(functions):
    with pytest.raises(UserError, match="array task . of 2 was killed by SIGKILL .for lack of memory"):
        run_array_tasks(functions.die, [1, 2], workers=2)
    with pytest.raises(UserError, match="array task . of 2 ended without a result .exit status 5"):
        run_array_tasks(functions.leave, [1, 2], workers=2)


def test_array_tasks_end_with_a_parent_that_is_killed(functions, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    script = f"""
        import sys; sys.path[:0] = [{str(tmp_path)!r}, {os.getcwd()!r}]
        import {functions.__name__} as functions
        from slurm.local import run_array_tasks
        run_array_tasks(functions.wait_marked, [{str(marks)!r}] * 2, workers=2)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    wait_for(lambda: len(list(marks.iterdir())) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pids = [int(mark.name) for mark in marks.iterdir()]
    wait_for(lambda: not any(alive(pid) for pid in pids))


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_cores():
    assert 1 <= cores() <= os.cpu_count()
