import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from data_prep.topics.caps import capped, choose


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3000), min_size=1), st.sampled_from([0.2, 0.25, 0.4, 0.5, 1.0]))
def test_no_topic_is_above_its_cap_and_no_smaller_cut_would_do(sizes, cap):
    try:
        kept = capped(sizes, {"a": cap}, 0.6)
    except UserError:
        assert sum(sizes.values()) and sum(min({"a": cap}.get(topic, 0.6), 1) for topic, size in sizes.items() if size) < 2
        return
    total = sum(kept.values())
    for topic, size in kept.items():
        assert 0 <= size <= sizes[topic] and size <= (cap if topic == "a" else 0.6) * total + 1e-9
        if size < sizes[topic]:  # it stands at its cap: one more would be too many
            assert size + 1 > (cap if topic == "a" else 0.6) * total - 1e-9


def test_without_caps_all_stay():
    assert capped({"a": 10, "b": 1}, {}) == {"a": 10, "b": 1} and choose([], [], {}) == []


def test_caps_that_cannot_be_met():
    with pytest.raises(UserError, match="together they are below 1"):
        capped({"a": 100, "b": 100}, {}, 0.3)


def test_which_documents_stay_depends_on_their_ids_alone():
    ids = [f"d{n}" for n in range(1000)]
    topics = ["a" if n < 800 else "bc"[n % 2] for n in range(1000)]
    kept = choose(ids, topics, {"a": 0.5})
    assert Counter(topic for topic, stays in zip(topics, kept, strict=True) if stays) == capped(Counter(topics), {"a": 0.5})
    assert sum(kept) == 400 and sum(kept) + kept.count(False) == 1000
    order = random.Random(1).sample(range(1000), 1000)
    again = choose([ids[n] for n in order], [topics[n] for n in order], {"a": 0.5})
    assert [kept[n] for n in order] == again
