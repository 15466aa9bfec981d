"""From section `objective` to an objective."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conf.schema import CausalConfig, Config

if TYPE_CHECKING:
    from model.objectives.causal import Causal
    from model.objectives.mlm import Mlm

    Objective = Mlm | Causal


def build_objective(config: Config, sources: Sequence[str] = ()) -> "Objective":
    """The objective of ``config``. ``sources``: names that losses are told by."""
    if isinstance(config.objective, CausalConfig):
        from model.objectives.causal import Causal

        return Causal(config.objective, config.model.vocab_size, sources)
    from model.objectives.mlm import Mlm

    return Mlm(config.objective, config.data.tokenizer, config.seed)
