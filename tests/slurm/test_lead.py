"""How early ranks are to be asked, from what saves took and what became of the attempts before."""

import pytest

from common.files import make_folder, write_json
from conf.schema import ClusterConfig, Config
from slurm.element import Element
from slurm.lead import Lead
from slurm.submission import Point, freeze


@pytest.fixture
def element(tmp_path) -> Element:
    """Of a training with the usual lead of 120 s, in its first attempt."""
    config = Config(runs_dir=str(tmp_path), cluster=ClusterConfig(kind="slurm"))
    found = Element(freeze("train", [Point(config, str(tmp_path / "run"))], tmp_path / "code", "python"), 0)
    found.begin()
    return found


def save(element: Element, step: int, **fields) -> None:
    write_json(make_folder(element.home / "checkpoints" / f"step_{step:07d}") / "manifest.json", fields)


def test_twice_the_longest_save_so_far(element):
    lead = Lead(element)
    assert lead.wanted() == 120
    save(element, 1, seconds=300.5)
    save(element, 2, seconds=40.0)
    save(element, 3, seconds="damaged")
    save(element, 4)
    (element.home / "checkpoints" / "last").symlink_to("step_0000004")
    assert lead.wanted() == 601
    save(element, 5, seconds=400)
    assert lead.wanted() == 800 and Lead(element).wanted() == 800


def test_twice_as_long_at_each_attempt_that_the_time_limit_overtook(element):
    for expected in (240, 480):
        element.note(status="timeout")
        element.begin()
        assert Lead(element).wanted() == expected
    element.note(status="continue")
    element.begin()
    assert Lead(element).wanted() == 120


def test_where_slurm_tells_in_time_nobody_else_asks(element):
    save(element, 1, seconds=59.0)
    lead = Lead(element)
    assert not lead.is_due() and lead.ask_again == 0  # SLURM was not even asked for the time that is left
