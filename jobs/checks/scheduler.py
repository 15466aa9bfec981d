"""SLURM: what it is here, what it allows, and whether it would run what the configuration asks for."""

import os

from common.errors import UserError
from conf.schema import Config
from jobs.checks.finding import MISSING, NOTE, OK, Finding
from slurm import commands
from slurm.limits import TICK, refusals
from slurm.quantities import clock
from slurm.site import Partition, Site, accounting_answers, read_site


def findings(config: Config) -> list[Finding]:
    """Some lines, or one where there is no SLURM here or its controller does not answer."""
    wanted = MISSING if config.cluster.kind == "slurm" else NOTE
    if not commands.available():
        return [
            Finding("SLURM", wanted, "sbatch and srun are not in the PATH", "jobs run in this process (cluster=local)")
        ]
    try:
        site = read_site()
    except UserError as error:
        return [
            Finding("SLURM", wanted, str(error), "set SLURM_CONF where its settings lie elsewhere, or try again later")
        ]
    asked = [request(config, site)] if config.cluster.kind == "slurm" else []
    return [
        controller(site),
        partitions(site),
        arrays(site),
        time_limits(config, site),
        requeue(config, site),
        accounting(site),
        *asked,
    ]


def controller(site: Site) -> Finding:
    """Who answers."""
    job = os.environ.get("SLURM_JOB_ID")
    found = (
        f"{site.settings.get('SLURM_VERSION', 'of unknown version')} of cluster"
        f" {site.settings.get('ClusterName', 'without a name')}"
    )
    return Finding("SLURM", OK, found + (f", inside job {job}" if job else ""))


def partitions(site: Site) -> Finding:
    """Each partition with its nodes."""
    if not site.partitions:
        return Finding("partitions", MISSING, "none that you may see", "ask the site which partitions are yours")
    return Finding("partitions", OK, "; ".join(_described(partition) for partition in site.partitions.values()))


def _described(partition: Partition) -> str:
    nodes = sum(kind.count for kind in partition.nodes)
    away = sum(
        kind.count for kind in partition.nodes if kind.state.startswith(("down", "drain", "fail", "maint", "unknown"))
    )
    gpus, cpus = (max((getattr(kind, size) for kind in partition.nodes), default=0) for size in ("gpus", "cpus"))
    limit = clock(partition.max_time) if partition.max_time else "no limit"
    state = "" if partition.state == "UP" else f", {partition.state}"
    default = " (default)" if partition.default else ""
    return (
        f"{partition.name}{default}: {nodes} nodes of {gpus} GPUs and {cpus} CPUs"
        + (f", {away} away" if away else "")
        + f", {limit}{state}"
    )


def arrays(site: Site) -> Finding:
    """How many array tasks a multirun may have."""
    size, jobs = site.number("MaxArraySize"), site.number("MaxJobCount")
    found = f"up to {size} array tasks each, {jobs} jobs in the queue of the whole cluster"
    if size < 2:
        return Finding(
            "arrays", NOTE, "MaxArraySize is 0 or 1: no arrays here", "every point of a multirun is a job of its own"
        )
    return Finding("arrays", OK, f"{found}; larger multiruns are split")


def time_limits(config: Config, site: Site) -> Finding:
    """When array tasks are told to save, and how long they may take."""
    wait, over = site.number("KillWait"), site.settings.get("OverTimeLimit", "0 min")
    lead = config.cluster.signal_lead
    found = (
        f"looked at every {TICK} s; the signal to save comes {lead} to {lead + 60} s before, the kill {wait} s after"
        " SIGTERM"
    )
    return Finding(
        "time limits", OK, found + ("" if over.startswith("0") else f"; {over} over the limit are tolerated")
    )


def requeue(config: Config, site: Site) -> Finding:
    """Whether what is cut off may go on."""
    default = site.settings.get("JobRequeue") == "1"
    found = "jobs may be requeued" if default else "JobRequeue=0: only jobs that ask for it are requeued, and ours do"
    if site.settings.get("PreemptType", "preempt/none") == "preempt/none":
        return Finding("requeue", OK, f"{found}; no preemption")
    names = site.chosen(config.cluster.partition)
    mine = [site.partitions[name] for name in names if name in site.partitions]
    lost = [partition.name for partition in mine if partition.preemption == "CANCEL"]
    if lost and config.cluster.requeue == "requeue":
        mend = (
            "set cluster.requeue=chain, or another partition: the checkpoint at the signal is kept, but nothing goes on"
            " by itself"
        )
        return Finding("requeue", NOTE, f"{found}; preempted jobs of {', '.join(lost)} are cancelled", mend)
    signal = (
        "the signal to save first"
        if "preempt_send_user_signal" in site.settings.get("SlurmctldParameters", "")
        else "SIGTERM only"
    )
    fates = ", ".join(
        f"{each.name}: {each.preemption.lower()} after {each.grace} s" for each in mine if each.preemption != "OFF"
    )
    return Finding(
        "requeue",
        OK,
        f"{found}; " + (f"preempted jobs of {fates}, {signal}" if fates else "no preemption in your partition"),
    )


def accounting(site: Site) -> Finding:
    """Whether SLURM remembers what became of a job, and which accounts are yours."""
    accounts = (
        f"your accounts: {', '.join(sorted(site.accounts)) or 'none'}"
        if site.accounts is not None
        else "sacctmgr does not answer"
    )
    if not accounting_answers():
        mend = "causes of failures come from our own logs alone, and a job that dies hard is noticed late"
        return Finding("accounting", NOTE, f"sacct does not answer; {accounts}", mend)
    return Finding("accounting", OK, f"sacct answers; {accounts}")


def request(config: Config, site: Site) -> Finding:
    """What this configuration asks for."""
    cluster = config.cluster
    if wrong := refusals(cluster, site):
        return Finding("request", MISSING, "; ".join(wrong), "mend these keys of cluster")
    where = cluster.partition or ",".join(site.chosen(None))
    nodes = f"{cluster.nodes} {'node' if cluster.nodes == 1 else 'nodes'}"
    return Finding(
        "request", OK, f"{nodes} with {cluster.gpus_per_node} GPUs each in {where} for {cluster.time} would be taken"
    )
