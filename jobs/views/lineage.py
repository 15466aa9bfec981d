"""Lineage of an artefact: what it was made of, back to tokenizer and text, and where bytes are no longer those that
were used.

Every artefact has a manifest with the digests of its own files and of what it read. Both ends of every arrow are
compared, and the files themselves: by size and time where a manifest has those, else by digest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from common import manifest as manifests
from common.errors import UserError
from common.files import digest_of, has_digest, read_json
from common.layout import TOKENIZER
from data_prep.sources.inputs import span_digest, stamp
from model.training.checkpoints.checkpoints import read_checkpoint, verify
from model.training.timeline.phase import MAIN

TEXTS = 10
"""Text files that are listed for one artefact; those that changed always are."""
Files = dict[str, str]
"""Digest by the name of a file below the artefact's folder."""


@dataclass
class Node:
    """One artefact, or one text file."""

    title: str
    facts: str = ""
    problems: list[str] = field(default_factory=list)
    """Where its bytes are not those that were used."""
    parents: list["Node"] = field(default_factory=list)
    """What it was made of."""

    @property
    def fits(self) -> bool:
        """Whether nothing below has a problem, itself included."""
        return not self.problems and all(parent.fits for parent in self.parents)


def lineage(folder: str | Path, used: Files | None = None) -> Node:
    """The artefact in ``folder`` with everything that it was made of. ``used``: digests of its files when it was used.

    Raises UserError where ``folder`` is none and nothing says that it was."""
    folder = Path(folder)
    if not (folder / manifests.NAME).is_file():
        if used is None:
            raise UserError(
                f"{folder} has no {manifests.NAME}; name an export, a checkpoint, a run, or a folder of tokens or "
                "a tokenizer"
            )
        return _without_manifest(folder, used)
    manifest = manifests.read(folder)
    kind = manifest.get("kind", "artefact")
    made = manifest.get("created", "")[:16].replace("T", " ")
    node = Node(f"{kind} {folder}", "  ".join(filter(None, [made, FACTS.get(kind, lambda _: "")(manifest)])))
    now = manifest.get("files", {})
    node.problems += [
        f"{name} is not the one that was used"
        for name, value in (used or {}).items()
        if name in now and now[name] != value
    ]
    node.problems += CHECKS.get(kind, _files)(folder, manifest)
    node.parents += PARENTS.get(kind, lambda *_: [])(folder, manifest)
    return node


def _without_manifest(folder: Path, used: Files) -> Node:
    """A tokenizer of somebody else, or something that is gone."""
    node = Node(str(folder))
    if not folder.is_dir():
        node.problems.append(_gone(folder))
        return node
    for name, value in used.items():
        if not (folder / name).is_file():
            node.problems.append(f"{name} is gone")
        elif not has_digest(folder / name, value):
            node.problems.append(f"{name} is not the one that was used")
    return node


