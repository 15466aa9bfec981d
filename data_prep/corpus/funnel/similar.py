"""Section of the page on documents that repeat others."""

from typing import Any

from common.report.html import bar, number, table, text

TITLES = {"exact": "Exact copies", "near": "Near duplicates", "semantic": "Duplicates in meaning"}


def duplicates(by_kind: dict[str, Any]) -> str:
    """Cluster sizes and the largest clusters of each kind."""
    parts = [_kind(kind, figures) for kind, figures in by_kind.items() if figures["clusters"]]
    return "<h2>Duplicates</h2>" + "".join(parts) if parts else ""


def _kind(kind: str, figures: dict[str, Any]) -> str:
    most = max(figures["histogram"].values())
    rows = [[text(size), number(count), bar(count, most, "kept")] for size, count in figures["histogram"].items()]
    clusters, repeats = number(figures["clusters"]), number(figures["repeats"])
    line = f"<p>{clusters} clusters; {repeats} documents repeat the first of theirs.</p>"
    samples = "".join(_cluster(cluster) for cluster in figures["samples"])
    return f"<h3>{TITLES[kind]}</h3>{line}{table(['documents in the cluster', 'clusters', ''], rows)}{samples}"


def _cluster(cluster: dict[str, Any]) -> str:
    first = f"<blockquote><cite>stays: {_place(cluster['from'])}</cite>{text(cluster['text'])}</blockquote>"
    others = []
    for other in cluster["others"]:
        differs = "".join(
            f"<br>− {text(place['first'])}<br>+ {text(place['second'])}" for place in other["differences"]
        )
        others.append(
            "<blockquote><cite>goes:"
            f" {_place(other['from'])}</cite>{differs.removeprefix('<br>') or 'the same words'}</blockquote>"
        )
    head = f"A cluster of {number(cluster['size'])} <span>{_place(cluster['from'])}</span>"
    return f"<details><summary>{head}</summary>{first}{''.join(others)}</details>"


def _place(place: dict[str, Any]) -> str:
    return f"{text(place['source'])}, {text(place['file'])} line {number(place['line'])}, id {text(place['id'])}"
