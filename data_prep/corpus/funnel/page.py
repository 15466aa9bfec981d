"""The funnel as a page."""

from typing import Any

from common.report.html import bar, breakable, figure, number, page, percent, table, text, tiles
from common.report.svg import funnel
from data_prep.corpus.funnel.rejected import histograms, samples
from data_prep.corpus.funnel.similar import duplicates

OPEN_SOURCES = 3
"""With more sources than this, their funnels are folded up."""


def render(funnel_json: dict[str, Any]) -> str:
    """The page of what funnel.json holds."""
    return page(
        f"Corpus funnel: {funnel_json['name']}",
        _tiles(funnel_json["total"]),
        "<h2>All sources</h2>",
        _funnel(funnel_json["total"], "all sources"),
        _sources(funnel_json["sources"]),
        "<h2>Why documents were dropped</h2>",
        _reasons(funnel_json),
        "<h2>Step by step</h2>",
        '<p class="soft">What came into each step and left it. A step that mends texts changes characters without'
        " dropping documents; – stands for what was not counted there.</p>",
        *(
            _source(name, source, len(funnel_json["sources"]) <= OPEN_SOURCES)
            for name, source in funnel_json["sources"].items()
        ),
        histograms(funnel_json["histograms"]),
        samples(funnel_json["samples"]),
        duplicates(funnel_json["duplicates"]),
        _contamination(funnel_json),
        _pii(funnel_json["sources"]),
        _bad(funnel_json["bad_examples"]),
        _unread(funnel_json["unread"]),
    )


def _tiles(total: dict[str, Any]) -> str:
    first, last = total["steps"][0], total["steps"][-1]
    facts = [
        ("documents read", number(total["read"])),
        ("documents kept", number(total["kept"])),
        ("of the documents", percent(total["kept"], total["read"])),
        ("of the bytes", percent(last["bytes_out"], first["bytes_in"])),
        ("MB kept (UTF-8)", f"{last['bytes_out'] / 1e6:,.2f}"),
        ("words kept", number(last["words_out"])),
    ]
    return tiles([*facts, ("tokens kept", number(last["tokens_out"]))] if last["tokens_out"] is not None else facts)


def _funnel(source: dict[str, Any], name: str) -> str:
    steps = [(step["step"], step["documents_in"], step["documents_out"]) for step in source["steps"]]
    return figure(
        funnel(steps, f"Documents of {name} from step to step"),
        "Documents that stay (blue) and go (orange) at each step; to the right those that go and those that stay.",
        "",
    )


def _sources(sources: dict[str, Any]) -> str:
    rows = []
    for name, source in sources.items():
        first, last = source["steps"][0], source["steps"][-1]
        cells = [
            text(name),
            text(source["language"]),
            number(source["read"]),
            number(source["kept"]),
            percent(source["kept"], source["read"]),
        ]
        cells += [
            bar(source["kept"], source["read"], "kept"),
            f"{first['bytes_in'] / 1e6:,.2f}",
            f"{last['bytes_out'] / 1e6:,.2f}",
        ]
        rows.append([*cells, number(last["words_out"]), number(last["tokens_out"])])
    return table(
        ["source", "language", "read", "kept", "share", "", "MB in", "MB out", "words out", "tokens out"], rows, left=2
    )


def _reasons(funnel_json: dict[str, Any]) -> str:
    reasons, sources = funnel_json["reasons"], funnel_json["sources"]
    whole = funnel_json["total"]["read"]
    most = max((sum(counts.values()) for counts in reasons.values()), default=0)
    several = list(sources) if 1 < len(sources) <= 8 else []
    rows = []
    for reason, counts in reasons.items():
        count = sum(counts.values())
        if count:
            own = [
                f"{number(counts.get(name, 0))} ({percent(counts.get(name, 0), sources[name]['read'])})"
                for name in several
            ]
            rows.append([breakable(reason, "/"), number(count), percent(count, whole), bar(count, most), *own])
    dropped = sum(sum(counts.values()) for counts in reasons.values())
    rows.append(
        [
            "all",
            number(dropped),
            percent(dropped, whole),
            "",
            *(number(sources[name]["read"] - sources[name]["kept"]) for name in several),
        ]
    )
    kept = number(funnel_json["total"]["kept"])
    return (
        table(["step / reason", "documents", "of all read", "", *several], rows, last_is_sum=True)
        + f'<p class="soft">{number(dropped)} dropped + {kept} kept = {number(whole)} read.</p>'
    )