def _files(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Files that are not those of the manifest."""
    found = []
    for name, value in manifest.get("files", {}).items():
        if not (folder / name).is_file():
            found.append(f"{name} is gone")
        elif manifest.get("output_stamps", {}).get(name) != stamp(folder / name) and not has_digest(
            folder / name, value
        ):
            found.append(f"{name} is not what was written")
    return found


def _checkpoint_files(folder: Path, manifest: dict[str, Any]) -> list[str]:
    problem = verify(read_checkpoint(folder))
    return [problem] if problem else []


def _export_parents(folder: Path, manifest: dict[str, Any]) -> list[Node]:
    parent = manifest["parent"]
    checkpoint = Path(parent["checkpoint"])
    if not (checkpoint / manifests.NAME).is_file():
        return [Node(f"checkpoint {checkpoint}", problems=["is gone"], parents=_runs(checkpoint.parents[1]))]
    node = lineage(checkpoint)
    if digest_of(manifests.read(checkpoint)["files"]) != parent["digest"]:
        node.problems.append("was written again since the export")
    return [node]


def _merge_parents(folder: Path, manifest: dict[str, Any]) -> list[Node]:
    nodes = []
    for parent in manifest["parents"]:
        place = Path(parent["folder"])
        checkpoint = place.parent if place.name == "hf" else place
        node = (
            lineage(checkpoint)
            if (checkpoint / manifests.NAME).is_file()
            else Node(f"model {place}", problems=[] if place.is_dir() else [_gone(place)])
        )
        node.facts = f"{node.facts}, weight {parent['weight']:.3g}".lstrip(", ")
        nodes.append(node)
    return nodes


def _checkpoint_parents(folder: Path, manifest: dict[str, Any]) -> list[Node]:
    run = folder.resolve().parents[1]
    nodes = _runs(run)
    known = manifests.read(run) if nodes and (run / manifests.NAME).is_file() else {}
    tokenizer = known.get("inputs", {}).get("tokenizer", {}).get("digests", {}).get(TOKENIZER)
    plan = known.get("plan")
    if isinstance(plan, dict):  # of a run in phases: phase -> digest up to it
        plan = plan.get(list(manifest.get("phases") or plan)[-1 if manifest.get("phases") else 0])
    for name, ours, theirs in (
        ("plan of the data", manifest.get("plan"), plan),
        ("tokenizer", manifest.get("tokenizer"), tokenizer),
    ):
        if nodes and ours and theirs and ours != theirs:
            nodes[0].problems.append(f"has another {name} than this checkpoint")
    return nodes


def _runs(folder: Path) -> list[Node]:
    return (
        [lineage(folder, {})] if (folder / manifests.NAME).is_file() else [Node(f"run {folder}", problems=["is gone"])]
    )


def _run_parents(folder: Path, manifest: dict[str, Any]) -> list[Node]:
    nodes = []
    if branch := manifest.get("branch"):
        checkpoint = Path(branch["checkpoint"])
        nodes.append(
            lineage(checkpoint)
            if (checkpoint / manifests.NAME).is_file()
            else Node(f"checkpoint {checkpoint}", "branched from; its content was copied")
        )
    if start := manifest.get("start"):
        nodes.append(lineage(start) if (Path(start) / manifests.NAME).is_file() else Node(f"weights {start}"))
    inputs = manifest.get("inputs", {})
    nodes += [
        lineage(found["path"], found["digests"])
        for name, found in inputs.items()
        if name != "tokenizer" or "tokens" not in inputs
    ]
    if (
        "tokens" in inputs and "tokenizer" in inputs
    ):  # tokens name their tokenizer by its digest alone: the run knows its folder
        tokenizer = lineage(inputs["tokenizer"]["path"], inputs["tokenizer"]["digests"])
        nodes[-1].parents.insert(0, tokenizer)
        file = Path(inputs["tokens"]["path"]) / manifests.NAME
        if file.is_file() and read_json(file).get("tokenizer") != inputs["tokenizer"]["digests"][TOKENIZER]:
            nodes[-1].problems.append("was made with another tokenizer than the run")
    return nodes


def _texts(folder: Path, manifest: dict[str, Any]) -> list[Node]:
    """The text of tokens or of a tokenizer: files that changed, and the first ones of the others."""
    if "adopt" in manifest["settings"]:
        return [Node(f"pair {manifest['settings']['adopt']}", "adopted: nothing is known of its text")]
    if "mixture" in manifest:
        return [lineage(source["folder"], source["files"]) for source in manifest["mixture"]["sources"]]
    files: dict[str, list[dict[str, Any]]] = {}
    for span in _spans(folder, manifest):
        files.setdefault(span["path"], []).append(span)
    nodes = {path: Node(f"text {path}", problems=_changes(Path(path), spans)) for path, spans in files.items()}
    chosen = sorted(nodes, key=lambda path: nodes[path].fits)[
        : max(TEXTS, sum(not node.fits for node in nodes.values()))
    ]
    for path in chosen:
        if (Path(path).parent / manifests.NAME).is_file():  # a job of ours made it
            nodes[path].parents.append(lineage(Path(path).parent))
    more = [Node(f"and {len(nodes) - len(chosen):,} more text files")] if len(nodes) > len(chosen) else []
    return [*(nodes[path] for path in chosen), *more]


def _spans(folder: Path, manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """path, start, end, stamp, sha256 of everything that was read."""
    if manifest["kind"] == "tokenizer":
        yield from ({"path": path, "start": 0, "end": None, **known} for path, known in manifest["inputs"].items())
        return
    for shard in manifest["shards"]:
        yield from manifests.read(folder / "shards" / shard["key"])["inputs"]


def _changes(path: Path, spans: list[dict[str, Any]]) -> list[str]:
    """Which of the bytes that were read from ``path`` are others now."""
    if not path.is_file():
        return [_gone(path)]
    found = []
    for span in spans:
        if stamp(path) != span["stamp"] and span_digest(path, span["start"], span["end"]) != span["sha256"]:
            part = "" if span["end"] is None else f"bytes {span['start']:,} to {span['end']:,}: "
            found.append(f"{part}changed since it was read")
    return found


def _gone(path: Path) -> str:
    return (
        "is gone"
        if path.is_absolute()
        else f"is not below {Path.cwd()}; look from the folder where the job was started"
    )


def _phases(checkpoint: dict[str, Any]) -> str:
    """What each phase has read of each source; nothing for a run of one phase."""
    phases = {name: known["sources"] for name, known in checkpoint.get("phases", {}).items() if name != MAIN}
    return "".join(
        f"\n{name}: " + ", ".join(f"{source} {count:,}" for source, count in counts.items())
        for name, counts in phases.items()
    )


FACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "export": lambda m: f"{m['parameters']:,} parameters",
    "checkpoint": lambda m: (
        f"{m['checkpoint']} checkpoint of step {m['step']:,}, {m.get('tokens') or 0:,} tokens{_phases(m)}"
    ),
    "run": lambda m: f"seed {m['seed']}, {m['status']}, step {m.get('step', 0):,}, attempts {len(m['attempts'])}",
    "tokens": lambda m: f"{m['documents']:,} documents, {m['tokens']:,} tokens",
    "tokenizer": lambda m: f"{m['vocab_size']:,} tokens of vocabulary",
}
PARENTS: dict[str, Callable[[Path, dict[str, Any]], list[Node]]] = {
    "export": _export_parents, "merge": _merge_parents, "checkpoint": _checkpoint_parents, "run": _run_parents,
    "tokens": _texts, "tokenizer": _texts,
}  # fmt: skip
CHECKS: dict[str, Callable[[Path, dict[str, Any]], list[str]]] = {"checkpoint": _checkpoint_files}


def render_lineage(folder: str | Path) -> Group:
    """The lineage as a tree; what no longer fits is said beside it."""
    root = lineage(folder)
    verdict = (
        Text("everything is as it was used", "green")
        if root.fits
        else Text("not everything is as it was used", "bold red")
    )
    return Group(_draw(root, Tree(_label(root), guide_style="dim")), Text(), verdict)


def _draw(node: Node, tree: Tree) -> Tree:
    for parent in node.parents:
        _draw(parent, tree.add(_label(parent)))
    return tree


def _label(node: Node) -> Text:
    facts = f"  {node.facts}" if node.facts else ""
    return Text.assemble(node.title, (facts, "dim"), ("".join(f"\n{problem}" for problem in node.problems), "bold red"))
