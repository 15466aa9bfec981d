"""Report (report.html) of the topic classifier: figures, per topic, calibration, the words that tell."""

from collections.abc import Mapping
from typing import Any

from common.report.html import figure, number, page, table, text, tiles
from data_prep.quality.figures import reliability

PAPER = 0.9463
"""Accuracy of Bielik v3's on 120 topics (arXiv 2505.02550)."""


def render(figures_json: Mapping[str, Any]) -> str:
    """The page of what report.json holds."""
    held_out, other = figures_json["held_out"], figures_json["other"]
    rows = []
    for place, (topic, row) in enumerate(held_out["classes"].items()):
        line = held_out["confusion"][place]
        mixed = max((count, name) for name, count in zip(held_out["classes"], line, strict=True) if name != topic)
        with_what = f"{text(mixed[1])} ({mixed[0]})" if mixed[0] else ""
        figures = [number(row[key]) for key in ("examples", "precision", "recall", "f1")]
        rows.append([text(topic), text(", ".join(figures_json["telling"][topic])), *figures, with_what])
    error = held_out["calibration"]["error"]
    shown = reliability(held_out["calibration"]["bins"], "reliability diagram")
    return page(
        f"Topic classifier: {figures_json['name']}",
        tiles(
            [
                (f"accuracy, {held_out['examples']:,} held-out documents", number(held_out["accuracy"])),
                ("macro-F1", number(held_out["macro_f1"])),
                ("topics", str(len(held_out["classes"]))),
                ("training documents", f"{figures_json['train']:,}"),
                ("words", f"{figures_json['words']:,}"),
            ]
        ),
        f'<p>Below a probability of {other["min_probability"]} a document is "Other": {other["count"]:,} of the'
        " held-out ones, and "
        f"{number(other['accuracy_of_rest'])} of the rest are right. Bielik v3 reports {PAPER} on 120 topics of its"
        " own.</p>",
        "<h2>Topics</h2>",
        table(["topic", "telling words", "held out", "precision", "recall", "F1", "most taken for"], rows, left=2),
        "<h2>Calibration</h2>",
        f'<div style="max-width:22rem">{figure(shown, f"expected calibration error {error}", "card")}</div>',
    )
