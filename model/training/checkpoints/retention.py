"""Which checkpoints are kept."""

from pathlib import Path

from common.layout import RESULTS, checkpoint_name
from common.progress import say
from common.remove import strange
from conf.schema import CheckpointConfig
from model.training.checkpoints.checkpoints import KIND, PROBE, Checkpoint, linked, list_checkpoints, remove_checkpoint


def apply_retention(run_dir: str | Path, config: CheckpointConfig, newest: int) -> list[Checkpoint]:
    """Remove the checkpoints of a run that ``config`` does not keep, and return them. ``newest`` is the checkpoint just
    made, which stays.

    A link among them, which may lead to somebody else's checkpoint, is neither counted nor touched; one that holds what
    no checkpoint wrote is named in a warning and stays."""
    checkpoints = [
        checkpoint
        for checkpoint in list_checkpoints(run_dir)
        if checkpoint.step <= newest and not checkpoint.folder.is_symlink()
    ]
    results = Path(run_dir) / RESULTS
    probed = {
        checkpoint.step
        for checkpoint in checkpoints
        if (results / f"{checkpoint_name(checkpoint.step)}.json").is_file()
    }
    probed -= {
        checkpoint.step
        for checkpoint in checkpoints
        if (results / "claims" / f"{checkpoint_name(checkpoint.step)}.json").is_file()
    }  # probed again right now
    removed = []
    for checkpoint in superfluous(checkpoints, config, probed, linked(run_dir, "best")):
        if reason := strange(checkpoint.folder, KIND):
            say(f"warning: the checkpoint {checkpoint.folder} stays, since {reason}")
        else:
            remove_checkpoint(checkpoint)
            removed.append(checkpoint)
    return removed


def superfluous(
    checkpoints: list[Checkpoint], config: CheckpointConfig, probed: set[int], best: int | None
) -> list[Checkpoint]:
    """Checkpoints, of ``checkpoints`` by step, that nothing asks to keep.

    Kept are: the newest checkpoint of all; the last `keep_last` resume checkpoints; multiples of `keep_every_steps`;
    the one that ``best`` names; probe checkpoints that are not among ``probed`` (their result is still to come), and of
    the others the last `keep_probes`, or all when that is 0. A checkpoint newer than the newest is not for this
    function to judge: it is one that was found broken, and is overwritten on the way."""
    kept = {checkpoint.step for checkpoint in checkpoints[-1:]}
    kept.update(
        checkpoint.step
        for checkpoint in [s for s in checkpoints if s.kind != PROBE][-config.keep_last :]
        if config.keep_last
    )
    waiting = [checkpoint for checkpoint in checkpoints if checkpoint.kind == PROBE and checkpoint.step not in probed]
    done = [checkpoint for checkpoint in checkpoints if checkpoint.kind == PROBE and checkpoint.step in probed]
    kept.update(checkpoint.step for checkpoint in [*waiting, *done[-config.keep_probes :]])
    kept.update(
        checkpoint.step
        for checkpoint in checkpoints
        if config.keep_every_steps and checkpoint.step % config.keep_every_steps == 0
    )
    return [checkpoint for checkpoint in checkpoints if checkpoint.step not in kept and checkpoint.step != best]
