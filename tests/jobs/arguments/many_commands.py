"""Command lines of jobs, one JSON object a line on standard input, each through the job's own main in a fork of this
process, which has imported what they share; a line of JSON for each on standard output: status, out, err, and whether
torch was imported."""

import json
import os
import runpy
import sys
import tempfile
import traceback
from typing import IO, Any

import jobs.cli  # noqa: F401 (imported once, for all forks)
import jobs.launch.steps  # noqa: F401


def run(case: dict[str, Any]) -> dict[str, Any]:
    """One command line in its working folder and environment."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            os._exit(_job(case, out, err))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return {"status": status, "out": out.read(), "err": err.read()}


def _job(case: dict[str, Any], out: IO[str], err: IO[str]) -> int:
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.chdir(case["cwd"])
    os.environ.update(case["env"])
    os.environ.pop("TERZI_DATA", None)
    sys.argv = ["job", *case["arguments"]]
    status = 0
    try:
        runpy.run_module(f"jobs.{case['job']}", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    if "torch" in sys.modules:
        print("torch was imported", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    return status


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
