"""Entry points: one file a job. `python -m jobs.<job>` imports this first, so from here on Ctrl-C ends it with one line and status 130."""

import sys

from common import interrupt

if sys.argv[0] == "-m":  # as long as Python looks for the module that it is to run
    interrupt.watch()
