"""Entry points: one file a job. `python -m jobs.<job>` imports this first, so from here on Ctrl-C ends it with one line
and status 130."""

import importlib.util
import sys

from common import interrupt

if sys.argv[0] == "-m":  # as long as Python looks for the module that it is to run
    interrupt.watch()
    if importlib.util.find_spec("omegaconf") is None:
        print(
            f"error: {sys.executable} does not have the packages of Terzi; `make setup`, then `. .venv/bin/activate`",
            file=sys.stderr,
        )
        sys.exit(2)
