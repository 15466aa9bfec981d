"""Tensors of a model folder in the layout of the Hugging Face hub: model.safetensors, or shards of it with an index."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from common.errors import UserError
from common.files import read_json

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def write_tensors(tensors: Mapping[str, torch.Tensor], folder: Path, shard_bytes: int) -> None:
    """Write `tensors` (contiguous, on the CPU), in shards of at most `shard_bytes` each."""
    from huggingface_hub import save_torch_state_dict

    save_torch_state_dict(dict(tensors), folder, max_shard_size=shard_bytes, metadata={"format": "pt"})


class TensorReader:
    """Reads tensors of a folder by name, whichever file they are in. A context manager."""

    def __init__(self, folder: Path):
        """Raises UserError where there are no safetensors files, or broken ones."""
        from safetensors import SafetensorError, safe_open

        self.folder, self.stack, self.where = folder, ExitStack(), {}
        for file in self._files():
            try:
                opened = self.stack.enter_context(safe_open(file, framework="pt"))
            except (OSError, SafetensorError) as error:
                raise UserError(f"{file} cannot be read ({error}); copy or write it again") from error
            self.where.update(dict.fromkeys(opened.keys(), (file, opened)))

    def _files(self) -> list[Path]:
        if (self.folder / INDEX).is_file():
            return [self.folder / name for name in sorted(set(read_json(self.folder / INDEX)["weight_map"].values()))]
        if not (self.folder / SINGLE).is_file():
            raise UserError(f"{self.folder} has neither {SINGLE} nor {INDEX}; only weights in safetensors can be read")
        return [self.folder / SINGLE]

    def __enter__(self) -> "TensorReader":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stack.close()

    def names(self) -> set[str]:
        """Names of all tensors."""
        return set(self.where)

    def read(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        """The tensor `name` in its own type. Raises UserError naming it where it is missing or of another shape."""
        if name not in self.where:
            raise UserError(f"{self.folder} has no tensor {name}; a ModernBertForMaskedLM folder has one, with the shape {shape}")
        file, opened = self.where[name]
        found = tuple(opened.get_slice(name).get_shape())
        if found != shape:
            raise UserError(f"{file} has {name} of shape {found}, but config.json asks for {shape}; the two are not of one model")
        return opened.get_tensor(name)
