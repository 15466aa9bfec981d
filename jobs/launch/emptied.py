"""``phases={}`` on a command line: the named entries that a YAML gave go. Hydra merges, so that to it an empty mapping
says nothing."""

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


def empty_sections(composed: DictConfig, overrides: Sequence[Override]) -> None:
    """Empty each mapping of names that an override gives as ``{}``, and give the entries that later overrides name in
    it again."""
    for number, override in enumerate(overrides):
        if override.is_sweep_override() or override.is_delete():
            continue
        for key in _empty_in(override.key_or_group, override.value()):
            known = OmegaConf.select(composed, key)
            if known and OmegaConf.get_type(known) is dict:
                OmegaConf.update(composed, key, {}, merge=False)
                for later in overrides[number + 1 :]:
                    if f"{later.key_or_group}.".startswith(f"{key}."):
                        OmegaConf.update(composed, later.key_or_group, later.value(), merge=True, force_add=True)


def _empty_in(key: str, value: Any) -> Iterator[str]:
    """Dotted keys of the empty mappings in ``value``."""
    if isinstance(value, dict):
        if not value:
            yield key
        for name, one in value.items():
            yield from _empty_in(f"{key}.{name}", one)
