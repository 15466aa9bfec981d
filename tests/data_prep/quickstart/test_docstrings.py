"""Reading docstrings: against Python's own `__doc__`, over broken files, with any number of workers."""

import email
import email.message
import email.parser
import inspect
import json
import sys
from pathlib import Path

import pytest

from data_prep.quickstart.docstrings import Source, environment, extract, list_sources, read_source

LONG = "This sentence is long enough to be worth reading, and it says nothing whatever about anything at all. " * 3


def source(path: Path) -> Source:
    return Source(path, "package", "package.module", path.stat().st_size)


def read(tmp_path: Path, code: str | bytes) -> list | str:
    path = tmp_path / "module.py"
    path.write_bytes(code.encode() if isinstance(code, str) else code)
    return read_source(source(path))


@pytest.mark.parametrize("module", [json, email.message, email.parser, json.decoder])
def test_reads_what_python_itself_calls_the_docstrings(module):
    by_name = {
        docstring.name: docstring
        for docstring in read_source(Source(Path(module.__file__), module.__name__, module.__name__, 0))
    }
    expected = {}
    things = [(module.__name__, module)]
    for name, thing in vars(module).items():
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__ == module.__name__:
            things.append((f"{module.__name__}.{name}", thing))
            if inspect.isclass(thing):
                members = [(n, m.fget if isinstance(m, property) else m) for n, m in vars(thing).items()]
                things += [
                    (f"{module.__name__}.{name}.{n}", m)
                    for n, m in members
                    if inspect.isfunction(m) and m.__name__ == n
                ]
    for name, thing in things:
        if thing.__doc__ and len(inspect.cleandoc(thing.__doc__)) > 200:
            expected[name] = inspect.cleandoc(thing.__doc__)
    assert expected and {name: docstring.text for name, docstring in by_name.items() if name in expected} == expected


def test_names_signatures_and_lines(tmp_path):
    code = f'''"""{LONG}"""
if True:
    class Outer(Base, metaclass=Meta):
        r"""{LONG}"""
        async def inner(self, a: int, *rest: str, b: float = 1.5, **more) -> "None":
            """{LONG}"""
            def nested():
                """{LONG}"""
        def short(self):
            """Too short."""
        def not_a_docstring(self):
            x = 1
            """{LONG}"""
else:
    try:
        pass
    except ImportError:
        def spare():
            """{LONG}"""
    finally:
        class Last:
            """{LONG}"""
'''
    docstrings = read(tmp_path, code)
    assert [(docstring.name, docstring.signature, docstring.line) for docstring in docstrings] == [
        ("package.module", "module package.module", 1),
        ("package.module.Outer", "class Outer(Base)", 3),
        ("package.module.Outer.inner", "def Outer.inner(self, a, *rest, b=1.5, **more)", 5),
        ("package.module.Outer.inner.nested", "def Outer.inner.nested()", 7),
        ("package.module.spare", "def spare()", 18),
        ("package.module.Last", "class Last()", 21),
    ]
    assert {docstring.text for docstring in docstrings} == {LONG.strip()}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("x = 1\n", "no triple quote"),
        (f'"""{LONG}"""\ndef f(:\n', "does not parse"),
        (f'"""{LONG}"""\nx = "\0"\n', "does not parse"),
        (f'"""{LONG}"""\n'.encode() + "é = 1".encode("latin-1"), "does not parse"),
        (f'# coding: klingon\n"""{LONG}"""\n', "does not parse"),
        (f'"""{LONG}"""\nx = {"-" * 100_000}1\n', "does not parse"),
        (f'"""{LONG}"""\nx = {"(" * 300}1{")" * 300}\n', "does not parse"),
    ],
)
def test_files_without_docstrings_are_named_by_reason(tmp_path, code, reason):
    assert read(tmp_path, code) == reason


def test_odd_files_are_read(tmp_path):
    latin = f'# coding: latin-1\n"""é {LONG}"""\n'.encode("latin-1")
    assert read(tmp_path, latin)[0].text.startswith("é This")
    assert read(tmp_path, b"\xef\xbb\xbf" + f'"""{LONG}"""\r\n'.encode())[0].text == LONG.strip()
    assert "\ud800" not in read(tmp_path, f'"""\\ud800 {LONG}"""\n')[0].text
    assert read_source(Source(tmp_path / "absent.py", "p", "p", 0)) == "unreadable"


def test_nothing_is_imported_or_run(tmp_path):
    marker = tmp_path / "ran"
    read(tmp_path, f'"""{LONG}"""\nopen({str(marker)!r}, "w")\n')
    assert not marker.exists()


@pytest.fixture
def tree(tmp_path) -> Path:
    """Two distributions, one of them with two top-level names, tests and vendored copies among them."""
    files = ["torch/__init__.py", "torch/nn/layers.py", "torchgen/model.py", "other.py", "own/core.py"]
    skipped = [
        "torch/tests/a.py",
        "pip/b.py",
        "own/_vendor/c.py",
        "own/test_d.py",
        "own/e_test.py",
        "own/conftest.py",
        "own/f.txt",
    ]
    for number, name in enumerate(files + skipped):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""{number} {LONG}"""\n' + f'def f{number}():\n    """Function {number} {LONG}"""\n' * 3)
    for name, record in (
        ("torch", ["torch/__init__.py", "torch/nn/layers.py", "torchgen/model.py"]),
        ("other-dist", ["other.py"]),
    ):
        info = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "RECORD").write_text("".join(f"{line},sha256=x,1\n" for line in record))
    return tmp_path


def test_sources_are_grouped_by_distribution_without_tests_and_copies(tree):
    grouped = {(source.module, source.package) for source in list_sources([tree])}
    modules = {
        ("torch", "torch"),
        ("torch.nn.layers", "torch"),
        ("torchgen.model", "torch"),
        ("other", "other-dist"),
        ("own.core", "own"),
    }
    assert grouped == modules
    assert environment([tree]) == {"python": sys.version.split()[0], "other-dist": "1.2", "torch": "1.2"}


def test_workers_change_nothing(tree, monkeypatch):
    monkeypatch.setattr("data_prep.quickstart.docstrings.CHUNK_BYTES", 1000)
    sources = list_sources([tree])
    alone = extract(sources, 1)
    assert len(alone[0]) == 20 and alone == extract(list(reversed(sources)), 3)
    part, skipped = extract(sources, 1, max_bytes=1000)
    assert 0 < len(part) < 20 and skipped["not needed"] > 0 and (part, skipped) == extract(sources, 2, max_bytes=1000)
