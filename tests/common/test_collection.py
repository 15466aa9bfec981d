"""Collections of garbage around a start."""

import gc

import pytest

from common.collection import settle, without_collection


@pytest.fixture(autouse=True)
def unfrozen():
    yield
    gc.unfreeze()
    gc.enable()


def test_none_within_a_start_and_again_after_it():
    with without_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_again_where_the_start_is_refused():
    @without_collection()
    def start():
        assert not gc.isenabled()
        raise ValueError

    with pytest.raises(ValueError):
        start()
    assert gc.isenabled()


def test_what_a_start_made_is_kept_out_of_later_collections():
    with without_collection():
        made = [[] for _ in range(1000)]
        settle()
        assert gc.isenabled() and gc.get_freeze_count() > len(made)
        gc.collect()
        assert made and not any(kept is made for kept in gc.get_objects())
