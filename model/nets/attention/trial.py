"""Whether a CUDA kernel runs here is asked of the kernel: it depends on the build, the GPU, the type and the width of a
head."""

import torch

from model.nets.attention.window import Prepare, Window
from model.nets.pack import Pack


def fault(prepare: Prepare, device: torch.device, dtype: torch.dtype, head_width: int) -> str | None:
    """Why a backend for CUDA cannot attend here, None where it can."""
    if device.type != "cuda":
        return "it needs a GPU"
    try:
        trial(prepare, device, dtype, head_width)
        torch.cuda.synchronize(device)
    except Exception as error:  # import errors, and whatever a kernel raises
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None


def trial(prepare: Prepare, device: torch.device, dtype: torch.dtype, head_width: int) -> None:
    """Attend forward and backward in three tokens, with a window and shared keys; raises what the backend raises."""
    with torch.inference_mode(False), torch.enable_grad():  # a net may be asked for embeddings before it is trained
        tokens, cu_seqlens = torch.zeros(3, dtype=torch.int64), torch.tensor([0, 2, 3], dtype=torch.int32)
        attend = prepare(Pack(tokens, cu_seqlens, lengths=[2, 1]).to(device), Window(1, 1), dtype)
        mixed = torch.zeros(3, 4, head_width, dtype=dtype, device=device, requires_grad=True)
        attend(*mixed.split([2, 1, 1], dim=1)).sum().backward()
