"""The FLOP formula against torch's own counter, and the parameter count."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from conf.schema import EncoderConfig
from model.training.cost.anatomy import attended_pairs
from model.training.cost.flops import peak_flops, step_flops, utilisation


@pytest.mark.parametrize("window", [None, 0, 2, 6, 128])
def test_attended_pairs_by_counting(window):
    lengths = [1, 2, 3, 4, 7, 20, 64, 65, 66, 130]
    half = np.inf if window is None else window // 2
    counted = sum(int((abs(np.subtract.outer(np.arange(n), np.arange(n))) <= half).sum()) for n in lengths)
    assert attended_pairs(lengths, window) == counted


def test_step_flops_equal_what_torch_counts():
    """A dense re-statement of the net (all layers global), run under torch's FLOP counter, forward and backward."""
    config = EncoderConfig(vocab_size=96, num_layers=3, hidden_size=32, num_heads=4, ffn_size=48, global_every=1)
    h, f, documents, predicted = config.hidden_size, config.ffn_size, [5, 16, 11], 9
    weights = {name: torch.randn(shape, requires_grad=True) for name, shape in {"qkv": (3 * h, h), "out": (h, h),
    "wi": (2 * f, h),
               "wo": (h, f), "dense": (h, h), "decoder": (96, h)}.items()}  # fmt: skip
    with FlopCounterMode(display=False) as counter:
        x = torch.randn(sum(documents), h, requires_grad=True)
        y = x
        for _ in range(config.num_layers):
            q, k, v = F.linear(y, weights["qkv"]).view(-1, 3, 4, h // 4).unbind(1)
            mixed = []
            for a, b, c in zip(q.split(documents), k.split(documents), v.split(documents), strict=True):
                scores = a.transpose(0, 1) @ b.permute(1, 2, 0)
                mixed.append((scores.softmax(-1) @ c.transpose(0, 1)).transpose(0, 1).reshape(-1, h))
            y = y + F.linear(torch.cat(mixed), weights["out"])
            gate, value = F.linear(y, weights["wi"]).chunk(2, -1)
            y = y + F.linear(F.gelu(gate) * value, weights["wo"])
        F.linear(F.linear(y[:predicted], weights["dense"]), weights["decoder"]).sum().backward()
    assert step_flops(config, documents, predicted) == counter.get_total_flops()


def test_local_layers_cost_their_window():
    config = EncoderConfig(num_layers=6, hidden_size=32, global_every=3, local_window=4)
    everywhere = EncoderConfig(num_layers=6, hidden_size=32, global_every=1)
    saved = step_flops(everywhere, [100], 0) - step_flops(config, [100], 0)
    assert saved == 3 * 4 * 32 * 4 * (attended_pairs([100]) - attended_pairs([100], 4))


def test_peaks_and_utilisation():
    assert peak_flops("NVIDIA H100 80GB HBM3", "bf16") == 9.895e14
    assert peak_flops("NVIDIA A100-SXM-64GB", "bf16") == 3.12e14
    assert peak_flops("NVIDIA A10", "bf16") == 1.25e14
    assert peak_flops("NVIDIA L40S", "fp32") == 9.16e13
    assert peak_flops("cpu", "bf16") is None
    assert utilisation(4e14, 2.0, 1e15, devices=2) == pytest.approx(0.1)
    assert utilisation(4e14, 2.0, None) is None
