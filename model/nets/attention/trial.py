"""Whether a CUDA kernel runs here is asked of the kernel: it depends on the build, the GPU, the type and the width of a head."""

from collections.abc import Callable

import torch

from model.nets.attention.window import Attend, Window
from model.nets.pack import Pack


def fault(prepare: Callable[[Pack, Window, torch.dtype], Attend], device: torch.device, dtype: torch.dtype, head_width: int) -> str | None:
    """Why a backend cannot attend here, forward and backward, with a window and shared keys; None where it can."""
    if device.type != "cuda":
        return "it needs a GPU"
    pack = Pack(torch.zeros(3, dtype=torch.int64), torch.tensor([0, 2, 3], dtype=torch.int32), lengths=[2, 1])
    try:
        with torch.inference_mode(False), torch.enable_grad():
            query, key, value = (torch.zeros(3, heads, head_width, dtype=dtype, device=device, requires_grad=True) for heads in (2, 1, 1))
            prepare(pack.to(device), Window(1, 1), dtype)(query, key, value).sum().backward()
            torch.cuda.synchronize(device)
    except Exception as error:  # import errors, and whatever a kernel raises
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None
