"""When a run trains on given tokens, from the plan in its folder: the packs that hold them, their samples, the steps of
those."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from jobs.views.progress import read_progress
from model.training.data.shuffle import epoch_order
from model.training.run.config import load_config
from model.training.timeline.batch_ramp import BatchRamp
from model.training.timeline.phase import Phase
from model.training.timeline.timeline import Branch, build_timeline


@dataclass(frozen=True)
class Use:
    """One sample that holds the tokens, or some of them."""

    sample: int
    epoch: int
    pack: int
    step: int
    """The step that takes the sample, from 1."""
    done: bool
    """Whether that step has been made."""


@dataclass(frozen=True)
class Uses:
    """Where a run meets the tokens."""

    run: Path
    validation: list[int]
    """Packs of held-out text that hold them."""
    samples: list[Use]
    """In the order of training, to the end of the run."""


def read_uses(run: Path, first: int, end: int, tokens: dict[str, Any]) -> Uses:
    """Where ``run`` meets the tokens ``first`` to ``end`` of the tokens folder with the manifest ``tokens``.

    Raises UserError where the run has no plan, or none of these tokens."""
    if not (run / "plan").is_dir():
        raise UserError(f"status.run={run} has no plan of its data; name a run folder that has begun to train")
    manifest = manifests.read(run)
    read = {
        name.removeprefix("phases."): known
        for name, known in manifest["inputs"].items()
        if name == "tokens" or name.startswith("phases.")
    }
    found = next((name for name, known in read.items() if known["digests"] == tokens["files"]), None)
    if found is None:
        paths = ", ".join(known["path"] for known in read.values())
        raise UserError(f"status.run={run} was trained on other tokens than those; set data.tokens to {paths}")
    config = load_config(run)
    branch = Branch(**manifest["branch"]) if "branch" in manifest else None
    timeline = build_timeline(config, branch, config.parallel.data_ranks(manifest["attempts"][-1].get("ranks", 1)))
    phase = timeline.phases[0] if found == "tokens" else next(phase for phase in timeline.phases if phase.name == found)
    plan = run / "plan" if found == "tokens" else run / "plan" / found
    if validation := _packs(plan, "validation", first, end):
        return Uses(run, validation, [])
    return Uses(
        run, [], _samples(phase, plan, config.seed, _packs(plan, "train", first, end), read_progress(run).step or 0)
    )


def _samples(phase: Phase, plan: Path, seed: int, packs: list[int], done: int) -> list[Use]:
    """The samples of ``phase`` that are one of ``packs``, in the order of training; ``done`` steps have been made."""
    count = len(np.load(plan / "train_offsets.npy", mmap_mode="r")) - 1
    samples = phase.samples(phase.last)
    found = []
    for epoch in range(-(-samples // count) if packs else 0):
        places = np.argsort(epoch_order(count, seed + phase.number, epoch))  # place of each pack in the epoch
        for sample, pack in sorted((epoch * count + int(places[pack]), pack) for pack in packs):
            if sample < samples:
                step = phase.first + _step(phase.ramp, sample)
                found.append(Use(sample, epoch, pack, step, step <= done))
    return found


def _packs(plan: Path, group: str, first: int, end: int) -> list[int]:
    """Packs with a piece that begins among the tokens ``first`` to ``end``."""
    starts, offsets = (np.load(plan / f"{group}_{name}.npy", mmap_mode="r") for name in ("starts", "offsets"))
    pieces = np.flatnonzero((starts >= first) & (starts < end))
    return sorted({int(pack) for pack in np.searchsorted(offsets, pieces, side="right") - 1})


def _step(ramp: BatchRamp, sample: int) -> int:
    """The step that takes a sample."""
    return next(
        step for step in itertools.count(ramp.steps(sample * ramp.train.seq_length)) if ramp.samples(step) > sample
    )
