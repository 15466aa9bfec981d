"""What a checkpoint says about its tensors.

Its `.metadata` is a pickle that anybody may have written, so nothing that it names is imported or called: every object
becomes a record of its class's name and fields, and what describes tensors is copied from these, each piece looked at.
"""

import io
import json
import math
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from megatron.core.dist_checkpointing.core import CONFIG_FNAME
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)  # fmt: skip

from common.errors import UserError

FILE = ".metadata"
_DCP, _MCORE = "torch.distributed.checkpoint", "megatron.core.dist_checkpointing.strategies.torch"
_ENUMS = ("_MEM_FORMAT_ENCODING", "MEM_FORMAT_ENCODING", "WriteItemType")
_RECORDS = {
    "collections": ("OrderedDict",),
    "torch": ("Size",),
    "torch.serialization": ("_get_layout",),
    f"{_DCP}.metadata": (
        "Metadata", "TensorStorageMetadata", "BytesStorageMetadata", "ChunkStorageMetadata", "TensorProperties",
        "MetadataIndex",
        "StorageMeta", "_MEM_FORMAT_ENCODING",
    ),
    f"{_DCP}.filesystem": ("_StorageInfo",),
    f"{_DCP}.planner": ("SavePlan", "WriteItem", "WriteItemType", "TensorWriteData", "BytesIOWriteData"),
    "torch.distributed._shard.sharded_tensor.metadata": ("TensorProperties", "MEM_FORMAT_ENCODING"),
    _MCORE: ("MCoreMetadata", "MCoreSavePlan"),
}  # fmt: skip
"""Names that a description written by ours, or by Megatron-LM, asks for, by their module."""
_FILE_NAME = re.compile(r"\w[\w.-]*\.distcp")


