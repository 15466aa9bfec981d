"""Python and its packages: those that training needs, and those that make it faster."""

import importlib.metadata
import platform
import sys

from packaging.requirements import Requirement

from conf.schema import Config
from jobs.checks.finding import MISSING, NOTE, OK, Finding, attempt


def python(config: Config) -> Finding:
    """The interpreter and the system."""
    version, system = platform.python_version(), f"{platform.system()} {platform.machine()}"
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13) and platform.system() == "Linux"
    return Finding(
        "python", OK if fits else MISSING, f"{version}, {system}", "" if fits else "use CPython 3.11 to 3.13 on Linux"
    )


def requirements(config: Config) -> Finding:
    """Versions of what setup.py asks for."""
    try:
        asked = [Requirement(line) for line in importlib.metadata.requires("terzi") or []]
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            "requirements",
            NOTE,
            "this package is not installed, so its list was not read",
            "make setup, or pip install -e .",
        )
    asked = [package for package in asked if package.marker is None or package.marker.evaluate({"extra": ""})]
    faults = [fault for package in asked if (fault := _fault(package))]
    if faults:
        return Finding("requirements", MISSING, "; ".join(faults), "make setup, or pip install -r requirements.lock")
    return Finding("requirements", OK, f"{len(asked)} packages in the versions that setup.py asks for")


def _fault(package: Requirement) -> str | None:
    try:
        version = importlib.metadata.version(package.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{package} is not installed"
    return (
        None
        if package.specifier.contains(version, prereleases=True)
        else f"{package.name} {version} is not {package.specifier}"
    )


def torch(config: Config) -> Finding:
    """PyTorch and the CUDA that it was built for."""
    module = attempt("torch")
    if isinstance(module, str):
        return Finding("torch", MISSING, module, "make setup")
    build = (
        f"CUDA {module.version.cuda}"
        if module.version.cuda
        else f"ROCm {module.version.hip}"
        if module.version.hip
        else "CPU build"
    )
    return Finding("torch", OK, f"{module.__version__}, {build}")


def megatron_core(config: Config) -> Finding:
    """The layers, the optimizer and the checkpoints."""
    return _required("megatron-core", "model.megatron")  # imports it, without its warnings of what is reported here


def transformers(config: Config) -> Finding:
    """What exports are checked with."""
    return _required("transformers", "transformers")


def tokenizer(config: Config) -> Finding:
    """What encodes in bulk; `jobs.prepare` falls back to slower libraries where it refuses a tokenizer."""
    return _required("gigatoken", "gigatoken", "tokenizer")


def flash_attn(config: Config) -> Finding:
    """Faster attention."""
    return _optional(
        "flash-attn", "flash_attn", "flash_attn_varlen_func", "pip install flash-attn --no-build-isolation"
    )


def apex(config: Config) -> Finding:
    """A fused Adam."""
    mend = "build it from NVIDIA's source: the `apex` of the package index is a web toolkit"
    return _optional("apex", "apex.optimizers", "FusedAdam", mend)


def transformer_engine(config: Config) -> Finding:
    """Another fused Adam."""
    return _optional(
        "transformer-engine",
        "transformer_engine.pytorch.optimizers",
        "FusedAdam",
        "pip install transformer-engine[pytorch]",
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _required(package: str, module: str, name: str = "") -> Finding:
    found = attempt(module)
    if isinstance(found, str):
        return Finding(name or package, MISSING, found, "make setup")
    return Finding(name or package, OK, f"{package} {_version(package)}" if name else _version(package))


def _optional(package: str, module: str, symbol: str, mend: str) -> Finding:
    """A package that only a GPU can use."""
    found, pytorch = attempt(module), attempt("torch")
    if hasattr(found, symbol):
        return Finding(package, OK, _version(package))
    why = found if isinstance(found, str) else f"there is no {symbol} in {module}"
    on_gpu = not isinstance(pytorch, str) and pytorch.cuda.is_available()
    return Finding(package, NOTE, why, f"optional: {mend}" if on_gpu else "optional, of use on a GPU only")
