"""Average checkpoints of a run into one model, in Hugging Face's format: their mean, or an exponential moving average
along them.

Without merge.window every number of last checkpoints from 2 up is averaged, each average is measured by sweep.metric as
the checkpoints of a run are, and the best is kept. The same command again does nothing.

  python -m jobs.merge experiment=quickstart                                      the window that retrieves best
  python -m jobs.merge merge.run=runs/cpt/seed_0 merge.window=[4] merge.output=models/cpt_mean
  python -m jobs.merge experiment=decoder/cpt_demo sweep.metric=perplexity/law merge.method=exponential merge.decay=0.7
  python -m jobs.merge 'merge.checkpoints=[models/one, models/two]' merge.output=models/both
"""

import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from common import manifest as manifests
from common.errors import UserError
from common.files import digest_of, nothing_left, put_in_place
from common.layout import HF, checkpoints_folder
from common.progress import say
from common.remove import MARK, mark, marked, refuse_strange, remove_file, remove_folder, remove_marked
from common.screen import screen
from conf.schema import Config
from jobs.cli import main

WORK = "windows"
"""Mark of the folder beside the output where averages are chosen among."""

if TYPE_CHECKING:
    from model.surgery.inputs import Model
    from model.surgery.selection import Row, Selection, WeightsOf


def run(config: Config) -> Path:
    """Fill ``merge.output`` and return it; does nothing where it holds this merge already.

    Raises UserError for models that cannot be averaged, settings that cannot be meant, and an output that this job did
    not make."""
    from model.surgery.average import KIND, combine
    from model.surgery.inputs import check_alike, model_in, models_of_run

    models = [model_in(folder) for folder in config.merge.checkpoints] or models_of_run(config.merge.run)
    windows, weights_of, output = _windows(config, models), _weights(config), Path(config.merge.output)
    asked = _asked(config, models[-windows[-1] :], windows)
    work = output.with_name(f"{output.name}.windows")
    if _existing(output) == digest_of(asked):
        say(f"{output} holds this merge already")
        _tidy(config, work)
        return output
    refuse_strange(output, KIND)
    check_alike(models[-windows[-1] :])
    if config.dry_run:
        _show(config, models, windows, weights_of)
        return output
    facts = {"asked": asked, "window": windows[0]}
    if len(windows) == 1:
        combine(models[-windows[0] :], weights_of(windows[0]), output, **facts)
        say(f"the average of {', '.join(model.name for model in models[-windows[0] :])}: {output}")
        return output
    from jobs.probes.records import claims
    from model.surgery.selection import select

    with nothing_left(work, MARK):
        mark(work, WORK)
        found = select(config, models, windows, weights_of, work, claims())
    _publish(found, output, {**facts, "window": found.window, "choice": found.plain()})
    _tidy(config, work)
    _tell(found, output)
    return output


def _windows(config: Config, models: Sequence["Model"]) -> list[int]:
    """Numbers of models to average, ascending."""
    most = len(models)
    if most < 2:
        raise UserError(f"merge.checkpoints names {most} folder, and an average takes 2 or more; name another")
    given = sorted(set(config.merge.window)) or ([most] if config.merge.checkpoints else list(range(2, most + 1)))
    for window in given:
        if not 2 <= window <= most:
            raise UserError(
                f"merge.window={window} is no number of models to average; give numbers from 2 to {most}, which are"
                " there"
            )
    return given


def _weights(config: Config) -> "WeightsOf":
    from model.surgery.average import exponential, uniform

    if config.merge.method == "uniform":
        return uniform
    if not 0 < config.merge.decay <= 1:
        raise UserError(
            f"merge.decay={config.merge.decay} is no ratio of weights; give a number above 0, and 1 at most"
        )
    return partial(exponential, decay=config.merge.decay)


