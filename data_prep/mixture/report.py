"""The report of a mixture as a page: table, shares, repeats, lengths, and what the model will read."""

from typing import Any

from common.report.html import figure, key, number, page, percent, stack, table, text, tiles, wrapped
from common.report.palette import series_name
from common.report.svg import histogram


def render(mixture: dict[str, Any]) -> str:
    """The page of ``mixture`` (statistics with the written streams and the preview)."""
    colours = {name: series_name(place) for place, name in enumerate(mixture["sources"])}
    phases = mixture["phases"]
    whole = sum(phase["tokens"] for phase in phases.values())
    facts = [
        ("tokens in all phases", number(whole)),
        ("documents", number(sum(phase["documents"] for phase in phases.values()))),
        ("phases", number(len(phases))),
        ("sources", number(len(colours))),
        ("most often read", f"{max(source['times_read'] for source in mixture['sources'].values()):.2f} times"),
    ]
    return page(
        f"Mixture {mixture['name']}",
        tiles(facts),
        "<h2>Shares of the phases</h2>",
        *(_shares(name, phase, colours) for name, phase in phases.items()),
        f'<p class="legend">{"".join(key(hue, name) for name, hue in colours.items())}</p>',
        "<h2>Phases and sources</h2>",
        _phases(phases, colours),
        "<h2>Sources over all phases</h2>",
        _sources(mixture, colours),
        *_topics(mixture),
        "<h2>Lengths of documents</h2>",
        '<p class="soft">Tokens of a document, by powers of two; heights are square roots of the counts.</p>',
        _lengths(phases, colours),
        "<h2>What the model will read</h2>",
        '<p class="soft">Places drawn evenly from all tokens of the final streams.</p>',
        *(_window(window, colours) for window in mixture["preview"]),
    )


def _shares(name: str, phase: dict[str, Any], colours: dict[str, str]) -> str:
    title = f"<h3>{text(name)} <span class=soft>{number(phase['tokens'])} tokens</span></h3>"
    return title + stack((colours[source], row["tokens"]) for source, row in phase["sources"].items())


def _phases(phases: dict[str, Any], colours: dict[str, str]) -> str:
    rows = []
    for name, phase in phases.items():
        for source, row in phase["sources"].items():
            cells = [
                text(name),
                key(colours[source], source),
                number(row["asked"]),
                number(row["tokens"]),
                f"{row['deviation']:+,}",
            ]
            rows.append(
                [
                    *cells,
                    percent(row["tokens"], phase["tokens"]),
                    number(row["documents"]),
                    wrapped(_readings(row["readings"])),
                ]
            )
        budget = number(phase["budget"]) if phase["budget"] else "all"
        rows.append(
            [
                f"<b>{text(name)}</b>",
                "all",
                budget,
                number(phase["tokens"]),
                "",
                "100.00 %",
                number(phase["documents"]),
                "",
            ]
        )
    headings = ["phase", "source", "tokens asked", "tokens", "off by", "share", "documents", "readings of documents"]
    return table(headings, rows, left=2)


def _readings(counts: list[int]) -> str:
    return ", ".join(f"{number(count)} for the {place}. time" for place, count in enumerate(counts, 1) if count)


def _sources(mixture: dict[str, Any], colours: dict[str, str]) -> str:
    rows = []
    for name, source in mixture["sources"].items():
        cells = [
            key(colours[name], name),
            number(source["documents"]),
            number(source["tokens"]),
            number(source["tokens_left_by_caps"]),
        ]
        rows.append(
            [*cells, number(source["tokens_taken"]), f"{source['times_read']:.3f}", f"{mixture['max_repeats']:g}"]
        )
    return table(["source", "documents", "tokens", "left by topic caps", "taken", "times read", "at most"], rows)


def _topics(mixture: dict[str, Any]) -> list[str]:
    if not any(phase["topics"] for phase in mixture["phases"].values()):
        return []
    rows = []
    for name, phase in mixture["phases"].items():
        for topic, row in phase["topics"].items():
            cap = mixture["topic_caps"].get(topic)
            cells = [text(name), text(topic), number(row["documents"]), f"{100 * row['share']:.2f} %"]
            rows.append([*cells, "–" if cap is None else f"{100 * cap:g} %"])
    return ["<h2>Topics</h2>", table(["phase", "topic", "documents", "share", "cap"], rows, left=2)]


def _lengths(phases: dict[str, Any], colours: dict[str, str]) -> str:
    figures = []
    for name, phase in phases.items():
        for source, row in phase["sources"].items():
            there = [place for place, count in enumerate(row["lengths"]) if count]
            if there:
                counts = row["lengths"][there[0] : there[-1] + 1]
                low, high = f"{1 << there[0]:,}", f"{2 << there[-1]:,} tokens"
                picture = histogram(counts, low, high, f"Lengths of {source} in {name}", colour=colours[source])
                figures.append(figure(picture, f"{text(name)}: {text(source)}", "card"))
    return f'<div class="grid">{"".join(figures)}</div>'


def _window(window: dict[str, Any], colours: dict[str, str]) -> str:
    pieces = []
    for piece in window["documents"]:
        of = f"tokens from {number(piece['from_token'])} of {number(piece['of_tokens'])}"
        again = f", read for the {piece['reading']}. time" if piece["reading"] > 1 else ""
        cite = (
            f"{key(colours[piece['source']], piece['source'])} document {number(piece['document'])},"
            f" {of}{again}<br>{text(piece['origin'])}"
        )
        style = f"border-color:var(--{colours[piece['source']]})"
        pieces.append(f'<blockquote style="{style}"><cite>{cite}</cite>{text(piece["text"])}</blockquote>')
    return f"<h3>{text(window['phase'])}, token {number(window['token'])}</h3>{''.join(pieces)}"
