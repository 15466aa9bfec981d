"""From section `objective` to an objective."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.errors import UserError
from conf.schema import CausalConfig, Config, DecoderConfig

if TYPE_CHECKING:
    from model.objectives.causal import Causal
    from model.objectives.mlm import Mlm

    Objective = Mlm | Causal


def build_objective(config: Config, sources: Sequence[str] = ()) -> "Objective":
    """The objective of ``config``. ``sources``: names that losses are told by. Raises UserError where net and objective do not fit."""
    causal, decoder = isinstance(config.objective, CausalConfig), isinstance(config.model, DecoderConfig)
    if causal != decoder:
        fitting = "causal" if decoder else "mlm"
        raise UserError(
            f"objective={config.objective.kind} does not fit model.architecture={config.model.architecture}; set objective={fitting}"
        )
    if causal:
        from model.objectives.causal import Causal

        return Causal(config.objective, config.model.vocab_size, sources)
    from model.objectives.mlm import Mlm

    return Mlm(config.objective, config.data.tokenizer, config.seed)
