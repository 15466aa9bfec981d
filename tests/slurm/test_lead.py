"""How early ranks are to be asked, from what checkpoints took and what became of the attempts before."""

import pytest

from common.files import make_folder, write_json
from conf.schema import ClusterConfig, Config
from slurm.array_task import ArrayTask
from slurm.lead import Lead
from slurm.submission import Point, freeze


@pytest.fixture
def array_task(tmp_path) -> ArrayTask:
    """Of a training with the usual lead of 120 s, in its first attempt."""
    config = Config(runs_dir=str(tmp_path), cluster=ClusterConfig(kind="slurm"))
    found = ArrayTask(freeze("train", [Point(config, str(tmp_path / "run"))], tmp_path / "code", "python"), 0)
    found.begin()
    return found


def save(array_task: ArrayTask, step: int, **fields) -> None:
    write_json(make_folder(array_task.home / "checkpoints" / f"step_{step:07d}") / "manifest.json", fields)


def test_twice_the_longest_checkpoint_so_far(array_task):
    lead = Lead(array_task)
    assert lead.wanted() == 120
    save(array_task, 1, seconds=300.5)
    save(array_task, 2, seconds=40.0)
    save(array_task, 3, seconds="damaged")
    save(array_task, 4)
    (array_task.home / "checkpoints" / "last").symlink_to("step_0000004")
    assert lead.wanted() == 601
    save(array_task, 5, seconds=400)
    assert lead.wanted() == 800 and Lead(array_task).wanted() == 800


def test_twice_as_long_at_each_attempt_that_the_time_limit_overtook(array_task):
    for expected in (240, 480):
        array_task.note(status="timeout")
        array_task.begin()
        assert Lead(array_task).wanted() == expected
    array_task.note(status="continue")
    array_task.begin()
    assert Lead(array_task).wanted() == 120


def test_where_slurm_tells_in_time_nobody_else_asks(array_task):
    save(array_task, 1, seconds=59.0)
    lead = Lead(array_task)
    assert not lead.is_due() and lead.ask_again == 0  # SLURM was not even asked for the time that is left
