"""Times and memory as SLURM writes them."""

import pytest

from slurm.quantities import clock, mebibytes, seconds


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5", 300), ("1:30", 90), ("02:00:00", 7200), ("1:90:00", 9000), ("2-0", 172800), ("1-2:30", 95400),
        ("1-00:00:01", 86401),
        ("UNLIMITED", None), ("infinite", None), ("", None),
    ],
)  # fmt: skip
def test_times(text, amount):
    assert seconds(text) == amount


@pytest.mark.parametrize("text", ["1.5", "two hours", "1:2:3:4", "1-", "24h", "-5"])
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match="no time"):
        seconds(text)


def test_a_time_is_written_as_slurm_does():
    assert [clock(amount) for amount in (1800, 86400, 604801)] == ["00:30:00", "1-00:00:00", "7-00:00:01"]


def test_memory():
    assert [mebibytes(text) for text in ("500", "500M", "64G", "64gb", "1T", "2048K", "0")] == [
        500,
        500,
        65536,
        65536,
        1048576,
        2,
        0,
    ]
    for text in ("1.5G", "64GiB", "much", ""):
        with pytest.raises(ValueError, match="no amount of memory"):
            mebibytes(text)
