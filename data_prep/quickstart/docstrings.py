"""Documentation strings of installed packages, read with `ast`: real text that every machine has. Nothing is
imported."""

import ast
import gc
import importlib.metadata
import inspect
import math
import multiprocessing
import os
import platform
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.children import die_with_parent, starting
from common.progress import Bar
from data_prep.quickstart.group_split import share_of

MIN_CHARACTERS = 200
SKIPPED_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "pip"}
SKIPPED_FOLDERS |= {"vendor", "_vendor", "vendored", "_vendored", "extern", "externals"}
CHUNK_BYTES = 1_000_000
NESTED = ("body", "handlers", "orelse", "finalbody", "cases")


@dataclass(frozen=True)
class Source:
    """A Python file: where it is, the package it belongs to (the unit of splitting) and its dotted module name."""

    path: Path
    package: str
    module: str
    size: int


@dataclass(frozen=True)
class Docstring:
    """A documentation string: its cleaned text, the dotted name of what it documents, and that thing's signature."""

    text: str
    name: str
    signature: str
    package: str
    line: int


def installed_roots() -> list[Path]:
    """Folders of the standard library and of the current environment's packages."""
    paths = sysconfig.get_paths()
    return [Path(path) for path in dict.fromkeys([paths["stdlib"], paths["purelib"], paths["platlib"]])]


def environment(roots: Sequence[Path]) -> dict[str, str]:
    """Versions that decide what `extract` reads below ``roots``: of Python and of every distribution."""
    versions = {
        dist.name: dist.version for dist in importlib.metadata.distributions(path=[str(root) for root in roots])
    }
    return {"python": platform.python_version(), **dict(sorted(versions.items()))}


def _owners(root: Path) -> dict[str, str]:
    """Distribution that installed each top-level name of ``root``: `torchgen` and `torch` share vocabulary, so they
    must not be split."""
    owners: dict[str, str] = {}
    for dist in importlib.metadata.distributions(path=[str(root)]):
        name = dist.name
        for line in (dist.read_text("RECORD") or "").splitlines():
            top = line.split("/", 1)[0].split(",", 1)[0].removesuffix(".py")
            owners[top] = min(owners.get(top, name), name)
    return owners


def list_sources(roots: Sequence[Path]) -> list[Source]:
    """Every Python file below ``roots`` that is neither a test nor a vendored copy, sorted within each root."""
    sources = []
    for root in roots:
        owners = _owners(root)
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
            for name in sorted(names):
                if not name.endswith(".py") or name.startswith(("test_", "conftest.")) or name.endswith("_test.py"):
                    continue
                path = Path(folder, name)
                parts = path.relative_to(root).with_suffix("").parts
                module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                if path.is_file():
                    sources.append(Source(path, owners.get(parts[0], parts[0]), module, path.stat().st_size))
    return sources


def _signature(node: ast.AST, name: str) -> str:
    """`def f(a, b=1)` or `class C(Base)`: parameters with their defaults, without annotations, which would fill the
    encoder's window."""
    if isinstance(node, ast.ClassDef):
        return f"class {name}({', '.join(map(ast.unparse, node.bases))})"
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return f"def {name}({ast.unparse(node.args)})"


def _long_docstring(node: ast.AST) -> str:
    """The cleaned docstring of ``node`` if it is long enough, else the empty string. Lone surrogates, which UTF-8 has
    not, become ?."""
    raw = ast.get_docstring(node, clean=False) or ""
    text = inspect.cleandoc(raw).strip().encode("utf-8", "replace").decode() if len(raw) > MIN_CHARACTERS else ""
    return text if len(text) > MIN_CHARACTERS else ""


def _visit(node: ast.AST, scope: str, source: Source) -> Iterator[Docstring]:
    """Docstrings of ``node``'s definitions, in the order of the file; ``scope`` is the dotted name inside the
    module."""
    for field in NESTED:
        for child in getattr(node, field, ()):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                inner = f"{scope}.{child.name}" if scope else child.name
                if text := _long_docstring(child):
                    yield Docstring(
                        text, f"{source.module}.{inner}", _signature(child, inner), source.package, child.lineno
                    )
                yield from _visit(child, inner, source)
            elif any(hasattr(child, name) for name in NESTED):
                yield from _visit(child, scope, source)


def read_source(source: Source) -> list[Docstring] | str:
    """Docstrings of one file, or the reason there are none: `no triple quote`, `unreadable`, `does not parse`."""
    try:
        code = source.path.read_bytes()
    except OSError:
        return "unreadable"
    if b'"""' not in code and b"'''" not in code:
        return "no triple quote"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            docstrings = list(_visit(tree, "", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "does not parse"
    if text := _long_docstring(tree):
        docstrings.insert(0, Docstring(text, source.module, f"module {source.module}", source.package, 1))
    return docstrings


def _read_chunk(chunk: list[Source]) -> tuple[list[Docstring], Counter[str]]:
    docstrings: list[Docstring] = []
    skipped: Counter[str] = Counter()
    gc.disable()  # a syntax tree is many objects and no cycles; collecting them takes a fifth of the time
    try:
        for source in chunk:
            read = read_source(source)
            if isinstance(read, str):
                skipped[read] += 1
            else:
                docstrings += read
    finally:
        gc.enable()
    return docstrings, skipped


def _chunks(sources: Iterable[Source]) -> Iterator[list[Source]]:
    chunk: list[Source] = []
    size = 0
    for source in sources:
        chunk.append(source)
        size += source.size
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def extract(
    sources: Sequence[Source], workers: int = 1, max_bytes: float = math.inf
) -> tuple[list[Docstring], Counter]:
    """Docstrings longer than 200 characters, sorted by name, and how many files were passed over for what reason.

    Files are parsed by ``workers`` spawned processes in the order of a hash of the module's name, until about
    ``max_bytes`` of docstrings are found: an environment may hold more than is needed. The result does not depend on
    the number of workers."""
    chunks = list(_chunks(sorted(sources, key=lambda source: (share_of(source.module), source.module))))
    extracted: list[Docstring] = []
    skipped: Counter[str] = Counter()
    files = size = 0
    with Bar("read docstrings", round(sum(source.size for source in sources) / 1e6), "MB of code") as bar:
        for chunk, (docstrings, reasons) in zip(chunks, _map(chunks, workers), strict=False):
            extracted += docstrings
            skipped += reasons
            files += len(chunk)
            size += sum(len(docstring.text.encode()) for docstring in docstrings)
            bar.advance(sum(source.size for source in chunk) / 1e6, f"{size / 1e6:.1f} MB of docstrings")
            if size >= max_bytes:
                break
    if files < len(sources):
        skipped["not needed"] = len(sources) - files
    return sorted(extracted, key=lambda docstring: (docstring.name, docstring.line)), skipped


def _map(chunks: list[list[Source]], workers: int) -> Iterator[tuple[list[Docstring], Counter]]:
    if workers <= 1 or len(chunks) <= 1:
        yield from map(_read_chunk, chunks)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=die_with_parent) as pool:
        try:
            with starting():
                read = pool.map(_read_chunk, chunks)
            yield from read
        finally:
            pool.shutdown(cancel_futures=True)
