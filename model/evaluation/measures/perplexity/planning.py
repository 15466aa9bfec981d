"""Perplexity before there is a checkpoint: the texts, and what could only fail."""

from pathlib import Path
from typing import Any

from common.errors import UserError, suggestion
from conf.schema import Config
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.planning import Coming
from model.evaluation.measures.perplexity.inputs import SharedTexts, digests_of_sets, sets
from model.evaluation.measures.perplexity.texts import text_files

EMPTY = "evaluation.domain and evaluation.general are empty"


class PerplexityPlanning(Measure):
    """The hooks that know the configuration alone."""

    name = "perplexity"
    shared: SharedTexts

    @classmethod
    def asked(cls, config: Config) -> bool:
        """See `Measure`."""
        return bool(sets(config.evaluation))

    @classmethod
    def wanted(cls, config: Config, decoder: bool) -> bool:
        """See `Measure`."""
        if cls.asked(config) and not decoder:
            key = next(key for key in ("domain", "general") if getattr(config.evaluation, key))
            raise UserError(f"evaluation.{key} is measured of decoders, and this net is an encoder; leave it empty")
        return cls.asked(config)

    @classmethod
    def lacking(cls, config: Config) -> str:
        """See `Measure`."""
        return EMPTY

    @classmethod
    def told(cls, config: Config) -> str:
        """See `Measure`."""
        return f"the texts {', '.join(sets(config.evaluation))}"

    @classmethod
    def needs(cls, config: Config) -> dict[str, str]:
        """See `Measure`."""
        return {f"evaluation.{role}.{name}": path for name, (role, path) in sets(config.evaluation).items()}

    @classmethod
    def check_files(cls, config: Config, coming: Coming) -> None:
        """Raise UserError for a text that cannot be read."""
        for key, path in cls.needs(config).items():
            if not coming(path):
                text_files(path, key)

    @classmethod
    def depends(cls, config: Config) -> dict[str, Any]:
        """See `Measure`."""
        return {"texts": digests_of_sets(config.evaluation)}

    @classmethod
    def metric_names(cls, config: Config) -> list[str]:
        """See `Measure`."""
        return [f"perplexity/{name}" for name in sets(config.evaluation)]

    @classmethod
    def check_metric(cls, config: Config, metric: str) -> None:
        """Raise UserError, with a suggestion, for a text that is not named."""
        texts, asked = list(sets(config.evaluation)), metric.partition("/")[2]
        if asked not in texts:
            there = f"it takes perplexity/ and one of {', '.join(texts)}" if texts else EMPTY
            raise UserError(f"sweep.metric={metric} is unknown; {there}{suggestion(asked, texts)}")

    @classmethod
    def share(cls, config: Config, tokenizer_file: Path) -> SharedTexts:
        """The texts, tokenised when the first checkpoint asks."""
        return SharedTexts(config, tokenizer_file)
