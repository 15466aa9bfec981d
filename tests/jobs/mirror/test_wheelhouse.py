"""A wheelhouse of two tiny packages, one of them as source only; pip's index is a folder."""

import subprocess
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from common.errors import UserError
from conf.schema.fetch import FetchConfig
from jobs.mirror.wheelhouse import build

BACKEND = """
import zipfile
def build_wheel(folder, *_):
    name = "from_source-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
    return name
"""


def wheel_files(name: str) -> dict[str, str]:
    return {
        f"{name}.py": f"name = '{name}'",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/RECORD": "",
    }


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder with a wheel and a source archive, and nothing else for pip to look at."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "a_wheel-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in wheel_files("a_wheel").items():
            wheel.writestr(path, text)
    source = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: from_source\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": f"FILES = {wheel_files('from_source')!r}\n{BACKEND}",
    }
    with tarfile.open(folder / "from_source-1.0.tar.gz", "w:gz") as archive:
        for path, text in source.items():
            entry = tarfile.TarInfo(f"from_source-1.0/{path}")
            entry.size = len(text)
            archive.addfile(entry, BytesIO(text.encode()))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_what_is_pinned_installs_from_the_folder_alone(index, tmp_path, monkeypatch, capfd):
    lock, wheels = tmp_path / "some.lock", tmp_path / "wheels"
    lock.write_text("a_wheel==1.0\nfrom_source==1.0\n")
    wheels.mkdir()
    for name in ("thesis.zip", "data.tar.gz"):
        (wheels / name).write_text("do not lose")
    build(FetchConfig(wheelhouse=str(wheels), requirements=str(lock), platform="manylinux_2_28_aarch64", python="3.12"))
    assert {path.name for path in wheels.iterdir()} == {
        "a_wheel-1.0-py3-none-any.whl", "from_source-1.0-py3-none-any.whl", "some.lock", "some.hashes.lock",
        "thesis.zip",
        "data.tar.gz",
    }  # fmt: skip
    command = capfd.readouterr().err.strip().splitlines()[-1].split()
    hashes = ["--require-hashes", "-r", str(wheels / "some.hashes.lock")]
    assert command == ["python", "-m", "pip", "install", "--no-index", "--find-links", str(wheels), *hashes]
    monkeypatch.delenv("PIP_FIND_LINKS")
    subprocess.run([sys.executable, *command[1:], "--quiet", "--target", str(tmp_path / "there")], check=True)
    assert (tmp_path / "there/from_source.py").read_text() == "name = 'from_source'"


def test_a_package_that_is_nowhere_is_one_sentence(index, tmp_path):
    lock = tmp_path / "some.lock"
    lock.write_text("a_wheel==2.0\n")
    with pytest.raises(
        UserError, match=r"^pip download failed: No matching distribution found for a_wheel==2\.0; mend that"
    ):
        build(FetchConfig(wheelhouse=str(tmp_path / "wheels"), requirements=str(lock)))
    with pytest.raises(UserError, match=r"fetch\.requirements=none\.lock does not exist"):
        build(FetchConfig(wheelhouse=str(tmp_path / "wheels"), requirements="none.lock"))


def test_a_dry_run_writes_nothing(tmp_path):
    build(FetchConfig(wheelhouse=str(tmp_path / "wheels")), dry_run=True)
    assert not (tmp_path / "wheels").exists()


def test_a_wheel_that_is_not_the_one_that_was_fetched_is_not_installed(index, tmp_path, monkeypatch, capfd):
    lock, wheels = tmp_path / "some.lock", tmp_path / "wheels"
    lock.write_text("a_wheel==1.0  # pinned\n\n")
    wheels.mkdir()
    (wheels / "a_wheel-2.0-py3-none-any.whl").write_bytes((index / "a_wheel-1.0-py3-none-any.whl").read_bytes())
    build(FetchConfig(wheelhouse=str(wheels), requirements=str(lock)))
    command = [
        sys.executable,
        *capfd.readouterr().err.strip().splitlines()[-1].split()[1:],
        "--quiet",
        "--target",
        str(tmp_path / "there"),
    ]
    monkeypatch.delenv("PIP_FIND_LINKS")
    with zipfile.ZipFile(wheels / "a_wheel-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("evil.py", "")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode and "DO NOT MATCH THE HASHES" in done.stderr and not (tmp_path / "there").exists()
    (wheels / "a_wheel-1.0-py3-none-any.whl").write_bytes((index / "a_wheel-1.0-py3-none-any.whl").read_bytes())
    assert subprocess.run(command).returncode == 0
