"""GPUs that a plan can be made for: what their makers' and sites' public pages say, and the share of the peak that is
assumed."""

from dataclasses import dataclass

from common.errors import UserError, suggestion
from model.training.cost.flops import peak_flops


@dataclass(frozen=True)
class Machine:
    """One GPU, as a process sees it, and its links."""

    memory: float
    """Bytes."""
    bandwidth: float
    """Bytes a second to and from its memory."""
    inside: float
    """Bytes a second, one way, to the GPUs of the same node together."""
    between: float
    """Likewise to other nodes, where every GPU of a node sends at once."""
    mfu: float
    """Share of the dense peak that the net's arithmetic reaches while it computes."""
    source: str
    """Where that share is from."""


_HOPPER = "assumed; Megatron-LM's README reports 41 to 48% on H100, traffic included"
_AMPERE = "assumed; arXiv 2205.05198, table 5: 42 to 56% on A100, traffic included"

# Memory, its bandwidth and links inside a node: the data sheets of H100, H200, A100, GH200 (nvidia.com), MI250X
# (amd.com), and the pages of sites. NVLink 4 and 3 are 900 and 600 GB/s both ways, so half of that one way. Between
# nodes: the ports of a node over its GPUs.
MACHINES = {
    # MareNostrum 5 ACC (bsc.es/supportkc): HBM2e, four ports of 200 Gb/s a node of four; bandwidth as the H100's with
    # HBM2e.
    "H100-64GB": Machine(64e9, 2.0e12, 4.5e11, 2.5e10, 0.45, _HOPPER),
    # H100 SXM in a DGX H100: a port of 400 Gb/s for each GPU; H200 alike.
    "H100-80GB": Machine(80e9, 3.35e12, 4.5e11, 5.0e10, 0.45, _HOPPER),
    "H200-141GB": Machine(141e9, 4.8e12, 4.5e11, 5.0e10, 0.45, _HOPPER),
    # A100 SXM in a DGX A100: a port of 200 Gb/s for each GPU.
    "A100-40GB": Machine(40e9, 1.555e12, 3.0e11, 2.5e10, 0.45, _AMPERE),
    # Leonardo Booster (leonardo-supercomputer.cineca.eu): HBM2, 400 Gb/s a node of four.
    "A100-64GB": Machine(64e9, 1.64e12, 3.0e11, 1.25e10, 0.45, _AMPERE),
    "A100-80GB": Machine(80e9, 2.039e12, 3.0e11, 2.5e10, 0.45, _AMPERE),
    # GH200 with HBM3, four to a node and a port of 200 Gb/s for each.
    "GH200-96GB": Machine(96e9, 4.0e12, 4.5e11, 2.5e10, 0.45, _HOPPER),
    # One die of two, which is what a process sees; eight to a node of LUMI-G (docs.lumi-supercomputer.eu), which has
    # four ports of 200 Gb/s; a ring through a node is as fast as its slowest link, 50 GB/s one way.
    "MI250X": Machine(
        64e9, 1.6e12, 5.0e10, 1.25e10, 0.35, "assumed; arXiv 2312.12705 reports 32 to 38% on MI250X, traffic included"
    ),
}


def machine(gpu: str) -> Machine:
    """The GPU that `hardware.gpu` names. Raises UserError for one that is not known."""
    if gpu not in MACHINES:
        raise UserError(
            f"hardware.gpu={gpu} is not known; take one of {', '.join(MACHINES)}{suggestion(gpu, MACHINES)}"
        )
    return MACHINES[gpu]


def peak(gpu: str, precision: str) -> float:
    """Dense peak of one GPU in FLOP/s."""
    found = peak_flops(gpu, precision)
    assert found is not None  # every name above begins with one of its table
    return found
