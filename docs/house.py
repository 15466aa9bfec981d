"""Picture of the rooms of this project: folders as boxes, imports as arrows, drawn from the code into docs/house.svg.

    python -m docs.house            write docs/house.svg anew; a test compares it with the code

A file belongs to the room with the longest name that its path begins with. An arrow says that a room imports the other;
those that follow from a chain of others are left out, and so are those to `conf` and `common`, which everything may
import. A dashed arrow closes a circle.
"""

import ast
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PICTURE = Path(__file__).with_name("house.svg")
PACKAGES = ("jobs", "slurm", "data_prep", "model", "conf", "common")
FLOOR = ("conf", "common")
"""Rooms that lie under all others."""
ROOMS = (
    "jobs", "jobs/launch", "jobs/validate", "jobs/views", "jobs/records", "jobs/arguments", "slurm",
    "data_prep", "data_prep/sources", "data_prep/corpus", "data_prep/filters", "data_prep/dedup", "data_prep/tokens",
    "data_prep/mixture",
    "model", "model/training", "model/evaluation", "model/surgery", "model/objectives", "model/hf", "model/nets",
    "model/megatron", "conf", "common",
)  # fmt: skip
ELSEWHERE = {"jobs/registry": "jobs/records"}
"""Files that belong to a room which they do not lie in: its front door."""
COLOURS = {
    "jobs": "#e8eef9", "slurm": "#efe9f7", "data_prep": "#e9f5ea", "model": "#fdf0e2", "conf": "#f3f3f3",
    "common": "#f3f3f3",
}  # fmt: skip

WIDTH, BOX_WIDTH, BOX_HEIGHT, LAYER_HEIGHT, MARGIN = 1000, 118, 40, 84, 12
Edges = dict[str, dict[str, int]]
"""Room -> rooms that it imports, with the number of imports."""


class Place(NamedTuple):
    """Centre of a box, or of the point where an arrow passes a layer."""

    x: float
    y: float


def room_of(path: str) -> str:
    """The room of a file or folder, by its path below the project."""
    if door := next((room for file, room in ELSEWHERE.items() if f"{path}/".startswith((f"{file}/", f"{file}."))), ""):
        return door
    return max((room for room in ROOMS if f"{path}/".startswith(f"{room}/")), key=len)


def imports_of(source: str) -> set[str]:
    """Modules that ``source`` imports, inside functions too; those for type checkers alone are left out."""
    names: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        nodes.extend(ast.iter_child_nodes(node))
    return names


def read_edges(root: Path = ROOT) -> Edges:
    """Imports between rooms, as the code of ``root`` has them."""
    edges: Edges = {room: {} for room in ROOMS}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            own = room_of(file.relative_to(root).as_posix())
            for name in imports_of(file.read_text(encoding="utf-8")):
                if name.split(".")[0] in PACKAGES and (other := room_of(name.replace(".", "/"))) != own:
                    edges[own][other] = edges[own].get(other, 0) + 1
    return edges


def reachable(edges: Edges) -> dict[str, set[str]]:
    """Room -> the rooms that it imports, and those that these import, and so on."""
    reached = {room: set(others) for room, others in edges.items()}
    for between in edges:
        for room in edges:
            if between in reached[room]:
                reached[room] |= reached[between]
    return reached


def without_circles(edges: Edges) -> tuple[Edges, list[tuple[str, str]]]:
    """``edges`` without those that close a circle, and these: in every circle the pair with the fewest imports."""
    edges, upward = {room: dict(others) for room, others in edges.items()}, []
    while True:
        reached = reachable(edges)
        circular = [
            (count, room, other)
            for room, others in edges.items()
            for other, count in others.items()
            if room in reached[other]
        ]
        if not circular:
            return edges, upward
        _, room, other = min(circular)
        del edges[room][other]
        upward.append((room, other))


def reduced(edges: Edges) -> Edges:
    """``edges`` without those that a longer chain implies."""
    reached = reachable(edges)
    return {
        room: {
            other: count for other, count in others.items() if not any(other in reached[between] for between in others)
        }
        for room, others in edges.items()
    }


def layers_of(edges: Edges) -> dict[str, int]:
    """Layer of each room from the top, below every room that imports it; those of the jobs lie above all others."""
    jobs = [room for room in edges if room.split("/")[0] == "jobs"]
    edges = {room: set(others) | (set(edges) - set(jobs) if room in jobs else set()) for room, others in edges.items()}
    layer = dict.fromkeys(edges, 0)
    for _ in edges:
        for room, others in edges.items():
            for other in others:
                layer[other] = max(layer[other], layer[room] + 1)
    return layer


def _chains(edges: Edges, layer: Mapping[str, int]) -> list[list[str]]:
    """Every arrow as the boxes and passing points that it goes through, a layer each."""
    chains = []
    for room, others in sorted(edges.items()):
        for other in sorted(others):
            between = [f"{room}>{other}>{at}" for at in range(layer[room] + 1, layer[other])]
            chains.append([room, *between, other])
    return chains


