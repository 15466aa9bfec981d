"""The picture of the rooms is that of the code."""

from xml.etree import ElementTree

import pytest

from docs.house import FLOOR, PICTURE, ROOMS, draw, imports_of, read_edges, reduced, room_of, without_circles
from tests.sources import ROOT


def test_the_picture_is_that_of_the_code():
    assert PICTURE.read_text(encoding="utf-8") == draw(), "imports between rooms have changed: python -m docs.house"


def test_it_shows_every_room_once_and_can_be_read():
    picture = ElementTree.fromstring(draw())
    boxes = [box for box in picture.iter() if box.get("class") == "box"]
    assert len(boxes) == len([room for room in ROOMS if (ROOT / room).is_dir()]) <= 24
    assert int(picture.get("width")) <= 1000


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("model/training/loop.py", "model/training"),
        ("model/shapes.py", "model"),
        ("common/files.py", "common"),
        ("jobs/registry.py", "jobs/records"),
    ],
)
def test_a_file_belongs_to_the_smallest_room_around_it(path, room):
    assert room_of(path) == room


def test_imports_within_functions_count_and_those_for_type_checkers_do_not():
    source = "import a.b\nif TYPE_CHECKING:\n    import c\ndef f():\n    from d import e\n"
    assert imports_of(source) == {"a.b", "d.e"}


def test_what_a_chain_implies_is_left_out_and_a_circle_is_told():
    edges = {"a": {"b": 5, "c": 3}, "b": {"c": 2}, "c": {"a": 1}}
    downward, upward = without_circles(edges)
    assert upward == [("c", "a")] and reduced(downward) == {"a": {"b": 5}, "b": {"c": 2}, "c": {}}


def test_the_rooms_under_all_others_import_none_of_them():
    edges = read_edges()
    for room in FLOOR:
        assert set(edges[room]) <= set(FLOOR)
