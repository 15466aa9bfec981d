"""Arithmetic of one step, counted from the net's shape and the real lengths of the documents."""

from collections.abc import Iterable

import numpy as np

from conf.schema import EncoderConfig

# Dense peak of one device in FLOP/s (vendors' data sheets, without sparsity): matrix units in bf16, plain units in fp32.
# The first name that occurs in the device's name counts, so narrower names come first.
PEAKS = {
    "B200": (2.25e15, 7.5e13),
    "GH200": (9.895e14, 6.7e13),
    "H200": (9.895e14, 6.7e13),
    "H100 NVL": (8.355e14, 6.0e13),
    "H100 PCIe": (7.565e14, 5.1e13),
    "H100": (9.895e14, 6.7e13),
    "A100": (3.12e14, 1.95e13),
    "A40": (1.497e14, 3.74e13),
    "A10": (1.25e14, 3.12e13),
    "L40S": (3.62e14, 9.16e13),
    "L40": (1.81e14, 9.05e13),
    "L4": (1.21e14, 3.03e13),
    "MI300X": (1.3074e15, 1.634e14),
    "MI250X": (1.915e14, 2.39e13),  # one of its two dies, which is what a process sees
}


def attended_pairs(lengths: Iterable[int], window: int | None = None) -> int:
    """Query-key pairs over documents of ``lengths`` [n]; with ``window`` only those at most window / 2 apart, both sides and itself.

    A document of n tokens has n^2 pairs; with h = window / 2 and n > h it has n (2h + 1) - h (h + 1).
    """
    n = np.asarray(list(lengths), dtype=np.int64)
    if window is None:
        return int((n * n).sum())
    h = window // 2
    return int(np.where(n > h, n * (2 * h + 1) - h * (h + 1), n * n).sum())


def step_flops(config: EncoderConfig, lengths: Iterable[int], predicted: int) -> int:
    """Floating-point operations of forward and backward over documents of ``lengths`` with ``predicted`` masked positions.

    With T = sum(lengths), H = hidden_size, F = ffn_size, V = vocab_size, M = predicted, and a multiply-add as 2 operations, forward is

        layers     2 T (4 H^2 + 3 H F)     each: query, key, value and output projection; gated feed-forward (2 H F in, F H out)
        attention  4 H P                   each: scores and weighted values over P attended pairs, of whole documents in global layers,
                                           within the window in local ones
        head       2 M (H^2 + H V)         dense and decoder, at masked positions only

    and training is three times that (backward has two products for each of forward's). Embedding look-ups, norms, activations, softmax
    and recomputation are not counted, so this is the work of the model, not of the machine.
    """
    n = np.asarray(list(lengths), dtype=np.int64)
    h, tokens = config.hidden_size, int(n.sum())
    global_layers = -(-config.num_layers // config.global_every)
    local_layers = config.num_layers - global_layers
    layers = config.num_layers * 2 * tokens * (4 * h * h + 3 * h * config.ffn_size)
    attention = 4 * h * (global_layers * attended_pairs(n) + local_layers * attended_pairs(n, config.local_window))
    head = 2 * predicted * (h * h + h * config.vocab_size)
    return 3 * (layers + attention + head)


def parameter_count(config: EncoderConfig) -> int:
    """Parameters of the net: embedding, layers without biases (layer 0 without its first norm), norms, head, decoder bias."""
    h, layers = config.hidden_size, config.num_layers
    per_layer = 4 * h * h + 3 * h * config.ffn_size + 2 * h
    embeddings = config.vocab_size * h * (1 if config.tie_embeddings else 2) + config.vocab_size
    return embeddings + layers * per_layer - h + 2 * h + h * h + h  # embedding norm and final norm; the head's dense and its norm


def peak_flops(device_name: str, precision: str) -> float | None:
    """Dense peak of a device in FLOP/s at ``fp32`` or ``bf16``; None for a CPU or a device that is not in the table."""
    for name, (bf16, fp32) in PEAKS.items():
        if name in device_name:
            return bf16 if precision == "bf16" else fp32
    return None


def utilisation(flops: float, seconds: float, peak: float | None, devices: int = 1) -> float | None:
    """Model FLOP/s over the peak of all devices (MFU, arXiv 2204.02311, appendix B); None where the peak is not known."""
    return flops / seconds / (peak * devices) if peak else None
