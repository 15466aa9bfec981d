"""Tensors of a model folder in the layout of the Hugging Face hub: model.safetensors, or shards of it with an index."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import torch

from common.errors import UserError
from common.files import read_json, write_json

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
CONFIG = "config.json"
SHARD_BYTES = 5_000_000_000
"""Size of a shard where nobody asks for another."""
_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_PIECE = 32_000_000
"""Bytes that are on their way to the disk at once."""


def write_tensors(tensors: Mapping[str, torch.Tensor], folder: Path, shard_bytes: int) -> None:
    """Write `tensors` (contiguous, on the CPU), in shards of at most `shard_bytes` each."""
    from huggingface_hub import save_torch_state_dict

    save_torch_state_dict(dict(tensors), folder, max_shard_size=shard_bytes, metadata={"format": "pt"})


class TensorWriter:
    """Writes tensors one by one, each gone from memory once it is written. A context manager.

    safetensors' own functions want all tensors of a file at once, and copy them. The format is simple: 8 bytes with the
    length of a JSON header, the header (for each name the type, the shape, and where its bytes are), the bytes."""

    def __init__(
        self, folder: Path, shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype, shard_bytes: int = SHARD_BYTES
    ):
        """`shapes`: of all tensors, in the order in which they will come. A tensor larger than `shard_bytes` has a
        shard of its own."""
        self.folder, self.dtype, self.sizes = (
            folder,
            dtype,
            {name: dtype.itemsize * _numel(shape) for name, shape in shapes.items()},
        )
        self.shards = [{name: shapes[name] for name in names} for names in _shards(self.sizes, shard_bytes)]
        if len(self.shards) > 1 and (folder / SINGLE).exists():
            raise UserError(
                f"{folder / SINGLE} would be read in place of the shards that are to be written there; name an empty"
                " folder"
            )
        self.waiting, self.left, self.file = iter(enumerate(self.shards)), iter(()), None

    def __enter__(self) -> "TensorWriter":
        return self

    def __exit__(self, kind: type | None, *_: Any) -> None:
        if self.file:
            self.file.close()
        if kind is None and len(self.shards) > 1:
            where = {name: self._file_name(number) for number, shard in enumerate(self.shards) for name in shard}
            write_json(self.folder / INDEX, {"metadata": {"total_size": sum(self.sizes.values())}, "weight_map": where})

    def write(self, name: str, tensor: torch.Tensor) -> None:
        """Write the next tensor, from any device and of any type. Raises ValueError for one that is not the next."""
        if not (expected := next(self.left, None)):
            self._next_shard()
            expected = next(self.left)
        if (name, tuple(tensor.shape)) != expected:
            raise ValueError(f"{name} {tuple(tensor.shape)} came where {expected} was to come")
        rows = max(1, _PIECE // max(1, self.sizes[name] // len(tensor)))
        for piece in tensor.detach().split(rows):
            piece = piece.to("cpu", self.dtype).contiguous()
            self.file.write(piece.view(torch.uint8).numpy().data)

    def _next_shard(self) -> None:
        if self.file:
            self.file.close()
        number, shard = next(self.waiting)
        self.file, self.left = (self.folder / self._file_name(number)).open("wb"), iter(shard.items())
        self._write_header(self.file, shard)

    def _write_header(self, file: BinaryIO, shard: Mapping[str, tuple[int, ...]]) -> None:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        start = 0
        for name, shape in shard.items():
            end = start + self.sizes[name]
            header[name] = {"dtype": _DTYPES[self.dtype], "shape": list(shape), "data_offsets": [start, end]}
            start = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
        file.write(len(text).to_bytes(8, "little") + text)

    def _file_name(self, number: int) -> str:
        return SINGLE if len(self.shards) == 1 else f"model-{number + 1:05d}-of-{len(self.shards):05d}.safetensors"


def _numel(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()


def _shards(sizes: Mapping[str, int], shard_bytes: int) -> Iterator[list[str]]:
    """Names of each shard, in the order given, none above `shard_bytes` but those of one tensor."""
    shard: list[str] = []
    filled = 0
    for name, size in sizes.items():
        if shard and filled + size > shard_bytes:
            yield shard
            shard, filled = [], 0
        shard.append(name)
        filled += size
    yield shard


def weight_files(folder: Path, use: str = "read") -> list[Path]:
    """The files with the tensors of the model in `folder`, chosen as transformers does where there are several sets of
    them.

    That is the file that config.json names in `transformers_weights`, else model.safetensors, else the shards of the
    index; what else lies there (an index whose shards are gone, pytorch_model.bin) is left alone. `use`: what they are
    for, for messages. Raises UserError where there are none, or where one of them is missing."""
    candidates = (_named_weights(folder), folder / SINGLE, folder / INDEX)
    file = next((file for file in candidates if file and file.is_file()), None)
    if file is None:
        raise UserError(f"{folder} has neither {SINGLE} nor {INDEX}; only weights in safetensors can be {use}")
    return _shards_of(file) if file.name.endswith(".index.json") else [file]


def _named_weights(folder: Path) -> Path | None:
    """The file that config.json names as that of the weights, which transformers takes before any other."""
    file = folder / CONFIG
    if not file.is_file() or not (name := read_json(file).get("transformers_weights")):
        return None
    if (
        Path(name).name != name
        or not name.endswith((".safetensors", ".safetensors.index.json"))
        or not (folder / name).is_file()
    ):
        raise UserError(
            f"{file} has transformers_weights={name!r}, which is no safetensors file beside it; remove the key, or copy"
            " the file"
        )
    return folder / name


def _shards_of(index: Path) -> list[Path]:
    where = read_json(index).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
        raise UserError(f"{index} has no weight_map from tensors to files; copy the model again")
    names = sorted(set(where.values()))
    if outside := [name for name in names if Path(name).name != name or not (index.parent / name).is_file()]:
        raise UserError(f"{index} names {outside[0]}, which is no file beside it; copy the model again")
    return [index.parent / name for name in names]


class TensorReader:
    """Reads tensors of a folder by name, whichever file they are in. A context manager."""

    def __init__(self, folder: Path, model: str = "a ModernBertForMaskedLM"):
        """`model`: what the folder should be, for messages. Raises UserError where there are no safetensors files, or
        broken ones."""
        from safetensors import SafetensorError, safe_open

        self.folder, self.model, self.stack, self.where = folder, model, ExitStack(), {}
        for file in weight_files(folder):
            try:
                opened = self.stack.enter_context(safe_open(file, framework="pt"))
            except (OSError, SafetensorError) as error:
                raise UserError(f"{file} cannot be read ({error}); copy or write it again") from error
            self.where.update(dict.fromkeys(opened.keys(), (file, opened)))

    def __enter__(self) -> "TensorReader":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stack.close()

    def names(self) -> set[str]:
        """Names of all tensors."""
        return set(self.where)

    def read(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        """The tensor `name` in its own type. Raises UserError naming it where it is missing or of another shape."""
        self.check(name, shape)
        return self.where[name][1].get_tensor(name)

    def part(self, name: str, rows: tuple[int, int], columns: tuple[int, int] | None = None) -> torch.Tensor:
        """Rows (and columns) of the tensor `name`, from and to; nothing else of it is read."""
        whole = self.where[name][1].get_slice(name)
        return whole[slice(*rows)] if columns is None else whole[slice(*rows), slice(*columns)]

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise UserError where the tensor `name` is missing or of another shape."""
        if name not in self.where:
            raise UserError(f"{self.folder} has no tensor {name}; {self.model} folder has one, with the shape {shape}")
        file, opened = self.where[name]
        found = tuple(opened.get_slice(name).get_shape())
        if found != shape:
            raise UserError(
                f"{file} has {name} of shape {found}, but config.json asks for {shape}; the two are not of one model"
            )
