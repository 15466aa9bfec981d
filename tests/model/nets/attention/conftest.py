"""A started process (see above) that has chosen no backend yet."""

import pytest

from model.nets.attention.choice import choose


@pytest.fixture(autouse=True)
def fresh_choice():
    """Backends are chosen anew in each test."""
    choose.cache_clear()
    yield
    choose.cache_clear()
