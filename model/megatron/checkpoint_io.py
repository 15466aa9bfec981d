"""How `checkpoint` meets the disk: files written by this very process, and tensors read without running what a pickle
asks for."""

import queue
from pathlib import Path
from typing import Any

import torch
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.strategies import filesystem_async
from megatron.core.dist_checkpointing.strategies import torch as torch_strategies
from megatron.core.dist_checkpointing.strategies.base import LoadCommonStrategy
from megatron.core.dist_checkpointing.strategies.torch import TorchDistLoadShardedStrategy, TorchDistSaveShardedStrategy
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import Metadata

from common.disk import naming
from common.errors import AlreadyReported, UserError


class WriteHere(TorchDistSaveShardedStrategy):
    """Megatron-Core's format, one file a rank, written in this process.

    Its own strategy starts a manager process (which imports `__main__` again, and hangs where that is a script without
    a guard) and forks a writer for each file. Here the tensors on disk are those of the moment of the call, and a
    checkpoint of a small model takes milliseconds."""

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
        try:
            for finalize in request.finalize_fns:
                finalize()  # raises, on every rank, where a rank has put a failure
        except CheckpointException as error:  # no Exception, and only the coordinator is told what happened
            if not error.failures:
                raise AlreadyReported(f"{checkpoint_dir} could not be written on another rank") from error
            raise next(iter(error.failures.values()))[0] from error


def _write(transforms: list, index: int, bucket: tuple) -> list | Exception:
    """Write one file with Megatron-Core's writer; it reports through queues. An error is returned as it can go to
    another rank: without what it came from, which says what was wrong with the disk."""
    results, running = queue.Queue(), queue.Queue()
    running.put(index)
    filesystem_async.FileSystemWriterAsync.write_preloaded_data(
        transforms, index, bucket, results, running, use_fsync=True
    )
    written = results.get()[1]
    try:
        if isinstance(written, Exception):
            with naming(bucket[0]):
                raise written
    except Exception as error:
        return error
    return written


class _Reader(FileSystemReader):
    """Reads tensors where a description says that they are, and no description itself: torch would unpickle it."""

    def __init__(self, folder: str | Path, metadata: Metadata):
        super().__init__(folder)
        self.metadata = metadata

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """What was read before."""
        return self.metadata


class _ReadHere(TorchDistLoadShardedStrategy):
    """Megatron-Core's way to load tensors, by a description that was read and looked through before."""

    def __init__(self, metadata: Metadata):
        super().__init__()
        self.metadata = metadata

    def load(self, sharded_state_dict: dict, checkpoint_dir: str | Path) -> dict[str, Any]:
        """The tensors that are asked for; each is read with torch.load(weights_only=True)."""
        former = torch_strategies._get_filesystem_reader
        torch_strategies._get_filesystem_reader = lambda folder, **_: _Reader(folder, self.metadata)
        try:
            return super().load(sharded_state_dict, checkpoint_dir)
        finally:
            torch_strategies._get_filesystem_reader = former


class _NoCommon(LoadCommonStrategy):
    """Leaves common.pt alone, a pickle that anybody may have written. Whoever needs it reads it himself, with
    weights_only=True."""

    def load_common(self, checkpoint_dir: str | Path) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_sharded_objects(self, sharded_objects_state_dict: dict, checkpoint_dir: str | Path) -> dict[str, Any]:
        """Nothing."""
        return {}

    def check_backend_compatibility(self, loaded_backend: str) -> None:
        """Any will do."""

    def check_version_compatibility(self, loaded_version: int) -> None:
        """Any will do."""


def load_tensors(wanted: dict[str, Any], folder: str | Path, metadata: Metadata) -> dict[str, Any]:
    """Tensors of the checkpoint in ``folder``, which ``metadata`` describes (`read_metadata`), in the places of
    ``wanted``.

    All ranks call this. No pickle is opened but those of tensors, with weights_only=True. Raises UserError where a file
    is damaged."""
    try:
        return dist_checkpointing.load(
            wanted, str(folder), sharded_strategy=_ReadHere(metadata), common_strategy=_NoCommon()
        )
    except CheckpointException as error:
        why = next(iter(error.failures.values()))[0]
        lines = str(why).strip().splitlines() or [type(why).__name__]
        raise UserError(f"{folder} has tensors that cannot be read ({lines[0]}); choose another checkpoint") from error
