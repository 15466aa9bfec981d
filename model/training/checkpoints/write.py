"""A checkpoint: written aside by all ranks, listed with digests, made visible by one rename."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.files import atomic_folder, named_digest
from common.layout import checkpoint_name, checkpoints_folder
from model.megatron import ranks
from model.training.checkpoints.checkpoints import KIND, Checkpoint, read_checkpoint, set_link


def write_checkpoint(
    run_dir: str | Path,
    step: int,
    kind: str,
    fill: Callable[[Path], None],
    check: Callable[[], None] = lambda: None,
    **fields: Any,
) -> Checkpoint:
    """Make the checkpoint of ``step``: ``fill(folder)`` writes its files, ``fields`` go into its manifest. It appears
    whole or not at all, and not where ``check()`` raises, which is called right before.

    All ranks call this, fill the same folder, and share the work of computing digests; rank 0 makes it visible and
    points the link ``last`` at it."""
    folder, begun = checkpoints_folder(run_dir) / checkpoint_name(step), time.monotonic()
    ranks.on_first(check)  # before a folder is made: a run that was removed is not begun again
    with _shared_folder(folder) as aside:
        fill(aside)
        files = _digests(aside)
        if ranks.is_first():
            seconds = round(time.monotonic() - begun, 2)
            manifests.write(
                aside, manifests.describe(KIND, checkpoint=kind, step=step, **fields, seconds=seconds, files=files)
            )
            check()
    if ranks.is_first():
        set_link(run_dir, "last", step)
    ranks.barrier()
    return read_checkpoint(folder)


@contextmanager
def _shared_folder(folder: Path) -> Iterator[Path]:
    """`atomic_folder` for all ranks: the same one, made and later renamed by rank 0."""
    with ExitStack() as stack:
        aside = ranks.on_first(lambda: stack.enter_context(atomic_folder(folder, KIND, keep=True)))
        yield aside
        ranks.barrier()


def _digests(folder: Path) -> dict[str, str]:
    """Digest of every file below ``folder``, each computed by one rank."""
    ranks.barrier()
    rank, size = ranks.place()
    paths = sorted(path for path in folder.rglob("*") if path.is_file())[rank::size]
    shares = ranks.gather({str(path.relative_to(folder)): named_digest(path) for path in paths})
    return dict(sorted(item for share in shares for item in share.items()))
