"""What a checkpoint was made of, by the manifests along the way: the net that training started from, the text that it
read, its languages and licences. What is gone from the disk, or was made by others, is left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from common import manifest as manifests
from common.artefacts import SCHEME, parse
from common.errors import UserError
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.run.config import read_config

MIRRORED = re.compile(r"(?:models|datasets)--([^/]+?)--([^/]+)/snapshots/")
STREAMED = "hub:"
GENERATIONS = 20
"""Runs that started from each other are followed so far."""
TEXTS = 5
"""Files that are named of one source."""
CORPUS = 2
"""Folders between a text that `jobs.corpus` wrote and its manifest: documents/<source>."""


@dataclass
class Read:
    """One source of the training."""

    name: str
    read: int
    """Tokens that the training has read of it."""
    tokens: int | None = None
    documents: int | None = None
    """What it holds."""
    texts: list[str] = field(default_factory=list)
    """Names of its files, or data sets."""

    def told(self) -> str:
        """Its name and size."""
        size = (
            f", which holds {self.tokens:,} tokens in {self.documents:,} documents"
            if self.tokens and self.documents
            else ""
        )
        more = f" and {len(self.texts) - TEXTS} more" if len(self.texts) > TEXTS else ""
        texts = f" ({', '.join(self.texts[:TEXTS])}{more})" if self.texts else ""
        return f"{self.name}{size}{texts}"


@dataclass
class Base:
    """The net that training started from."""

    name: str
    """That of its repository on the hub, else of its folder."""
    on_hub: bool
    card: dict[str, Any] = field(default_factory=dict)
    """Header of its model card."""


@dataclass
class Origins:
    """Of one checkpoint."""

    read: list[Read] = field(default_factory=list)
    base: Base | None = None
    languages: list[str] = field(default_factory=list)
    licences: dict[str, str] = field(default_factory=dict)
    """Source of a corpus -> licence of its documents."""
    datasets: list[str] = field(default_factory=list)
    """Data sets of the hub among the texts."""

    def told(self) -> str:
        """In Markdown: what the net started from and what it has read; empty where nothing is known."""
        parts = [f"Training started from {self.base.name}."] if self.base else []
        if self.languages:
            parts.append(f"Languages of the documents: {', '.join(self.languages)}.")
        if self.licences:
            parts.append(
                "Licences of the documents:"
                f" {', '.join(f'{licence} ({name})' for name, licence in self.licences.items())}."
            )
        if len(self.read) == 1:
            parts.insert(
                0, f"Up to this checkpoint the training has read {self.read[0].read:,} tokens of {self.read[0].told()}."
            )
        elif self.read:
            parts.append(
                f"Up to this checkpoint the training has read {sum(one.read for one in self.read):,} tokens:\n"
            )
        return (
            "\n".join(
                [" ".join(parts), *(f"- {one.read:,} of {one.told()}" for one in self.read if len(self.read) > 1), ""]
            )
            if parts
            else ""
        )


def origins(checkpoint: Checkpoint) -> Origins:
    """What is known of ``checkpoint``, which lies in its run."""
    run = checkpoint.folder.parents[1]
    found = Origins(base=base_of(run))
    folders = _folders(run)
    for name, read in checkpoint.manifest.get("sources", {}).items():
        place = Path(folders.get(name, name))
        manifest = _manifest(place)
        texts = list(manifest.get("inputs", {}))
        one = Read(
            _short(name, place),
            read,
            manifest.get("tokens"),
            manifest.get("documents"),
            list(dict.fromkeys(map(_text, texts))),
        )
        found.read.append(one)
        found.datasets = list(dict.fromkeys([*found.datasets, *filter(None, map(_dataset, texts))]))
        for source, known in _corpus_sources(texts):
            found.licences[source] = known.get("licence", "unknown")
            if (language := known.get("language")) and language not in found.languages:
                found.languages.append(language)
    return found


def name_of_start(run: Path) -> str:
    """What the net at step 0 of ``run`` is called: untrained, or "step 0" where it had weights of another training."""
    try:
        train = read_config(run)["train"]
    except (UserError, OSError, KeyError):
        return "untrained"
    return "step 0" if train.get("init_from") or train.get("branch_from") else "untrained"


def base_of(run: Path, generation: int = 0) -> Base | None:
    """The net that ``run``, or the run that it goes on from, started from; None where that was an untrained one, or is
    not known."""
    try:
        train = read_config(run)["train"]
        if place := train.get("branch_from"):
            return base_of(Path(place).parents[1], generation + 1) if generation < GENERATIONS else None
        return _base(train["init_from"], generation) if train.get("init_from") else None
    except (UserError, OSError, KeyError, TypeError, IndexError):
        return None


def _base(place: str, generation: int) -> Base | None:
    if place.startswith(SCHEME):
        return Base(parse(place).name, True)
    folder = Path(place)
    if mirrored := MIRRORED.search(f"{folder}/"):
        return Base(f"{mirrored[1]}/{mirrored[2]}", True, _card(folder))
    manifest = _manifest(folder)
    if generation < GENERATIONS and manifest.get("kind") in ("checkpoint", "export"):
        checkpoint = folder if manifest["kind"] == "checkpoint" else Path(manifest["parent"]["checkpoint"])
        return base_of(checkpoint.parents[1], generation + 1) or Base(manifest.get("name", folder.name), False)
    return Base(folder.resolve().name, False, _card(folder))


def _card(folder: Path) -> dict[str, Any]:
    """The header of README.md; empty where there is none."""
    file = folder / "README.md"
    try:
        found = re.match(r"---\n(.*?)\n---\n", file.read_text(encoding="utf-8"), re.DOTALL)
        header = yaml.safe_load(found[1]) if found else {}
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return header if isinstance(header, dict) else {}


def _folders(run: Path) -> dict[str, str]:
    """Source of a mixture -> folder of its tokens."""
    inputs = _manifest(run).get("inputs", {})
    phases = (_manifest(Path(one["path"])) for name, one in inputs.items() if name != "tokenizer")
    return {
        source["name"]: source["folder"] for phase in phases for source in phase.get("mixture", {}).get("sources", [])
    }


def _corpus_sources(texts: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Sources of the corpora that wrote ``texts``, with what their manifests say of them."""
    for place in dict.fromkeys(Path(text).parent for text in texts if not text.startswith(STREAMED)):
        manifest = _manifest(place.parents[CORPUS - 1]) if len(place.parents) >= CORPUS else {}
        if manifest.get("kind") == "corpus" and place.name in manifest["sources"]:
            yield place.name, manifest["sources"][place.name]


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = manifests.read(folder)
    except (UserError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _short(name: str, place: Path) -> str:
    """The name of a source: that of a folder of tokens without the path, which is nobody else's business."""
    if "/" not in name:
        return name
    return place.parent.name if place.name == "tokens" and place.parent.name else place.name


def _text(name: str) -> str:
    return _dataset(name) or Path(name.removeprefix(STREAMED).partition(",")[0]).name


def _dataset(name: str) -> str | None:
    if name.startswith(STREAMED):
        found = name.removeprefix(STREAMED).partition(",")[0]
        return found if re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", found) and not Path(found).exists() else None
    found = MIRRORED.search(name)
    return f"{found[1]}/{found[2]}" if found and "datasets--" in name else None
