"""A folder of wheels from which nodes without an index install: what is pinned, and what that pulls in (CUDA
libraries)."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from common.errors import UserError
from common.files import atomic_file, digest, make_folder, put_in_place
from common.progress import say
from common.remove import aside_of, remove_aside, sweep_asides
from conf.schema.fetch import FetchConfig

OLDEST_GLIBC = 5


def build(config: FetchConfig, dry_run: bool = False) -> None:
    """Fill `fetch.wheelhouse`, with a lock file of the digests of what is there (`pip install --require-hashes`).
    Packages that come as source only are built here, so those must be pure Python for another platform.

    Raises UserError with pip's own complaint."""
    lock, folder = Path(config.requirements), Path(config.wheelhouse).absolute()
    if not lock.is_file():
        raise UserError(f"fetch.requirements={lock} does not exist; name a file of pinned packages")
    if dry_run:
        say(f"would fill {folder} with the wheels of {lock}{f' for {config.platform}' if config.platform else ''}")
        return
    make_folder(folder)
    target = _target(config)
    sweep_asides(folder, "fetched")
    fetched = aside_of(folder / "fetched")
    found = ("--find-links", str(folder), "--requirement", str(lock), *target)
    try:
        _pip("download", "--dest", str(fetched), *found, "--no-deps")
        for file in sorted(fetched.iterdir()):
            if file.suffix == ".whl":
                put_in_place(file, folder / file.name)
            else:
                _pip("wheel", "--wheel-dir", str(folder), "--no-deps", str(file))
    finally:
        remove_aside(fetched)
    _pip("download", "--dest", str(folder), *found, "--only-binary", ":all:")
    shutil.copyfile(lock, folder / lock.name)
    wheels = sorted(folder.glob("*.whl"))
    hashed = folder / f"{lock.stem}.hashes{lock.suffix}"
    with atomic_file(hashed, "w", encoding="utf-8") as file:
        file.writelines(_with_hashes(wheels, lock))
    size = sum(wheel.stat().st_size for wheel in wheels)
    say(f"{len(wheels)} wheels, {size / 1e6:.0f} MB, in {folder}; there install with")
    say(f"  python -m pip install --no-index --find-links {folder} --require-hashes -r {hashed}")


def _with_hashes(wheels: Iterable[Path], lock: Path) -> Iterator[str]:
    """A line a package: its version and the digests of its wheels, those of other platforms too. Of several versions
    (an older lock filled the same folder before) that of ``lock`` counts, else the newest."""
    found: dict[str, dict[Version, list[Path]]] = {}
    for wheel in wheels:
        name, version, *_ = parse_wheel_filename(wheel.name)
        found.setdefault(name, {}).setdefault(version, []).append(wheel)
    lines = [line.partition("#")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    asked = {
        canonicalize_name(one.name): one.specifier
        for one in (Requirement(line) for line in lines if line and line[0] != "-")
    }
    for name, versions in sorted(found.items()):
        version = max(versions, key=lambda one: (name in asked and asked[name].contains(one, prereleases=True), one))
        yield f"{name}=={version} {' '.join(f'--hash=sha256:{digest(wheel)}' for wheel in versions[version])}\n"


def _target(config: FetchConfig) -> list[str]:
    """pip's options for another machine; a wheel for an older glibc runs there too, and pip wants each one named."""
    options = ["--python-version", config.python] if config.python else []
    if not config.platform:
        return options
    newest = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", config.platform)
    names = (
        [f"manylinux_2_{glibc}_{newest[2]}" for glibc in range(int(newest[1]), OLDEST_GLIBC - 1, -1)]
        if newest
        else [config.platform]
    )
    if newest:
        names += [f"manylinux2014_{newest[2]}", f"linux_{newest[2]}"]
    return [*options, *(word for name in names for word in ("--platform", name))]


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        complaints = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        what = (
            complaints[-1]
            if complaints
            else next(iter(done.stderr.strip().splitlines()[-1:]), "it ended without a word")
        )
        raise UserError(f"pip {arguments[0]} failed: {what}; mend that and give the same command again")
