"""Linear combinations of models, tensor by tensor: averages of checkpoints (stochastic weight averaging, arXiv
1803.05407), linear merges."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import torch

from common import manifest as manifests
from common.errors import UserError
from common.files import atomic_folder, digest_of, make_folder
from model.hf.carried import carry, remove_code
from model.hf.tensors import TensorReader, weight_files
from model.surgery.inputs import Model, check_alike, check_whole, read_files

KIND = "merge"
_LENGTH = 8
"""Bytes of the number that a safetensors file begins with: the length of its header."""


def uniform(count: int) -> list[float]:
    """Weights of the mean of ``count`` models."""
    return [1 / count] * count


def exponential(count: int, decay: float) -> list[float]:
    """Weights of ``count`` models in their order, each ``decay`` times the one after it; they sum to 1.

    That is the exponential moving average along the models which is corrected for its start (as in Adam, arXiv
    1412.6980, section 3)."""
    powers = [decay ** (count - 1 - place) for place in range(count)]
    return [power / sum(powers) for power in powers]


def identity(models: Sequence[Model], weights: Sequence[float]) -> list[dict[str, Any]]:
    """What a combination is made of: folder, step, digest and weight of each model."""
    return [
        {
            "folder": str(model.folder.resolve()),
            "step": model.checkpoint and model.checkpoint.step,
            "digest": digest_of(model.files),
            "weight": weight,
        }
        for model, weight in zip(models, weights, strict=True)
    ]


def combine(models: Sequence[Model], weights: Sequence[float], output: str | Path, **facts: Any) -> dict[str, Any]:
    """Write the sum of ``models``, each times its weight, to the folder ``output``, whole or not at all; returns its
    manifest.

    Sums are made in fp32 and written in the type of the models; tensors of whole numbers must be equal. One tensor of
    each model is in memory at a time. The layout of the files, configuration and tokenizer are those of the last model.
    ``facts`` go into the manifest. Raises UserError for a model that is damaged, has values that are not finite, or
    another architecture, tokenizer, shape or type than the last."""
    check_alike(models)
    for model in models:
        check_whole(model)
    last = models[-1].folder
    with ExitStack() as stack:
        readers = [stack.enter_context(TensorReader(model.folder)) for model in models]
        _check_tensors(readers)
        with atomic_folder(output, KIND) as aside:
            with_weights = weight_files(last)
            for file in read_files(last):
                target = aside / file.relative_to(last)
                make_folder(target.parent)
                if file in with_weights:
                    _write(file, target, readers, weights)
                else:
                    carry(file, target, last)
            remove_code(aside)
            known = {"parents": identity(models, weights), **facts, "files": manifests.digests(aside)}
            manifests.write(aside, manifests.describe(KIND, **known))
    return manifests.read(output)


def _check_tensors(readers: Sequence[TensorReader]) -> None:
    """Raise UserError where names, shapes or types of the tensors are not those of the last model."""
    last = readers[-1]
    for reader in readers[:-1]:
        if other := reader.names() ^ last.names():
            raise UserError(
                f"{reader.folder} and {last.folder} have not the same tensors: only one of them has {min(other)}; leave"
                " one out"
            )
        for name in sorted(last.names()):
            if (one := _form(reader, name)) != (wanted := _form(last, name)):
                raise UserError(
                    f"{reader.folder} has {name} as {one}, {last.folder} as {wanted}; only models of equal shapes can"
                    " be merged"
                )


def _form(reader: TensorReader, name: str) -> str:
    """Shape and type of a tensor."""
    part = reader.where[name][1].get_slice(name)
    return f"{part.get_dtype()}{tuple(part.get_shape())}"


def _write(layout: Path, target: Path, readers: Sequence[TensorReader], weights: Sequence[float]) -> None:
    """Write the combined tensors of one safetensors file: the header of ``layout`` as it is, then tensor after tensor
    in its order."""
    with layout.open("rb") as source, target.open("wb") as file:
        length = source.read(_LENGTH)
        header = source.read(int.from_bytes(length, "little"))
        file.write(length + header)
        for name in _in_order(json.loads(header)):
            _append(file, _combined(name, readers, weights))


def _in_order(header: dict[str, Any]) -> Iterator[str]:
    """Names of the tensors of a safetensors file in the order of their bytes, which follow one another without a
    gap."""
    tensors = {name: known["data_offsets"] for name, known in header.items() if name != "__metadata__"}
    yield from sorted(tensors, key=tensors.get)


def _append(file: BinaryIO, tensor: torch.Tensor) -> None:
    file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _combined(name: str, readers: Sequence[TensorReader], weights: Sequence[float]) -> torch.Tensor:
    """The tensor ``name`` of the combination. Raises UserError where one of its parts is not finite."""
    total = None
    for reader, weight in zip(readers, weights, strict=True):
        own = reader.where[name][1].get_tensor(name)
        dtype = own.dtype
        if not own.is_floating_point():
            if total is not None and not torch.equal(own, total):
                raise UserError(
                    f"{reader.folder} has other whole numbers in {name} than {readers[0].folder}; leave one of them out"
                )
            total = own
            continue
        part = own.float()
        if not bool(part.isfinite().all()):
            raise UserError(
                f"{reader.folder} has values in {name} that are not finite; its training diverged, so leave it out"
            )
        total = part * weight if total is None else total.add_(part, alpha=weight)
        del own, part  # before the next is read
    return total.to(dtype)
