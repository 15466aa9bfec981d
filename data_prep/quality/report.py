"""report.html of the classifier: every model on every set, per class, by kind of degradation, calibration, importances,
features."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.report.html import figure, number, page, table, text, tiles
from data_prep.quality.features.stylometric import MEANINGS
from data_prep.quality.figures import bars, reliability

SHOWN = 30
PAPER = {"accuracy": 0.946, "macro_f1": 0.852, "classes": {"LOW": 0.97, "MEDIUM": 0.62, "HIGH": 0.97}}
"""Bielik v3's own classifier on its own held-out documents, labelled by people (arXiv 2505.02550)."""
OURS = "boosted trees"


def render(figures: Mapping[str, Any]) -> str:
    """The page of what report.json holds."""
    sets = figures["sets"]
    first = next(iter(sets.values()))[OURS]
    return page(
        f"Quality classifier: {figures['name']}",
        tiles(
            [
                ("training examples", f"{figures['train']:,}"),
                ("features", str(len(MEANINGS))),
                (f"accuracy, {next(iter(sets))}", number(first["accuracy"])),
                (f"macro-F1, {next(iter(sets))}", number(first["macro_f1"])),
            ]
        ),
        "<p>LOW, MEDIUM and HIGH here are what the training data calls so: labels by people, or good text degraded"
        " heavily, lightly or not at all. Each set below was held out from training; other sources and kinds are what"
        " the classifier will meet.</p>",
        "<h2>Models</h2>",
        _models(sets),
        "<h2>Per class</h2>",
        _classes(sets),
        "<h2>Calibration</h2>",
        '<p class="soft">On the dashed line a probability is what it says. Dots are bins, as large as what they'
        " hold.</p>",
        f'<div class="grid">{"".join(_calibration(name, models[OURS]) for name, models in sets.items())}</div>',
        "<h2>Kinds of degradation</h2>",
        *(_kinds(name, rows) for name, rows in figures["kinds"].items()),
        "<h2>Features</h2>",
        f'<p class="soft">The {SHOWN} whose splits gained most, in sum.</p>',
        bars(list(figures["importances"].items())[:SHOWN], "importances of the features"),
        f"<details><summary>All {len(MEANINGS)} features</summary>{_features(figures['importances'])}</details>",
    )


def _models(sets: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            "<i>Bielik v3's, its own documents</i>",
            "XGBoost",
            "",
            number(PAPER["accuracy"]),
            number(PAPER["macro_f1"]),
            "",
        ]
    ]
    for name, models in sets.items():
        for model, figures in models.items():
            cells = [number(figures[key]) for key in ("examples", "accuracy", "macro_f1")]
            rows.append([text(name), text(model), *cells, number(figures["calibration"]["error"])])
    return table(["held out", "model", "examples", "accuracy", "macro-F1", "calibration error"], rows, left=2)


def _classes(sets: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        ["<i>Bielik v3's</i>", name, "", "", "", number(value), "", "", ""] for name, value in PAPER["classes"].items()
    ]
    for name, models in sets.items():
        classes = models[OURS]["classes"]
        for (label, row), line in zip(classes.items(), models[OURS]["confusion"], strict=True):
            cells = [number(row[key]) for key in ("examples", "precision", "recall", "f1")]
            rows.append([text(name), label, *cells, *map(number, line)])
    return table(
        ["held out", "class", "examples", "precision", "recall", "F1", "as LOW", "MEDIUM", "HIGH"], rows, left=2
    )


def _calibration(name: str, figures: Mapping[str, Any]) -> str:
    picture = reliability(figures["calibration"]["bins"], f"reliability diagram, {name}")
    caption = f"{name}: expected calibration error {figures['calibration']['error']}"
    return figure(picture, text(caption), "card")


def _kinds(name: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    body = [
        [text(kind), *(number(row[key]) for key in ("examples", "LOW", "MEDIUM", "HIGH"))] for kind, row in rows.items()
    ]
    inner = table(["kind, true class", "examples", "as LOW", "as MEDIUM", "as HIGH"], body)
    return f"<details><summary>{text(name)}</summary>{inner}</details>"


def _features(importances: Mapping[str, float]) -> str:
    return table(
        ["feature", "meaning", "gain"],
        ([text(name), text(what), number(importances.get(name, 0.0))] for name, what in MEANINGS.items()),
        2,
    )


def lines(figures_json: Mapping[str, Any]) -> Sequence[str]:
    """The figures of every set and model as lines for the screen."""
    rows = []
    for name, models in figures_json["sets"].items():
        for model, figures in models.items():
            classes = "  ".join(f"{label} {row['f1']:.3f}" for label, row in figures["classes"].items())
            whole = f"accuracy {figures['accuracy']:.3f}  macro-F1 {figures['macro_f1']:.3f}"
            rows.append(f"{name[-30:]:30} {model:20} {figures['examples']:6,} examples  {whole}  F1: {classes}")
    return rows
