"""What all tests share."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests import session
from tests.dev_cluster import cluster as cluster

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def pytest_configure(config: pytest.Config) -> None:
    session.begin(config)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real text and retrieval sets, named by TERZI_DATA."""
    folder = os.environ.get("TERZI_DATA")
    if not folder:
        pytest.skip("needs real text: set TERZI_DATA to the folder with tr_legal/, retrieval/, ...")
    if not Path(folder).is_dir():
        pytest.fail(f"TERZI_DATA={folder} is not a folder")
    return Path(folder)


@pytest.fixture
def file_limit() -> Callable[[int], AbstractContextManager[None]]:
    """``with file_limit(1000):`` no file grows beyond so many bytes, which fails as on a full disk (File too large)."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        former = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, former)

    return limited
