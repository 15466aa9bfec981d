"""Exact figures of a mixture: what each phase asked of each source, what it got, how often documents come again."""

from collections.abc import Mapping, Sequence
from typing import Any

from common.screen import screen
from conf.schema.mixture import MixtureConfig
from conf.schema.phase import PhaseConfig
from data_prep.mixture.draw import StratumShare
from data_prep.mixture.sources import Source, Stratum


def statistics(
    config: MixtureConfig,
    phases: Mapping[str, PhaseConfig],
    sources: Sequence[Source],
    strata: Sequence[Stratum],
    drawn: Mapping[str, Sequence[StratumShare]],
) -> dict[str, Any]:
    """The table of phases and sources, as JSON; what the written streams add comes with `add_written`."""
    return {
        "max_repeats": config.max_repeats,
        "topic_caps": dict(config.topic_caps),
        "sources": {source.name: _source(source, strata, drawn) for source in sources},
        "phases": {name: _phase(phases[name].tokens, shares) for name, shares in drawn.items()},
    }


def _source(source: Source, strata: Sequence[Stratum], drawn: Mapping[str, Sequence[StratumShare]]) -> dict[str, Any]:
    mine = [stratum for stratum in strata if stratum.source is source]
    taken = [share for shares in drawn.values() for share in shares if share.stratum.source is source]
    tokens = sum(stratum.tokens for stratum in mine)
    return {
        "folder": str(source.folder),
        "documents": source.documents,
        "tokens": source.index.tokens,
        "documents_left_by_caps": sum(stratum.documents for stratum in mine),
        "tokens_left_by_caps": tokens,
        "tokens_taken": sum(share.tokens for share in taken),
        "times_read": round(sum(share.tokens for share in taken) / tokens, 4) if tokens else 0.0,
    }


def _phase(budget: int, shares: Sequence[StratumShare]) -> dict[str, Any]:
    got, documents = sum(share.tokens for share in shares), sum(share.documents for share in shares)
    rows: dict[str, dict[str, Any]] = {}
    topics: dict[str, int] = {}
    for share in shares:
        row = rows.setdefault(share.stratum.source.name, {"asked": 0.0, "tokens": 0, "documents": 0})
        row["asked"] += share.asked
        row["tokens"] += share.tokens
        row["documents"] += share.documents
        if share.stratum.topic:
            topics[share.stratum.topic] = topics.get(share.stratum.topic, 0) + share.documents
    for row in rows.values():
        row["asked"] = round(row["asked"])
        row["deviation"] = row["tokens"] - row["asked"]
        row["share"] = round(row["tokens"] / got, 6) if got else 0.0
    return {
        "budget": budget,
        "tokens": got,
        "documents": documents,
        "sources": rows,
        "topics": {
            name: {"documents": count, "share": round(count / documents, 6)} for name, count in sorted(topics.items())
        },
    }


def add_written(mixture: dict[str, Any], manifests: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Add what only the written streams tell: lengths of documents by octave, and how many are read for the first,
    second, ... time."""
    for name, manifest in manifests.items():
        for source, row in mixture["phases"][name]["sources"].items():
            row["lengths"] = manifest["mixture"]["lengths"][source]
            row["readings"] = manifest["mixture"]["readings"][source]
        mixture["phases"][name]["files"] = manifest["files"]
    return mixture


def print_mixture(mixture: dict[str, Any]) -> None:
    """Print the table."""
    from rich.table import Table

    table = Table("phase", "source", "asked", "tokens", "share", "documents", "off by", title="mixture")
    for number, _ in enumerate(table.columns):
        table.columns[number].justify = "right" if number > 1 else "left"
    for phase, row in mixture["phases"].items():
        for source, figures in row["sources"].items():
            cells = (
                f"{figures['asked']:,}",
                f"{figures['tokens']:,}",
                f"{figures['share']:.2%}",
                f"{figures['documents']:,}",
                f"{figures['deviation']:+,}",
            )
            table.add_row(phase, source, *cells)
        table.add_row(
            phase,
            "all",
            f"{row['budget']:,}" if row["budget"] else "all",
            f"{row['tokens']:,}",
            "",
            f"{row['documents']:,}",
            "",
        )
        table.add_section()
    for name, figures in mixture["sources"].items():
        read = f"{figures['times_read']:g} times" if figures["times_read"] else "never read"
        table.add_row(
            "all", name, "", f"{figures['tokens_taken']:,} of {figures['tokens_left_by_caps']:,}", read, "", ""
        )
    screen().print(table)
