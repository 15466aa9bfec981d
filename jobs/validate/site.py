"""What SLURM would never start here, and what nodes without internet would not find."""

from common.errors import UserError
from conf.schema import Config
from jobs.checks import disk, hub
from jobs.checks.finding import MISSING
from slurm.limits import refusals
from slurm.site import read_site


def check(*configs: Config) -> None:
    """Raise UserError with every reason at once, in a fraction of a second and without importing what training needs.

    Points of a multirun that ask for the same resources are looked at together."""
    clusters = {repr(config.cluster): config.cluster for config in configs if config.cluster.kind == "slurm"}
    site = read_site() if clusters else None
    reasons = [reason for cluster in clusters.values() for reason in refusals(cluster, site)]
    for config in configs:
        for look in (disk.runs, hub.mirror):
            finding = look(config)
            if finding.state == MISSING:
                reasons.append(f"{finding.found}; {finding.mend}")
    if reasons:
        raise UserError("; ".join(dict.fromkeys(reasons)))
