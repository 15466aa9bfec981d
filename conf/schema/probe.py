"""Group `probe` and section `sweep`: retrieval measured at every checkpoint."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import ArraySize, ArrayTask, Count, Few, LearningRate, Positive, Range, Ratio, Seed


@dataclass
class ProbeConfig:
    """The fixed, short contrastive step and the retrieval evaluation of one checkpoint (after arXiv 2601.16018,
    checkpoint selection)."""

    depth: str = choice("head", "full")
    """head trains a linear map on frozen readouts; full fine-tunes the encoder as well."""
    readout: str = choice("cat", "last", "cls", "emb")
    """last (mean of the last layer), cls, emb (mean of the embedding layer) or cat ([emb ; last])."""
    beside: list[str] = field(default_factory=list)
    """Further readouts measured at depth head and shown beside, from the same encoding: any of last, cls, emb, cat."""
    whiten: bool = True
    """Centre and PCA-whiten the readout with statistics of the training documents."""
    whiten_eps: Ratio = 0.01
    """Added to the eigenvalues, in units of their mean."""
    pairs: Annotated[int, Range(2)] = 4000
    """Training pairs, drawn once with `seed`."""
    steps: Count = 300
    """Contrastive steps."""
    batch: Annotated[int, Range(2)] = 256
    """Pairs per step; the other documents of the batch are the negatives."""
    lr: LearningRate = 3e-4
    """Peak learning rate of AdamW, decayed linearly to 0."""
    temperature: Annotated[float, Range(0, 100, above=True)] = 0.05
    """Temperature of InfoNCE on cosine similarities."""
    query_tokens: Positive = 32
    """Queries are cut after this many tokens."""
    train_document_tokens: Positive = 64
    """Training documents are cut after this many tokens."""
    document_tokens: Positive = 96
    """Documents of the corpus are cut after this many tokens."""
    max_queries: Count = 0
    """Evaluate on at most this many queries per split (drawn once with `seed`); 0 for all."""
    tokens_per_batch: Positive = 4096
    """Tokens per forward pass while encoding."""
    seed: Seed = 0
    """Seed of pairs, batches and the head."""


@dataclass
class ProbeClusterConfig:
    """What a probe, one process on one node, asks for where that differs from the training; null takes the key of
    `cluster`."""

    partition: str | None = None
    """SLURM partition."""
    qos: str | None = None
    """Quality of service."""
    time: str | None = None
    """Time limit of a probe."""
    gpus_per_node: Few | None = None
    """GPUs; null takes one where the training has any."""
    cpus_per_task: Annotated[int, Range(1, 10_000)] | None = None
    """CPU cores."""
    mem: str | None = None
    """Memory."""


@dataclass
class SweepConfig:
    """Probes over the checkpoints of one or several runs: retrieval, and what section `evaluation` names."""

    trigger: str = choice("manual", "on_save", "after")
    """Who starts the probes of a training's checkpoints. manual: you, with jobs.sweep. on_save: the training, an array
    task for each fresh probe checkpoint, and the report when it has finished. after: the training when it has finished,
    an array task for each checkpoint, then the report. With cluster=local, on_save and after both run jobs.sweep in a
    process of its own when the training has finished."""
    cluster: ProbeClusterConfig = field(default_factory=ProbeClusterConfig)
    """What the probes that a training starts ask for."""
    run: str = "${run_dir}"
    """Folder of the run whose checkpoints are probed."""
    runs: list[str] = field(default_factory=list)
    """Folders of several runs, globs allowed, instead of `run`: each is probed, and one report compares them, seeds
    taken together."""
    report: str | None = None
    """Folder of the report over `runs`; null for comparison/ below the folder that holds them all."""
    metric: str = "dev/ndcg@10"
    """Scalar that decides the `best` checkpoint: split/metric of retrieval; perplexity/<name of a text>, where less is
    better; or task/<task>/<metric>. Of decoders without a retrieval set the default is the perplexity of the first text
    of the domain."""
    bm25: bool = True
    """Measure BM25 on the same queries and documents and show it beside."""
    bm25_prefix: Few = 0
    """Cut words to this many letters for BM25, a crude stemmer for agglutinating languages (5 for Turkish); 0 takes
    whole words."""
    budgets: list[Count] = field(default_factory=list)
    """Numbers of contrastive steps to probe with besides `probe.steps`, to see how few keep the ranking of the
    checkpoints. Seconds a checkpoint at probe.depth=head, which encodes once for all of them; at full each is a whole
    probe more."""
    bootstrap: Annotated[int, Range(0, 1_000_000)] = 2000
    """Resamples in every bootstrap; 0 for no intervals."""
    array_size: ArraySize = 1
    """Number of array tasks that share the checkpoints of each run."""
    array_task: ArrayTask | None = None
    """Probe the checkpoints of this array task alone, and choose and report nothing; set for the array tasks of an
    array."""
    step: Count | None = None
    """Probe the checkpoint of this step alone, and choose and report nothing; set for the probes that a training
    starts."""
    force: bool = False
    """Probe again the checkpoints that have a result."""
    retry_failed: bool = True
    """Probe again the checkpoints whose array task of its own gave up; without it they are reported as missing, with
    the reason."""
