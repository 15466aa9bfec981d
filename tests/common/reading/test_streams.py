import gzip

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from common.reading.streams import Broken, blocks, count_newlines, lines


@settings(deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_lines_do_not_depend_on_the_blocks(data, cuts):
    data = data.replace(b"a", b"\n")
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parts = [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    expected = data.split(b"\n")
    assert list(lines(parts)) == (expected if expected[-1] else expected[:-1])


def pack(kind, data):
    return gzip.compress(data, 1) if kind == "gz" else zstandard.compress(data)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_frames_follow_one_another(tmp_path, kind):
    parts = [b"one\n", b"x" * 1_000_000, b"", b"two"]
    (tmp_path / "f").write_bytes(b"".join(pack(kind, part) for part in parts) + (b"\0" * 512 if kind == "gz" else b""))
    assert b"".join(blocks(tmp_path / "f", kind)) == b"".join(parts)


@pytest.mark.parametrize("kind", ["gz", "zst"])
@settings(max_examples=40, deadline=None)
@given(cut=st.integers(1, 2000))
def test_a_truncated_file_is_never_taken_for_a_whole_one(tmp_path_factory, kind, cut):
    whole = pack(kind, bytes(i * i % 251 for i in range(1500)))
    path = tmp_path_factory.getbasetemp() / f"truncated.{kind}"
    path.write_bytes(whole[: max(1, len(whole) - cut)])
    with pytest.raises(Broken, match="truncated"):
        list(blocks(path, kind))


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_damaged_file_is_broken(tmp_path, kind):
    whole = bytearray(
        zstandard.ZstdCompressor(write_checksum=True).compress(b"abc" * 1000)
        if kind == "zst"
        else gzip.compress(b"abc" * 1000)
    )
    whole[-5] ^= 0xFF
    (tmp_path / "f").write_bytes(whole)
    with pytest.raises(Broken, match="does not unpack"):
        list(blocks(tmp_path / "f", kind))


def test_long_windows_are_read(tmp_path):
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28, enable_ldm=True)
    (tmp_path / "f").write_bytes(zstandard.ZstdCompressor(compression_params=parameters).compress(b"long " * 100_000))
    assert sum(map(len, blocks(tmp_path / "f", "zst"))) == 500_000


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_blocks_are_small_however_well_they_are_packed(tmp_path, kind):
    """Cut into lines, a block of newlines would take eight times its size."""
    (tmp_path / "f").write_bytes(pack(kind, b"\n" * 100_000_000))
    sizes = list(map(len, blocks(tmp_path / "f", kind)))
    assert max(sizes) <= 1 << 20 and sum(sizes) == 100_000_000


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_an_empty_file_is_no_packed_one(tmp_path, kind):
    (tmp_path / "f").touch()
    with pytest.raises(Broken, match="truncated: it is empty"):
        list(blocks(tmp_path / "f", kind))


def test_a_plain_file_is_cut_and_counted(tmp_path):
    (tmp_path / "f").write_bytes(b"a\nb\n" * 200_000)
    seen = []
    assert b"".join(blocks(tmp_path / "f", start=2, end=6, seen=seen.append)) == b"b\na\n"
    assert sum(seen) == 4
    assert count_newlines(tmp_path / "f", 700_001) == 350_000
