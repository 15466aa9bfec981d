"""Which saves are kept."""

from pathlib import Path

from common.progress import say
from common.remove import strange
from conf.schema import SaveConfig
from model.training.saves import KIND, PROBE, Save, linked, list_saves, remove_save, save_name


def apply_retention(run_dir: str | Path, config: SaveConfig, newest: int) -> list[Save]:
    """Remove the saves of a run that ``config`` does not keep, and return them. ``newest`` is the save just made, which
    stays.

    A link among them, which may lead to somebody else's save, is neither counted nor touched; one that holds what no
    save wrote is named in a warning and stays."""
    saves = [save for save in list_saves(run_dir) if save.step <= newest and not save.folder.is_symlink()]
    results = Path(run_dir) / "eval"
    probed = {save.step for save in saves if (results / f"{save_name(save.step)}.json").is_file()}
    probed -= {
        save.step for save in saves if (results / "claims" / f"{save_name(save.step)}.json").is_file()
    }  # probed again right now
    removed = []
    for save in superfluous(saves, config, probed, linked(run_dir, "best")):
        if reason := strange(save.folder, KIND):
            say(f"warning: the save {save.folder} stays, since {reason}")
        else:
            remove_save(save)
            removed.append(save)
    return removed


def superfluous(saves: list[Save], config: SaveConfig, probed: set[int], best: int | None) -> list[Save]:
    """Saves, of ``saves`` by step, that nothing asks to keep.

    Kept are: the newest save of all; the last `keep_last` resume saves; multiples of `keep_every_steps`; the one that
    ``best`` names; probe saves that are not among ``probed`` (their result is still to come), and of the others the
    last `keep_probes`, or all when that is 0. A save newer than the newest is not for this function to judge: it is one
    that was found broken, and is overwritten on the way."""
    kept = {save.step for save in saves[-1:]}
    kept.update(save.step for save in [s for s in saves if s.kind != PROBE][-config.keep_last :] if config.keep_last)
    waiting = [save for save in saves if save.kind == PROBE and save.step not in probed]
    done = [save for save in saves if save.kind == PROBE and save.step in probed]
    kept.update(save.step for save in [*waiting, *done[-config.keep_probes :]])
    kept.update(save.step for save in saves if config.keep_every_steps and save.step % config.keep_every_steps == 0)
    return [save for save in saves if save.step not in kept and save.step != best]
