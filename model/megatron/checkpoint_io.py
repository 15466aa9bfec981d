"""How `checkpoint` meets the disk: files written by this very process, metadata read without running what a pickle asks for."""

import enum
import io
import pickle
import queue
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint.metadata  # noqa: F401 - the restricted unpickler looks its classes up
from megatron.core.dist_checkpointing.core import CONFIG_FNAME
from megatron.core.dist_checkpointing.strategies import filesystem_async
from megatron.core.dist_checkpointing.strategies.torch import TorchDistSaveShardedStrategy
from torch.distributed.checkpoint.metadata import Metadata

from common.errors import UserError

_SAFE_MODULES = ("torch.distributed.checkpoint.", "torch.distributed._shard.", "megatron.core.dist_checkpointing.")
_SAFE_NAMES = {("collections", "OrderedDict"), ("torch", "Size"), ("torch", "device"), ("torch.serialization", "_get_layout")}


class WriteHere(TorchDistSaveShardedStrategy):
    """Megatron-Core's format, one file a rank, written in this process.

    Its own strategy starts a manager process (which imports `__main__` again, and hangs where that is a script without a guard) and forks a
    writer for each file. Here the tensors on disk are those of the moment of the call, and a save of a small model takes milliseconds.
    """

    def __init__(self) -> None:
        super().__init__("torch_dist", 1, thread_count=1)

    def save(self, sharded_state_dict: dict, checkpoint_dir: str | Path) -> None:
        """Write the tensors of `sharded_state_dict`; returns when they are on disk, on every rank."""
        filesystem_async._results_queue = queue.Queue()  # in place of the manager's
        request = self.async_save(sharded_state_dict, checkpoint_dir)
        if request.async_fn is not None:
            transforms, _, results = request.async_fn.args[0], *request.async_fn_args[1:]
            written = {index: _write(transforms, index, bucket) for index, bucket in enumerate(request.preload_fn())}
            failures = [result for result in written.values() if isinstance(result, Exception)]
            results.put(failures[0] if failures else written)
        torch.distributed.barrier()
        for finalize in request.finalize_fns:
            finalize()  # raises, on every rank, where a rank has put a failure


def _write(transforms: list, index: int, bucket: tuple) -> list | Exception:
    """Write one file with Megatron-Core's writer; it reports through queues."""
    results, running = queue.Queue(), queue.Queue()
    running.put(index)
    filesystem_async.FileSystemWriterAsync.write_preloaded_data(transforms, index, bucket, results, running, use_fsync=True)
    return results.get()[1]


def _enum_member(owner: type, name: str) -> enum.Enum:
    """What a pickle of Python 3.11.0 to 3.11.3 calls `getattr` for: a member of an enumeration, which is all that it gets here."""
    if not (isinstance(owner, type) and issubclass(owner, enum.Enum)):
        raise pickle.UnpicklingError(f"it asks for {name} of {owner}")
    return owner[name]


class _Restricted(pickle.Unpickler):
    """Unpickles descriptions of tensors and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _enum_member
        if (module, name) in _SAFE_NAMES or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)):
            return super().find_class(module, name)
        if f"{module}.".startswith(_SAFE_MODULES):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_metadata(folder: str | Path) -> Metadata:
    """Description of the tensors in a checkpoint. Raises UserError where there is none, or one that no save of ours wrote."""
    folder = Path(folder)
    if not (folder / CONFIG_FNAME).is_file() or not (folder / ".metadata").is_file():
        raise UserError(f"{folder} is not a complete Megatron checkpoint (it needs {CONFIG_FNAME} and .metadata); choose another save")
    try:
        metadata = _Restricted(io.BytesIO((folder / ".metadata").read_bytes())).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / '.metadata'} is damaged or not ours ({error}); choose another save") from error
    return metadata
