"""A run folder whose configuration is replaced, since it has no checkpoint: what it holds is not to be taken for that
of the new one."""

import os
from pathlib import Path

from common import manifest as manifests
from common.layout import BEST, CURVES, LAST, METRICS, REPORT, RESULTS, STEPS, checkpoints_folder
from common.progress import say
from common.remove import move_away, remove_file, remove_files, remove_folder, strange

KEPT = (RESULTS, REPORT, "outbox")
"""What was made of checkpoints that are gone: hours of work, so it stays under another name."""


def clear(folder: Path) -> None:
    """Take away what a run without a checkpoint left in ``folder``: series, curves, plans, links, and the manifest.
    Checkpoints that are not whole and results stay beside under another name. The logs stay, named by their jobs."""
    remove_file(folder / manifests.NAME)  # first: it tells what the new configuration would be taken to have read
    remove_file(folder / METRICS)
    for curves in (folder / CURVES).glob("*"):
        remove_files(curves, "events.*")
    for plan in (*(folder / "plan").glob("*/"), folder / "plan"):
        if os.path.lexists(plan) and not strange(plan, "plan"):
            remove_folder(plan, "plan")
    for link in (folder / "code", *(checkpoints_folder(folder) / name for name in (BEST, LAST))):
        if link.is_symlink():
            remove_file(link)
    for path in (*checkpoints_folder(folder).glob(STEPS), *(folder / name for name in KEPT)):
        if os.path.lexists(path) and ".kept-" not in path.name:
            say(f"warning: {path} is not of the new configuration; it is {move_away(path).name} now")
