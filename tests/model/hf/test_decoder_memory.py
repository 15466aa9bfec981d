"""Tensor by tensor: what going out and coming in costs beside the net itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("decoder_memory.py")


def test_next_to_no_memory_beside_the_net(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[3]), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["net"] > 200_000_000
    assert found["out"] < 0.2 * found["net"] and found["in"] < 0.2 * found["net"], found
