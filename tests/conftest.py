"""What all tests share."""

import gc
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
    config.option.loadscopereorder = False  # xdist's own order has files of few tests last, however long they take


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files (marker cost) start first, so that no worker is left alone with one at the end."""
    costs: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("cost")
        costs[item.path] = max(costs.get(item.path, 0), marker.args[0] if marker else 0)
    items.sort(key=lambda item: -costs[item.path])


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays: the packages, and the tests themselves."""
    gc.collect()
    gc.freeze()


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