class _Record:
    """An object of a pickle: what its class was called with, and the state that it was given. None of it has run."""

    name = ""

    def __new__(cls, *args: Any) -> "_Record":
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle._Unpickler):
    """Reads a pickle into records, numbers, texts, lists, tuples and dicts. It is the reader written in Python: that in
    C makes room for as many remembered values as the number of one says, 64 GB by nine bytes."""

    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data))
        self.records: dict[tuple[str, str], type[_Record]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _enum_member
        if module == "torch" and isinstance(vars(torch).get(name), torch.dtype):
            return vars(torch)[name]
        if name not in _RECORDS.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        if name == "OrderedDict":
            return dict
        return self.records.setdefault((module, name), type("Record", (_Record,), {"name": name}))


def _enum_member(owner: Any, name: str) -> _Record:
    """What a pickle of Python 3.11.0 to 3.11.3 calls `getattr` for: a member of an enumeration, which is all that it
    gets here."""
    if not (isinstance(owner, type) and issubclass(owner, _Record) and owner.name in _ENUMS):
        raise pickle.UnpicklingError(f"it asks for {name} of {getattr(owner, 'name', owner)}")
    return owner(name)


def read_metadata(folder: str | Path, objects: bool = False) -> Metadata:
    """Description of the tensors in a checkpoint: sizes, types, and where in its files they lie. ``objects``: whether
    it may hold pickled objects too, which are left out.

    Raises UserError where there is none, or one that is damaged, or is not of tensors in files of this very folder."""
    folder = Path(folder)
    if not (folder / CONFIG_FNAME).is_file() or not (folder / FILE).is_file():
        raise UserError(
            f"{folder} is not a complete Megatron checkpoint (it needs {CONFIG_FNAME} and {FILE}); choose another"
            " checkpoint"
        )
    file = folder / FILE
    try:
        found = _metadata(_Reader(file.read_bytes()).load(), objects)
        file = folder / CONFIG_FNAME
        _check_config(json.loads(file.read_text(encoding="utf-8")))
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to say
        raise UserError(
            f"{file} is damaged or not ours ({str(error) or type(error).__name__}); choose another checkpoint"
        ) from error
    return found


def _check_config(config: Any) -> None:
    if not isinstance(config, dict) or config.get("sharded_backend") != "torch_dist":
        raise ValueError("its sharded_backend is not torch_dist")
    strange = config.keys() - {"sharded_backend", "sharded_backend_version", "common_backend", "common_backend_version"}
    if strange:
        raise ValueError(f"it has a key {min(strange)}")


def _metadata(found: Any, objects: bool) -> Metadata:
    fields = _fields(found, "Metadata", "MCoreMetadata")
    tensors: dict[str, TensorStorageMetadata] = {}
    for key, entry in _typed(fields["state_dict_metadata"], dict).items():
        if isinstance(entry, _Record) and entry.name == "BytesStorageMetadata":
            if not objects:
                raise ValueError(f"{key} is a pickled object, and no tensor")
        else:
            tensors[_typed(key, str)] = _tensor(key, entry)
    places: dict[MetadataIndex, _StorageInfo] = {}
    for index, place in _typed(fields["storage_data"], dict).items():
        of = _fields(index, "MetadataIndex")
        if of["fqn"] in tensors:
            offset = None if of.get("offset") is None else _size(of["offset"])
            places[MetadataIndex(of["fqn"], offset)] = _place(of["fqn"], place)
    for key, entry in tensors.items():
        if any(MetadataIndex(key, chunk.offsets) not in places for chunk in entry.chunks):
            raise ValueError(f"it does not say where {key} is")
    return Metadata(tensors, storage_data=places, storage_meta=StorageMeta())


def _tensor(key: str, entry: Any) -> TensorStorageMetadata:
    fields = _fields(entry, "TensorStorageMetadata")
    size, chunks = _size(fields["size"]), []
    for chunk in _typed(fields["chunks"], list):
        of = _fields(chunk, "ChunkStorageMetadata")
        chunks.append(ChunkStorageMetadata(_size(of["offsets"]), _size(of["sizes"])))
        parts = zip(chunks[-1].offsets, chunks[-1].sizes, size, strict=True)
        if any(offset + part > whole for offset, part, whole in parts):
            raise ValueError(f"a piece of {key} lies outside of it")
    if sum(math.prod(chunk.sizes) for chunk in chunks) != math.prod(size):
        raise ValueError(f"the pieces of {key} do not make it up")
    return TensorStorageMetadata(TensorProperties(dtype=_dtype(fields["properties"])), size, chunks)


def _dtype(properties: Any) -> torch.dtype:
    """The first of the fields that properties are pickled as, or the one of that name."""
    if not isinstance(properties, _Record) or properties.name != "TensorProperties":
        raise ValueError("a tensor has no properties")
    state = properties.state
    return _typed(state["dtype"] if isinstance(state, dict) else state[0], torch.dtype)


def _place(key: str, place: Any) -> _StorageInfo:
    of = _fields(place, "_StorageInfo")
    name = _typed(of["relative_path"], str)
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{key} is said to be in {name!r}, which is no file of a checkpoint")
    if of.get("transform_descriptors"):
        raise ValueError(f"{key} is packed by {of['transform_descriptors']!r}")
    offset, length = _size((of["offset"], of["length"]))
    return _StorageInfo(name, offset, length)


def _size(value: Any) -> torch.Size:
    """Whole numbers from 0 up."""
    if isinstance(value, _Record) and value.name == "Size":
        (value,) = value.args or ((),)
    if not isinstance(value, tuple | list) or not all(type(number) is int and number >= 0 for number in value):
        raise ValueError("a size is not made of whole numbers")
    return torch.Size(value)


def _fields(value: Any, *names: str) -> dict[str, Any]:
    if not isinstance(value, _Record) or value.name not in names:
        raise ValueError(f"there is no {names[0]} where one belongs")
    return _typed(value.state, dict)


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"there is no {kind.__name__} where one belongs")
    return value