def _rows(rooms: Iterable[str], chains: list[list[str]], layer: Mapping[str, int]) -> list[list[str]]:
    """What lies on each layer, in the order that crosses few arrows: each item is drawn to the middle of its
    neighbours, again and again."""
    rows: list[list[str]] = [[] for _ in range(max(layer[room] for room in rooms) + 1)]
    for room in rooms:
        rows[layer[room]].append(room)
    near: dict[str, list[str]] = {}
    for chain in chains:
        for number, (upper, lower) in enumerate(zip(chain, chain[1:], strict=False)):
            if ">" in lower:
                rows[layer[chain[0]] + number + 1].append(lower)
            near.setdefault(upper, []).append(lower)
            near.setdefault(lower, []).append(upper)
    side = {package: number for number, package in enumerate(("data_prep", "jobs", "slurm", "model"))}
    for row in rows:
        row.sort(key=lambda item: (side.get(item.split("/")[0].split(">")[0], 0), item))
    for turn in range(24):
        at = {item: (place + 0.5) / len(row) for row in rows for place, item in enumerate(row)}
        for row in rows[:: 1 if turn % 2 else -1]:
            row.sort(key=lambda item: sum(map(at.get, near.get(item, [item]))) / len(near.get(item, [item])))
            at |= {item: (place + 0.5) / len(row) for place, item in enumerate(row)}
    return rows


def _places(rows: list[list[str]]) -> dict[str, Place]:
    """Where everything goes; passing points take a quarter of the room of a box."""
    places = {}
    for number, row in enumerate(rows):
        widths = [BOX_WIDTH * (0.25 if ">" in item else 1) for item in row]
        gap = (WIDTH - 2 * MARGIN - sum(widths)) / (len(row) + 1)
        left = MARGIN + gap
        for item, width in zip(row, widths, strict=True):
            places[item] = Place(round(left + width / 2, 1), MARGIN + number * LAYER_HEIGHT + BOX_HEIGHT / 2)
            left += width + gap
    return places


def _arrow(points: list[Place]) -> str:
    """A line from the lower edge of the first point's box through the others to the upper edge of the last one's."""
    half = BOX_HEIGHT / 2
    first, last = points[0]._replace(y=points[0].y + half), points[-1]._replace(y=points[-1].y - half - 5)
    way, path = [first, *points[1:-1], last], f"M {first.x:g} {first.y:g}"
    for start, end in zip(way, way[1:], strict=False):
        middle = (start.y + end.y) / 2
        path += f" C {start.x:g} {middle:g} {end.x:g} {middle:g} {end.x:g} {end.y:g}"
    return f'<path d="{path}" class="arrow" marker-end="url(#head)"/>'


def _upward(start: Place, end: Place) -> str:
    """An arrow against the direction of all others, which closes a circle."""
    half = BOX_HEIGHT / 2
    return (
        f'<path d="M {start.x - 30:g} {start.y - half:g} L {end.x - 30:g} {end.y + half + 5:g}" class="arrow upward" '
        'marker-end="url(#head)"/>'
    )


def _box(room: str, files: int, place: Place, width: float = BOX_WIDTH) -> str:
    """A box with the name of the room and its number of files."""
    package, _, name = room.rpartition("/")
    name, below = f"{name}/", f"{package + ', ' if package else ''}{files} files"
    left, top, colour = place.x - width / 2, place.y - BOX_HEIGHT / 2, COLOURS[room.split("/")[0]]
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{BOX_HEIGHT}" rx="5" fill="{colour}" class="box"/>'
        f'<text x="{place.x:g}" y="{place.y - 3:g}" class="name">{escape(name)}</text>'
        f'<text x="{place.x:g}" y="{place.y + 13:g}" class="files">{escape(below)}</text>'
    )


def count_files(root: Path = ROOT) -> dict[str, int]:
    """Python files of each room."""
    counts = dict.fromkeys(ROOMS, 0)
    for package in PACKAGES:
        for file in (root / package).rglob("*.py"):
            counts[room_of(file.relative_to(root).as_posix())] += 1
    return counts


STYLE = (
    "text{font-family:system-ui,sans-serif;text-anchor:middle;fill:#222}.name{font-size:13px;font-weight:600}.files{font-size:11px;"
    "fill:#666}.box{stroke:#888}.arrow{fill:none;stroke:#777;stroke-width:1.1}.upward{stroke:#c00;stroke-dasharray:4 3}"
)
HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="3" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs>'
)


def _above_the_floor(edges: Edges) -> Edges:
    """``edges`` without the rooms that lie under all others."""
    return {
        room: {other: count for other, count in others.items() if other not in FLOOR}
        for room, others in edges.items()
        if room not in FLOOR
    }


def draw(root: Path = ROOT) -> str:
    """The picture of the code in ``root``, as SVG."""
    files = count_files(root)
    there = {room: others for room, others in read_edges(root).items() if files[room]}
    downward, upward = without_circles(_above_the_floor(there))
    edges = reduced(downward)
    layer = layers_of(edges)
    chains = _chains(edges, layer)
    rows = _rows(list(edges), chains, layer)
    places = _places(rows)
    parts = [_arrow([places[item] for item in chain]) for chain in chains]
    parts += [_upward(places[room], places[other]) for room, other in upward]
    parts += [_box(room, files[room], places[room]) for room in edges]
    for number, room in enumerate(FLOOR):
        top = MARGIN + len(rows) * LAYER_HEIGHT - 24 + number * (BOX_HEIGHT + 8)
        parts.append(_box(room, files[room], Place(WIDTH / 2, top + BOX_HEIGHT / 2), WIDTH - 4 * MARGIN))
    height = MARGIN + len(rows) * LAYER_HEIGHT - 24 + len(FLOOR) * (BOX_HEIGHT + 8) + MARGIN
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" role="img">\n'
        f"<title>Rooms and imports</title>\n<style>{STYLE}</style>\n{HEAD}\n"
        f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE.relative_to(ROOT))
