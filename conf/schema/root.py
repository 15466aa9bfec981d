"""The whole configuration; each job reads the sections it needs."""

from dataclasses import dataclass, field

from common.layout import best_checkpoint
from conf.schema.cluster import ClusterConfig
from conf.schema.corpus import CorpusConfig
from conf.schema.data import DataConfig, PrepareConfig, TokenizerConfig
from conf.schema.endpoint import OcrConfig, RecycleConfig
from conf.schema.evaluation import EvaluationConfig
from conf.schema.fetch import FetchConfig
from conf.schema.hardware import HardwareConfig
from conf.schema.merge import MergeConfig
from conf.schema.mixture import MixtureConfig
from conf.schema.model import MODELS, AutoConfig, EncoderConfig, ModelConfig
from conf.schema.objective import OBJECTIVES, MlmConfig, ObjectiveConfig
from conf.schema.optim import OptimConfig
from conf.schema.parallel import ParallelConfig
from conf.schema.phase import PhaseConfig
from conf.schema.pipeline import PipelineConfig
from conf.schema.probe import ProbeConfig, SweepConfig
from conf.schema.quality import QualityConfig, TopicsConfig
from conf.schema.quickstart import QuickstartConfig
from conf.schema.ranges import Ratio, Seed
from conf.schema.split import SplitConfig
from conf.schema.status import StatusConfig
from conf.schema.tracking import TrackingConfig
from conf.schema.train import TrainConfig


@dataclass
class ExportConfig:
    """What `jobs.export` writes."""

    checkpoint: str = best_checkpoint("${sweep.run}")
    """Checkpoint to export; its hf/ half is used where it has one, else it is made from the Megatron half."""
    output: str = "${sweep.run}/export"
    """Folder to write: weights, config, tokenizer, model card, sentence-transformers modules."""
    language: list[str] = field(default_factory=list)
    """Languages for the model card, as codes such as tr; empty: those of the corpora that the training read, else those
    of the base model."""
    license: str | None = None
    """License for the model card, as the hub calls it (apache-2.0, cc-by-4.0, other); null: that of the base model's
    card, where one states it."""
    base_model: str | None = None
    """Name on the hub of the model that training started from (org/name), for the model card; null: that of
    `train.init_from` where it was mirrored by jobs.fetch."""
    datasets: list[str] = field(default_factory=list)
    """Data sets of the hub for the model card, beside those that the training read by name."""


@dataclass
class Config:
    """Root of the configuration."""

    name: str = "unnamed"
    """Name of the experiment: its folder under `runs_dir` and under data/."""
    seed: Seed = 0
    """Seed of initial weights, masking, dropout and data order."""
    runs_dir: str = "runs"
    """Folder of the run folders."""
    run: str = "seed_${seed}"
    """Name of the run; in a multirun, where it is not given, the swept keys and their values."""
    point: str = ""
    """Set in a multirun: the swept keys and their values in full, where `run`, which has to be the name of a folder,
    may be cut short."""
    run_dir: str = "${runs_dir}/${name}/${run}"
    """Run folder of `jobs.train`."""
    dry_run: bool = False
    """Print what would be done, and check what can be checked, without doing it."""
    plan: bool = False
    """`jobs.train`: estimate memory and time on `hardware`, and propose a layout, instead of training."""
    data: DataConfig = field(default_factory=DataConfig)
    """Inputs, tokenizer, tokens, retrieval set."""
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    """From raw text to kept documents."""
    quality: QualityConfig = field(default_factory=QualityConfig)
    """The quality classifier."""
    topics: TopicsConfig = field(default_factory=TopicsConfig)
    """The topic classifier."""
    ocr: OcrConfig = field(default_factory=OcrConfig)
    """Scanned pages."""
    recycle: RecycleConfig = field(default_factory=RecycleConfig)
    """Rewriting by an LLM."""
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    """What a model reads."""
    phases: dict[str, PhaseConfig] = field(default_factory=dict)
    """Phases of a training in their order; empty: one, by `data.tokens` and `train.steps` or `train.tokens`."""
    budget: Ratio = 1.0
    """Multiplies the token budgets of all phases."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """Text that is held out."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """Tokenizer training."""
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    """Tokenisation."""
    model: ModelConfig = field(default_factory=EncoderConfig, metadata={"kinds": MODELS, "open": AutoConfig})
    """The net."""
    objective: ObjectiveConfig = field(default_factory=MlmConfig, metadata={"kinds": OBJECTIVES})
    """What is minimised."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimizer and schedule."""
    parallel: ParallelConfig = field(default_factory=ParallelConfig)
    """Layout over ranks."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """The training loop."""
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """The probe."""
    sweep: SweepConfig = field(default_factory=SweepConfig)
    """Probes over checkpoints."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """Perplexity and tasks at every checkpoint."""
    merge: MergeConfig = field(default_factory=MergeConfig)
    """Averages of checkpoints."""
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    """What `plan=true` plans for."""
    export: ExportConfig = field(default_factory=ExportConfig)
    """Export to Hugging Face."""
    quickstart: QuickstartConfig = field(default_factory=QuickstartConfig)
    """Corpus of the quickstart."""
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    """Jobs one after the other."""
    fetch: FetchConfig = field(default_factory=FetchConfig)
    """Mirror of the hub, and wheels."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """Where array tasks run."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """Trackers beside TensorBoard."""
    status: StatusConfig = field(default_factory=StatusConfig)
    """What `jobs.status` shows."""
