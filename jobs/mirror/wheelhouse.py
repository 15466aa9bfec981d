"""A folder of wheels from which nodes without an index install: what is pinned, and what that pulls in (CUDA libraries)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from common.errors import UserError
from common.files import make_folder, put_in_place
from common.progress import say
from common.remove import aside_of, remove_aside, sweep_asides
from conf.schema.fetch import FetchConfig

OLDEST_GLIBC = 5


def build(config: FetchConfig, dry_run: bool = False) -> None:
    """Fill `fetch.wheelhouse`. Packages that come as source only are built here, so those must be pure Python for another platform.

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
    wheels = list(folder.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels)
    say(f"{len(wheels)} wheels, {size / 1e6:.0f} MB, in {folder}; there install with")
    say(f"  python -m pip install --no-index --find-links {folder} -r {folder / lock.name}")


def _target(config: FetchConfig) -> list[str]:
    """pip's options for another machine; a wheel for an older glibc runs there too, and pip wants each one named."""
    options = ["--python-version", config.python] if config.python else []
    if not config.platform:
        return options
    newest = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", config.platform)
    names = [f"manylinux_2_{glibc}_{newest[2]}" for glibc in range(int(newest[1]), OLDEST_GLIBC - 1, -1)] if newest else [config.platform]
    if newest:
        names += [f"manylinux2014_{newest[2]}", f"linux_{newest[2]}"]
    return [*options, *(word for name in names for word in ("--platform", name))]


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        complaints = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        what = complaints[-1] if complaints else next(iter(done.stderr.strip().splitlines()[-1:]), "it ended without a word")
        raise UserError(f"pip {arguments[0]} failed: {what}; mend that and give the same command again")
