"""The quickstart's corpus in two tables and three examples, for the screen and for report.txt."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from common.progress import console
from common.screen import Screen
from data_prep.quickstart.selection import SPLITS, Asked

WIDTH = 120


def _overview(manifest: Mapping[str, Any]) -> Table:
    table = Table("split", title="what was collected", title_justify="left")
    for name in (f"{manifest['grouped_by']}s", "texts read", "texts kept", "MB kept", "pairs kept"):
        table.add_column(name, justify="right")
    for split in SPLITS:
        texts, pairs = manifest["texts"][split], manifest["pairs"].get(split, {})
        shown = [manifest["groups"][split], texts["read"], texts["kept"]]
        table.add_row(
            split, *map(str, shown), f"{manifest['bytes'][split] / 1e6:.1f}", str(pairs.get("kept", "as given"))
        )
    return table


def _dropped(manifest: Mapping[str, Any]) -> Table:
    table = Table("dropped", title="kept + dropped = read", title_justify="left")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for kind in ("texts", "pairs"):
        counts = manifest[kind]
        reasons = sorted({reason for split in counts.values() for reason in split} - {"read", "kept"})
        for reason in reasons:
            table.add_row(f"{kind}: {reason}", *(str(counts[split].get(reason, "")) for split in SPLITS))
        if counts:
            table.add_row(f"{kind} read", *(str(counts[split]["read"]) for split in SPLITS), end_section=True)
    return table


def _lines(manifest: Mapping[str, Any], examples: Sequence[Asked]) -> Iterator[RenderableType]:
    yield _overview(manifest)
    yield _dropped(manifest)
    if manifest["passed_over"]:
        yield "passed over: " + ", ".join(f"{count} {reason}" for reason, count in manifest["passed_over"].items())
    if manifest["given_set"]:
        yield f"retrieval set: {manifest['given_set']}, used as given"
    for entry in examples:
        yield Text.assemble("\n", ("query", "bold"), f"     {entry.pair.query}")
        yield Text.assemble(("document", "bold"), f"  {' '.join(entry.pair.document[:400].split())} ...")


def show(manifest: Mapping[str, Any], examples: Sequence[Asked], path: Path) -> None:
    """Print tables and example pairs, and write the same to ``path``."""
    with path.open("w", encoding="utf-8") as file:
        for target in (Screen(file=file, width=WIDTH), console):
            for line in _lines(manifest, examples):
                target.print(line)
