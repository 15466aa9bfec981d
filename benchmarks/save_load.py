"""A checkpoint of a training state and a resume from it, against `torch.distributed.checkpoint` alone, and the disk's
own rate.

The state is an encoder in fp32 with AdamW: weights and two moments, 300 MB; one process, one file. Sides:
- ours: `write_checkpoint` with Megatron-Core's format, digests, fsync, rename, manifest; resuming checks every digest,
  then
  loads;
- peer: `dcp.save` and `dcp.load` of the same tensors with its default writer (which syncs its files, and neither
  digests nor renames);
- floor: the same bytes written to one file and synced, and read back. Checkpoints are synchronous on the CPU, so a
  checkpoint
  blocks training for its whole time. After each load every tensor must be what it was. There is no bar; the digests'
  and the syncs' share of our time is measured within it. What is read comes from the page cache.

  python -m benchmarks.save_load         about 1 minute on one core
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp

from benchmarks.measure import alternate, peak_memory, ratio, summary
from benchmarks.record import keep
from common.layout import CHECKPOINTS, MEGATRON
from conf.schema import EncoderConfig, OptimConfig, ParallelConfig
from model.megatron import checkpoint, startup, step
from model.megatron.optimizer import build_optimizer
from model.nets.encoder import build_encoder
from model.training.checkpoints import checkpoints as saves
from model.training.checkpoints import write as write_save
from model.training.checkpoints.checkpoints import RESUME, latest_valid

SHAPE = EncoderConfig(vocab_size=16_384, num_layers=8, hidden_size=512, num_heads=8, ffn_size=768)
ROUNDS = 7


class Ours:
    """Checkpoints and resumes of `model.training`."""

    def __init__(self, folder: Path):
        parallel = ParallelConfig(threads=1)
        startup.start(parallel, seed=0)
        self.folder, self.number = folder, 0
        self.model = step.distribute(build_encoder(SHAPE, parallel), parallel)
        self.optimizer = build_optimizer(self.model, OptimConfig(name="adamw"), parallel)
        for name, tensor in self.tensors().items():
            if "exp_avg" in name:
                tensor.normal_()

    def tensors(self) -> dict[str, torch.Tensor]:
        """The state by name: weights and moments themselves, not copies."""
        found = dict(self.model.module.named_parameters())
        names = {id(parameter): name for name, parameter in found.items()}
        for parameter, moments in self.optimizer.optimizer.state.items():
            found |= {
                f"{key}.{names[id(parameter)]}": value for key, value in moments.items() if key.startswith("exp_avg")
            }
        return {name: tensor.detach() for name, tensor in found.items()}

    def save(self) -> None:
        """A new checkpoint; the one before it goes."""
        shutil.rmtree(self.folder / CHECKPOINTS, ignore_errors=True)
        self.number += 1
        write_save.write_checkpoint(
            self.folder,
            self.number,
            RESUME,
            lambda folder: checkpoint.save(folder / MEGATRON, self.model, self.optimizer, {}),
        )

    def load(self) -> None:
        """Find the newest whole checkpoint, load it."""
        checkpoint.load(latest_valid(self.folder).folder / MEGATRON, self.model, self.optimizer)


class Peer:
    """`torch.distributed.checkpoint` on the same tensors."""

    def __init__(self, folder: Path, ours: Ours):
        self.folder, self.ours = folder, ours

    def save(self) -> None:
        """A new checkpoint; the one before it goes."""
        shutil.rmtree(self.folder, ignore_errors=True)
        dcp.save(self.ours.tensors(), checkpoint_id=self.folder)

    def load(self) -> None:
        """Into the tensors in place."""
        dcp.load(self.ours.tensors(), checkpoint_id=self.folder)


class Floor:
    """As many bytes, plainly."""

    def __init__(self, file: Path, ours: Ours):
        self.file, self.bytes = (
            file,
            memoryview(b"".join(tensor.numpy().tobytes() for tensor in ours.tensors().values())),
        )
        self.read = bytearray(len(self.bytes))

    def save(self) -> None:
        """Write and sync."""
        self.file.unlink(missing_ok=True)
        with self.file.open("wb", buffering=0) as file:
            file.write(self.bytes)
            os.fsync(file.fileno())

    def load(self) -> None:
        """Read into memory that is there."""
        with self.file.open("rb", buffering=0) as file:
            file.readinto(self.read)


def check(ours: Ours, sides: dict[str, Any]) -> None:
    """What each side saved comes back, after everything was overwritten."""
    right = {name: tensor.clone() for name, tensor in ours.tensors().items()}
    for name, side in sides.items():
        side.save()
        for tensor in ours.tensors().values():
            tensor.zero_()
        side.load()
        found = ours.tensors()
        assert all(torch.equal(found[key], tensor) for key, tensor in right.items()), (
            f"{name} does not give back what it saved"
        )


@contextmanager
def timed(owner: Any, name: str) -> Iterator[list[float]]:
    """Seconds of each call of ``owner.name`` within the block."""
    whole, seconds = getattr(owner, name), []

    def call(*arguments: Any, **keys: Any) -> Any:
        started = time.perf_counter()
        found = whole(*arguments, **keys)
        seconds.append(time.perf_counter() - started)
        return found

    setattr(owner, name, call)
    try:
        yield seconds
    finally:
        setattr(owner, name, whole)


def apart(name: str, call: Callable[[], None], parts: dict[str, list[float]]) -> None:
    """``call()``, with the seconds that it spends on syncs and digests told to ``parts``."""
    with (
        timed(os, "fsync") as syncs,
        timed(write_save, "digest") as written,
        timed(saves, "digest") as checked,
    ):
        call()
    for part, seconds in (("fsync", syncs), ("digests", written + checked)):
        if seconds:
            parts.setdefault(f"{name} {part}", []).append(sum(seconds))


def main() -> None:
    """Compare, time, print and keep."""
    with tempfile.TemporaryDirectory(dir=".") as place:  # not /tmp, which may be memory
        ours = Ours(Path(place) / "run")
        sides = {"ours": ours, "peer": Peer(Path(place) / "dcp", ours), "floor": Floor(Path(place) / "floor", ours)}
        size = len(sides["floor"].bytes)
        check(ours, {name: sides[name] for name in ("ours", "peer")})
        figures: dict[str, Any] = {"bytes": size, "rounds": ROUNDS, "threads_of_each_side": 1}
        for what in ("save", "load"):
            parts: dict[str, list[float]] = {}
            times = alternate(
                {name: partial(apart, name, getattr(side, what), parts) for name, side in sides.items()}, ROUNDS
            )
            figures[what] = {name: summary(found) for name, found in times.items()}
            figures[what]["peer_over_ours"] = {
                clock: ratio(times["peer"], times["ours"], clock) for clock in ("wall", "cpu")
            }
            figures[what]["of_which_wall_median"] = {
                name: round(statistics.median(values), 5) for name, values in parts.items()
            }
            for name, found in times.items():
                middle = statistics.median(found["wall"])
                print(
                    f"{what} {name:5}: {middle:6.3f} s, CPU {statistics.median(found['cpu']):6.3f} s,"
                    f" {size / 1e6 / middle:7.0f} MB/s"
                )
            print(f"{what}, of which: {figures[what]['of_which_wall_median']}")
        figures["peak_memory"] = {
            f"{name} {what}": peak_memory(getattr(sides[name], what)) for what in ("save", "load") for name in sides
        }
    print(f"written: {keep('save_load', figures)}")


if __name__ == "__main__":
    main()