def _asked(config: Config, models: Sequence["Model"], windows: Sequence[int]) -> dict[str, Any]:
    """What the result depends on."""
    found = {
        "method": config.merge.method,
        "windows": list(windows),
        "models": [digest_of(model.files) for model in models],
    }
    if config.merge.method == "exponential":
        found["decay"] = config.merge.decay
    if len(windows) > 1:
        found["measured"] = _measures(config)
    return found


def _measures(config: Config) -> dict[str, Any]:
    """What a choice depends on. Raises UserError for a metric that nothing measures."""
    from model.evaluation.registry import check_metric, depends

    check_metric(config)
    return {"metric": config.sweep.metric, "evaluation": asdict(config.evaluation)} | depends(config)


def _existing(output: Path) -> str | None:
    """Digest of what was asked for when ``output`` was made, None where there is none. Raises UserError rather than
    replace what is not of this job."""
    from model.surgery.average import KIND

    if not output.exists():
        return None
    if (output / manifests.NAME).is_file() and manifests.read(output).get("kind") == KIND:
        return digest_of(manifests.read(output).get("asked"))
    if output.is_dir() and not any(output.iterdir()):
        return None
    raise UserError(f"{output} exists and is not a merge of this job; set merge.output to another folder, or remove it")


def _show(config: Config, models: Sequence["Model"], windows: Sequence[int], weights_of: "WeightsOf") -> None:
    for window in windows:
        parts = zip(models[-window:], weights_of(window), strict=True)
        say(f"would average {', '.join(f'{model.name} x {weight:.3g}' for model, weight in parts)}")
    if len(windows) > 1:
        say(
            f"would measure each by {config.sweep.metric}, and the models by themselves where they are not measured yet"
        )
    say(f"would write {'the best' if len(windows) > 1 else 'it'} to {config.merge.output}")


def _publish(found: "Selection", output: Path, facts: dict[str, Any]) -> None:
    """Move the chosen average to ``output``."""
    from model.surgery.average import KIND

    manifests.write(found.folder, {**manifests.read(found.folder), **facts})
    if os.path.lexists(output):
        remove_folder(output, KIND)
    put_in_place(found.folder, output)


def _tidy(config: Config, work: Path) -> None:
    """Remove what the choice has left, but for averages that are to be kept."""
    if not config.merge.keep:
        remove_marked(work, WORK)
        return
    for folder in checkpoints_folder(work).glob("*") if marked(work, WORK) else ():
        if folder.is_symlink():
            remove_file(folder)
        elif not (folder / HF).exists():
            remove_folder(folder, "checkpoint")


def _tell(found: "Selection", output: Path) -> None:
    """The table, and one sentence."""
    table = Table(
        title=f"Averages of checkpoints by {found.metric}", title_justify="left", box=SIMPLE_HEAD, show_edge=False
    )
    table.add_column("checkpoints", overflow="fold")
    table.add_column(found.metric + (" (less is better)" if found.lower else ""), justify="right")
    last = max(found.averages)
    for window, row in found.averages.items():
        table.add_row(
            row.name, _cell(row), style="bold green" if window == found.window else "", end_section=window == last
        )
    table.add_row(f"best single: {found.single.name}", _cell(found.single), style="dim")
    console = screen(120)
    console.print(table)
    verdict = "better than" if found.gained else "not better than"
    best, difference = found.averages[found.window], ""
    if found.difference:
        if found.difference.low <= 0 <= found.difference.high:
            verdict = "not to be told apart from"
        spread = f"{found.difference:+.1%}" if found.lower else f"{found.difference:+.4f}"
        difference = f": {spread}, 95% interval of a paired bootstrap that leaves the choice of the window out"
    text = (
        f"Kept the average of the {best.name}: {found.metric} {best.value:.4g}, {verdict} the best single checkpoint"
        f" ({found.single.name})"
    )
    console.print(f"{text}, {found.single.value:.4g}{difference}. {output}", soft_wrap=True)


def _cell(row: "Row") -> str:
    return f"{row.interval:.4g}" if row.interval else f"{row.value:.4g}"


if __name__ == "__main__":
    main("merge", run)
