"""Arithmetic of one step, counted from the net's shape and the real lengths of the documents."""

from collections.abc import Iterable
from dataclasses import dataclass

from conf.schema import ModelConfig
from model.training.cost.anatomy import anatomy, whole_numbers

# Dense peak of one device in FLOP/s (vendors' data sheets, without sparsity): matrix units in bf16, plain units in
# fp32. The first name that occurs in the device's name counts, so narrower names come first.
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


@dataclass(frozen=True)
class Forward:
    """Floating-point operations of one forward pass."""

    layers: int
    """Products with the weights of all layers."""
    added: int
    """Products with low-rank matrices; where there are any, they alone are learnt."""
    attention: int
    """Scores and weighted values of all layers."""
    head: int
    """Logits, and what comes before them."""

    @property
    def backward(self) -> int:
        """The backward pass: two products for each, of the weights' gradient and the inputs'; weights that are not
        learnt have none."""
        own = 1 if self.added else 2
        return own * (self.layers + self.head) + 2 * (self.added + self.attention)

    @property
    def whole(self) -> int:
        """Forward."""
        return self.layers + self.added + self.attention + self.head


def forward_flops(config: ModelConfig, lengths: Iterable[int], predicted: int) -> Forward:
    """The forward pass over documents of ``lengths``, see `step_flops`."""
    net, n = anatomy(config), whole_numbers(lengths)
    tokens = int(n.sum())
    return Forward(
        layers=2 * tokens * net.layers * net.weights,
        added=2 * tokens * net.layers * net.added,
        attention=4 * net.queries * net.pairs(n),
        head=2 * predicted * (net.head_weights + net.hidden * net.vocab),
    )


def step_flops(config: ModelConfig, lengths: Iterable[int], predicted: int) -> int:
    """Floating-point operations of forward and backward over documents of ``lengths`` with ``predicted`` positions in
    the loss.

    With T = sum(lengths), H = hidden_size, q and k the widths of all heads of queries and of keys, F = ffn_size, V =
    vocab_size, M = predicted, and a multiply-add as 2 operations, forward is

        layers     2 T (H (q + 2 k) + q H + 3 H F)    each: query, key, value and output projection; gated feed-forward
                                                      (2 H F in, F H out; Phi has no gate: 2 H F in all)
        attention  4 q P            each: scores and weighted values over P attended pairs: whole documents or a window,
                                                      both sides (encoder) or what is before (decoder)
        head       2 M H V                  at predicted positions only; the encoder's has a dense layer before, 2 M H^2

    and training is three times that (backward has two products for each of forward's). Where low-rank matrices are
    learnt, the net itself has no gradient of its weights: its products count twice, and those of the matrices, 2 T r
    (in + out) each, three times. Embedding look-ups, norms, activations, softmax and recomputation are not counted, so
    this is the work of the model, not of the machine."""
    forward = forward_flops(config, lengths, predicted)
    return forward.whole + forward.backward


def parameter_count(config: ModelConfig) -> int:
    """Parameters of the net as it is exported (without rows that fill the table), and those of its low-rank
    matrices."""
    net = anatomy(config)
    return net.parameters + net.layers * net.added


def trained_count(config: ModelConfig) -> int:
    """Parameters that are learnt: the low-rank matrices where there are any, else all."""
    net = anatomy(config)
    return net.layers * net.added or net.parameters


def peak_flops(device_name: str, precision: str) -> float | None:
    """Dense peak of a device in FLOP/s at ``fp32`` or ``bf16``; None for a CPU or a device that is not in the table."""
    for name, (bf16, fp32) in PEAKS.items():
        if name in device_name:
            return bf16 if precision == "bf16" else fp32
    return None


def utilisation(flops: float, seconds: float, peak: float | None, devices: int = 1) -> float | None:
    """Model FLOP/s over the peak of all devices (MFU, arXiv 2204.02311, appendix B); None where the peak is not
    known."""
    return flops / seconds / (peak * devices) if peak else None
