import pytest

from common.disk import explained
from data_prep.endpoint.cache import SUFFIX, Cache, request_key


def test_answers_outlive_the_process_that_got_them(tmp_path):
    first, second = Cache(tmp_path), Cache(tmp_path)
    first.put("a", {"text": "bir\niki"})
    second.put("b", {"text": "üç"})
    first.put("c", {"text": ""})
    assert "b" not in first, "it was opened before"
    third = Cache(tmp_path)
    assert [third.get(key) for key in "abcd"] == [{"text": "bir\niki"}, {"text": "üç"}, {"text": ""}, None] and len(
        third
    ) == 3
    assert len(list(tmp_path.glob(f"*{SUFFIX}"))) == 2, "one file a process, none for one that only reads"
    assert third.get("a") == first.get("a")


@pytest.mark.parametrize("left", range(1, 40, 3))
def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path, left):
    cache = Cache(tmp_path)
    cache.put("a", {"text": "whole"})
    size = cache.mine.stat().st_size
    cache.put("b", {"text": "cut off"})
    cache.close()
    with cache.mine.open("r+b") as file:
        file.truncate(size + left)
    again = Cache(tmp_path)
    assert again.get("a") == {"text": "whole"} and again.get("b") is None
    again.put("b", {"text": "asked again"})
    assert Cache(tmp_path).get("b") == {"text": "asked again"}


def test_after_an_answer_that_did_not_fit_others_are_kept(tmp_path, file_limit):
    """Its first bytes are on disk, and no line may follow them."""
    cache = Cache(tmp_path)
    cache.put("a", {"text": "short"})
    with file_limit(1000), pytest.raises(OSError) as raised:
        cache.put("b", {"text": "long" * 1000})
    assert str(explained(raised.value)).startswith(str(tmp_path))
    cache.put("c", {"text": "short"})
    again = Cache(tmp_path)
    assert [again.get(key) for key in "abc"] == [{"text": "short"}, None, {"text": "short"}]


def test_the_key_is_of_the_whole_request():
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
    assert request_key(body) == request_key(dict(reversed(body.items())))
    assert len({request_key(body), request_key(body | {"max_tokens": 6}), request_key(body | {"model": "n"})}) == 3
