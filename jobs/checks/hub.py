"""The Hugging Face hub: whether it may be reached, and what the configuration names there."""

import os

from conf.schema import Config
from jobs.checks.finding import MISSING, NOTE, OK, Finding

SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")


def hub(config: Config) -> Finding:
    """Whether the Hugging Face libraries may use the network."""
    found = (
        ", ".join(f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ) or "no offline switch is set"
    )
    if config.cluster.kind == "slurm" and config.cluster.offline:
        return Finding("Hugging Face hub", OK, f"{found}; jobs run with the hub off (cluster.offline)")
    off = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON")
    mend = "" if off else "HF_HUB_OFFLINE=1 where there is no internet, so that nothing waits for it"
    return Finding("Hugging Face hub", OK if off else NOTE, found, mend)


def mirror(config: Config) -> Finding:
    """The cache of what was fetched for nodes without internet."""
    from common.artefacts import cache_folder, missing

    folder = cache_folder(config.fetch.cache)
    if lacking := missing(config):
        return Finding(
            "mirror",
            MISSING,
            f"{', '.join(lacking)}: not in {folder}",
            "python -m jobs.fetch with these arguments, where there is internet",
        )
    return Finding(
        "mirror",
        OK,
        str(folder) if folder.is_dir() else f"{folder} is not there yet; this configuration needs nothing of it",
    )
