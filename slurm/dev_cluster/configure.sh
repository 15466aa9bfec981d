# Sourced by up.sh: functions that write the cluster's configuration under $F/etc.

write_hosts() { # every node's name resolves to this machine
  cp /etc/hosts "$F/etc/hosts"
  for node in $(seq -f n%g "$NODES"); do echo "127.0.0.1 $node" >>"$F/etc/hosts"; done
}

# With a host name and an /etc/hosts of its own for each node, `hostname` says n1, n2, ... in jobs, and those names resolve there.
# Only root may do so (CAP_SYS_ADMIN); else all nodes are called like this machine.
own_host_names() {
  unshare --mount --uts sh -c 'mount --bind "$1" /etc/hosts && hostname n1' sh "$F/etc/hosts" 2>/dev/null
}

write_slurm_conf() { # HOST HOST_NAMES_OF_NODES
  local names="n[1-$NODES]" ports="[$((PORT + 11))-$((PORT + 10 + NODES))]" gpus=
  [ "$NODES" != 1 ] || { names=n1; ports=$((PORT + 11)); }
  [ "$GPUS" = 0 ] || gpus="Gres=gpu:$GPUS"
  cat >"$F/etc/slurm.conf" <<CONF
ClusterName=terzi
SlurmctldHost=$1(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$F/run/munge.socket,cred_expire=5
${loopback:+CommunicationParameters=NoCtldInAddrAny,NoInAddrAny}

StateSaveLocation=$F/state
SlurmdSpoolDir=$F/spool/%n
SlurmctldPidFile=$F/run/slurmctld.pid
SlurmdPidFile=$F/run/slurmd-%n.pid
SlurmctldLogFile=$F/log/slurmctld.log
SlurmdLogFile=$F/log/slurmd-%n.log

# processes are followed by their parents: no control groups, so that any user may boot it
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
PropagateResourceLimits=NONE

# faults are noticed in seconds rather than minutes
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
MessageTimeout=5
BatchStartTimeout=10
KillWait=5
UnkillableStepTimeout=30
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,sched_min_interval=0
MinJobAge=600
MaxArraySize=16

SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=$((MEMORY / CPUS))
PriorityType=priority/basic
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 1))
AccountingStoragePass=$F/run/munge.socket
AccountingStorageEnforce=associations,limits,qos
${gpus:+GresTypes=gpu
AccountingStorageTRES=gres/gpu}

# config_overrides: CPUs and memory are as written here, whatever the machine has
SlurmdParameters=config_overrides
NodeName=$names NodeHostname=$2 NodeAddr=127.0.0.1 Port=$ports CPUs=$CPUS CoresPerSocket=$CPUS RealMemory=$MEMORY $gpus
PartitionName=main     Nodes=ALL Default=YES MaxTime=7-0 DefaultTime=60 PriorityTier=10 PreemptMode=OFF
PartitionName=low      Nodes=ALL MaxTime=7-0 DefaultTime=60 PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=lowgrace Nodes=ALL MaxTime=7-0 DefaultTime=60 PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
CONF
  printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' >"$F/etc/cgroup.conf"
  [ "$GPUS" = 0 ] || write_gpus "$names"
}

write_gpus() { # NODES: SLURM wants character devices, and links to one do
  local last=$((GPUS - 1)) number
  for number in $(seq 0 $last); do ln -sfn /dev/null "$F/dev/gpu$number"; done
  local files="$F/dev/gpu[0-$last]"
  [ "$GPUS" != 1 ] || files=$F/dev/gpu0
  echo "NodeName=$1 Name=gpu File=$files" >"$F/etc/gres.conf"
}

write_accounting() { # HOST
  local password
  password=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
  cat >"$F/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$F/run/munge.socket
DbdAddr=127.0.0.1
DbdHost=$1
DbdPort=$((PORT + 1))
${loopback:+CommunicationParameters=NoInAddrAny}
SlurmUser=$(id -un)
LogFile=$F/log/slurmdbd.log
PidFile=$F/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=$password
StorageLoc=slurm_acct_db
CONF
  cat >"$F/etc/init.sql" <<SQL
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY '$password';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';
SQL
}
