"""A folder belongs to the process that claimed it last: the former one is stopped at its next write, and its claim
comes back where the later one withdraws."""

import json

import pytest

from common.errors import UserError
from common.fence import NAME, Fence, Superseded


@pytest.fixture
def two(tmp_path) -> tuple[Fence, Fence]:
    """A fence of an attempt that still lives, and one of the attempt that has taken the folder over."""
    former, later = Fence(tmp_path / "run"), Fence(tmp_path / "run")
    former.claim(1)
    later.claim(2)
    return former, later


def test_nobody_before_a_claim(tmp_path):
    fence = Fence(tmp_path / "run")
    assert fence.holder() is None
    fence.check()
    fence.withdraw()
    assert not (tmp_path / "run").exists()


def test_the_holder_may_write(tmp_path):
    fence = Fence(tmp_path / "run")
    fence.claim(1)
    fence.check()
    assert (fence.holder()["token"], fence.holder()["attempt"]) == (fence.token, 1)


def test_who_is_superseded_ends_and_the_later_one_goes_on(two, monkeypatch):
    former, later = two
    later.check()
    with pytest.raises(Superseded, match=r"attempt 2 \(process \d+ on [^,]+\) has taken .*/run over; this process"):
        former.check()
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    Fence(former.folder).claim(3)
    with pytest.raises(Superseded, match=r"attempt 3 \(process \d+ on .*, job 71\)"):
        later.check()


def test_a_withdrawn_claim_gives_the_folder_back(two):
    former, later = two
    later.withdraw()
    former.check()
    assert former.holder()["attempt"] == 1
    later.check()  # it holds nothing, so there is nothing to check
    former.withdraw()
    assert list(former.folder.iterdir()) == []


def test_who_is_superseded_takes_nothing_back(two):
    former, later = two
    former.withdraw()
    later.check()
    assert later.holder()["attempt"] == 2


def test_a_removed_folder_is_told_of(two):
    (two[1].folder / NAME).unlink()
    with pytest.raises(UserError, match="was removed or moved while this process wrote there") as raised:
        two[1].check()
    assert not isinstance(raised.value, Superseded)


def test_a_claim_of_an_older_version_has_defaults(two):
    file = two[0].folder / NAME
    file.write_text(
        json.dumps({key: value for key, value in two[1].holder().items() if key not in ("restart", "born")})
    )
    assert (two[0].holder()["restart"], two[0].holder()["born"]) == (0, None)
