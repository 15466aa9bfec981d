"""Shapes of nets as conf/model has them, read without Hydra, which a GPU machine may lack."""

from pathlib import Path

import yaml

from conf.schema import DecoderConfig, EncoderConfig

FOLDER = Path(__file__).parents[1] / "conf" / "model"


def net(name: str) -> EncoderConfig | DecoderConfig:
    """The net of ``model=<name>``, such as encoder/mursit_base."""
    values = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    del values["defaults"]  # which schema it is: here that is the folder
    return EncoderConfig(**values) if name.startswith("encoder/") else DecoderConfig(**values)