def _source(name: str, source: dict[str, Any], opened: bool) -> str:
    kept, read = source["kept"], source["read"]
    head = f"{text(name)} <span>{number(kept)} of {number(read)} documents, {percent(kept, read)}</span>"
    rows = []
    for step in source["steps"]:
        gone = step["documents_in"] - step["documents_out"]
        cells = [
            breakable(step["step"], "/"),
            number(step["documents_in"]),
            number(step["documents_out"]),
            percent(gone, step["documents_in"]),
        ]
        cells.append(number(step["changed"]))
        for measure in ("characters", "bytes", "words", "tokens"):
            cells += [number(step[f"{measure}_in"]), number(step[f"{measure}_out"])]
        rows.append(cells)
    pairs = [f"{measure} {side}" for measure in ("characters", "bytes", "words", "tokens") for side in ("in", "out")]
    body = (
        _funnel(source, name)
        + table(["step", "documents in", "out", "dropped", "changed", *pairs], rows)
        + _changed(source)
    )
    return f"<details{' open' if opened else ''}><summary>{head}</summary>{body}</details>"


def _changed(source: dict[str, Any]) -> str:
    """Render which parts of the steps changed documents, and the characters that cleaning took out."""
    changed = [
        f"{text(name)} {number(count)}" for step in source["steps"] for name, count in step["changed_by"].items()
    ]
    removed = [f"{text(name)} {number(count)}" for name, count in source["characters_removed_by"].items()]
    parts = (
        (title, own)
        for title, own in (("Documents changed", changed), ("Characters fewer by cleaning", removed))
        if own
    )
    return "".join(f'<p class="soft">{title}: {", ".join(own)}.</p>' for title, own in parts)


def _contamination(funnel_json: dict[str, Any]) -> str:
    steps = {
        name: step
        for name, shown_text in funnel_json["sources"].items()
        for step in shown_text["steps"]
        if step["step"] == "contamination"
    }
    if not steps:
        return ""
    rows = [
        [text(name), number(step["documents_in"]), number(sum(step["dropped"].values())), number(step["changed"])]
        for name, step in steps.items()
    ]
    texts = funnel_json["evaluation_texts"]
    counts = (
        f"{number(texts['found'])} of {number(texts['looked_for'])} evaluation texts were met;"
        f" {number(texts['too_short'])} were too short"
    )
    shown = "".join(
        f"<blockquote><cite>{text(shown_text['place'])}</cite>{text(shown_text['text'])}</blockquote>"
        for shown_text in texts["samples"]
    )
    return (
        "<h2>Contamination</h2>"
        + f"<p>{counts}.</p>"
        + table(["source", "documents looked at", "dropped", "passages cut out of"], rows)
        + shown
    )


def _pii(sources: dict[str, Any]) -> str:
    kinds = sorted({kind for source in sources.values() for kind in source["pii"]})
    if not any(step["step"] == "pii" for source in sources.values() for step in source["steps"]):
        return ""
    rows = []
    for name, source in sources.items():
        step = next((step for step in source["steps"] if step["step"] == "pii"), None)
        if step:
            rows.append(
                [
                    text(name),
                    number(step["documents_in"]),
                    number(step["changed"]),
                    *(number(source["pii"].get(kind, 0)) for kind in kinds),
                ]
            )
    return "<h2>Personal data replaced</h2>" + table(["source", "documents", "changed", *kinds], rows)


def _bad(examples: dict[str, list[str]]) -> str:
    parts = [f"<li>{text(name)}: {text(example)}</li>" for name, own in examples.items() for example in own]
    return f"<h2>Documents that could not be read</h2><ul>{''.join(parts)}</ul>" if parts else ""


def _unread(unread: dict[str, dict[str, Any]]) -> str:
    """Files beside the inputs that are of no kind that is read."""
    rows = [
        [
            text(key),
            text(", ".join(f"{kind} {count:,}" for kind, count in files["suffixes"].items())),
            text(files["example"]),
            number(files["files"]),
        ]
        for key, files in unread.items()
    ]
    return (
        "<h2>Files of kinds that are not read</h2>" + table(["inputs", "kinds", "such as", "files"], rows, left=3)
        if rows
        else ""
    )
