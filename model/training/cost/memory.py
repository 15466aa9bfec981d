"""Memory of a GPU in a training step, part by part. The formulas are explained in docs/scaling.md and held to real nets
by tests."""

from dataclasses import dataclass, fields, replace

from conf.schema import Config, ParallelConfig
from model.training.cost.anatomy import Anatomy, anatomy
from model.training.cost.work import Layout, Span

RESERVE = 3e9
"""Bytes for the context of CUDA, NCCL's buffers, workspaces of cuBLAS and holes between blocks: assumed."""


@dataclass(frozen=True)
class Memory:
    """Bytes of one GPU at the fullest moment of a step."""

    parameters: float
    """Weights in the type of the forward pass."""
    gradients: float
    """Their sums, in fp32."""
    optimizer: float
    """Moments, and with bf16 master weights."""
    activations: float
    """What layers keep for the backward pass, of every micro-batch under way."""
    passing: float
    """The loss with its chunk of logits, or the gradients inside one layer, whichever is more; buffers of traffic."""
    reserve: float = RESERVE
    """See `RESERVE`."""

    @property
    def total(self) -> float:
        """All of it."""
        return sum(getattr(self, field.name) for field in fields(self))


def memory(config: Config, layout: Layout, span: Span, packs: int) -> Memory:
    """Memory of the fullest pipeline stage, with micro-batches of ``packs`` packs."""
    stages = {0, layout.parallel.pipeline - 1}  # the first keeps most micro-batches, the last has the head
    return max((_stage(config, layout, span, packs, stage) for stage in stages), key=lambda found: found.total)


def held(net: Anatomy, parallel: ParallelConfig, stage: int) -> tuple[int, int]:
    """(parameters, trained ones) that a rank of pipeline stage ``stage`` holds."""
    tensor, layers = parallel.tensor, net.layers // parallel.pipeline
    table = net.rows * net.hidden // tensor
    own = layers * (sum(projection.held(tensor) for projection in net.projections) + net.layer_norms(tensor))
    if stage == 0:
        own += table + net.before
    if stage == parallel.pipeline - 1:
        own += net.after + net.head_bias * net.rows // tensor
        own += (
            0 if net.tied and stage == 0 else table
        )  # the last stage has a copy of a table that is tied to the first's
    added = layers * sum(projection.added_held(tensor) for projection in net.projections)
    return own + added, added or own


def state_bytes(net: Anatomy, layout: Layout, stage: int) -> tuple[float, float, float]:
    """Bytes of (parameters, gradients, optimizer) on a rank of pipeline stage ``stage``."""
    parallel = layout.parallel
    parameters, trained = held(net, parallel, stage)
    share = layout.data if parallel.distributed_optimizer else 1
    return parameters * _size(parallel), 4 * trained, (12 if parallel.precision == "bf16" else 8) * trained / share


def layer_bytes(net: Anatomy, parallel: ParallelConfig) -> float:
    """Bytes that one layer keeps of one token until its backward pass, on one rank."""
    size, tensor = _size(parallel), parallel.tensor
    whole = (
        tensor if parallel.sequence else 1
    )  # what is whole on each tensor-parallel rank, unless cut along the sequence
    if parallel.recompute == "full":
        return size * net.hidden / whole
    queries, keys, ffn = net.queries / tensor, net.keys / tensor, net.ffn / tensor
    several = net.kv_heads > tensor
    # Where a rank has several groups of heads, the queries are copied out of the product that holds queries, keys and
    # values; a norm over all heads wants keys in one piece too.
    copied = (queries + keys) * several if net.qk_norm == "width" else queries * (several and net.heads > net.kv_heads)
    # Input and output of a norm before a branch; input of one behind it, and of a branch that has none before it.
    states = 2 * net.pre_norms + net.post_norms + (0 if net.pre_norms else 2)
    numbers = states * net.hidden / whole + (queries + 2 * keys) + queries + (3 if net.gated else 2) * ffn
    if parallel.recompute == "selective":
        numbers += copied  # the core is given queries and keys that are not rotated yet
        numbers += (queries + keys) if net.qk_norm else 0
    else:
        numbers += queries + keys + (copied if net.qk_norm else 0)
    statistics = net.norms / whole + net.heads * (parallel.recompute == "none") / tensor
    statistics += {"": 0, "head": (net.heads + net.kv_heads) / tensor, "width": 2}[net.qk_norm]
    low_rank = sum(projection.rank for projection in net.projections)
    return size * (numbers + low_rank) + 4 * statistics + net.dropouts * net.hidden / whole


def _stage(config: Config, layout: Layout, span: Span, packs: int, stage: int) -> Memory:
    net, parallel = anatomy(config.model), layout.parallel
    tokens, layers = packs * span.length, net.layers // parallel.pipeline
    under_way = min(parallel.pipeline - stage, layout.micro_batches(span, packs))
    return Memory(
        *state_bytes(net, layout, stage),
        activations=under_way * tokens * layers * layer_bytes(net, parallel),
        passing=_passing(config, net, parallel, tokens, span.predicted(config, packs), stage),
    )


def _passing(config: Config, net: Anatomy, parallel: ParallelConfig, tokens: int, predicted: int, stage: int) -> float:
    size, tensor, hidden = _size(parallel), parallel.tensor, net.hidden
    last = stage == parallel.pipeline - 1
    waits = 0.0
    if last and stage == 0 and net.tied and not net.added:
        waits = size * net.rows * hidden / tensor  # the head's gradient of the table waits for that of the embedding
    inside = size * tokens * ((4 if net.gated else 2) * net.ffn / tensor + 2 * hidden)
    if parallel.recompute == "full":
        inside += tokens * layer_bytes(net, replace(parallel, recompute="none"))
    buffers = size * tokens * hidden * (2 * parallel.sequence + 2 * (parallel.pipeline > 1))
    return buffers + max(waits + inside, loss_bytes(config, net, parallel, tokens, predicted) if last else 0.0)


def loss_bytes(config: Config, net: Anatomy, parallel: ParallelConfig, tokens: int, predicted: int) -> float:
    """Bytes of the head and the loss of one micro-batch, at their fullest moment."""
    size, rows = _size(parallel), net.rows / parallel.tensor
    states = 2 * size * tokens * net.hidden  # the last norm's input and output
    if not (positions := config.objective.logits_at_a_time(tokens)):
        return states + predicted * ((size + 4) * rows + 4 * size * net.hidden)  # logits, their softmax in fp32
    # See model/objectives/linear_cross_entropy.py: gradients of states and table come into being chunk by chunk, the
    # table's in fp32.
    chunk, table = positions * rows, 0 if net.added else rows * net.hidden
    if _size(parallel) == 4:  # the softmax takes the place of the logits
        return states + 4 * (tokens * net.hidden + chunk + table)
    softmax = 2 + 4 + 4  # logits; their softmax in fp32, while that of the chunk before is still there
    slopes = 2 + 4 + 2  # the softmax, and the gradient of the logits that is made of it
    return states + 2 * tokens * net.hidden + 4 * table + max(softmax * chunk, slopes * chunk + 2 * table)


def _size(parallel: ParallelConfig) -> int:
    """Bytes of one number of weights and states."""
    return 2 if parallel.precision == "bf16" else 4
