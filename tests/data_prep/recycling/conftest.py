"""A real classifier, learnt in a moment: it need not be good."""

from dataclasses import replace

import pytest

from conf.schema.data import DataConfig
from conf.schema.quality import QualityConfig
from data_prep.quality.build import build
from data_prep.text.language import load_language
from tests.data_prep.quality.small import config as config


@pytest.fixture(scope="session")
def classifier(config, tmp_path_factory) -> QualityConfig:
    """Its section of the configuration."""
    quick = replace(config, model=str(tmp_path_factory.mktemp("quick") / "model"), documents=240)
    build(quick, DataConfig(), load_language("en"), 0, {"settings": {}, "inputs": {}}, 30)
    return quick
