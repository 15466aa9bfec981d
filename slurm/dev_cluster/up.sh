#!/usr/bin/env bash
# Boot a real SLURM on this machine: munge, MariaDB, slurmdbd, slurmctld and a few virtual nodes.
#
#   eval "$(slurm/dev_cluster/up.sh)"     standard output is the one line `export SLURM_CONF=...`; a cluster that is up is booted afresh
#   slurm/dev_cluster/down.sh             stops it
#
# Everything lies under $TERZI_CLUSTER; settings.sh has its size and ports, README.md the rest.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/settings.sh"
. "$here/configure.sh"

for daemon in munged mariadbd mariadb-install-db mariadb slurmdbd slurmctld slurmd sinfo; do
  command -v $daemon >/dev/null || die "$daemon is missing; on Debian and Ubuntu: apt-get install --no-install-recommends \
slurmctld slurmd slurm-client slurmdbd munge mariadb-server-core mariadb-client-core"
done

wait_for() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  while ((SECONDS < end)); do
    if timeout 10 "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  die "$what did not come up"
}

start_munge() {
  head -c 1024 /dev/urandom >"$F/munge/key"
  # --force: a socket that other users cannot reach, as here, is refused otherwise
  munged --force --key-file="$F/munge/key" --seed-file="$F/munge/seed" --num-threads=4 \
    --socket="$F/run/munge.socket" --pid-file="$F/run/munged.pid" --log-file="$F/log/munged.log"
}

start_accounting() {
  write_accounting "$host"
  mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$F/db" --skip-test-db \
    --auth-root-authentication-method=socket --auth-root-socket-user="$(id -un)" --skip-name-resolve >"$F/log/mariadb-install.log" 2>&1
  # no port at all: a socket within a folder that is ours alone; whoever booted it comes in by his user id, slurmdbd by its password, and
  # no account may read or write files
  setsid mariadbd --no-defaults --user="$(id -un)" --datadir="$F/db" --socket="$F/run/mariadb.socket" \
    --pid-file="$F/run/mariadbd.pid" --skip-networking --secure-file-priv="$F/none" --skip-name-resolve --skip-log-bin \
    --innodb-buffer-pool-size=32M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=0 --innodb-lock-wait-timeout=900 \
    --performance-schema=OFF --init-file="$F/etc/init.sql" >"$F/log/mariadbd.log" 2>&1 &
  wait_for 60 MariaDB mariadb --no-defaults --socket="$F/run/mariadb.socket" --execute="SELECT 1"
  MYSQL_UNIX_PORT="$F/run/mariadb.socket" slurmdbd
  wait_for 60 slurmdbd sacctmgr --noheader show cluster
  # a job under another account than `lab` is refused; limits are checked too, as sites do
  sacctmgr --immediate --quiet add cluster terzi >/dev/null
  sacctmgr --immediate --quiet add account lab cluster=terzi >/dev/null
  sacctmgr --immediate --quiet add user "$(id -un)" account=lab >/dev/null
  sacctmgr --immediate --quiet modify user "$(id -un)" set defaultaccount=lab >/dev/null
}

start_slurm() {
  slurmctld -f "$SLURM_CONF"
  for node in $(seq -f n%g "$NODES"); do "$here/node.sh" start "$node"; done
  wait_for 60 "$NODES idle nodes" bash -c "[ \$(sinfo --noheader --partition=main --Node --states=idle --format=%N | wc -l) = $NODES ]"
  # one job through the whole chain, so that the first one of the user meets a warm cluster
  timeout 60 srun --quiet --nodes="$NODES" --job-name=warm true || die "a first job did not run"
  wait_for 60 "accounting of a first job" bash -c '[ "$(sacct --noheader --allocations --parsable2 --format=State --jobs=1)" = COMPLETED ]'
}

if [ -e "$MARK" ]; then "$here/down.sh" --remove; fi
[ ! -d "$F" ] || rmdir "$F" 2>/dev/null || die "$F holds other things; set TERZI_CLUSTER to another folder"
for port in $PORT $((PORT + 1)) $(seq $((PORT + 11)) $((PORT + 10 + NODES))); do
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || die "port $port is taken; set TERZI_CLUSTER_PORT to another number"
done
mkdir -p "$(dirname "$F")"
mkdir -m 700 "$F" || die "somebody else has just made $F; set TERZI_CLUSTER to another folder"
touch "$MARK"
mkdir "$F"/{etc,run,log,state,dev,spool,munge,db,none}
for node in $(seq -f n%g "$NODES"); do mkdir "$F/spool/$node"; done
# what a failed boot has started is stopped again, and its last words are shown
trap 'status=$?; [ $status = 0 ] || { tail -n 3 "$F"/log/*.log >&2 || true; "$here/down.sh"; }; exit $status' EXIT

host=$(uname -n)
host=${host%%.*}
loopback=  # daemons listen on what the machine's name resolves to, which is best 127.0.0.1
case $(getent ahostsv4 "$host" | awk '{print $1; exit}') in
  127.*) loopback=yes ;;
  *) say "$host does not resolve to 127.0.0.1, so the daemons listen on every interface" ;;
esac
write_hosts
hosts_of_nodes=$host
if own_host_names; then hosts_of_nodes="n[1-$NODES]"; touch "$F/etc/own_host_names"; fi
[ "$hosts_of_nodes" != "n[1-1]" ] || hosts_of_nodes=n1
write_slurm_conf "$host" "$hosts_of_nodes"

start_munge
start_accounting
start_slurm
say "$NODES nodes of $CPUS CPUs and $GPUS fake GPUs are up in $F; stop them with slurm/dev_cluster/down.sh"
printf 'export SLURM_CONF=%q\n' "$SLURM_CONF"
