"""What a site would refuse, or queue for ever, said before anything is queued."""

from collections.abc import Iterator

from common.errors import suggestion
from conf.schema import ClusterConfig
from slurm.quantities import clock, mebibytes, seconds
from slurm.script import ranks_per_node
from slurm.site import Partition, Qos, Site, read_site

TICK = 30
"""Seconds between SLURM's looks at the time limits of its jobs."""


def refusals(cluster: ClusterConfig, site: Site | None = None) -> list[str]:
    """Why an array task that asks for ``cluster`` would be refused or never start, each with the mend; empty where
    SLURM should take it.

    Most sites queue what is larger than a partition and leave it there. ``site`` is read where it is not given. Raises
    SlurmError where the controller does not answer."""
    if cluster.kind != "slurm":
        return []
    wrong = [*_malformed(cluster)]
    if wrong:
        return wrong
    site = site or read_site()
    return [*_signal(cluster), *_account(cluster, site), *_qos(cluster, site), *_partitions(cluster, site)]


def _malformed(cluster: ClusterConfig) -> Iterator[str]:
    try:
        seconds(cluster.time)
    except ValueError as error:
        yield f"cluster.time: {error}; write minutes, hh:mm:ss or d-hh:mm:ss"
    try:
        mebibytes(cluster.mem or "0")
    except ValueError as error:
        yield f"cluster.mem: {error}; write 64G or 500M, or 0 for the whole node's"
    for key, least in (("nodes", 1), ("tasks_per_node", 0), ("gpus_per_node", 0), ("cpus_per_task", 1)):
        if getattr(cluster, key) < least:
            yield f"cluster.{key}={getattr(cluster, key)} is below {least}"


def _signal(cluster: ClusterConfig) -> Iterator[str]:
    lead, limit = cluster.signal_lead, seconds(cluster.time)
    if lead < TICK:
        yield f"cluster.signal_lead={lead} is too short: SLURM looks at time limits every {TICK} s; give {TICK} or more"
    elif limit and lead >= limit:
        yield (
            f"cluster.signal_lead={lead} s is not below cluster.time={cluster.time}, so array tasks would save and stop"
            " as they start"
        )


def _account(cluster: ClusterConfig, site: Site) -> Iterator[str]:
    if site.accounts is None or not site.enforces("associations"):
        return
    known = sorted(site.accounts)
    if not known:
        yield "SLURM knows no account of yours here and refuses jobs without one; ask the site for it"
    elif cluster.account and cluster.account.lower() not in known:
        near = suggestion(cluster.account.lower(), known)
        yield f"cluster.account={cluster.account} is no account of yours{near}; yours: {', '.join(known)}"


def _qos(cluster: ClusterConfig, site: Site) -> Iterator[str]:
    """An unknown quality of service, or one whose own time limit is passed."""
    if not cluster.qos:
        return
    mine = {} if site.accounts is None else site.accounts
    account = (cluster.account or "").lower()
    allowed = sorted({name for each in ([account] if account in mine else mine) for name in mine[each]})
    if site.enforces("qos") and allowed and cluster.qos not in allowed:
        yield (
            f"cluster.qos={cluster.qos} is not open to your account{suggestion(cluster.qos, allowed)}; yours:"
            f" {', '.join(allowed)}"
        )
    limit, asked = _quality(cluster, site).max_time, seconds(cluster.time)
    if site.enforces("limits") and limit and (asked or limit + 1) > limit:
        yield f"cluster.time={cluster.time} is above the limit of cluster.qos={cluster.qos}, {clock(limit)}; lower it"


def _quality(cluster: ClusterConfig, site: Site) -> Qos:
    """The quality of service that is asked for; one that may lift every limit where the site does not say."""
    unknown = Qos(None, ("PartitionTimeLimit", "PartitionMaxNodes")) if cluster.qos else Qos(None, ())
    return (site.qos or {}).get(cluster.qos or "", unknown)


def _partitions(cluster: ClusterConfig, site: Site) -> list[str]:
    """Why none of the partitions asked for would run it."""
    names, known = site.chosen(cluster.partition), sorted(site.partitions)
    if not names:
        return [f"this site has no default partition; set cluster.partition to one of {', '.join(known)}"]
    for name in names:
        if name not in known:
            return [
                f"cluster.partition={name}: there is no such partition{suggestion(name, known)}; there are:"
                f" {', '.join(known)}"
            ]
    reasons = [
        [*_limits(cluster, site, site.partitions[name]), *_sizes(cluster, site.partitions[name])] for name in names
    ]
    return [] if [] in reasons else reasons[0]


def _limits(cluster: ClusterConfig, site: Site, partition: Partition) -> Iterator[str]:
    """What the partition's settings forbid."""
    lifted, asked = _quality(cluster, site).flags, seconds(cluster.time)
    if partition.state in ("DRAIN", "INACTIVE"):
        yield (
            f"partition {partition.name} takes no jobs now (its state is {partition.state}); set cluster.partition to"
            " another"
        )
    if (
        partition.max_time
        and (asked or partition.max_time + 1) > partition.max_time
        and "PartitionTimeLimit" not in lifted
    ):
        yield (
            f"cluster.time={cluster.time} is above the limit of partition {partition.name},"
            f" {clock(partition.max_time)}; lower it: what is cut off goes on in its next attempt"
        )
    if partition.max_nodes is not None and cluster.nodes > partition.max_nodes and "PartitionMaxNodes" not in lifted:
        yield (
            f"cluster.nodes={cluster.nodes} is above the limit of partition {partition.name}, {partition.max_nodes};"
            " lower it"
        )


def _sizes(cluster: ClusterConfig, partition: Partition) -> Iterator[str]:
    """What its nodes are too small or too few for; those that are down now count, since they come back."""
    if not partition.nodes:
        return
    ranks, name = ranks_per_node(cluster), partition.name
    cpus, memory = ranks * cluster.cpus_per_task, mebibytes(cluster.mem or "0")
    most = {size: max(getattr(kind, size) for kind in partition.nodes) for size in ("gpus", "cpus", "memory")}
    if cluster.gpus_per_node > most["gpus"]:
        yield (
            f"cluster.gpus_per_node={cluster.gpus_per_node}: nodes of partition {name} have {most['gpus'] or 'no'} GPUs"
        )
    if cpus > most["cpus"]:
        asked = f"cluster.cpus_per_task={cluster.cpus_per_task}" + (
            f" for {ranks} ranks a node is {cpus} CPUs" if ranks > 1 else ""
        )
        yield f"{asked}: nodes of partition {name} have {most['cpus']}"
    if memory > most["memory"]:
        yield f"cluster.mem={cluster.mem}: nodes of partition {name} have {most['memory']}M"
    fitting = sum(
        kind.count
        for kind in partition.nodes
        if kind.gpus >= cluster.gpus_per_node and kind.cpus >= cpus and kind.memory >= memory
    )
    if 0 < fitting < cluster.nodes:
        yield (
            f"cluster.nodes={cluster.nodes}: partition {name} has {fitting} {'node' if fitting == 1 else 'nodes'} of"
            " that size"
        )
