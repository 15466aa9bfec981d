"""The index of a packed order on disk: six arrays and a manifest in the run folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from common import manifest as manifests
from common.arrays import save_array
from common.files import atomic_folder, read_json
from common.progress import say
from model.training.data.order import PackedOrder, digest_packs
from model.training.data.packing import Packs
from model.training.data.tokens import Tokens, stamp

ARRAYS = [(group, name) for group in ("train", "validation") for name in ("starts", "lengths", "offsets")]


@contextmanager
def draft_plan(plan: PackedOrder, folder: str | Path) -> Iterator[Path]:
    """Write ``plan`` as an index: six .npy files and a manifest, which appear in ``folder`` together when the block
    ends without an error. Yields where they are until then."""
    with atomic_folder(folder, "plan", keep=True) as aside:
        for group, name in ARRAYS:
            save_array(aside / f"{group}_{name}.npy", getattr(getattr(plan, group), name))
        counts = {
            "packs": len(plan.train),
            "tokens": plan.train.tokens,
            "validation_packs": len(plan.validation),
            "fill": round(plan.fill, 5),
        }
        files = sorted(path.name for path in aside.iterdir())
        manifests.write(
            aside,
            manifests.describe("plan", digest=plan.digest, checked=stamp(plan.tokens.folder), **counts, files=files),
        )
        yield aside


def load_plan(
    folder: str | Path, tokens: Tokens, seq_length: int, validation_fraction: float, seed: int
) -> PackedOrder | None:
    """The plan in ``folder``, memory-mapped; None when there is none, or it is not the one that these arguments make,
    byte for byte."""
    folder = Path(folder)
    if not (folder / manifests.NAME).is_file():
        return None
    try:
        arrays = [np.load(folder / f"{group}_{name}.npy", mmap_mode="r") for group, name in ARRAYS]
    except (OSError, ValueError, EOFError):
        say(f"the plan in {folder} is broken; planning again")
        return None
    train, validation = Packs(*arrays[:3]), Packs(*arrays[3:])
    found = digest_packs(tokens, seq_length, validation_fraction, seed, train, validation)
    return (
        PackedOrder(tokens, seed, seq_length, found, train, validation)
        if found == manifests.read(folder).get("digest")
        else None
    )


def checked_stamp(folder: str | Path) -> dict | None:
    """Stamp of the tokens files when the plan in ``folder`` was made from them; see `open_tokens`."""
    file = Path(folder) / manifests.NAME
    return read_json(file).get("checked") if file.is_file() else None
