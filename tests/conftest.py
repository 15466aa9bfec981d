"""What all tests share."""

import os
from pathlib import Path

import pytest

from tests.dev_cluster import cluster as cluster

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real text and retrieval sets, named by TERZI_DATA."""
    folder = os.environ.get("TERZI_DATA")
    if not folder:
        pytest.skip("needs real text: set TERZI_DATA to the folder with tr_legal/, retrieval/, ...")
    if not Path(folder).is_dir():
        pytest.fail(f"TERZI_DATA={folder} is not a folder")
    return Path(folder)
