"""Families of nets, one record each: what schema, nets, conversion to Hugging Face and cost model read of them.

They stand beside the schema because a family is the value of a key, `model.architecture`: `conf.schema` may read them
here alone, and everything above may too. No PyTorch. A new family is a record, a YAML under conf/model, and a test of
its parity.
"""

from collections.abc import Mapping
from typing import Any

from conf.families.decoders import DECODERS
from conf.families.encoders import ENCODERS
from conf.families.record import DecoderFamily, Family, LayerKinds

__all__ = ["DECODERS", "ENCODERS", "FAMILIES", "MODEL_TYPES", "DecoderFamily", "Family", "LayerKinds", "family_in"]

FAMILIES: dict[str, Family] = {**ENCODERS, **DECODERS}
"""Value of `model.architecture` -> family."""
MODEL_TYPES: tuple[str, ...] = tuple(dict.fromkeys(family.model_type for family in FAMILIES.values()))
"""Values of `model_type` in config.json that can be read."""


def family_in(written: Mapping[str, Any]) -> Family | None:
    """Return the family that the content of a config.json is of; None where its `model_type` is that of no family.

    Several families may share a type (a Llama with biases and one without): the one whose fixed keys agree best counts.
    """
    candidates = [family for family in FAMILIES.values() if family.model_type == written.get("model_type")]
    return max(candidates, key=lambda family: family.agreement(written), default=None)
