"""Retrieval before there is a checkpoint: what it reads, which metrics it has, what could only fail."""

from pathlib import Path
from typing import Any

from common.errors import UserError
from common.retrieval.load import check_retrieval, digest_retrieval, load_retrieval
from conf.schema import Config, ModelConfig
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.planning import Coming
from model.evaluation.measures.retrieval.metrics import METRICS, parse_metric
from model.evaluation.measures.retrieval.settings import (
    budgets,
    check_lengths,
    check_readouts,
    readouts,
    settings_digest,
)
from model.evaluation.measures.retrieval.shared import SharedRetrieval


class RetrievalPlanning(Measure):
    """The hooks that know the configuration alone."""

    name = "retrieval"
    prefixes = ("dev", "test")
    shared: SharedRetrieval

    @classmethod
    def asked(cls, config: Config) -> bool:
        """See `Measure`."""
        return Path(config.data.retrieval).exists()

    @classmethod
    def wanted(cls, config: Config, decoder: bool) -> bool:
        """Of every encoder, and of a decoder where `data.retrieval` exists."""
        return not decoder or cls.asked(config)

    @classmethod
    def lacking(cls, config: Config) -> str:
        """See `Measure`."""
        return f"data.retrieval={config.data.retrieval} does not exist"

    @classmethod
    def told(cls, config: Config) -> str:
        """See `Measure`."""
        return config.data.retrieval

    @classmethod
    def needs(cls, config: Config) -> dict[str, str]:
        """See `Measure`."""
        return {"data.retrieval": config.data.retrieval}

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise UserError for settings that no probe can use."""
        check_readouts(readouts(config.probe))
        budgets(config)

    @classmethod
    def check_files(cls, config: Config, coming: Coming) -> None:
        """Raise UserError for a retrieval set that no probe can use."""
        if coming(config.data.retrieval):
            return
        if not cls.asked(config):
            raise UserError(f"{cls.lacking(config)}; make it first, or set data.retrieval to another")
        check_retrieval(config.data.retrieval)

    @classmethod
    def read(cls, config: Config) -> None:
        """See `Measure`."""
        load_retrieval(config.data.retrieval, config.probe.seed, config.data.max_document_bytes or None)

    @classmethod
    def cost(cls, config: Config) -> str:
        """Of `sweep.budgets`."""
        if not config.sweep.budgets:
            return ""
        each = "each fine-tunes the encoder anew and costs a whole probe of that many steps"
        if config.probe.depth == "head":
            each = "heads alone, from the same encoding"
        return f"would probe each with {len(budgets(config)) - 1} other numbers of steps: {each}"

    @classmethod
    def check_net(cls, config: Config, net: ModelConfig) -> None:
        """Raise UserError where the probe reads longer texts than the net can."""
        check_lengths(config.probe, net.max_positions)

    @classmethod
    def depends(cls, config: Config) -> dict[str, Any]:
        """See `Measure`."""
        return {"probe": settings_digest(config.probe), "retrieval": digest_retrieval(config.data.retrieval)}

    @classmethod
    def metric_names(cls, config: Config) -> list[str]:
        """See `Measure`."""
        return [f"{split}/{metric}" for split in cls.prefixes for metric in METRICS]

    @classmethod
    def check_metric(cls, config: Config, metric: str) -> None:
        """Raise UserError, with a suggestion, for a name that no result has."""
        parse_metric(metric)

    @classmethod
    def share(cls, config: Config, tokenizer_file: Path) -> SharedRetrieval:
        """The retrieval set, tokenised when the first probe asks."""
        return SharedRetrieval(config, tokenizer_file)
