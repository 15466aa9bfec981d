"""Counts of many units of work -> counts by source, and of all sources; exact, whatever the order and number of the
units."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from data_prep.corpus.counts.tally import MEASURES

FLOWS = tuple(f"{measure}_{side}" for measure in MEASURES for side in ("in", "out"))


def sums(curated: list[dict[str, Any]], written: list[dict[str, Any]], samples: int) -> dict[str, Any]:
    """Figures of each source and of all, reasons with samples, histograms. ``curated`` and ``written`` are the counts
    of the units of the first and the last stage, in the same order; of each reason the ``samples`` with the smallest
    keys stay. ``units`` are the units with the documents that the first stage kept of each: documents are numbered
    through in their order."""
    sources: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for pair in zip(curated, written, strict=True):
        sources.setdefault(pair[0]["source"], []).append(pair)
    by_source = {name: _source(pairs) for name, pairs in sources.items()}
    whole = total(by_source)
    units = [*curated, *written]
    return {
        "total": whole,
        "sources": by_source,
        "reasons": _reasons(by_source, whole),
        "samples": {name: _samples([unit for unit in units if unit["source"] == name], samples) for name in by_source},
        "histograms": _histograms(units),
        "bad_examples": {
            name: [example for before, _ in pairs for example in before["bad_examples"]][:samples]
            for name, pairs in sources.items()
        },
        "units": {unit["unit"]: unit["kept"] for unit in curated},
    }


def _source(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    pii, removed = Counter(), Counter()
    for before, after in pairs:
        pii.update(after["found"]["pii"])
        removed.update(before["removed_by"])
    return {
        "language": pairs[0][0]["language"],
        "read": sum(before["read"] for before, _ in pairs),
        "kept": sum(after["kept"] for _, after in pairs),
        "steps": _steps([*before["steps"], *after["steps"]] for before, after in pairs),
        "pii": dict(sorted(pii.items())),
        "characters_removed_by": dict(sorted(removed.items())),
    }


def _steps(units: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The steps of units that have the same ones, added up."""
    added: dict[str, dict[str, Any]] = {}
    for steps in units:
        for step in steps:
            into = added.setdefault(
                step["step"],
                {"step": step["step"], **dict.fromkeys(FLOWS, 0), "dropped": {}, "changed": 0, "changed_by": {}},
            )
            for name in (*FLOWS, "changed"):
                into[name] = None if None in (into[name], step[name]) else into[name] + step[name]
            for name in ("dropped", "changed_by"):
                into[name] = dict(sorted((Counter(into[name]) + Counter(step[name])).items()))
    return list(added.values())


def total(sources: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """All sources as one; documents of a source that has not a step pass by it."""
    order: list[str] = []
    for source in sources.values():
        place = 0
        for step in source["steps"]:
            if step["step"] in order:
                place = order.index(step["step"]) + 1
            else:
                order.insert(place, step["step"])
                place += 1
    passed = [_with_gaps(source["steps"], order) for source in sources.values()]
    return {
        "read": sum(source["read"] for source in sources.values()),
        "kept": sum(source["kept"] for source in sources.values()),
        "steps": _steps(passed),
    }


def _with_gaps(steps: list[dict[str, Any]], order: list[str]) -> list[dict[str, Any]]:
    """The steps of a source in the common order, with an idle one wherever it has none."""
    own = {step["step"]: step for step in steps}
    filled, last = [], steps[0]
    for name in order:
        if name in own:
            filled.append(last := own[name])
        else:
            flows = {f"{measure}_{side}": last[f"{measure}_out"] for measure in MEASURES for side in ("in", "out")}
            filled.append({"step": name, **flows, "dropped": {}, "changed": 0, "changed_by": {}})
    return filled


def _reasons(sources: Mapping[str, dict[str, Any]], whole: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Reason -> source -> documents dropped, in the order of the steps."""
    by_reason: dict[str, dict[str, int]] = {reason: {} for step in whole["steps"] for reason in step["dropped"]}
    for name, source in sources.items():
        for step in source["steps"]:
            for reason, count in step["dropped"].items():
                by_reason[reason][name] = count
    return by_reason


def _samples(units: list[dict[str, Any]], count: int) -> dict[str, list[dict[str, Any]]]:
    """Reason -> the ``count`` samples with the smallest keys."""
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for unit in units:
        for reason, samples in unit["samples"].items():
            by_reason.setdefault(reason, []).extend(samples)
    return {
        reason: sorted(samples, key=lambda sample: (sample["key"], sample["id"]))[:count]
        for reason, samples in sorted(by_reason.items())
    }


def _histograms(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Histograms of each measure, those with the same range and limit as one, with the sources they are of."""
    by_range: dict[tuple[Any, ...], dict[str, Any]] = {}
    for unit in units:
        for name, histogram in unit["histograms"].items():
            key = name, histogram["limit"], histogram["low"], histogram["high"]
            into = by_range.setdefault(
                key, {"test": name, **histogram, "counts": [0] * len(histogram["counts"]), "sources": []}
            )
            into["counts"] = [a + b for a, b in zip(into["counts"], histogram["counts"], strict=True)]
            if unit["source"] not in into["sources"]:
                into["sources"].append(unit["source"])
    return list(by_range.values())
