"""The state of every random generator of this process, as bytes that hold nothing but numbers."""

import io
import random

import numpy as np
import torch
from megatron.core.tensor_parallel import random as mcore_random


def pack_rng() -> torch.Tensor:
    """States of python's, numpy's, torch's and Megatron-Core's generators, as a uint8 tensor [bytes] on the CPU."""
    kind, key, *rest = np.random.get_state()
    state = {
        "python": random.getstate(),
        "numpy": (kind, key.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(),
        "tracker": mcore_random.get_cuda_rng_tracker().get_states(),
    }
    file = io.BytesIO()
    torch.save(state, file)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def unpack_rng(packed: torch.Tensor) -> None:
    """Set every generator to what `pack_rng` found."""
    state = torch.load(io.BytesIO(packed.numpy().tobytes()), weights_only=True)
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    mcore_random._set_cuda_rng_state(state["device"])
    mcore_random.get_cuda_rng_tracker().set_states(state["tracker"])
