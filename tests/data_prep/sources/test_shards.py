import json

from hypothesis import given, settings
from hypothesis import strategies as st

from conf.schema.data import DataConfig
from data_prep.sources.readers import Span, read_documents
from data_prep.sources.shards import groups, plan_shards


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=6), st.integers(1, 200))
def test_shards_hold_every_document_once_in_order(tmp_path_factory, files, shard_bytes):
    folder = tmp_path_factory.mktemp("plan")
    paths = []
    for number, sizes in enumerate(files):
        paths.append(folder / f"{number}.jsonl")
        paths[-1].write_text(
            "\n".join(json.dumps({"text": f"{number}.{i}" + "x" * size}) for i, size in enumerate(sizes))
        )
    shards = plan_shards(paths, shard_bytes)
    data = DataConfig()
    whole = [d.text for path in paths for d in read_documents(path, data)]
    assert [d.text for shard in shards for span in shard.spans for d in read_documents(span, data)] == whole
    assert sum(shard.bytes for shard in shards) == sum(path.stat().st_size for path in paths)
    assert len({shard.key for shard in shards}) == len(shards)
    for shard in shards:
        assert len(shard.spans) == 1 or shard.bytes <= shard_bytes


def test_a_large_file_is_cut_and_others_are_not(tmp_path):
    for name in ("a.txt", "b.txt", "c.jsonl.gz", "e.txt"):
        (tmp_path / name).write_bytes(b"x" * 600)
    (tmp_path / "d.jsonl").write_bytes(b'{"text": "12345"}\n' * 150)
    shards = plan_shards(sorted(tmp_path.iterdir()), 1000)
    assert [[span.path.name for span in shard.spans] for shard in shards] == [
        ["a.txt"],
        ["b.txt"],
        ["c.jsonl.gz"],
        *[["d.jsonl"]] * 3,
        ["e.txt"],
    ]
    assert [(span.start, span.end) for shard in shards[3:6] for span in shard.spans] == [
        (0, 1008),
        (1008, 2016),
        (2016, 2700),
    ]
    together = plan_shards([tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.jsonl.gz"], 1200)
    assert [len(shard.spans) for shard in together] == [2, 1]


def test_text_that_is_appended_leaves_the_earlier_shards(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"text": "12345"}\n' * 150)
    before = [shard.key for shard in plan_shards([path], 1000)]
    with path.open("ab") as file:
        file.write(b'{"text": "12345"}\n' * 100)
    after = [shard.key for shard in plan_shards([path], 1000)]
    assert after[:2] == before[:2] and len(after) == 5 and after[2] != before[2]


def test_a_line_longer_than_a_shard(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"text": "%s"}\n' % (b"x" * 5000) + b'{"text": "y"}\n')
    assert [(s.spans[0].start, s.spans[0].end) for s in plan_shards([path], 100)] == [(0, 5013), (5013, 5027)]


def test_a_line_that_begins_at_a_boundary_begins_the_next_span(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_bytes(b'{"text": "1234567"}\n' * 100)
    assert [(s.spans[0].start, s.spans[0].end) for s in plan_shards([path], 1000)] == [(0, 1000), (1000, 2000)]


def test_groups_deal_out_all_shards_and_none_is_empty():
    shards = [object() for _ in range(5)]
    assert [len(group) for group in groups(shards, 3)] == [2, 2, 1]
    assert [len(group) for group in groups(shards, 7)] == [1] * 5
    assert sorted(map(id, sum(groups(shards, 3), []))) == sorted(map(id, shards))


def test_the_key_is_of_the_span(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    keys = {plan_shards([tmp_path / "a.txt"], 10)[0].key, plan_shards([tmp_path / "a.txt"], 99)[0].key}
    assert len(keys) == 1 and len(keys.pop()) == 16
    assert Span(tmp_path / "a.txt").place(3) == f"{tmp_path / 'a.txt'} line 3"
