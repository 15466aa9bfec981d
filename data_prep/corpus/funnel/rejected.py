"""Sections of the page on what rules measured and rejected."""

import re
from typing import Any

from common.report.html import figure, number, text
from common.report.svg import histogram

_LIMIT = re.compile(r"([<>])=?\s*(-?[\d.]*\d)")


def histograms(measures: list[dict[str, Any]]) -> str:
    """Every measure over the documents that came to its test, with its limit."""
    figures = []
    for measure in measures:
        low, high = measure["low"], measure["high"]
        limit = _LIMIT.search(measure["limit"])
        place = (limit[1], (float(limit[2]) - low) / (high - low)) if limit else None
        ends = number(float(low)), f"{number(float(high))}{' or more' if measure['counts'][-1] and high > 1 else ''}"
        picture = histogram(measure["counts"], *ends, f"Histogram of {measure['test']}", place)
        sources = (
            f" ({text(', '.join(measure['sources']))})"
            if len(measures) > len({other["test"] for other in measures})
            else ""
        )
        caption = f"<b>{text(measure['test'])}</b>{sources}<br>rejects {text(measure['limit'])}"
        figures.append(figure(picture, caption, "card"))
    if not figures:
        return ""
    note = (
        "Documents that came to the test, by its measure; the line is the limit. Heights are square roots of the"
        " counts."
    )
    return f'<h2>Measures and limits</h2><p class="soft">{note}</p><div class="grid">{"".join(figures)}</div>'


def samples(by_source: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Rejected documents by reason and source."""
    reasons = sorted({reason for own in by_source.values() for reason in own})
    parts = [
        _reason(reason, {source: own[reason] for source, own in by_source.items() if own.get(reason)})
        for reason in reasons
    ]
    note = (
        "The beginning of documents as they were when they were rejected (or changed), chosen by a hash of their ids."
    )
    return f'<h2>Samples</h2><p class="soft">{note}</p>{"".join(parts)}' if parts else ""


def _reason(reason: str, by_source: dict[str, list[dict[str, Any]]]) -> str:
    quotes = []
    for source, samples_ in by_source.items():
        for sample in samples_:
            value = (
                ""
                if sample["value"] is None
                else f": {number(_short(sample['value']))}, rejects {text(sample['limit'])}"
            )
            place = f"{text(sample['file'])} line {number(sample['line'])}, id {text(sample['id'])}"
            cite = f"{text(source)}{value}<br>{place}"
            quotes.append(f"<blockquote><cite>{cite}</cite>{text(sample['text'])}</blockquote>")
    return f"<details><summary>{text(reason)} <span>{len(quotes)} shown</span></summary>{''.join(quotes)}</details>"


def _short(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)
